package engine

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// TestGroupA: attacks of the list of faults, by their ids, on a pinned trail: named, and undone, whether or not an event tells.
func TestGroupA(t *testing.T) {
	junk := func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		var tags []types.Tag
		for i := range 48 {
			tags = append(tags, types.Tag{Key: aws.String("junk" + strings.Repeat("x", i)), Value: aws.String("")})
		}
		if _, err := api.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: s.arn, TagsList: []types.Tag{{Key: aws.String("protected")}}}); err != nil {
			return err
		}
		_, err := api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: s.arn, TagsList: append(tags, types.Tag{Key: aws.String("last")})})
		return err
	}
	again := func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: s.name, S3BucketName: &s.bucketOfMallory})
		return err
	}
	one := func(rule string) []func(context.Context, *cloudtrail.Client, scene) error { return calls(rule) }
	for _, test := range []struct {
		name  string
		calls []func(context.Context, *cloudtrail.Client, scene) error
		rule  string
		text  string // that an incident says
	}{
		{"A1 stopped once", one("trail.stop"), "trail.stop", ""},
		{"A5 the only trail stopped, then deleted", calls("trail.stop", "trail.delete"), "trail.delete", ""},
		{"A6 no management events", one("trail.selectors.mgmt-off"), "trail.selectors.mgmt-off", "management events"},
		{"A7 only read events", one("trail.selectors.readonly"), "trail.selectors.readonly", "anagement events that change something"},
		{"A8 a source excluded", one("trail.selectors.exclude-source"), "trail.selectors.exclude-source", "kms"},
		{"A10 to another bucket", one("trail.update.bucket-changed"), "trail.update.bucket-changed", "mallory-drop"},
		{"A11 another prefix", one("trail.update.prefix-changed"), "trail.update.prefix-changed", "elsewhere"},
		{"A12 another key", one("trail.update.kms-changed"), "trail.update.kms-changed", ""},
		{"A13 one Region only", one("trail.update.multi-region-off"), "trail.update.multi-region-off", "Events of all Regions but"},
		{"A14 no validation", one("trail.update.validation-off"), "trail.update.validation-off", "without digest files"},
		{"A15 log group and role redirected", one("trail.update.cwl-changed"), "trail.update.cwl-changed", "log group"},
		{"A16 Insights off, event configuration changed", calls("trail.insights.off", "trail.eventconfig"), "trail.insights.off", ""},
		{"A17 tags removed and the quota filled", []func(context.Context, *cloudtrail.Client, scene) error{junk}, "trail.tags.removed", ""},
		{"A18 deleted, and made again with another bucket", append(calls("trail.delete"), again), "trail.update.bucket-changed", "mallory-drop"},
	} {
		for _, events := range []bool{true, false} {
			t.Run(test.name+map[bool]string{true: " by event", false: " by sweep"}[events], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPinned(t, false)
					p.world.BreakBus(!events)
					for _, call := range test.calls {
						if err := call(t.Context(), p.mallory, p.scene); err != nil {
							t.Fatal(err)
						}
					}
					if err := p.settle(t.Context()); err != nil {
						t.Error(err)
					}
					if d := cmp.Diff(p.before, p.world.Snapshots()); d != "" {
						t.Errorf("not as it was (-before +after):\n%s", d)
					}
					if !p.named(test.rule) || !says(*p.heard, test.text) {
						t.Errorf("%s, %q not told: %s", test.rule, test.text, summary(*p.heard))
					}
				})
			})
		}
	}
}

// says looks for a text in what incidents say was lost, or differs.
func says(heard []incident.Incident, text string) bool {
	return text == "" || slices.ContainsFunc(heard, func(inc incident.Incident) bool {
		return slices.ContainsFunc(inc.Drifts, func(d incident.Drift) bool { return strings.Contains(d.Got, text) }) ||
			inc.Coverage != nil && slices.ContainsFunc(inc.Coverage.Lost, func(l incident.Loss) bool { return strings.Contains(l.Text, text) })
	})
}

// TestA3Flood: a hundred thousand StopLogging records of one trail are one piece of work, and another trail is not kept waiting.
func TestA3Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := onSim(t, sim.Options{Clock: time.Now})
		a.addTrail(t, "quiet")
		e := a.engine(t, func(o *Options) { o.Channels = nil })
		one, _ := event.Decode(a.stop(t, "main"))
		records := make([]event.Record, 0, 100_001)
		for range 100_000 {
			records = append(records, one[0])
		}
		other, _ := event.Decode(a.stop(t, "quiet"))
		before := len(a.world.Calls())
		if err := e.Records(t.Context(), append(records, other...)).Err(); err != nil {
			t.Error(err)
		}
		starts := 0
		for _, c := range a.world.Calls()[before:] {
			if c.Mutates {
				starts++
			}
		}
		quiet, _ := a.world.Trail(strings.Replace(a.trail(), "trail/main", "trail/quiet", 1))
		if main, _ := a.world.Trail(a.trail()); starts != 2 || !main.Logging || !quiet.Logging {
			t.Errorf("%d calls; main %t, quiet %t", starts, main.Logging, quiet.Logging)
		}
	})
}

// TestA21SameRecordFromSeveralRegions: forwarders of several Regions hand in one record: it is one incident, in one batch or in
// several.
func TestA21SameRecordFromSeveralRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		record, _ := event.Decode(p.stop(t, "main"))
		var copies []event.Record
		for _, id := range []string{"delivery-eu", "delivery-us", "delivery-ap"} {
			r := record[0]
			r.Carrier.ID = id
			copies = append(copies, r)
		}
		ids := map[string]bool{}
		for _, batch := range [][]event.Record{copies, copies[1:2], copies[2:]} {
			for _, inc := range p.engine.Records(t.Context(), batch).Incidents {
				ids[inc.ID] = true
			}
		}
		if len(ids) != 1 {
			t.Errorf("%d incidents", len(ids))
		}
	})
}

// TestA21RefusedElsewhere: a call in another Region that names the trail by its plain name is refused: it was meant for the pinned trail.
// The attempts in several Regions are one incident.
func TestA21RefusedElsewhere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		for _, where := range []string{"us-east-1", "eu-west-1"} {
			api := cloudtrail.NewFromConfig(k.attacker, func(o *cloudtrail.Options) { o.Region = where })
			_, err := api.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")})
			if err == nil {
				t.Fatalf("the call in %s was not refused", where)
			}
			records := k.world.Records()
			k.handle(t, records[len(records)-1].Raw)
		}
		all := k.all(t)
		if len(all) != 1 || all[0].Trail.ARN != k.trail() || all[0].Outcome != incident.Attempted || all[0].Count != 2 || all[0].Drifts == nil || len(all[0].Drifts) > 0 {
			t.Errorf("want one incident of %s with two attempts: %s", k.trail(), summary(all))
		}
		// A trail of that name that is not pinned, in an account with none or with two that are, stays what the record says.
		for _, pinned := range [][]trail.ARN{nil, {{Partition: "aws", Region: "us-west-2", Account: k.id, Name: "main"}, k.engine.Pinned[0]}} {
			k.engine.Pinned = pinned
			records := k.world.Records()
			if got := k.engine.Handle(t.Context(), records[len(records)-1].Raw).Incidents; len(got) > 0 && got[0].Trail.Region != "eu-west-1" {
				t.Errorf("with %v pinned it is taken for %s", pinned, got[0].Trail.ARN)
			}
		}
	})
}

// TestA25NotDelivering: the trail counts as logging, and its bucket takes nothing.
func TestA25NotDelivering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		if _, err := s3.NewFromConfig(p.attacker, func(o *s3.Options) { o.UsePathStyle = true }).DeleteBucketPolicy(t.Context(),
			&s3.DeleteBucketPolicyInput{Bucket: aws.String("main-audit-logs")}); err != nil {
			t.Fatal(err)
		}
		p.world.Advance(time.Hour)
		if err := p.engine.Sweep(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		if !p.named("trail.delivery") {
			t.Errorf("not told: %s", summary(*p.heard))
		}
	})
}

// TestA27ToggledBetweenSweeps: stopped and started again while nobody looked, and no event told of it.
func TestA27ToggledBetweenSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		if err := p.engine.Sweep(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.stopUnseen(t)
		if _, err := p.mallory.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: p.scene.name}); err != nil {
			t.Fatal(err)
		}
		p.world.Advance(time.Minute)
		if err := p.engine.Sweep(t.Context()).Err(); err != nil || !p.named("trail.stop") {
			t.Errorf("not told: %v, %s", err, summary(*p.heard))
		}
	})
}

// TestA28SlowDrip: a setting a week is changed and nothing repaired: every sweep holds all of them against what was pinned.
func TestA28SlowDrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.engine.Guard.Observe = true
		p.world.BreakBus(true)
		for i, rule := range []string{"trail.update.validation-off", "trail.insights.off", "trail.eventconfig", "trail.tags.removed"} {
			if err := calls(rule)[0](t.Context(), p.mallory, p.scene); err != nil {
				t.Fatal(err)
			}
			p.world.Advance(7 * 24 * time.Hour)
			*p.heard = nil
			if err := p.engine.Sweep(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			most := 0
			for _, inc := range *p.heard {
				most = max(most, len(inc.Drifts))
			}
			if most != i+1 {
				t.Errorf("in week %d %d settings differ from the baseline", i+1, most)
			}
		}
	})
}

// TestA28RepairedEachWeek: with repair on, each of the changes is undone, whether or not an event tells, and what is wanted never becomes
// what was found.
func TestA28RepairedEachWeek(t *testing.T) {
	rules := []string{"trail.update.validation-off", "trail.insights.off", "trail.eventconfig", "trail.tags.removed"}
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Permutation(rules).Draw(rt, "order")
		arrive := rapid.SliceOfN(rapid.Bool(), len(order), len(order)).Draw(rt, "arrives")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			p := newPinned(t, false)
			arn := p.engine.Pinned[0]
			was, _ := p.engine.Guard.Baseline(arn)
			for i, rule := range order {
				p.world.BreakBus(!arrive[i])
				if err := calls(rule)[0](t.Context(), p.mallory, p.scene); err != nil {
					problem = err.Error()
					return
				}
				p.world.Advance(7 * 24 * time.Hour)
				if err := p.settle(t.Context()); err != nil {
					problem = err.Error()
					return
				}
				if d := cmp.Diff(p.before, p.world.Snapshots()); d != "" {
					problem = fmt.Sprintf("after week %d (-before +after):\n%s", i+1, d)
				}
			}
			if is, _ := p.engine.Guard.Baseline(arn); !reflect.DeepEqual(was, is) {
				problem = "the baseline has changed"
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestA29ApprovedChange: a change that people approved is not undone, and is told all the same.
func TestA29ApprovedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		pinned, until := p.engine.Guard.Baseline, time.Now().Add(time.Hour)
		p.engine.Guard.Baseline = func(a trail.ARN) (trail.Baseline, bool) {
			b, ok := pinned(a)
			b.Approved = []trail.Approval{{Fields: []trail.Field{trail.FieldValidation}, Who: "Ada", Why: "CHG-7", Until: until}}
			return b, ok
		}
		if err := calls("trail.update.validation-off")[0](t.Context(), p.mallory, p.scene); err != nil {
			t.Fatal(err)
		}
		if err := p.settle(t.Context()); err != nil {
			t.Error(err)
		}
		if v, _ := p.world.Trail(p.trail()); v.LogFileValidation || !p.named("trail.update.validation-off") {
			t.Errorf("validation %t; %s", v.LogFileValidation, summary(*p.heard))
		}
		time.Sleep(2 * time.Hour)
		if err := p.settle(t.Context()); err != nil {
			t.Error(err)
		}
		if v, _ := p.world.Trail(p.trail()); !v.LogFileValidation {
			t.Error("the approval has ended, and the change was not undone")
		}
	})
}

// TestGroupE: AWS in trouble, by the ids of the list of faults: nothing is lost, and when the trouble is over the trail is
// as pinned. While it lasts people are told.
func TestGroupE(t *testing.T) {
	for _, test := range []struct {
		name  string
		lag   time.Duration
		fault sim.Fault
		lasts time.Duration
		told  string
	}{
		{"E1 throttled for ten minutes", 0, sim.Fault{Op: "StartLogging", Code: "ThrottlingException"}, 10 * time.Minute, "ThrottlingException"},
		{"E4 reads lag", 5 * time.Second, sim.Fault{Op: "NoSuchCall"}, 0, ""},
		{"E7 denied", 0, sim.Fault{Op: "StartLogging", Code: "AccessDeniedException"}, 10 * time.Minute, "allow cloudtrail:StartLogging on arn:aws:cloudtrail"},
		{"E8 credentials expire", 0, sim.Fault{Op: "StartLogging", Code: "ExpiredTokenException"}, 5 * time.Minute, "check the AWS credentials"},
		{"E10 an unknown error", 0, sim.Fault{Op: "StartLogging", Code: "BrandNewException"}, 5 * time.Minute, "does not know this answer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := onSim(t, sim.Options{Clock: time.Now, ReadLag: test.lag})
				var heard []incident.Incident
				e := a.engine(t, func(o *Options) { o.Channels = nil })
				test.fault.Principal = "*trailwarden*"
				remove := a.world.Inject(test.fault)
				stop := a.stop(t, "main")
				begin, done := time.Now(), false
				for try := 0; !done && try < 60; try++ { // the source hands it in again
					if time.Since(begin) >= test.lasts {
						remove()
					}
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					report := e.Handle(ctx, stop)
					cancel()
					heard = append(heard, report.Incidents...)
					if done = report.Err() == nil; !done {
						time.Sleep(30 * time.Second)
					}
				}
				if v, _ := a.world.Trail(a.trail()); !v.Logging || !done {
					t.Errorf("logging %t, done %t", v.Logging, done)
				}
				if test.told != "" && !slices.ContainsFunc(heard, func(inc incident.Incident) bool {
					return inc.Outcome == incident.Failed && strings.Contains(inc.Reason, test.told)
				}) {
					t.Errorf("%q was not told: %s", test.told, summary(heard))
				}
			})
		})
	}
}

// TestE5ReadAfterCreate: reads that do not know the new trail yet lead to no second CreateTrail.
func TestE5ReadAfterCreate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.world.BreakBus(true)
		if _, err := p.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: p.scene.name}); err != nil {
			t.Fatal(err)
		}
		p.world.Advance(time.Minute)
		p.world.Inject(sim.Fault{Op: "GetTrail*", Principal: "*trailwarden*", Code: "TrailNotFoundException", Until: p.world.Now().Add(20 * time.Second)})
		_ = p.engine.Sweep(t.Context())
		p.world.Advance(time.Minute)
		if err := p.settle(t.Context()); err != nil {
			t.Error(err)
		}
		creates := 0
		for _, c := range p.world.Calls() {
			if c.Op == "CreateTrail" && c.Error == "" && strings.Contains(c.Principal, "trailwarden") {
				creates++
			}
		}
		if v, _ := p.world.Trail(p.trail()); creates != 1 || !v.Logging {
			t.Errorf("%d times created, logging %t", creates, v.Logging)
		}
	})
}

// TestA4Throttled: somebody uses up the room for StartLogging: people are told who, and when there is room the trail is started.
func TestA4Throttled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.stopUnseen(t)
		for range 5 {
			_, _ = p.mallory.StartLogging(t.Context(), &cloudtrail.StartLoggingInput{Name: aws.String("nothing")})
		}
		remove := p.world.Inject(sim.Fault{Op: "StartLogging", Principal: "*trailwarden*", Code: "ThrottlingException"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_ = p.engine.Sweep(ctx)
		cancel()
		if !slices.ContainsFunc(*p.heard, func(inc incident.Incident) bool {
			return inc.Outcome == incident.Failed && strings.Contains(inc.Reason, "most of them by \"arn:aws:iam::"+p.id+":user/mallory\"")
		}) {
			t.Errorf("who leaves no room is not told: %s", summary(*p.heard))
		}
		remove()
		if err := p.settle(t.Context()); err != nil {
			t.Error(err)
		}
		if v, _ := p.world.Trail(p.trail()); !v.Logging {
			t.Error("still stopped")
		}
	})
}
