package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const memberMain = "arn:aws:cloudtrail:" + region + ":" + memberAccount + ":trail/main"

// federation is a site in an organization, whose member has a trail that is pinned, too.
type federation struct {
	*site
	organization string
	member       *sim.Account
	admin        aws.Config // of the member
	pinned       trail.ARN
	react, sweep *engine.Engine
}

func newFederation(t *testing.T) *federation {
	t.Helper()
	f := &federation{site: newSite(t, restoring...), pinned: trail.ARN{Partition: "aws", Region: region, Account: memberAccount, Name: "main"}}
	f.organization = f.world.Organization(managementAccount, account, memberAccount).ID
	f.member = f.world.Account(memberAccount)
	f.admin = f.as(f.member.User("admin"))
	restrict(t, f.world.Account(account), made(t, "trailwarden", artifact(append(restoring, "OrganizationId", f.organization, "MemberAccounts", memberAccount)...)))
	restrict(t, f.member, mustMake(t, "member-role", Stack{Account: memberAccount, Region: region, Parameters: map[string]string{"CentralAccountId": account, "OrganizationId": f.organization,
		"CentralBusArn": samples()["member-role"]["CentralBusArn"], "RestoreTrailArns": memberMain, "RestoreLogRoleArns": "arn:aws:iam::" + memberAccount + ":role/trail-logs"}}))
	f.makeTrail(t, memberAccount, "main", "logs-of-member")
	f.react, f.sweep = f.function(t, "trailwarden-react"), f.function(t, "trailwarden-sweep")
	f.hop(t)
	return f
}

// function is the engine as one of the central account's functions has it.
func (f *federation) function(t *testing.T, role string) *engine.Engine {
	t.Helper()
	cfg := f.as(f.world.Account(account).Role(role, "lambda"))
	store, err := dynamo.Open(cfg, "trailwarden", dynamo.Options{})
	ok(t)(store, err)
	state, err := (&cloud.Client{Config: f.admin}).Read(t.Context(), f.pinned)
	ok(t)(state, err)
	e, err := engine.New(cfg, engine.Options{Accounts: []string{account, memberAccount}, Version: "test", Ledger: store, MemberRole: "trailwarden-member",
		RestoreRole: "arn:aws:iam::" + account + ":role/trailwarden-restore", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Pinned: []trail.ARN{f.pinned},
		Baseline: func(a trail.ARN) (trail.Baseline, bool) {
			return trail.Baseline{ARN: a, Want: state.Settings, Repair: trail.Groups()}, a == f.pinned
		}})
	ok(t)(e, err)
	return e
}

// hop is the way from the member's bus to the central queue. sim has no buses as targets: what the member's rule takes is held against the
// pattern of the central rule, and handed on as it is, as EventBridge does between accounts.
func (f *federation) hop(t *testing.T) {
	t.Helper()
	ctx, rules := t.Context(), eventbridge.NewFromConfig(f.admin)
	central := patternIn(t, made(t, "organization", map[string]string{"OrganizationId": f.organization, "MemberAccounts": memberAccount, "QueueArn": samples()["organization"]["QueueArn"],
		"DeadLettersArn": samples()["organization"]["DeadLettersArn"], "TopicArn": samples()["organization"]["TopicArn"]}), "MemberRule")
	arn := "arn:aws:sqs:" + region + ":" + memberAccount + ":hop"
	ok(t)(sqs.NewFromConfig(f.admin).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("hop"), Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`}}))
	rule := mustMake(t, "member-rules", Stack{Account: memberAccount, Region: region, Parameters: samples()["member-rules"]}).Resources["TrailRule"].Properties
	ok(t)(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden-member"), EventPattern: aws.String(encode(t, rule["EventPattern"]))}))
	ok(t)(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden-member"), Targets: []types.Target{{Id: aws.String("central"), Arn: &arn}}}))
	function := f.world.Function(memberAccount, region, "hop", func(ctx context.Context, payload []byte) ([]byte, error) {
		var batch struct{ Records []struct{ Body string } }
		if err := json.Unmarshal(payload, &batch); err != nil {
			return nil, err
		}
		for _, r := range batch.Records {
			if taken, err := central.Match([]byte(r.Body)); err != nil || !taken {
				return nil, fmt.Errorf("the central rule does not take %.300s: %w", r.Body, err)
			}
		}
		return f.react.Invoke(ctx, payload)
	})
	ok(t)(nil, f.world.MapQueue(arn, function, 10))
}

// TestMemberPoliciesSuffice: every attack on a member's trail is undone by the central account's functions with the member's roles, by events and
// by the sweep; no call of theirs is refused; and what the member's role is granted is called, or explained in the table.
func TestMemberPoliciesSuffice(t *testing.T) {
	used := map[string]bool{}
	for _, events := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFederation(t)
			mallory := cloudtrail.NewFromConfig(f.as(f.member.User("mallory")))
			f.attacked(t, mallory, memberMain, f.sweep, events)
			for _, e := range []*engine.Engine{f.react, f.sweep} {
				ok(t)(nil, e.Sweep(t.Context()).Err())
				ok(t)(nil, e.Evidence(t.Context()))
			}
			for _, c := range f.ours(t)["member"] {
				used[c.Service+":"+c.Op] = true
			}
		})
	}
	for _, p := range Permissions {
		if slices.Contains(p.Roles, "member") && p.Silent == "" && !used[p.Action] {
			t.Errorf("%s is granted to the member's role and never called", p.Action)
		}
	}
	t.Logf("called: %s", strings.Join(slices.Sorted(maps.Keys(used)), ", "))
}

// TestMemberTrailThatNobodyPinned: the sweep looks at every trail of a member. One that it saw logging is started again without an event, and who
// stopped it and what was done meanwhile comes from the member's own Event history.
func TestMemberTrailThatNobodyPinned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFederation(t)
		f.sweep.Pinned, f.sweep.Guard.Baseline = nil, nil
		mallory := cloudtrail.NewFromConfig(f.as(f.member.User("mallory")))
		ok(t)(nil, f.sweep.Sweep(t.Context()).Err())
		f.world.BreakBus(true)
		f.world.Advance(time.Minute)
		ok(t)(mallory.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
		f.world.Advance(time.Minute)
		ok(t)(mallory.AddTags(t.Context(), &cloudtrail.AddTagsInput{ResourceId: aws.String(memberMain), TagsList: []trailtypes.Tag{{Key: aws.String("more"), Value: aws.String("x")}}}))
		f.world.Advance(time.Minute)
		ok(t)(nil, f.sweep.Sweep(t.Context()).Err())
		if s, _ := f.world.Snapshot(memberMain); !s.Logging {
			t.Error("the member's trail is not logging")
		}
		time.Sleep(2 * time.Hour) // Event history lags
		f.world.Advance(2 * time.Hour)
		ok(t)(nil, f.sweep.Evidence(t.Context()))
		incidents, err := f.sweep.Keeper.Store.Incidents(t.Context(), ledger.Query{})
		ok(t)(incidents, err)
		i := slices.IndexFunc(incidents, func(i incident.Incident) bool { return i.Trail.ARN == memberMain && i.Outcome == incident.Repaired })
		if i < 0 {
			t.Fatalf("no repair of the member's trail is told: %+v", incidents)
		}
		if e := incidents[i].Evidence; e == nil || e.Calls == 0 || !strings.Contains(encode(t, e), "AddTags") || !strings.Contains(encode(t, e), "mallory") {
			t.Errorf("what was done in the member is told as %+v", e)
		}
	})
}

// TestMemberNeighboursAreRefused: beside each thing that a role may do in a member there is one that it may not, by action, by resource or by who
// asks.
func TestMemberNeighboursAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFederation(t)
		ctx, home := t.Context(), f.world.Account(account)
		stranger := f.world.Account("666666666666")
		assume := func(who sim.Credentials, role string) (aws.Config, error) {
			out, err := sts.NewFromConfig(f.as(who)).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + memberAccount + ":role/trailwarden-" + role), RoleSessionName: aws.String("xx")})
			if err != nil {
				return aws.Config{}, err
			}
			return f.as(sim.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}), nil
		}
		react := home.Role("trailwarden-react", "lambda")
		member, err := assume(react, "member")
		ok(t)(member, err)
		asMember := cloudtrail.NewFromConfig(member)
		c, err := member.Credentials.Retrieve(ctx)
		ok(t)(c, err)
		restored, err := assume(sim.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, "restore")
		ok(t)(restored, err)
		asRestore := cloudtrail.NewFromConfig(restored)
		main, other := aws.String(memberMain), aws.String(strings.Replace(memberMain, "main", "other", 1))
		judged(t, []neighbour{
			{"the sweep: the member's role", true, func() (any, error) { return assume(home.Role("trailwarden-sweep", "lambda"), "member") }},
			{"another role of the central account: the member's role", false, func() (any, error) { return assume(home.Role("developer", "x"), "member") }},
			{"a role of that name in another account: the member's role", false, func() (any, error) { return assume(stranger.Role("trailwarden-react", "x"), "member") }},
			{"the member's own administrator: the member's role", false, func() (any, error) { return assume(f.member.Role("admin", "x"), "member") }},
			{"react: the member's restore role, past the member's role", false, func() (any, error) { return assume(react, "restore") }},
			{"a role of the member: the restore role", false, func() (any, error) { return assume(f.member.Role("developer", "x"), "restore") }},
			{"react: another role of the member", false, func() (any, error) { return assume(react, "forward") }},
			{"member: StartLogging", true, func() (any, error) { return asMember.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: main}) }},
			{"member: StopLogging", false, func() (any, error) { return asMember.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) }},
			{"member: DeleteTrail", false, func() (any, error) { return asMember.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: main}) }},
			{"member: UpdateTrail without the restore role", false, func() (any, error) {
				return asMember.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"member: CreateTrail", false, func() (any, error) {
				return asMember.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("main2"), S3BucketName: aws.String("logs-of-member")})
			}},
			{"member: AddTags", false, func() (any, error) {
				return asMember.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: main, TagsList: []trailtypes.Tag{{Key: aws.String("x"), Value: aws.String("x")}}})
			}},
			{"restore: UpdateTrail of the named trail", true, func() (any, error) {
				return asRestore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"restore: UpdateTrail of another trail", false, func() (any, error) {
				return asRestore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: other, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"restore: another role passed", false, func() (any, error) {
				group, role := f.member.LogGroup(region, "drop"), f.member.LogRole("mallorys")
				return asRestore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role})
			}},
			{"restore: StopLogging", false, func() (any, error) { return asRestore.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) }},
			{"restore: StartLogging", false, func() (any, error) { return asRestore.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: main}) }},
		})

		// Out of the organization nobody comes in any more, whatever the account's number.
		f.world.Organization("888899990000", account)
		if _, err := assume(react, "member"); err == nil {
			t.Error("the central account has left the organization, and its role still becomes the member's")
		}
	})
}
