package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// trailRecord is a trail as GetTrail and DescribeTrails answer it.
type trailRecord struct {
	trailDescription
	HomeRegion              string
	HasCustomEventSelectors bool
	HasInsightSelectors     bool
}

func (x *trail) record() trailRecord {
	return trailRecord{x.description(), x.home, x.customSelectors(), len(x.insights) > 0}
}

func (t *trails) get(c *call, in *nameInput) (any, error) {
	x, err := t.forRead(c, in.Name)
	if err != nil {
		return nil, err
	}
	return struct{ Trail trailRecord }{x.record()}, nil
}

type describeInput struct {
	TrailNameList       []string `json:"trailNameList"`
	IncludeShadowTrails *bool    `json:"includeShadowTrails"`
}

// describe lists the Region's trails and, unless told otherwise, the shadows of multi-Region trails and of the organization's. Unknown names are
// just absent; a name means this Region, a trail at home elsewhere must be named by its ARN.
func (t *trails) describe(c *call, in *describeInput) (any, error) {
	shadows := in.IncludeShadowTrails == nil || *in.IncludeShadowTrails
	wanted := map[string]bool{}
	for _, name := range in.TrailNameList {
		arn, err := t.resolve(c, name)
		if err != nil {
			return nil, err
		}
		wanted[arn] = true
	}
	list := []trailRecord{}
	for _, x := range t.seenBy(c) {
		if len(in.TrailNameList) > 0 {
			if !wanted[x.arn] {
				continue
			}
		} else if !x.visibleIn(c.region) {
			continue
		}
		if x.home == c.region && x.account == c.account || shadows {
			list = append(list, x.record())
		}
	}
	return struct {
		TrailList []trailRecord `json:"trailList"`
	}{list}, nil
}

type listInput struct{ NextToken string }

// list names the trails that the account sees in the Region.
func (t *trails) list(c *call, in *listInput) (any, error) {
	type info struct{ TrailARN, Name, HomeRegion string }
	out := struct {
		Trails    []info
		NextToken string `json:",omitempty"`
	}{Trails: []info{}}
	for _, x := range t.seenBy(c) {
		if !x.visibleIn(c.region) || in.NextToken != "" && x.arn <= in.NextToken {
			continue
		}
		if len(out.Trails) == t.world.opts.TrailsPerPage {
			out.NextToken = out.Trails[len(out.Trails)-1].TrailARN
			break
		}
		out.Trails = append(out.Trails, info{x.arn, x.name, x.home})
	}
	return out, nil
}

// A TrailView is the true state of a trail, for tests and the demo.
type TrailView struct {
	ARN, Name, Account, HomeRegion string

	Bucket, Prefix, TopicARN, LogGroup, LogRole, KMSKey string
	Global, MultiRegion, LogFileValidation              bool
	Organization                                        bool

	EventSelectors      string // JSON as in the API: basic ones, or the default
	AdvancedSelectors   string // JSON, "null" without
	InsightTypes        []string
	Tags                map[string]string
	Logging             bool
	Started, Stopped    time.Time // zero: never
	LatestDelivery      time.Time // of the home Region
	LatestDeliveryError string
	RecordsChanges      bool // logging, and its selectors include management events that change something
}

// Trail returns the true state of a trail, whatever reads over the API say.
func (w *World) Trail(arn string) (TrailView, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.trails.byARN[arn]
	if x == nil {
		return TrailView{}, false
	}
	w.trails.catchUp(x)
	return x.view(), true
}

// Trails returns all trails of all accounts in the order of their ARNs.
func (w *World) Trails() []TrailView {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trails.catchUpAll()
	var all []TrailView
	for _, arn := range slices.Sorted(maps.Keys(w.trails.byARN)) {
		all = append(all, w.trails.byARN[arn].view())
	}
	return all
}

func (x *trail) view() TrailView {
	at := x.arrivalsIn(x.home)
	v := TrailView{
		ARN: x.arn, Name: x.name, Account: x.account, HomeRegion: x.home,
		Bucket: x.bucket, Prefix: x.prefix, TopicARN: x.topicARN, LogGroup: x.logGroup, LogRole: x.logRole, KMSKey: x.kmsKey,
		Global: x.global, MultiRegion: x.multiRegion, LogFileValidation: x.validation, Organization: x.organization,
		EventSelectors: asJSON(x.effectiveSelectors()), AdvancedSelectors: asJSON(x.advanced),
		Tags: map[string]string{}, Logging: x.logging, Started: x.started, Stopped: x.stopped,
		LatestDelivery: at.delivered, LatestDeliveryError: at.deliveryError, RecordsChanges: x.logging && x.selectsChanges(),
	}
	for _, i := range x.insights {
		v.InsightTypes = append(v.InsightTypes, i.InsightType)
	}
	for _, t := range x.tags {
		v.Tags[t.Key] = t.Value
	}
	return v
}

func asJSON(v any) string {
	b, err := marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, strings.TrimSuffix(word, "s"))
}
