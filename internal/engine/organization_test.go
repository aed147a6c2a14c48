package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const memberAccount = "444455556666"

// member is a deployment in a member account of the organization whose trail p has; pinned pins that trail there, too.
func (p pinnedAccount) member(t *testing.T, pinned bool) (*Engine, *[]incident.Incident) {
	t.Helper()
	creds := p.world.Account(memberAccount).Role("trailwarden", "react")
	cfg := p.ours
	cfg.HTTPClient = &http.Client{Transport: p.world.Transport()}
	cfg.Credentials = credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken)
	o := Options{Accounts: []string{memberAccount}, Version: "test", Now: p.world.Now, Log: p.engine.Log}
	if pinned {
		o.Baseline, o.Pinned = p.engine.Guard.Baseline, p.engine.Pinned
	}
	e, err := New(cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	heard := new([]incident.Incident)
	e.Channels = []notify.Channel{{Name: "test", Notifier: channel(func(inc incident.Incident) { *heard = append(*heard, inc) })}}
	return e, heard
}

// stopUnseen stops the trail without an event.
func (p pinnedAccount) stopUnseen(t *testing.T) {
	t.Helper()
	p.world.BreakBus(true)
	if _, err := p.mallory.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: p.scene.arn}); err != nil {
		t.Fatal(err)
	}
	p.world.Advance(time.Minute)
}

func callsOf(w *sim.World, account string) (ops []string) {
	for _, c := range w.Calls() {
		if c.Mutates && c.Service == "cloudtrail" && c.Account == account {
			ops = append(ops, c.Op)
		}
	}
	return ops
}

// TestA22MemberAddressesTheManagementAccount: an organization's trail that was stopped, or deleted, is a finding in a member,
// addressed to the management account, and nothing is called there to repair it.
func TestA22MemberAddressesTheManagementAccount(t *testing.T) {
	for _, pinned := range []bool{false, true} {
		for _, deleted := range []bool{false, true} {
			if deleted && !pinned {
				continue // in no list, and nobody here knows of it
			}
			synctest.Test(t, func(t *testing.T) {
				p := newPinned(t, false)
				e, heard := p.member(t, pinned)
				p.stopUnseen(t)
				if deleted {
					if _, err := p.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: p.scene.arn}); err != nil {
						t.Fatal(err)
					}
				}
				_ = e.Sweep(t.Context())
				to := slices.IndexFunc(*heard, func(inc incident.Incident) bool { return len(inc.Drifts) > 0 || inc.Partial })
				if to < 0 {
					t.Fatalf("pinned %t, deleted %t: nobody was told: %+v", pinned, deleted, *heard)
				}
				inc := (*heard)[to]
				if !strings.Contains(inc.Reason, "belongs to account "+p.id) || !strings.Contains(inc.NextSteps[0].Text, p.id) {
					t.Errorf("pinned %t, deleted %t: not addressed: %q, %+v", pinned, deleted, inc.Reason, inc.NextSteps)
				}
				if ops := callsOf(p.world, memberAccount); len(ops) > 0 {
					t.Errorf("pinned %t, deleted %t: the member made %v", pinned, deleted, ops)
				}
			})
		}
	}
}

// TestA22DelegatedAdministratorRepairs: the registered delegated administrator that pins the trail repairs it, and makes it
// again for the management account.
func TestA22DelegatedAdministratorRepairs(t *testing.T) {
	for _, deleted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPinned(t, false)
			p.scene.organization.Delegate(memberAccount)
			e, heard := p.member(t, true)
			p.stopUnseen(t)
			if deleted {
				if _, err := p.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: p.scene.arn}); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Sweep(t.Context()).Err(); err != nil {
				t.Errorf("sweep: %v", err)
			}
			v, ok := p.world.Trail(p.trail())
			if !ok || !v.Logging || !v.Organization {
				t.Errorf("deleted %t: %+v; %s", deleted, v, summary(*heard))
			}
		})
	}
}

// TestA24OrganizationTrailConverted: trusted access is shut off, and the trail is one account's: the management account
// escalates what it may not undo, and a delegated administrator does not touch another account's trail.
func TestA24OrganizationTrailConverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.scene.organization.Delegate(memberAccount)
		e, _ := p.member(t, true)
		p.scene.organization.TrustedAccess(false)
		p.world.Advance(time.Minute)
		_ = p.engine.Sweep(t.Context())
		if !p.named("trail.update.org-off") {
			t.Errorf("not named: %s", summary(*p.heard))
		}
		if v, _ := p.world.Trail(p.trail()); v.Organization {
			t.Error("without trusted access it cannot be the organization's")
		}
		_ = e.Sweep(t.Context())
		if ops := callsOf(p.world, memberAccount); slices.Contains(ops, "CreateTrail") {
			t.Errorf("the delegated administrator made %v", ops)
		}
	})
}

// TestA19QuotaFilled: the trail is deleted and five others take its place: people are told at once which, by whom and
// since when; none of them is touched.
func TestA19QuotaFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.world.BreakBus(true)
		ctx := t.Context()
		if _, err := p.mallory.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: p.scene.name}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"junk1", "junk2", "junk3", "junk4", "junk5"} {
			if _, err := p.mallory.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: &p.scene.bucketOfMallory}); err != nil {
				t.Fatal(err)
			}
		}
		p.world.Advance(time.Minute)
		bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		_ = p.engine.Sweep(bounded)
		i := slices.IndexFunc(*p.heard, func(inc incident.Incident) bool { return inc.Outcome == incident.Failed })
		if i < 0 {
			t.Fatalf("not escalated: %s", summary(*p.heard))
		}
		inc := (*p.heard)[i]
		if inc.Severity != incident.Critical || strings.Count(inc.Reason, "made by \"arn:aws:iam::"+p.id+":user/mallory\"") != 5 {
			t.Errorf("severity %s, reason %s", inc.Severity, inc.Reason)
		}
		if last := inc.NextSteps[len(inc.NextSteps)-1]; len(inc.NextSteps) > 5 || !strings.Contains(last.Command, "aws cloudtrail list-trails") {
			t.Errorf("%d next steps, the last %v", len(inc.NextSteps), last)
		}
		if inc.Actor == nil || !strings.HasSuffix(inc.Actor.ARN, "user/mallory") {
			t.Errorf("who deleted it is not told: %+v", inc.Actor)
		}
		if n := len(p.world.Trails()); n != 5 {
			t.Errorf("%d trails are left of five", n)
		}
	})
}

// TestA23HintsCreateNothing: whatever Region, account and name the record of a deletion gives, and whatever became of the call: a trail that is
// there is not created again, and one that is gone nowhere but in its home Region, once.
func TestA23HintsCreateNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		regions := []string{region, "us-east-1", "eu-west-1"}
		accounts := []string{"111122223333", memberAccount}
		gone := rapid.Bool().Draw(rt, "deleted")
		type hint struct{ name, where, account, code string }
		hints := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) hint {
			at, of := rapid.SampledFrom(regions).Draw(rt, "region"), rapid.SampledFrom(accounts).Draw(rt, "account")
			arn := "arn:aws:cloudtrail:" + rapid.SampledFrom(regions).Draw(rt, "arn's region") + ":" + rapid.SampledFrom(accounts).Draw(rt, "arn's account") + ":trail/main"
			return hint{rapid.SampledFrom([]string{"main", "other", arn}).Draw(rt, "name"), at, of,
				rapid.SampledFrom([]string{"", "TrailNotFoundException", "InvalidHomeRegionException", "AccessDenied"}).Draw(rt, "error")}
		}), 1, 6).Draw(rt, "hints")
		problem := ""
		synctest.Test(t, func(t *testing.T) {
			p := newPinned(t, false)
			p.world.BreakBus(true)
			if gone {
				if _, err := p.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: p.scene.name}); err != nil {
					problem = err.Error()
					return
				}
				p.world.Advance(time.Minute)
			}
			for _, h := range hints {
				p.engine.Handle(t.Context(), p.event("DeleteTrail", h.name, p.world.Now(), func(envelope, record map[string]any) {
					envelope["account"], record["recipientAccountId"] = h.account, h.account
					envelope["region"], record["awsRegion"] = h.where, h.where
					if h.code != "" {
						record["errorCode"] = h.code
					}
				}))
			}
			created := 0
			for _, c := range p.world.Calls() {
				if c.Op != "CreateTrail" || !strings.Contains(c.Principal, "trailwarden") {
					continue
				}
				created++
				if !gone || c.Region != region || c.Account != p.id || created > 1 {
					problem = "CreateTrail in " + c.Region + ": " + fmt.Sprint(c.Request)
				}
			}
		})
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

// TestE3AnswerLost: CreateTrail took effect and its answer was lost: the trail is there, and is held against the baseline
// instead of created twice.
func TestE3AnswerLost(t *testing.T) {
	for _, f := range []sim.Fault{{Code: "InternalFailure", After: true}, {Hang: true, After: true}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPinned(t, false)
			f.Op, f.Principal, f.Times = "CreateTrail", "*trailwarden*", 1
			p.world.Inject(f)
			p.world.BreakBus(true)
			if _, err := p.mallory.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: p.scene.name}); err != nil {
				t.Fatal(err)
			}
			if err := p.settle(t.Context()); err != nil {
				t.Error(err)
			}
			if v, ok := p.world.Trail(p.trail()); !ok || !v.Logging || !v.MultiRegion || v.Bucket != "main-audit-logs" {
				t.Errorf("%+v; %s", v, summary(*p.heard))
			}
		})
	}
}

// TestE2ConflictKeepsNoTrailStopped: selectors answer ConflictException for minutes, and the trail is started all the same.
func TestE2ConflictKeepsNoTrailStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.world.Inject(sim.Fault{Op: "PutEventSelectors", Principal: "*trailwarden*", Code: "ConflictException"})
		p.world.BreakBus(true)
		for _, call := range calls("trail.selectors.readonly", "trail.stop") {
			if err := call(t.Context(), p.mallory, p.scene); err != nil {
				t.Fatal(err)
			}
		}
		p.world.Advance(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.engine.Sweep(ctx).Err(); err == nil || !strings.Contains(err.Error(), "ConflictException") {
			t.Errorf("the conflict is not told: %v", err)
		}
		if v, _ := p.world.Trail(p.trail()); !v.Logging {
			t.Error("the trail is still stopped")
		}
	})
}

// TestE13RegionHangs: one Region that does not answer keeps no trail of another from its repair.
func TestE13RegionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		p.world.Inject(sim.Fault{Region: "us-west-2", Hang: true})
		p.stopUnseen(t)
		begin := time.Now()
		if err := p.engine.Sweep(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "us-west-2") {
			t.Errorf("the silent Region is not told: %v", err)
		}
		if v, _ := p.world.Trail(p.trail()); !v.Logging || time.Since(begin) > time.Minute {
			t.Errorf("logging %t after %s", v.Logging, time.Since(begin))
		}
	})
}

// TestSweepFindsTrailsOfOtherRegions: a trail for one Region is in the list of that Region alone.
func TestSweepFindsTrailsOfOtherRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		there := cloudtrail.NewFromConfig(p.attacker, func(o *cloudtrail.Options) { o.Region = "eu-west-1" })
		if _, err := there.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: &p.scene.bucketOfMallory}); err != nil {
			t.Fatal(err)
		}
		p.world.Advance(time.Minute)
		if err := p.engine.Sweep(t.Context()).Err(); err != nil {
			t.Error(err)
		}
		// A20: of the same name, and not the same trail.
		want := trail.ARN{Partition: "aws", Region: "eu-west-1", Account: p.id, Name: "main"}.String()
		if !slices.ContainsFunc(*p.heard, func(inc incident.Incident) bool {
			return inc.Trail.ARN == want && inc.Findings[0].Rule == "trail.decoy"
		}) {
			t.Errorf("not told: %s", summary(*p.heard))
		}
		if v, _ := p.world.Trail(p.trail()); !v.Logging {
			t.Error("the pinned trail changed")
		}
	})
}
