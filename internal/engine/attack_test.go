package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// scripts are attacks as public tools and reports describe them. Each is a row of calls, made at once.
var scripts = []struct {
	name  string
	calls []func(context.Context, *cloudtrail.Client, scene) error
	rules []string // that are to be named, whether by event or by sweep
}{
	{"Stratus Red Team, cloudtrail-stop", calls("trail.stop"), []string{"trail.stop"}},
	{"Stratus Red Team, cloudtrail-delete", calls("trail.delete"), []string{"trail.delete"}},
	{"Stratus Red Team, cloudtrail-event-selectors (Rhino's selector)", []func(context.Context, *cloudtrail.Client, scene) error{
		basicSelectors(func(scene) []types.EventSelector {
			return []types.EventSelector{{
				ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(false),
				DataResources: []types.DataResource{
					{Type: aws.String("AWS::S3::Object"), Values: []string{}}, {Type: aws.String("AWS::Lambda::Function"), Values: []string{}},
				},
			}}
		}),
	}, []string{"trail.selectors.mgmt-off"}},
	{"Pacu, minimize by one UpdateTrail", []func(context.Context, *cloudtrail.Client, scene) error{
		updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) {
			in.SnsTopicName, in.KmsKeyId = aws.String(""), aws.String("")
			in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn = aws.String(""), aws.String("")
			in.IsMultiRegionTrail, in.IncludeGlobalServiceEvents, in.EnableLogFileValidation = aws.Bool(false), aws.Bool(false), aws.Bool(false)
		}),
	}, []string{"trail.update.multi-region-off", "trail.update.validation-off", "trail.update.cwl-removed", "trail.update.sns-changed", "trail.update.kms-removed"}},
	// FAULTS.md A5: the event of the second call never arrives, as nothing records any more.
	{"stop the only trail, then delete it", calls("trail.stop", "trail.delete"), []string{"trail.delete"}},
	// FAULTS.md A18: the same ARN afterwards, and not the same trail.
	{"delete the trail and create it again with another bucket", append(calls("trail.delete"),
		func(ctx context.Context, api *cloudtrail.Client, s scene) error {
			if _, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: s.name, S3BucketName: &s.bucketOfMallory}); err != nil {
				return err
			}
			_, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: s.name})
			return err
		}), []string{"trail.update.bucket-changed"}},
	{"everything, and then off", calls("trail.tags.removed", "trail.insights.off", "trail.eventconfig", "trail.update.bucket-changed", "trail.selectors.readonly", "trail.stop"),
		[]string{"trail.stop"}},
}

// calls are the tamperings of entries of the catalogue.
func calls(rules ...string) []func(context.Context, *cloudtrail.Client, scene) error {
	var out []func(context.Context, *cloudtrail.Client, scene) error
	for _, rule := range rules {
		i := slices.IndexFunc(ways, func(w way) bool { return w.rule == rule })
		out = append(out, ways[i].tamper)
	}
	return out
}

// TestAttackScripts: after each script the trail is as it was pinned, and what was done is named.
func TestAttackScripts(t *testing.T) {
	for _, script := range scripts {
		for _, events := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, events %t", script.name, events), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPinned(t, false)
					p.world.BreakBus(!events)
					for _, call := range script.calls {
						if err := call(t.Context(), p.mallory, p.scene); err != nil {
							t.Fatal(err)
						}
					}
					if err := p.settle(t.Context()); err != nil {
						t.Error(err)
					}
					if d := cmp.Diff(p.before, p.world.Snapshots()); d != "" {
						t.Errorf("the trails are not as they were (-before +after):\n%s", d)
					}
					for _, rule := range script.rules {
						if !p.named(rule) {
							t.Errorf("%s is not named: %s", rule, summary(*p.heard))
						}
					}
				})
			})
		}
	}
}

// TestAnyTamperingInAnyOrder: whatever calls are made, in whatever order, and whichever of their events arrive: the trail
// ends as it is pinned, and a further sweep finds nothing to do.
func TestAnyTamperingInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		advanced := rapid.Bool().Draw(rt, "advanced")
		// The advanced selectors of the ways cover more than the basic ones that are pinned: that is reported, and
		// rightly not undone.
		usable := slices.DeleteFunc(slices.Clone(ways), func(w way) bool { return w.decides != "" || w.advanced && !advanced })
		list := rapid.SliceOfN(rapid.SampledFrom(usable), 1, 5).Draw(rt, "ways")
		arrive := rapid.SliceOfN(rapid.Bool(), len(list), len(list)).Draw(rt, "arrives")
		waits := rapid.SliceOfN(rapid.IntRange(0, 30), len(list), len(list)).Draw(rt, "seconds")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			p := newPinned(t, advanced)
			for i, w := range list {
				p.world.BreakBus(!arrive[i])
				// A call that another one made impossible is no attack: selectors of a trail that is gone, say.
				_ = w.tamper(t.Context(), p.mallory, p.scene)
				p.world.Advance(time.Duration(waits[i]) * time.Second)
			}
			if err := p.settle(t.Context()); err != nil {
				problem = err.Error()
				return
			}
			if d := cmp.Diff(p.before, p.world.Snapshots()); d != "" {
				problem = "not as pinned (-before +after):\n" + d
				return
			}
			calls := len(p.world.Calls())
			if err := p.engine.Sweep(t.Context()).Err(); err != nil {
				problem = err.Error()
			}
			for _, c := range p.world.Calls()[calls:] {
				if c.Mutates {
					problem = "a sweep over a trail as pinned calls " + c.Op
				}
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestWhatMayNotBeReadHidesNothingElse: a permission that is missing for one group costs the repair of that group alone.
func TestWhatMayNotBeReadHidesNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.world.Deny("*trailwarden*", "cloudtrail:GetEventConfiguration")
		p.world.BreakBus(true)
		for _, call := range calls("trail.update.validation-off", "trail.stop") {
			if err := call(t.Context(), p.mallory, p.scene); err != nil {
				t.Fatal(err)
			}
		}
		// The event of the stop arrives, that of the change does not.
		report := p.engine.Handle(t.Context(), p.event("StopLogging", "main", p.world.Now()))
		if d := cmp.Diff(p.before, p.world.Snapshots()); d != "" {
			t.Errorf("the trails are not as they were (-before +after):\n%s", d)
		}
		if len(report.Incidents) != 1 || !report.Incidents[0].Partial {
			t.Errorf("nobody is told that something could not be read: %+v", report.Incidents)
		}
	})
}

// pinnedAccount is an account whose trail is pinned as it is, with the engine behind a rule.
type pinnedAccount struct {
	account
	scene   scene
	engine  *Engine
	mallory *cloudtrail.Client
	heard   *[]incident.Incident
	before  map[string]sim.Snapshot
}

func newPinned(t *testing.T, advanced bool) pinnedAccount {
	t.Helper()
	p := pinnedAccount{account: onSim(t, sim.Options{Clock: time.Now, Seed: 7}), heard: new([]incident.Incident)}
	p.scene = stageScene(t, p.account, advanced)
	p.engine = p.pin(t)
	p.engine.Channels = append(p.engine.Channels, notify.Channel{Name: "heard", Notifier: channel(func(inc incident.Incident) { *p.heard = append(*p.heard, inc) })})
	p.behindRule(t, p.engine)
	p.mallory = cloudtrail.NewFromConfig(p.attacker)
	p.before = p.world.Snapshots()
	return p
}

// settle delivers what is under way, then sweeps.
func (p pinnedAccount) settle(ctx context.Context) error {
	if err := p.world.Settle(10 * time.Minute); err != nil {
		return err
	}
	p.world.BreakBus(false)
	p.world.Advance(time.Minute)
	if err := p.engine.Sweep(ctx).Err(); err != nil {
		return err
	}
	return p.world.Settle(10 * time.Minute)
}

func (p pinnedAccount) named(rule string) bool {
	return slices.ContainsFunc(*p.heard, func(inc incident.Incident) bool {
		return slices.ContainsFunc(inc.Findings, func(f incident.Finding) bool { return f.Rule == rule })
	})
}
