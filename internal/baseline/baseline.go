// Package baseline is what trails are pinned to be, as a file that people review: trailwarden.baseline.yaml. It says
// what a captured trail looks like in it, what is doubtful about one, how states compare with it, and what is to be
// done: the plan as a document that can be kept, read and applied later, or refused when the trails have moved on.
//
// It calls nothing and reads no clock. Reading and writing YAML is baseline/file, apart from here because the
// Lambda function carries no parser of it.
package baseline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Version is that of the file's shape.
const Version = 1

// File is a baseline file.
type File struct {
	Version      int           `json:"version"`                // version of the file's shape
	Serial       int           `json:"serial"`                 // goes up with every change: an older file than the last one used is refused
	Captured     Captured      `json:"captured"`               // when it was last captured from live trails, and by whom
	Trails       []Trail       `json:"trails"`                 // pinned trails, in the order of their ARNs
	Requirements []Requirement `json:"requirements,omitempty"` // what must be covered, whatever the trails are called

	// Places says where things stand in the text that was read, by their paths such as "trails[0].tags".
	Places map[string]config.Place `json:"-"`
	Name   string                  `json:"-"` // of the text that was read, for messages
}

// Captured says when trails were read into the file, and who did it.
type Captured struct {
	At time.Time `json:"at"` // time of the capture
	By string    `json:"by"` // ARN of the principal
}

// Trail is one pinned trail: every setting, by the names that CloudTrail's API has for it.
type Trail struct {
	ARN       trail.ARN     `json:"arn"`                     // ARN of the trail, with its home Region
	Repair    []trail.Group `json:"repair" yaml:"optional"`  // groups that are repaired without asking; the others are reported
	Ignore    []trail.Field `json:"ignore,omitempty"`        // settings that are not compared
	Approvals []Approval    `json:"approvals,omitempty"`     // changes that people have agreed to, each for a time
	Logging   bool          `json:"logging" yaml:"optional"` // whether the trail records

	Bucket       string `json:"s3_bucket_name" yaml:"optional"`                 // bucket that log files go to
	BucketOwner  string `json:"s3_bucket_owner,omitempty"`                      // account that the bucket belongs to: no repair points the trail to a bucket of another; empty is not checked
	Prefix       string `json:"s3_key_prefix" yaml:"optional"`                  // before the names of log files
	Topic        string `json:"sns_topic_arn" yaml:"optional"`                  // topic that is told of new log files; empty is none
	Key          string `json:"kms_key_id" yaml:"optional"`                     // full ARN of the key that encrypts log files; empty is none
	LogGroup     string `json:"cloud_watch_logs_log_group_arn" yaml:"optional"` // log group that receives the events; empty is none
	LogRole      string `json:"cloud_watch_logs_role_arn" yaml:"optional"`      // role that writes to the log group
	MultiRegion  bool   `json:"is_multi_region_trail" yaml:"optional"`          // whether events of all Regions are recorded
	GlobalEvents bool   `json:"include_global_service_events" yaml:"optional"`  // whether events of IAM, STS and CloudFront are recorded
	Organization bool   `json:"is_organization_trail" yaml:"optional"`          // whether events of all accounts of the organization are recorded
	Validation   bool   `json:"log_file_validation_enabled" yaml:"optional"`    // whether digest files are delivered

	Selectors    Selectors         `json:"event_selectors" yaml:"optional"`            // which events are recorded
	Insights     []Insight         `json:"insight_selectors" yaml:"optional"`          // kinds of Insights events that are recorded
	Aggregations []Aggregation     `json:"aggregation_configurations" yaml:"optional"` // summaries of events that are delivered
	ContextKeys  []ContextKeys     `json:"context_key_selectors" yaml:"optional"`      // what enriches events
	EventSize    string            `json:"max_event_size" yaml:"optional"`             // Standard or Large
	Tags         map[string]string `json:"tags" yaml:"optional"`                       // tags, but for those that AWS itself sets
}

// Selectors are basic or advanced event selectors: one kind, never both.
type Selectors struct {
	Basic    []Selector         `json:"basic,omitempty"`    // basic event selectors
	Advanced []AdvancedSelector `json:"advanced,omitempty"` // advanced event selectors
}

// Selector is a basic event selector.
type Selector struct {
	ReadWrite      string         `json:"read_write_type"`                            // All, ReadOnly or WriteOnly
	Management     bool           `json:"include_management_events"`                  // whether management events are recorded
	ExcludeSources []string       `json:"exclude_management_event_sources,omitempty"` // services whose management events are left out
	Data           []DataResource `json:"data_resources,omitempty"`                   // data events
}

// DataResource selects data events of one type of resource.
type DataResource struct {
	Type   string   `json:"type"`   // such as AWS::S3::Object
	Values []string `json:"values"` // ARNs, or beginnings of them
}

// AdvancedSelector records the events that fulfil all its conditions.
type AdvancedSelector struct {
	Name   string          `json:"name,omitempty"`  // free text that means nothing
	Fields []FieldSelector `json:"field_selectors"` // conditions
}

// FieldSelector is one condition of an advanced event selector.
type FieldSelector struct {
	Field         string   `json:"field"`                     // field of the event, such as eventCategory
	Equals        []string `json:"equals,omitempty"`          // it is one of these
	NotEquals     []string `json:"not_equals,omitempty"`      // it is none of these
	StartsWith    []string `json:"starts_with,omitempty"`     // it begins with one of these
	NotStartsWith []string `json:"not_starts_with,omitempty"` // it begins with none of these
	EndsWith      []string `json:"ends_with,omitempty"`       // it ends with one of these
	NotEndsWith   []string `json:"not_ends_with,omitempty"`   // it ends with none of these
}

// Insight is one kind of Insights events.
type Insight struct {
	Type       string   `json:"insight_type"`               // such as ApiCallRateInsight
	Categories []string `json:"event_categories,omitempty"` // Management or Data; none is Management
}

// Aggregation is a summary of events of one category.
type Aggregation struct {
	Category  string   `json:"event_category"` // such as Data
	Templates []string `json:"templates"`      // such as API_ACTIVITY
}

// ContextKeys enriches events with tags or with context of the request.
type ContextKeys struct {
	Type   string   `json:"type"`   // TagContext or RequestContext
	Equals []string `json:"equals"` // keys
}

// Approval is a change that people have agreed to: until it ends it is not reverted, but recorded and told all the same.
type Approval struct {
	Fields []trail.Field `json:"fields"`         // settings that may change; none is the whole trail, its deletion included
	Want   string        `json:"want,omitempty"` // the one value that is agreed to, as trailwarden prints it; empty is any
	Who    string        `json:"who"`            // who agreed
	Why    string        `json:"why"`            // what for
	Until  time.Time     `json:"until"`          // when it ends
}

// Requirement is a statement about accounts and Regions: each is covered by a trail that has all that is asked for.
type Requirement struct {
	Name         string   `json:"name"`                          // what messages call it
	Accounts     []string `json:"accounts" yaml:"digits"`        // 12-digit ids, or all for those that are read
	Regions      []string `json:"regions"`                       // names, or all for those that are read
	Management   string   `json:"management_account,omitempty"`  // account whose organization trails count for all of the accounts
	Read         bool     `json:"management_read,omitempty"`     // all management events that only read are recorded
	Write        bool     `json:"management_write,omitempty"`    // all management events that change something are recorded
	Global       bool     `json:"global_services,omitempty"`     // events of IAM, STS and CloudFront are recorded
	Validated    bool     `json:"log_file_validation,omitempty"` // digest files are delivered
	Bucket       string   `json:"s3_bucket_name,omitempty"`      // bucket that log files go to; empty is any
	MultiRegion  bool     `json:"multi_region,omitempty"`        // one trail for all Regions
	Organization bool     `json:"organization,omitempty"`        // one trail for all accounts
}

// Lookup is the baseline of a trail, and whether it is pinned.
func (f File) Lookup(a trail.ARN) (trail.Baseline, bool) {
	i := slices.IndexFunc(f.Trails, func(t Trail) bool { return t.ARN == a })
	if i < 0 {
		return trail.Baseline{}, false
	}
	return f.Trails[i].Baseline(), true
}

// Hash is the SHA-256 of all that the file says, in hexadecimal: comments, order and layout do not count.
func (f File) Hash() string {
	text, err := json.Marshal(f.Canonical())
	if err != nil {
		panic("baseline: encode: " + err.Error()) // texts, booleans, times and lists of them
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Canonical is the file with everything whose order means nothing in one order.
func (f File) Canonical() File {
	f.Trails = slices.Clone(f.Trails)
	for i, t := range f.Trails {
		f.Trails[i] = t.canonical()
	}
	slices.SortFunc(f.Trails, func(a, b Trail) int { return strings.Compare(a.ARN.String(), b.ARN.String()) })
	f.Requirements = slices.Clone(f.Requirements)
	for i, r := range f.Requirements {
		f.Requirements[i].Accounts, f.Requirements[i].Regions = sorted(r.Accounts), sorted(r.Regions)
	}
	return f
}

func (t Trail) canonical() Trail {
	t.Repair, t.Ignore = sorted(t.Repair), sorted(t.Ignore)
	t.Approvals = each(t.Approvals, func(a *Approval) { a.Fields = sorted(a.Fields) })
	t.Selectors.Basic = each(t.Selectors.Basic, func(s *Selector) {
		s.ExcludeSources = sorted(s.ExcludeSources)
		s.Data = ordered(each(s.Data, func(d *DataResource) { d.Values = sorted(d.Values) }))
	})
	t.Selectors.Basic = ordered(t.Selectors.Basic)
	t.Selectors.Advanced = ordered(each(t.Selectors.Advanced, func(s *AdvancedSelector) {
		s.Fields = ordered(each(s.Fields, func(f *FieldSelector) {
			f.Equals, f.NotEquals = sorted(f.Equals), sorted(f.NotEquals)
			f.StartsWith, f.NotStartsWith = sorted(f.StartsWith), sorted(f.NotStartsWith)
			f.EndsWith, f.NotEndsWith = sorted(f.EndsWith), sorted(f.NotEndsWith)
		}))
	}))
	t.Insights = ordered(each(t.Insights, func(i *Insight) { i.Categories = sorted(i.Categories) }))
	t.Aggregations = ordered(each(t.Aggregations, func(a *Aggregation) { a.Templates = sorted(a.Templates) }))
	t.ContextKeys = ordered(each(t.ContextKeys, func(k *ContextKeys) { k.Equals = sorted(k.Equals) }))
	return t
}

// each is a copy of a list with something done to each item; nil where it is empty.
func each[T any](list []T, do func(*T)) []T {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	for i := range list {
		do(&list[i])
	}
	return list
}

func sorted[T ~string](list []T) []T {
	list = each(list, func(*T) {})
	slices.Sort(list)
	return list
}

// ordered puts items into the order of their JSON.
func ordered[T any](list []T) []T {
	key := func(v T) string {
		text, _ := json.Marshal(v)
		return string(text)
	}
	slices.SortStableFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	return list
}
