package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	trailtypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	items "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/notify"
	notifysns "github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// site is trailwarden.yaml in a simulated AWS, which judges each call by the template's own policies, boundaries and trust, resource by
// resource. Trail main is pinned, and may be restored; trail other may not.
type site struct {
	world        *sim.World
	admin        aws.Config
	react, sweep *engine.Engine
	pinned       trail.ARN
}

func (s site) as(c sim.Credentials) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: s.world.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken), Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
}

// newSite deploys with the parameters given, or as it begins: then nothing but stopped trails may be repaired.
func newSite(t *testing.T, parameters ...string) *site {
	t.Helper()
	s := &site{world: sim.New(sim.Options{Clock: time.Now, Seed: 7}), pinned: trail.ARN{Partition: "aws", Region: region, Account: account, Name: "main"}}
	here := s.world.Account(account)
	s.admin = s.as(here.User("admin"))
	made := made(t, "trailwarden", artifact(parameters...))
	for id, role := range map[string]string{"ReactRole": "trailwarden-react", "SweepRole": "trailwarden-sweep", "RestoreRole": "trailwarden-restore"} {
		if made.Resources[id].ID == "" {
			continue
		}
		policies, err := made.Policies(id)
		ok(t)(policies, err)
		boundary, _ := made.Boundary(id)
		i := sim.Identity{Boundary: encode(t, boundary.Document), Trust: encode(t, made.Resources[id].Properties["AssumeRolePolicyDocument"])}
		for _, p := range policies {
			i.Policies = append(i.Policies, encode(t, p.Document))
		}
		ok(t)(nil, here.Restrict(role, i))
	}
	s.furnish(t, made)
	s.react, s.sweep = s.function(t, "trailwarden-react"), s.function(t, "trailwarden-sweep")
	for function, e := range map[string]*engine.Engine{"React": s.react, "Sweep": s.sweep} {
		env := at(t, made.Resources[function].Properties, "Environment", "Variables").(map[string]any)
		e.Guard.Cloud.(*cloud.Client).Restore = env["TRAILWARDEN_RESTORE_ROLE_ARN"].(string)
		e.Guard.OnlyStart = env["TRAILWARDEN_REPAIR"] == "start"
	}
	function := s.world.Function(account, region, "trailwarden-react", func(ctx context.Context, payload []byte) ([]byte, error) { return s.react.Invoke(ctx, payload) })
	ok(t)(nil, s.world.MapQueue("arn:aws:sqs:"+region+":"+account+":trailwarden-events", function, 10))
	return s
}

// furnish makes what the template makes, as far as sim offers it, and two trails.
func (s *site) furnish(t *testing.T, made Made) {
	t.Helper()
	ctx, here := t.Context(), s.world.Account(account)
	trails := cloudtrail.NewFromConfig(s.admin)
	group, role := here.LogGroup(region, "audit"), here.LogRole("trail-logs")
	for _, name := range []string{"main", "other"} {
		bucket := aws.String("logs-of-" + name)
		objects := s3.NewFromConfig(s.admin, func(o *s3.Options) { o.UsePathStyle = true })
		ok(t)(objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
		ok(t)(objects.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, strings.Replace(mainARN, "main", name, 1)))}))
		ok(t)(trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: bucket, EnableLogFileValidation: aws.Bool(true), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role,
			TagsList: []trailtypes.Tag{{Key: aws.String("team"), Value: aws.String("security")}}}))
		ok(t)(trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}))
		ok(t)(trails.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: &name, InsightSelectors: []trailtypes.InsightSelector{{InsightType: trailtypes.InsightTypeApiCallRateInsight}}}))
	}
	ok(t)(sns.NewFromConfig(s.admin).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("trailwarden")}))
	ok(t)(sns.NewFromConfig(s.admin).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("elsewhere")}))
	queue, err := sqs.NewFromConfig(s.admin).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("trailwarden-events"), Attributes: map[string]string{
		"Policy": encode(t, made.Resources["QueuePolicy"].Properties["PolicyDocument"]), "VisibilityTimeout": fmt.Sprint(made.Resources["Queue"].Properties["VisibilityTimeout"])}})
	ok(t)(queue, err)
	ok(t)(nil, dynamo.Create(ctx, s.admin, "trailwarden"))
	rules := eventbridge.NewFromConfig(s.admin)
	ok(t)(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden-watch"), EventPattern: aws.String(encode(t, made.Resources["WatchRule"].Properties["EventPattern"]))}))
	ok(t)(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden-watch"), Targets: []types.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":trailwarden-events")}}}))
}

// function is the engine as one of the two functions has it.
func (s *site) function(t *testing.T, role string) *engine.Engine {
	t.Helper()
	cfg := s.as(s.world.Account(account).Role(role, "lambda"))
	store, err := dynamo.Open(cfg, "trailwarden", dynamo.Options{})
	ok(t)(store, err)
	admin := &cloud.Client{Config: s.admin}
	state, err := admin.Read(t.Context(), s.pinned)
	ok(t)(state, err)
	e, err := engine.New(cfg, engine.Options{
		Accounts: []string{account}, Version: "test", Now: s.world.Now, Ledger: store, StartFirst: true,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Pinned: []trail.ARN{s.pinned},
		Channels: func(*engine.Engine) ([]notify.Channel, error) {
			topic, err := notifysns.Open(cfg, "arn:aws:sns:"+region+":"+account+":trailwarden")
			return []notify.Channel{{Name: "sns", Notifier: topic}}, err
		},
		Baseline: func(a trail.ARN) (trail.Baseline, bool) {
			return trail.Baseline{ARN: a, Want: state.Settings, Repair: trail.Groups()}, a == s.pinned
		},
	})
	ok(t)(e, err)
	return e
}

// restoring are the parameters with which trail main may be put back in full.
var restoring = []string{"RestoreTrailArns", mainARN, "RestoreLogRoleArns", "arn:aws:iam::" + account + ":role/trail-logs"}

// attacks are one of each kind that leads to another repair call.
var attacks = []struct {
	name string
	call func(context.Context, *cloudtrail.Client) error
}{
	{"validation off", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: aws.String("main"), EnableLogFileValidation: aws.Bool(false)})
		return err
	}},
	{"log group removed", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: aws.String("main"), CloudWatchLogsLogGroupArn: aws.String(""), CloudWatchLogsRoleArn: aws.String("")})
		return err
	}},
	{"Insights off", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: []trailtypes.InsightSelector{}})
		return err
	}},
	{"only reads", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []trailtypes.EventSelector{{ReadWriteType: trailtypes.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true)}}})
		return err
	}},
	{"events summed up", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.PutEventConfiguration(ctx, &cloudtrail.PutEventConfigurationInput{TrailName: aws.String("main"), AggregationConfigurations: []trailtypes.AggregationConfiguration{
			{EventCategory: trailtypes.EventCategoryAggregationData, Templates: []trailtypes.Template{trailtypes.TemplateApiActivity}}}})
		return err
	}},
	{"tag changed", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: []trailtypes.Tag{{Key: aws.String("team"), Value: aws.String("test")}, {Key: aws.String("more"), Value: aws.String("x")}}})
		return err
	}},
	{"stopped", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: aws.String("main")})
		return err
	}},
	{"deleted", func(ctx context.Context, c *cloudtrail.Client) error {
		_, err := c.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: aws.String("main")})
		return err
	}},
}

// TestPoliciesSuffice: under the template's own policies every attack is undone, by events and by the sweep; no call of ours is refused, what
// is called is granted, and what is granted is called, or explained in the table.
func TestPoliciesSuffice(t *testing.T) {
	used := map[string]map[string]bool{"react": {}, "sweep": {}, "restore": {}}
	for _, events := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, restoring...)
			mallory := cloudtrail.NewFromConfig(s.as(s.world.Account(account).User("mallory")))
			before := s.world.Snapshots()
			for _, a := range attacks {
				s.world.BreakBus(!events)
				ok(t)(nil, a.call(t.Context(), mallory))
				if !events {
					s.world.Advance(time.Minute)
					if err := s.sweep.Sweep(t.Context()).Err(); err != nil {
						t.Errorf("sweep after %q: %v", a.name, err)
					}
				}
				ok(t)(nil, s.world.Settle(10*time.Minute))
				if diff := cmp.Diff(before, s.world.Snapshots()); diff != "" {
					t.Errorf("%s, events %t: not put back (-before +after)\n%s", a.name, events, diff)
				}
			}
			time.Sleep(2 * time.Hour) // Event history lags
			s.world.Advance(2 * time.Hour)
			for _, e := range []*engine.Engine{s.react, s.sweep} {
				ok(t)(nil, e.Sweep(t.Context()).Err())
				ok(t)(nil, e.Evidence(t.Context()))
				ok(t)(nil, e.Flush(t.Context()))
			}
			for _, c := range s.world.Calls() {
				role, ours := ourRole(c.Principal)
				if !ours {
					continue
				}
				if strings.HasPrefix(c.Error, "AccessDenied") || c.Error == "AuthorizationError" {
					t.Errorf("%s was refused to %s: %s", c.Op, role, c.Request)
				}
				for _, action := range actions(t, c) {
					used[role][action] = true
				}
			}
		})
	}
	for _, action := range selfwatchActions(t) {
		used["sweep"][action] = true
	}
	may := granted(t)
	all := map[string]bool{}
	for role, calls := range used {
		for action := range calls {
			all[action] = true
			if action != "sts:GetCallerIdentity" && !slices.Contains(may[role], action) {
				t.Errorf("%s calls %s, and is not granted it", role, action)
			}
		}
	}
	for _, p := range Permissions {
		if p.Silent == "" && !all[p.Action] {
			t.Errorf("%s is granted and never called: explain it, or take it away", p.Action)
		}
		if p.Silent != "" && all[p.Action] {
			t.Errorf("%s is explained as not seen, and was seen", p.Action)
		}
	}
	t.Logf("called: %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

// TestItBeginsByReporting: as deployed without more, stopped trails are started, and what else would have been put back is told and left.
func TestItBeginsByReporting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		mallory := cloudtrail.NewFromConfig(s.as(s.world.Account(account).User("mallory")))
		told := map[string]bool{}
		for _, a := range attacks {
			ok(t)(nil, a.call(t.Context(), mallory))
			attacked := s.world.Snapshots()
			ok(t)(nil, s.world.Settle(10*time.Minute))
			if x, there := attacked[mainARN]; there {
				x.Logging = true
				attacked[mainARN] = x
			}
			if diff := cmp.Diff(attacked, s.world.Snapshots()); diff != "" {
				t.Errorf("%s: something but the logging was changed (-attacked +after)\n%s", a.name, diff)
			}
			incidents, err := s.react.Keeper.Store.Incidents(t.Context(), ledger.Query{})
			ok(t)(incidents, err)
			for _, inc := range incidents {
				for _, action := range inc.Actions {
					told[fmt.Sprint(action.Op, " made ", action.At != nil)] = true
				}
			}
		}
		ok(t)(nil, s.sweep.Sweep(t.Context()).Err())
		for _, c := range s.world.Calls() {
			if _, ours := ourRole(c.Principal); ours && c.Error == "AccessDeniedException" {
				t.Errorf("%s was tried and refused: %s", c.Op, c.Request)
			}
		}
		for _, want := range []string{"StartLogging made true", "UpdateTrail made false", "PutInsightSelectors made false", "PutEventSelectors made false", "PutEventConfiguration made false", "CreateTrail made false"} {
			if !told[want] {
				t.Errorf("nobody is told: %s; told is %v", want, slices.Sorted(maps.Keys(told)))
			}
		}
	})
}

// ourRole is the end of the name of the role of ours that a principal is.
func ourRole(principal string) (string, bool) {
	_, rest, ok := strings.Cut(principal, ":assumed-role/trailwarden-")
	role, _, _ := strings.Cut(rest, "/")
	return role, ok
}

// actions are a call's, under the names that IAM has for them.
func actions(t *testing.T, c sim.Call) []string {
	t.Helper()
	var in struct {
		TransactItems []map[string]any `json:"transactItems"`
	}
	if c.Service != "dynamodb" || json.Unmarshal(c.Request, &in) != nil || len(in.TransactItems) == 0 {
		return []string{c.Service + ":" + c.Op}
	}
	var list []string
	for _, item := range in.TransactItems {
		for kind := range item {
			action := strings.ToUpper(kind[:1]) + kind[1:] + "Item"
			list = append(list, "dynamodb:"+action)
		}
	}
	return list
}

// selfwatchActions are the calls of a look at the deployment, which sim does not offer: TestDeployedOnMoto makes them under the role.
func selfwatchActions(t *testing.T) []string {
	t.Helper()
	var list []string
	seen := roundTrip(func(r *http.Request) (*http.Response, error) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		service := strings.Split(credential, "/")[3]
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answer := "{}"
		switch {
		case service == "iam":
			op, answer = "ListAttachedRolePolicies", "<ListAttachedRolePoliciesResponse/>"
		case strings.HasSuffix(r.URL.Path, "/configuration"):
			op = "GetFunctionConfiguration"
		case strings.HasSuffix(r.URL.Path, "/concurrency"):
			op = "GetFunctionConcurrency"
		case op == "":
			op = "ListEventSourceMappings"
		}
		list = append(list, service+":"+op)
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Header: http.Header{}, Request: r}, nil
	})
	w := selfwatch.Watch{Config: aws.Config{Region: region, HTTPClient: &http.Client{Transport: seen}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")},
		Expect: selfwatch.Expect{RepairPolicy: "p"}}
	if _, err := w.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	return list
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestNeighboursAreRefused: beside each thing that a role may do there is one that it may not, by action or by resource.
func TestNeighboursAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, restoring...)
		ctx, here := t.Context(), s.world.Account(account)
		react, sweep := s.as(here.Role("trailwarden-react", "lambda")), s.as(here.Role("trailwarden-sweep", "lambda"))
		restored, err := sts.NewFromConfig(react).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/trailwarden-restore"), RoleSessionName: aws.String("xx")})
		ok(t)(restored, err)
		c := restored.Credentials
		restore := cloudtrail.NewFromConfig(s.as(sim.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken}))
		trails := cloudtrail.NewFromConfig(react)
		item := func(pk string) *dynamodb.DeleteItemInput {
			return &dynamodb.DeleteItemInput{TableName: aws.String("trailwarden"), Key: map[string]items.AttributeValue{"pk": &items.AttributeValueMemberS{Value: pk}, "sk": &items.AttributeValueMemberS{Value: "x"}}}
		}
		main, other := aws.String(mainARN), aws.String(strings.Replace(mainARN, "main", "other", 1))
		for _, n := range []struct {
			name string
			may  bool
			call func() (any, error)
		}{
			{"react: StartLogging of any trail", true, func() (any, error) { return trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: other}) }},
			{"react: StopLogging", false, func() (any, error) { return trails.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) }},
			{"react: UpdateTrail without the restore role", false, func() (any, error) {
				return trails.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"restore: UpdateTrail of the named trail", true, func() (any, error) {
				return restore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"restore: UpdateTrail of another trail", false, func() (any, error) {
				return restore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: other, EnableLogFileValidation: aws.Bool(true)})
			}},
			{"restore: another role passed", false, func() (any, error) {
				group, role := here.LogGroup(region, "drop"), here.LogRole("mallorys")
				return restore.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role})
			}},
			{"restore: a trail of another name", false, func() (any, error) {
				return restore.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("decoy"), S3BucketName: aws.String("logs-of-main")})
			}},
			{"restore: StopLogging", false, func() (any, error) { return restore.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main}) }},
			{"restore: DeleteTrail", false, func() (any, error) { return restore.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: main}) }},
			{"restore: StartLogging", false, func() (any, error) { return restore.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: main}) }},
			{"react: Publish to the topic", true, func() (any, error) {
				return sns.NewFromConfig(react).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + account + ":trailwarden"), Message: aws.String("x")})
			}},
			{"react: Publish to another topic", false, func() (any, error) {
				return sns.NewFromConfig(react).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + account + ":elsewhere"), Message: aws.String("x")})
			}},
			{"react: a sent message leaves the outbox", true, func() (any, error) { return dynamodb.NewFromConfig(react).DeleteItem(ctx, item("messages")) }},
			{"react: an entry of the ledger", false, func() (any, error) { return dynamodb.NewFromConfig(react).DeleteItem(ctx, item("entries/x")) }},
			{"react: an incident", false, func() (any, error) { return dynamodb.NewFromConfig(react).DeleteItem(ctx, item("incident/inc-1")) }},
			{"react: the head of a chain", false, func() (any, error) { return dynamodb.NewFromConfig(react).DeleteItem(ctx, item("heads")) }},
			{"sweep: its own rule", true, func() (any, error) {
				return eventbridge.NewFromConfig(sweep).DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("trailwarden-watch")})
			}},
			{"sweep: another rule", false, func() (any, error) {
				return eventbridge.NewFromConfig(sweep).DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("nightly")})
			}},
			{"sweep: switching its rule off", false, func() (any, error) {
				return eventbridge.NewFromConfig(sweep).DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("trailwarden-watch")})
			}},
			{"react: another role", false, func() (any, error) {
				return sts.NewFromConfig(react).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/admin"), RoleSessionName: aws.String("xx")})
			}},
			{"somebody else: the restore role", false, func() (any, error) {
				return sts.NewFromConfig(s.as(here.Role("developer", "x"))).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/trailwarden-restore"), RoleSessionName: aws.String("xx")})
			}},
			{"sweep: events read away", false, func() (any, error) {
				return sqs.NewFromConfig(sweep).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String("http://sim.invalid/" + account + "/trailwarden-events")})
			}},
			{"an administrator: events read away", false, func() (any, error) {
				return sqs.NewFromConfig(s.admin).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String("http://sim.invalid/" + account + "/trailwarden-events")})
			}},
		} {
			if _, err := n.call(); n.may != (err == nil) || err != nil && !strings.Contains(err.Error(), "AccessDenied") && !strings.Contains(err.Error(), "AuthorizationError") {
				t.Errorf("%s: got %v, allowed should be %t", n.name, err, n.may)
			}
		}
	})
}
