package sim

// A Snapshot is everything that can be set on a trail and whether it logs, in a form in which equal settings are equal values.
// What only passes (times, deliveries) is not in it. Lists are JSON as in the API, in the order that the trail has them.
type Snapshot struct {
	ARN, Account, HomeRegion string

	Bucket, Prefix, TopicARN, LogGroup, LogRole, KMSKey           string
	Global, MultiRegion, LogFileValidation, Organization, Logging bool

	EventSelectors     string // of the basic kind; the default one when none were put; "null" beside advanced ones
	AdvancedSelectors  string // "null" without
	Insights           string // types and categories; "[]" when off
	EventConfiguration string // aggregations; "[]" without
	Tags               map[string]string
}

// Snapshot returns the settings of a trail as they truly are, false when it does not exist.
func (w *World) Snapshot(arn string) (Snapshot, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.trails.byARN[arn]
	if x == nil {
		return Snapshot{}, false
	}
	return x.snapshot(), true
}

// Snapshots returns the settings of all trails of all accounts by ARN, to see that nothing else changed.
func (w *World) Snapshots() map[string]Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[string]Snapshot{}
	for arn, x := range w.trails.byARN {
		all[arn] = x.snapshot()
	}
	return all
}

func (x *trail) snapshot() Snapshot {
	s := Snapshot{
		ARN: x.arn, Account: x.account, HomeRegion: x.home,
		Bucket: x.bucket, Prefix: x.prefix, TopicARN: x.topicARN, LogGroup: x.logGroup, LogRole: x.logRole, KMSKey: x.kmsKey,
		Global: x.global, MultiRegion: x.multiRegion, LogFileValidation: x.validation, Organization: x.organization, Logging: x.logging,
		EventSelectors: asJSON(x.effectiveSelectors()), AdvancedSelectors: asJSON(x.advanced),
		Insights: asJSON(append([]insightSelector{}, x.insights...)), EventConfiguration: asJSON(append([]aggregation{}, x.aggregation...)),
		Tags: map[string]string{},
	}
	for _, t := range x.tags {
		s.Tags[t.Key] = t.Value
	}
	return s
}
