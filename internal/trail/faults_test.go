package trail

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pinned is a usual organization's trail.
func pinned() Settings {
	return Settings{
		Logging: true, Bucket: "logs", Prefix: "org", LogGroup: "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*", LogRole: "arn:aws:iam::111122223333:role/logs",
		MultiRegion: true, GlobalEvents: true, Validation: true, Key: "arn:aws:kms:eu-central-1:111122223333:key/1",
		Selectors: basic(all, allS3), Insights: []Insight{{Type: "ApiCallRateInsight"}}, Tags: map[string]string{"owner": "security", "stage": "prod"},
	}
}

// request is what of an action goes to AWS.
type request struct {
	Op   Op
	Send []Field
	Set  Settings
	Keys []string
}

func requests(p Plan) []request {
	var out []request
	for _, a := range p.Actions {
		out = append(out, request{a.Op, a.Send, a.Set, a.Keys})
	}
	return out
}

// TestFaults: each way to blind a trail, by its id in the list of faults, and the calls that answer it.
func TestFaults(t *testing.T) {
	on := true
	for _, test := range []struct {
		name   string
		tamper func(*State)
		unpin  func(*Settings)
		limit  func(*Baseline)
		want   []request
		lost   []string // names of what is lost meanwhile
		left   []Reason
	}{
		{
			name:   "A1 stopped",
			tamper: func(s *State) { s.Logging = false },
			want:   []request{{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}}},
			lost:   []string{"logging"},
		}, {
			name: "A6 Rhino's selector",
			tamper: func(s *State) {
				s.Selectors = basic(Selector{ReadWrite: "ReadOnly", Data: []DataResource{{Type: s3}, {Type: lambda}}})
			},
			want: []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}}},
			lost: []string{"management_read", "management_write", "data"},
		}, {
			name:   "A7 read-only",
			tamper: func(s *State) { s.Selectors = basic(readOnly, allS3) },
			want:   []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}}},
			lost:   []string{"management_write"},
		}, {
			name:   "A8 kms excluded",
			tamper: func(s *State) { s.Selectors = basic(noKMS, allS3) },
			want:   []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}}},
			lost:   []string{"management_read", "management_write"},
		}, {
			name:   "A9 advanced selectors replace basic ones, with data events that nobody pinned",
			tamper: func(s *State) { s.Selectors = advanced(dataOf("AWS::SNS::Topic")) },
			want:   []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}}},
			lost:   []string{"management_read", "management_write", "data"},
		}, {
			name:   "A9 basic selectors replace advanced ones",
			unpin:  func(s *Settings) { s.Selectors = advanced([]FieldSelector{mgmt}, dataOf(lambda)) },
			tamper: func(s *State) { s.Selectors = basic(writing) },
			want: []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors},
				Set: Settings{Selectors: advanced([]FieldSelector{mgmt}, dataOf(lambda))}}},
			lost: []string{"management_read", "data"},
		}, {
			name:   "A9 selectors where CloudTrail's default is pinned",
			unpin:  func(s *Settings) { s.Selectors = Selectors{} },
			tamper: func(s *State) { s.Selectors = basic(readOnly) },
			want:   []request{{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all)}}},
			lost:   []string{"management_write"},
		}, {
			name:   "A10 another bucket",
			tamper: func(s *State) { s.Bucket = "evil" },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldBucket}, Set: Settings{Bucket: "logs"}}},
			lost:   []string{"bucket"},
		}, {
			name:   "A11 another prefix",
			unpin:  func(s *Settings) { s.Prefix = "" },
			tamper: func(s *State) { s.Prefix = "x" },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldPrefix}}},
			lost:   []string{"prefix"},
		}, {
			name:   "A12 key, topic and log group where none are wanted: sent empty",
			unpin:  func(s *Settings) { s.Key, s.LogGroup, s.LogRole = "", "", "" },
			tamper: func(s *State) { s.Key, s.Topic, s.LogGroup, s.LogRole = "arn:evil", "arn:evil", "arn:evil", "arn:evil" },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldTopic, FieldKey, FieldLogGroup, FieldLogRole}}},
			lost:   []string{"key"},
		}, {
			name:   "A12 the key is taken away",
			tamper: func(s *State) { s.Key = "" },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldKey}, Set: Settings{Key: pinned().Key}}},
			lost:   []string{"key"},
		}, {
			name:   "A13 one Region, and global services with it",
			tamper: func(s *State) { s.MultiRegion, s.GlobalEvents = false, false },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldMultiRegion, FieldGlobalEvents}, Set: Settings{MultiRegion: on, GlobalEvents: on}}},
			lost:   []string{"regions", "global_services"},
		}, {
			name:   "A14 validation off",
			tamper: func(s *State) { s.Validation = false },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldValidation}, Set: Settings{Validation: true}}},
			lost:   []string{"validation"},
		}, {
			name:   "A15 only the role is changed",
			tamper: func(s *State) { s.LogRole = "arn:evil" },
			want: []request{{Op: UpdateTrail, Send: []Field{FieldLogGroup, FieldLogRole},
				Set: Settings{LogGroup: pinned().LogGroup, LogRole: pinned().LogRole}}},
			lost: []string{"log_role"},
		}, {
			name: "A16 selectors, Insights and event configuration, in this order",
			tamper: func(s *State) {
				s.Insights, s.Selectors = nil, basic(readOnly)
				s.EventConfig.Aggregations = []Aggregation{{Category: "Data", Templates: []string{"API_ACTIVITY"}}}
			},
			want: []request{
				{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}},
				{Op: PutInsightSelectors, Send: []Field{FieldInsights}, Set: Settings{Insights: pinned().Insights}},
				{Op: PutEventConfiguration, Send: []Field{FieldAggregations}},
			},
			lost: []string{"management_write", "data", "insights"},
		}, {
			name: "A17 tags removed, changed and the quota filled",
			tamper: func(s *State) {
				s.Tags = map[string]string{"owner": "eve", "junk1": "", "junk2": "x", "aws:cloudformation:stack-name": "s"}
			},
			want: []request{
				{Op: RemoveTags, Keys: []string{"junk1", "junk2"}},
				{Op: AddTags, Send: []Field{FieldTags}, Set: Settings{Tags: map[string]string{"owner": "security", "stage": "prod"}}},
			},
		}, {
			name: "A18 deleted and made anew under the same ARN, with another bucket and not logging",
			tamper: func(s *State) {
				s.Settings = Settings{Bucket: "evil", GlobalEvents: true}
			},
			want: []request{
				{Op: UpdateTrail, Send: []Field{FieldBucket, FieldPrefix, FieldKey, FieldLogGroup, FieldLogRole, FieldMultiRegion, FieldGlobalEvents, FieldValidation},
					Set: Settings{Bucket: "logs", Prefix: "org", Key: pinned().Key, LogGroup: pinned().LogGroup, LogRole: pinned().LogRole, MultiRegion: true, GlobalEvents: true, Validation: true}},
				{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}},
				{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}},
				{Op: PutInsightSelectors, Send: []Field{FieldInsights}, Set: Settings{Insights: pinned().Insights}},
				{Op: AddTags, Send: []Field{FieldTags}, Set: Settings{Tags: pinned().Tags}},
			},
			lost: []string{"logging", "data", "insights", "regions", "global_services", "validation", "bucket", "prefix", "key", "log_group"},
		}, {
			name:   "A5 deleted, and it is proven",
			tamper: func(s *State) { *s = State{ARN: main, Deleted: true} },
			want: []request{
				{Op: CreateTrail, Send: []Field{FieldBucket, FieldPrefix, FieldKey, FieldLogGroup, FieldLogRole, FieldMultiRegion, FieldGlobalEvents, FieldOrganization, FieldValidation, FieldTags},
					Set: Settings{Bucket: "logs", Prefix: "org", Key: pinned().Key, LogGroup: pinned().LogGroup, LogRole: pinned().LogRole, MultiRegion: true, GlobalEvents: true, Validation: true, Tags: pinned().Tags}},
				{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}},
				{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}},
				{Op: PutInsightSelectors, Send: []Field{FieldInsights}, Set: Settings{Insights: pinned().Insights}},
			},
			lost: []string{"trail"},
		}, {
			name:   "A5 deleted, and the baseline selects less than a new trail does",
			unpin:  func(s *Settings) { *s = Settings{Logging: true, Bucket: "logs", Selectors: basic(writing)} },
			tamper: func(s *State) { *s = State{ARN: main, Deleted: true} },
			want: []request{
				{Op: CreateTrail, Send: []Field{FieldBucket, FieldMultiRegion, FieldGlobalEvents, FieldOrganization, FieldValidation}, Set: Settings{Bucket: "logs"}},
				{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}},
				{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(writing)}},
			},
			lost: []string{"trail"},
		}, {
			name:   "A5 deleted, and only recreation is open: it is of one piece",
			unpin:  func(s *Settings) { *s = Settings{Logging: true, Bucket: "logs", Selectors: basic(all, allS3)} },
			tamper: func(s *State) { *s = State{ARN: main, Deleted: true} },
			limit:  func(b *Baseline) { b.Repair = []Group{GroupRecreate} },
			want: []request{
				{Op: CreateTrail, Send: []Field{FieldBucket, FieldMultiRegion, FieldGlobalEvents, FieldOrganization, FieldValidation}, Set: Settings{Bucket: "logs"}},
				{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}},
				{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all, allS3)}},
			},
			lost: []string{"trail"},
		}, {
			name:   "A5 deleted, and recreation is not open",
			tamper: func(s *State) { *s = State{ARN: main, Deleted: true} },
			limit:  func(b *Baseline) { b.Repair = []Group{GroupLogging, GroupSettings} },
			lost:   []string{"trail"},
			left:   []Reason{NotOpened},
		}, {
			name:   "A13 one Region, where global services are not pinned: CloudTrail takes both only",
			tamper: func(s *State) { s.MultiRegion, s.GlobalEvents = false, false },
			limit:  func(b *Baseline) { b.Ignore = []Field{FieldGlobalEvents} },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldMultiRegion, FieldGlobalEvents}, Set: Settings{MultiRegion: on, GlobalEvents: on}}},
			lost:   []string{"regions"},
		}, {
			name:   "A16 Insights that CloudTrail refuses, because the selectors are not open for repair",
			tamper: func(s *State) { s.Insights, s.Selectors = nil, basic(readOnly) },
			limit:  func(b *Baseline) { b.Repair = []Group{GroupInsights} },
			lost:   []string{"management_write", "data", "insights"},
			left:   []Reason{NotOpened, Depends},
		}, {
			name:   "A23 not found, and that proves nothing",
			tamper: func(s *State) { *s = State{ARN: main} },
			lost:   []string{"trail"},
			left:   []Reason{NotProven},
		}, {
			name:   "A20 a trail of the same name in another Region",
			tamper: func(s *State) { s.ARN.Region, s.Logging = "us-east-1", false },
			lost:   []string{"logging"},
			left:   []Reason{WrongAccount},
		}, {
			name:   "A22 a member account sees the organization's trail",
			unpin:  func(s *Settings) { s.Organization = true },
			tamper: func(s *State) { s.Logging, s.Caller.Account = false, "444455556666" },
			lost:   []string{"logging"},
			left:   []Reason{WrongAccount},
		}, {
			name:   "A22 a delegated administrator may",
			unpin:  func(s *Settings) { s.Organization = true },
			tamper: func(s *State) { s.Logging, s.Caller = false, Caller{Account: "444455556666", Delegated: true} },
			want:   []request{{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}}},
			lost:   []string{"logging"},
		}, {
			name:   "A24 no longer the organization's, seen by an unknown caller",
			unpin:  func(s *Settings) { s.Organization = true },
			tamper: func(s *State) { s.Organization = false },
			lost:   []string{"accounts"},
			left:   []Reason{WrongAccount},
		}, {
			name:   "A24 no longer the organization's, seen from the management account: last of all, because it may be refused",
			unpin:  func(s *Settings) { s.Organization = true },
			tamper: func(s *State) { s.Organization, s.Logging, s.Tags, s.Caller.Account = false, false, nil, main.Account },
			want: []request{
				{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}},
				{Op: AddTags, Send: []Field{FieldTags}, Set: Settings{Tags: pinned().Tags}},
				{Op: UpdateTrail, Send: []Field{FieldOrganization}, Set: Settings{Organization: true}},
			},
			lost: []string{"logging", "accounts"},
		}, {
			name:  "A24 no longer the organization's: a delegated administrator may change nothing of it",
			unpin: func(s *Settings) { s.Organization = true },
			tamper: func(s *State) {
				s.Organization, s.Logging, s.Caller = false, false, Caller{Account: "444455556666", Delegated: true, Management: main.Account}
			},
			lost: []string{"logging", "accounts"},
			left: []Reason{WrongAccount, WrongAccount},
		}, {
			name:   "B7 the pinned bucket belongs to somebody else: no trail is pointed to it, the rest is mended",
			tamper: func(s *State) { s.Bucket, s.Validation, s.PinnedBucket = "evil", false, OwnerOther },
			want:   []request{{Op: UpdateTrail, Send: []Field{FieldValidation}, Set: Settings{Validation: true}}},
			lost:   []string{"validation", "bucket"},
			left:   []Reason{Foreign},
		}, {
			name:   "B7 nor is a trail created with it",
			tamper: func(s *State) { *s = State{ARN: main, Deleted: true, PinnedBucket: OwnerOther} },
			lost:   []string{"trail"},
			left:   []Reason{Foreign},
		}, {
			name: "Control Tower's trail is started, and otherwise left",
			unpin: func(s *Settings) {
				s.Tags = map[string]string{"aws:cloudformation:stack-name": "StackSet-AWSControlTowerBP-BASELINE-CLOUDTRAIL-1"}
			},
			tamper: func(s *State) { s.Logging, s.Validation = false, false },
			want:   []request{{Op: StartLogging, Send: []Field{FieldLogging}, Set: Settings{Logging: true}}},
			lost:   []string{"logging", "validation"},
			left:   []Reason{Owned},
		}, {
			name: "F12 the trail is stricter than the baseline in all there is, and its bucket is another",
			unpin: func(s *Settings) {
				*s = Settings{Bucket: "logs", Selectors: basic(writing)}
			},
			tamper: func(s *State) {
				s.Settings = Settings{Logging: true, Bucket: "evil", MultiRegion: true, GlobalEvents: true, Validation: true, Organization: true,
					Selectors: basic(all, allS3), Insights: pinned().Insights, EventConfig: EventConfig{MaxEventSize: "Large"}}
			},
			want: []request{{Op: UpdateTrail, Send: []Field{FieldBucket}, Set: Settings{Bucket: "logs"}}},
			lost: []string{"bucket"},
			left: slices.Repeat([]Reason{Stricter}, 8),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := Baseline{ARN: main, Want: pinned(), Repair: Groups()}
			if test.unpin != nil {
				test.unpin(&b.Want)
			}
			s := State{ARN: main, Exists: true, Settings: b.Want, Read: Groups()}
			test.tamper(&s)
			if test.limit != nil {
				test.limit(&b)
			}
			plan := Repair(b, s)
			if d := cmp.Diff(test.want, requests(plan)); d != "" {
				t.Errorf("requests (-want +got):\n%s", d)
			}
			var left []Reason
			for _, l := range plan.Left {
				left = append(left, l.Reason)
			}
			if d := cmp.Diff(test.left, left); d != "" {
				t.Errorf("left (-want +got):\n%s\n%+v", d, plan.Left)
			}
			v := b.Verdict(s, plan)
			var lost []string
			for _, l := range v.Lost {
				lost = append(lost, l.Name)
			}
			if d := cmp.Diff(test.lost, lost); d != "" {
				t.Errorf("lost (-want +got):\n%s", d)
			}
			for _, a := range plan.Actions {
				if !s.Exists && len(a.Drops) > 0 {
					t.Errorf("a new trail drops %+v", a.Drops)
				}
			}
			if len(test.left) == 0 && len(v.Remaining) > 0 {
				t.Errorf("the plan leaves lost: %+v", v.Remaining)
			}
		})
	}
}

// TestRepairSaysWhatNobodyPinned: A9's data events go, and people are told.
func TestRepairSaysWhatNobodyPinned(t *testing.T) {
	b := Baseline{ARN: main, Want: pinned(), Repair: Groups()}
	s := State{ARN: main, Exists: true, Settings: b.Want, Read: Groups()}
	s.Selectors = advanced(dataOf("AWS::SNS::Topic"))
	want := []Loss{{Name: "data", Of: "AWS::SNS::Topic", Text: "Data events of AWS::SNS::Topic are no longer recorded."}}
	if d := cmp.Diff(want, Repair(b, s).Actions[0].Drops); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestApplySideEffects: what CloudTrail does besides what it is asked.
func TestApplySideEffects(t *testing.T) {
	s := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
	do := func(s State, op Op, set Settings, send ...Field) State {
		return Action{Op: op, Target: main, Send: send, Set: set}.Apply(s)
	}
	one := do(s, UpdateTrail, Settings{}, FieldMultiRegion)
	if one.MultiRegion || one.GlobalEvents {
		t.Error("A13: with all Regions, global services go")
	}
	if back := do(one, UpdateTrail, Settings{MultiRegion: true}, FieldMultiRegion); !back.GlobalEvents {
		t.Error("with all Regions, global services come back")
	}
	if same := do(s, UpdateTrail, Settings{Bucket: "b"}, FieldBucket); same.Key != s.Key || same.Bucket != "b" || !same.GlobalEvents {
		t.Error("what is not sent stays")
	}
	if created := do(s, CreateTrail, Settings{Bucket: "evil"}, FieldBucket); created.Bucket != "logs" {
		t.Error("a trail that is there cannot be created")
	}
	created := do(State{ARN: main, Deleted: true}, CreateTrail, Settings{Bucket: "b"}, FieldBucket)
	if !created.Exists || created.Logging || !created.GlobalEvents || created.Deleted {
		t.Errorf("a new trail does not log and has global services: %+v", created)
	}
	if started := Start(main).Apply(created); !started.Logging || !started.Status.Logging {
		t.Error("not started")
	}
	if gone := Start(main).Apply(State{ARN: main}); gone.Logging {
		t.Error("a trail that is not there cannot be started")
	}
	if both := do(s, PutEventSelectors, Settings{Selectors: advanced(dataOf(s3))}, FieldSelectors); len(both.Selectors.Basic) > 0 {
		t.Error("A9: one kind of selectors wipes the other")
	}
	Action{Op: RemoveTags, Keys: []string{"owner"}}.Apply(s)
	Action{Op: AddTags, Set: Settings{Tags: map[string]string{"x": "y"}}}.Apply(s)
	if d := cmp.Diff(pinned().Tags, s.Tags); d != "" {
		t.Errorf("Apply touches the state that it is given:\n%s", d)
	}
}

// TestCompareText: what is the same in another form is no drift, what only looks the same is.
func TestCompareText(t *testing.T) {
	for _, test := range []struct {
		name      string
		want, got Settings
		drift     bool
	}{
		{"log group with and without :*", Settings{LogGroup: "arn:g"}, Settings{LogGroup: "arn:g:*"}, false},
		{"event size not said is standard", Settings{}, Settings{EventConfig: EventConfig{MaxEventSize: "Standard"}}, false},
		{"Insights without category are on management events", Settings{Insights: []Insight{{Type: "ApiCallRateInsight"}}},
			Settings{Insights: []Insight{{Type: "ApiCallRateInsight", Categories: []string{"Management"}}}}, false},
		{"Insights in parts", Settings{Insights: []Insight{{Type: "x", Categories: []string{"Data", "Management"}}}},
			Settings{Insights: []Insight{{Type: "x", Categories: []string{"Management"}}, {Type: "x", Categories: []string{"Data"}}}}, false},
		{"no tags and an empty map", Settings{Tags: map[string]string{}}, Settings{}, false},
		{"AWS's own tags", Settings{}, Settings{Tags: map[string]string{"aws:x": "y"}}, false},
		{"a key by its alias", Settings{Key: "arn:aws:kms:r:1:key/1"}, Settings{Key: "arn:aws:kms:r:1:alias/logs"}, true},
		{"a prefix with a slash", Settings{Prefix: "p"}, Settings{Prefix: "p/"}, true},
		{"a tag without value is a tag", Settings{}, Settings{Tags: map[string]string{"x": ""}}, true},
		{"two tags that print as one", Settings{Tags: map[string]string{"a": "b, c=d"}}, Settings{Tags: map[string]string{"a": "b", "c": "d"}}, true},
	} {
		s := State{ARN: main, Exists: true, Settings: test.got, Read: Groups()}
		if drifts := Compare(Baseline{ARN: main, Want: test.want}, s); (len(drifts) > 0) != test.drift {
			t.Errorf("%s: %v", test.name, drifts)
		}
	}
}
