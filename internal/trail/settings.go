package trail

import "time"

// Settings is everything about a trail that can be set, in the shape of CloudTrail's API.
// Empty means: not set.
type Settings struct {
	Logging bool // GetTrailStatus IsLogging

	Bucket       string // S3BucketName
	Prefix       string // S3KeyPrefix
	Topic        string // SnsTopicARN
	Key          string // KmsKeyId as full key ARN: an alias can be pointed at another key
	LogGroup     string // CloudWatchLogsLogGroupArn
	LogRole      string // CloudWatchLogsRoleArn
	GlobalEvents bool   // IncludeGlobalServiceEvents
	MultiRegion  bool   // IsMultiRegionTrail
	Organization bool   // IsOrganizationTrail
	Validation   bool   // LogFileValidationEnabled

	Selectors   Selectors
	Insights    []Insight
	EventConfig EventConfig
	Tags        map[string]string
}

// Selectors decide which events a trail records. Basic or Advanced is set, never both.
type Selectors struct {
	Basic    []Selector
	Advanced []AdvancedSelector
}

// Selector is one of up to five basic event selectors.
type Selector struct {
	ReadWrite      string // "All", "ReadOnly" or "WriteOnly"; empty is CloudTrail's default, "All"
	Management     bool   // IncludeManagementEvents; absent in a request or a file is true: who reads one says so
	ExcludeSources []string
	Data           []DataResource
}

// DataResource selects data events of one resource type.
type DataResource struct {
	Type   string
	Values []string
}

// AdvancedSelector selects the events that fulfil all its conditions. Its name is free text and means nothing.
type AdvancedSelector struct {
	Name   string
	Fields []FieldSelector
}

// FieldSelector is one condition of an advanced selector.
type FieldSelector struct {
	Field         string
	Equals        []string
	NotEquals     []string
	StartsWith    []string
	NotStartsWith []string
	EndsWith      []string
	NotEndsWith   []string
}

// Insight is one kind of Insights events that the trail records.
type Insight struct {
	Type       string   // "ApiCallRateInsight" or "ApiErrorRateInsight"
	Categories []string // "Management", "Data"; none is CloudTrail's default, "Management"
}

// EventConfig is the trail's event configuration: aggregation, enrichment and maximum event size.
type EventConfig struct {
	Aggregations []Aggregation
	ContextKeys  []ContextKeys
	MaxEventSize string // "Standard" or "Large"; empty is CloudTrail's default, "Standard"
}

// Aggregation is one aggregation of events of a category.
type Aggregation struct {
	Category  string
	Templates []string
}

// ContextKeys enriches events with tags or request context.
type ContextKeys struct {
	Type   string
	Equals []string
}

// Status is what GetTrailStatus says besides whether the trail is logging. Times are zero when
// AWS gives none.
type Status struct {
	Logging                bool
	Started, Stopped       time.Time // StartLoggingTime, StopLoggingTime: the latest call of each kind
	Delivered              time.Time // LatestDeliveryTime
	DeliveryError          string    // LatestDeliveryError
	DigestDelivered        time.Time
	DigestError            string
	LogsDelivered          time.Time // LatestCloudWatchLogsDeliveryTime
	LogsError              string
	NotificationsDelivered time.Time
	NotificationsError     string
}

// State is how a trail is, as AWS says.
type State struct {
	ARN    ARN
	Exists bool
	// Deleted is set when it is proven that a trail which does not exist was deleted, and only then: it was
	// asked for by ARN in its home Region; a complete list of the trails there does not hold it; the account
	// that asked is the one in the ARN, or a delegated administrator; and either it was so twice with time
	// for changes to spread in between, or a DeleteTrail record explains it. Whoever reads checks all four.
	// CloudTrail's answer alone is the same for a wrong Region.
	Deleted bool
	// Caller is who read the state and would make the repairs.
	Caller Caller
	// PinnedBucket says whose the bucket is that the baseline names, where the baseline pins its owner.
	PinnedBucket Ownership
	// BucketUnknown says in a sentence why whose that bucket is could not be found out; empty when it was, or was not asked.
	BucketUnknown string
	Settings
	Status Status
	// Read lists the groups of settings that were read: a group that was not read is not compared.
	Read   []Group
	ReadAt time.Time
}

// Caller is the account that calls AWS, and how it stands in its organization.
type Caller struct {
	Account    string // 12 digits; empty when it is not known
	Delegated  bool   // it is a delegated administrator of CloudTrail for its organization
	Management string // the organization's management account; empty when it is in none, or that is not known
	Unknown    string // a sentence: what of this could not be found out, and why
}

// Ownership is what S3 says of the account that a bucket belongs to.
type Ownership string

const (
	OwnerUnknown  Ownership = ""         // it was not asked, or S3 refused to say
	OwnerExpected Ownership = "expected" // the bucket belongs to the account that it is pinned to belong to
	OwnerOther    Ownership = "other"    // it belongs to another account
	OwnerMissing  Ownership = "missing"  // there is no such bucket
)
