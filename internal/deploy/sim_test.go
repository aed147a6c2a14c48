package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
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

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/vault"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/anchor"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/amazonq"
	notifybus "github.com/trailwarden/trailwarden/internal/notify/eventbridge"
	"github.com/trailwarden/trailwarden/internal/notify/securityhub"
	notifysns "github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/secret"
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
	restrict(t, here, made)
	s.furnish(t, made)
	configured := slices.Contains(parameters, "EventBusArn")
	s.react, s.sweep = s.function(t, "trailwarden-react", configured), s.function(t, "trailwarden-sweep", configured)
	for function, e := range map[string]*engine.Engine{"React": s.react, "Sweep": s.sweep} {
		env := at(t, made.Resources[function].Properties, "Environment", "Variables").(map[string]any)
		e.Guard.Cloud.(*cloud.Members).Home.Restore = env["TRAILWARDEN_RESTORE_ROLE_ARN"].(string)
		e.Guard.OnlyStart = env["TRAILWARDEN_REPAIR"] == "start"
	}
	function := s.world.Function(account, region, "trailwarden-react", func(ctx context.Context, payload []byte) ([]byte, error) { return s.react.Invoke(ctx, payload) })
	ok(t)(nil, s.world.MapQueue("arn:aws:sqs:"+region+":"+account+":trailwarden-events", function, 10))
	return s
}

// restrict gives the roles of a stack what the template gives them.
func restrict(t *testing.T, in *sim.Account, stack Made) {
	t.Helper()
	for _, id := range stack.Roles() {
		policies, err := stack.Policies(id)
		ok(t)(policies, err)
		i := sim.Identity{Trust: encode(t, stack.Resources[id].Properties["AssumeRolePolicyDocument"])}
		if boundary, has := stack.Boundary(id); has {
			i.Boundary = encode(t, boundary.Document)
		}
		for _, p := range policies {
			i.Policies = append(i.Policies, encode(t, p.Document))
		}
		ok(t)(nil, in.Restrict(stack.Resources[id].Properties["RoleName"].(string), i))
	}
}

// furnish makes what the template makes, as far as sim offers it, and two trails.
func (s *site) furnish(t *testing.T, made Made) {
	t.Helper()
	ctx := t.Context()
	s.makeTrail(t, account, "main", "logs-of-main")
	s.makeTrail(t, account, "other", "logs-of-other")
	ok(t)(sns.NewFromConfig(s.admin).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("trailwarden")}))
	ok(t)(sns.NewFromConfig(s.admin).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("elsewhere")}))
	ok(t)(sns.NewFromConfig(s.admin).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("chat")}))
	s.bucket(t, s.admin, "trailwarden-evidence", "")
	s.bucket(t, s.as(s.world.Account(vaultAccount).User("admin")), "trailwarden-anchors",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+account+`:root"},"Action":"s3:*","Resource":"arn:aws:s3:::trailwarden-anchors/*"}]}`)
	queue, err := sqs.NewFromConfig(s.admin).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("trailwarden-events"), Attributes: map[string]string{
		"Policy": encode(t, made.Resources["QueuePolicy"].Properties["PolicyDocument"]), "VisibilityTimeout": fmt.Sprint(made.Resources["Queue"].Properties["VisibilityTimeout"])}})
	ok(t)(queue, err)
	ok(t)(nil, dynamo.Create(ctx, s.admin, "trailwarden"))
	rules := eventbridge.NewFromConfig(s.admin)
	ok(t)(rules.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("security")}))
	ok(t)(rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("trailwarden-watch"), EventPattern: aws.String(encode(t, made.Resources["WatchRule"].Properties["EventPattern"]))}))
	ok(t)(rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden-watch"), Targets: []types.Target{{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:" + region + ":" + account + ":trailwarden-events")}}}))
}

// makeTrail makes a trail that logs, with everything that a repair may have to put back.
func (s *site) makeTrail(t *testing.T, account, name, bucket string) {
	t.Helper()
	ctx, in := t.Context(), s.world.Account(account)
	admin, group, role := s.as(in.User("admin")), in.LogGroup(region, "audit"), in.LogRole("trail-logs")
	trails, objects := cloudtrail.NewFromConfig(admin), s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true })
	ok(t)(objects.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	ok(t)(objects.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(bucket, "arn:aws:cloudtrail:"+region+":"+account+":trail/"+name))}))
	ok(t)(trails.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: &bucket, EnableLogFileValidation: aws.Bool(true), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role,
		TagsList: []trailtypes.Tag{{Key: aws.String("team"), Value: aws.String("security")}}}))
	ok(t)(trails.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &name}))
	ok(t)(trails.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: &name, InsightSelectors: []trailtypes.InsightSelector{{InsightType: trailtypes.InsightTypeApiCallRateInsight}}}))
}

// vaultAccount owns the bucket for anchors.
const vaultAccount = "999999999999"

// bucket makes a bucket that locks objects, with a policy or none.
func (s *site) bucket(t *testing.T, owner aws.Config, name, policy string) {
	t.Helper()
	objects := s3.NewFromConfig(owner, func(o *s3.Options) { o.UsePathStyle = true })
	ok(t)(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	if policy != "" {
		ok(t)(objects.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy}))
	}
}

// store is the ledger as a role has it, with evidence in the bucket.
func (s *site) store(t *testing.T, cfg aws.Config) ledger.Store {
	t.Helper()
	store, err := dynamo.Open(cfg, "trailwarden", dynamo.Options{Bucket: "trailwarden-evidence", Owner: account})
	ok(t)(store, err)
	return store
}

// anchors is the bucket for anchors as a role has it.
func (s *site) anchors(t *testing.T, cfg aws.Config) *anchor.Bucket {
	t.Helper()
	vault, err := anchor.Open(cfg, anchor.Options{Bucket: "trailwarden-anchors", Owner: vaultAccount})
	ok(t)(vault, err)
	return vault
}

// function is the engine as one of the two functions has it.
func (s *site) function(t *testing.T, role string, configured bool) *engine.Engine {
	t.Helper()
	cfg := s.as(s.world.Account(account).Role(role, "lambda"))
	store := s.store(t, cfg)
	admin := &cloud.Client{Config: s.admin}
	state, err := admin.Read(t.Context(), s.pinned)
	ok(t)(state, err)
	e, err := engine.New(cfg, engine.Options{
		Accounts: []string{account}, Version: "test", Now: s.world.Now, Ledger: store, StartFirst: true,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Pinned: []trail.ARN{s.pinned},
		Channels: func(*engine.Engine) ([]notify.Channel, error) {
			topic, err := notifysns.Open(cfg, "arn:aws:sns:"+region+":"+account+":trailwarden")
			list := []notify.Channel{{Name: "sns", Notifier: topic}}
			if configured && err == nil {
				var bus *notifybus.Channel
				var chat *amazonq.Channel
				bus, err = notifybus.Open(cfg, "arn:aws:events:"+region+":"+account+":event-bus/security")
				ok(t)(bus, err)
				chat, err = amazonq.Open(cfg, "arn:aws:sns:"+region+":"+account+":chat")
				list = append(list, notify.Channel{Name: "eventbridge", Notifier: bus}, notify.Channel{Name: "amazonq", Notifier: chat})
			}
			return list, err
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

// attacks are one of each kind that leads to another repair call, on the trail main that has this ARN.
var attacks = []struct {
	name string
	call func(ctx context.Context, c *cloudtrail.Client, arn string) error
}{
	{"validation off", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: aws.String("main"), EnableLogFileValidation: aws.Bool(false)})
		return err
	}},
	{"log group removed", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: aws.String("main"), CloudWatchLogsLogGroupArn: aws.String(""), CloudWatchLogsRoleArn: aws.String("")})
		return err
	}},
	{"Insights off", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: []trailtypes.InsightSelector{}})
		return err
	}},
	{"only reads", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []trailtypes.EventSelector{{ReadWriteType: trailtypes.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true)}}})
		return err
	}},
	{"events summed up", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.PutEventConfiguration(ctx, &cloudtrail.PutEventConfigurationInput{TrailName: aws.String("main"), AggregationConfigurations: []trailtypes.AggregationConfiguration{
			{EventCategory: trailtypes.EventCategoryAggregationData, Templates: []trailtypes.Template{trailtypes.TemplateApiActivity}}}})
		return err
	}},
	{"tag changed", func(ctx context.Context, c *cloudtrail.Client, arn string) error {
		_, err := c.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: &arn, TagsList: []trailtypes.Tag{{Key: aws.String("team"), Value: aws.String("test")}, {Key: aws.String("more"), Value: aws.String("x")}}})
		return err
	}},
	{"stopped", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: aws.String("main")})
		return err
	}},
	{"deleted", func(ctx context.Context, c *cloudtrail.Client, _ string) error {
		_, err := c.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: aws.String("main")})
		return err
	}},
}

// attacked tries every attack on a trail, and sees each undone, by its event or by a sweep. In the end Event history has it all.
func (s *site) attacked(t *testing.T, mallory *cloudtrail.Client, arn string, sweep *engine.Engine, events bool) {
	t.Helper()
	before := s.world.Snapshots()
	for _, a := range attacks {
		s.world.BreakBus(!events)
		ok(t)(nil, a.call(t.Context(), mallory, arn))
		if !events {
			s.world.Advance(time.Minute)
			if err := sweep.Sweep(t.Context()).Err(); err != nil {
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
}

// ours are the calls of our roles, by the end of the role's name. None was refused.
func (s *site) ours(t *testing.T) map[string][]sim.Call {
	t.Helper()
	by := map[string][]sim.Call{}
	for _, c := range s.world.Calls() {
		role, ours := ourRole(c.Principal)
		if !ours {
			continue
		}
		if strings.HasPrefix(c.Error, "AccessDenied") || c.Error == "AuthorizationError" {
			t.Errorf("%s was refused to %s in %s: %.300s", c.Op, role, c.Account, c.Request)
		}
		by[role] = append(by[role], c)
	}
	return by
}

// TestPoliciesSuffice: under the template's own policies every attack is undone, by events and by the sweep; no call of ours is refused, what
// is called is granted, and what is granted is called, or explained in the table.
func TestPoliciesSuffice(t *testing.T) {
	used := map[string]map[string]bool{"react": {}, "sweep": {}, "restore": {}}
	for _, events := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, append(restoring, options...)...)
			mallory := cloudtrail.NewFromConfig(s.as(s.world.Account(account).User("mallory")))
			s.attacked(t, mallory, mainARN, s.sweep, events)
			for _, e := range []*engine.Engine{s.react, s.sweep} {
				ok(t)(nil, e.Sweep(t.Context()).Err())
				ok(t)(nil, e.Evidence(t.Context()))
				ok(t)(nil, e.Flush(t.Context()))
				sum, err := e.Keeper.Store.Keep(t.Context(), bytes.Repeat([]byte("evidence"), 50_000), s.world.Now())
				ok(t)(sum, err)
				ok(t)(e.Keeper.Store.Blob(t.Context(), sum))
			}
			ok(t)(nil, s.sweep.DepositDue(t.Context(), s.anchors(t, s.as(s.world.Account(account).Role("trailwarden-sweep", "lambda"))).Deposit))
			for role, calls := range s.ours(t) {
				for _, c := range calls {
					for _, action := range actions(t, c) {
						used[role][action] = true
					}
				}
			}
		})
	}
	for _, action := range slices.Concat(selfwatchActions(t), channelActions(t)) {
		used["react"][action], used["sweep"][action] = true, true
	}
	for _, action := range listenActions(t) {
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
			ok(t)(nil, a.call(t.Context(), mallory, mainARN))
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
	env := at(t, everything(t).Resources["React"].Properties, "Environment", "Variables").(map[string]any)
	expect, err := selfwatch.Parse(env["TRAILWARDEN_SELF"].(string))
	ok(t)(expect, err)
	return called(func(cfg aws.Config) {
		if _, err := (&selfwatch.Watch{Config: cfg, Expect: expect}).Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// channelActions are the calls of channels and of the vault to services that sim does not offer. Nothing is in the answers, which is
// an error to most; what was asked counts.
func channelActions(t *testing.T) []string {
	t.Helper()
	return called(func(cfg aws.Config) {
		for _, kind := range []string{secret.InSecretsManager, secret.InParameterStore} {
			(&vault.Vault{Config: cfg}).Secret(t.Context(), kind, "x")
		}
		hub, err := securityhub.Open(cfg, account, "test", time.Now)
		ok(t)(hub, err)
		for _, outcome := range []incident.Outcome{incident.Noted, incident.Confirmed} {
			ok(t)(nil, hub.Notify(t.Context(), incident.Incident{ID: "inc-1", Outcome: outcome}))
		}
	})
}

// listenActions are the calls of the sweep that asks whether anybody would hear.
func listenActions(t *testing.T) []string {
	t.Helper()
	var cfg config.Config
	cfg.SNS.TopicARN = "arn:aws:sns:" + region + ":" + account + ":trailwarden"
	cfg.Notify.AmazonQ.TopicARN = "arn:aws:sns:" + region + ":" + account + ":chat"
	cfg.Notify.EventBridge.Bus, cfg.Notify.SecurityHub = "arn:aws:events:"+region+":"+account+":event-bus/security", true
	return called(func(at aws.Config) {
		for _, v := range channels.Probe(t.Context(), channels.Options{Config: cfg, AWS: at, Account: func(context.Context) (string, error) { return account, nil }}) {
			if !v.Known {
				t.Errorf("channel %s: %s", v.Channel, v.Text)
			}
		}
	})
}

// called are the actions that calls with a configuration take, under the names that IAM has for them. Each is answered with nothing.
func called(do func(aws.Config)) (list []string) {
	paths := map[string]string{"/findings/import": "BatchImportFindings", "/findings/batchupdate": "BatchUpdateFindings", "/accounts": "DescribeHub"}
	seen := roundTrip(func(r *http.Request) (*http.Response, error) {
		_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		service := strings.Split(credential, "/")[3]
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		answer := "{}"
		switch {
		case service == "iam":
			op, answer = "ListAttachedRolePolicies", "<ListAttachedRolePoliciesResponse/>"
		case service == "scheduler":
			op = "GetSchedule"
		case service == "sns":
			body, _ := io.ReadAll(r.Body)
			form, _ := url.ParseQuery(string(body))
			op, answer = form.Get("Action"), "<"+form.Get("Action")+"Response/>"
		case strings.HasSuffix(r.URL.Path, "/configuration"):
			op = "GetFunctionConfiguration"
		case strings.HasSuffix(r.URL.Path, "/concurrency"):
			op = "GetFunctionConcurrency"
		case strings.HasPrefix(r.URL.Path, "/2015-03-31/event-source-mappings"):
			op = "ListEventSourceMappings"
		case op == "":
			op = paths[r.URL.Path]
		}
		list = append(list, service+":"+op)
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), Header: http.Header{}, Request: r}, nil
	})
	do(aws.Config{Region: region, HTTPClient: &http.Client{Transport: seen}, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	return list
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// neighbour is a call that lies beside another, of which one may be made and one may not.
type neighbour struct {
	name string
	may  bool
	call func() (any, error)
}

// judged makes the calls, and sees that those are refused that may not be made, and no others.
func judged(t *testing.T, calls []neighbour) {
	t.Helper()
	for _, n := range calls {
		if _, err := n.call(); n.may != (err == nil) || err != nil && !strings.Contains(err.Error(), "AccessDenied") && !strings.Contains(err.Error(), "AuthorizationError") {
			t.Errorf("%s: got %v, allowed should be %t", n.name, err, n.may)
		}
	}
}

// TestNeighboursAreRefused: beside each thing that a role may do there is one that it may not, by action or by resource.
func TestNeighboursAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, append(restoring, options...)...)
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
		s3As := func(cfg aws.Config) *s3.Client {
			return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		}
		subscriptions := func(cfg aws.Config, topic string) (any, error) {
			return sns.NewFromConfig(cfg).ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + account + ":" + topic)})
		}
		put := func(cfg aws.Config, bus string) (any, error) {
			return eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
				EventBusName: &bus, Source: aws.String("trailwarden"), DetailType: aws.String("x"), Detail: aws.String("{}")}}})
		}
		write := func(cfg aws.Config, bucket, key, owner string) (any, error) {
			return s3As(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: &owner, Body: strings.NewReader("x")})
		}
		kept, err := s.store(t, sweep).Keep(ctx, []byte("kept"), s.world.Now())
		ok(t)(kept, err)
		anchored, err := s.anchors(t, sweep).Put(ctx, nil, s.world.Now())
		ok(t)(anchored, err)
		main, other := aws.String(mainARN), aws.String(strings.Replace(mainARN, "main", "other", 1))
		judged(t, []neighbour{
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
			{"react: Publish to the chat's topic", true, func() (any, error) {
				return sns.NewFromConfig(react).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + account + ":chat"), Message: aws.String("x")})
			}},
			{"sweep: who hears of the topic", true, func() (any, error) { return subscriptions(sweep, "trailwarden") }},
			{"sweep: who hears of another topic", false, func() (any, error) { return subscriptions(sweep, "elsewhere") }},
			{"react: somebody put on the topic", false, func() (any, error) {
				return sns.NewFromConfig(react).Subscribe(ctx, &sns.SubscribeInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + account + ":trailwarden"), Protocol: aws.String("email"), Endpoint: aws.String("m@example.com")})
			}},
			{"react: an incident on the bus", true, func() (any, error) { return put(react, "security") }},
			{"react: an incident on another bus", false, func() (any, error) { return put(react, "default") }},
			{"sweep: an incident on another bus", false, func() (any, error) { return put(sweep, "default") }},
			{"react: evidence into the bucket", true, func() (any, error) { return s.store(t, react).Keep(ctx, []byte("x"), s.world.Now()) }},
			{"react: another object of that bucket", false, func() (any, error) { return write(react, "trailwarden-evidence", "evidence-of-mine/x", account) }},
			{"react: an object of a trail's bucket", false, func() (any, error) { return write(react, "logs-of-main", "evidence/x", account) }},
			{"react: evidence read", true, func() (any, error) {
				return s3As(react).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("trailwarden-evidence"), Key: aws.String("evidence/" + kept)})
			}},
			{"react: evidence deleted", false, func() (any, error) {
				return s3As(react).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("trailwarden-evidence"), Key: aws.String("evidence/" + kept)})
			}},
			{"react: what there is in the bucket", false, func() (any, error) {
				return s3As(react).ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("trailwarden-evidence")})
			}},
			{"sweep: an anchor", true, func() (any, error) { return s.anchors(t, sweep).Put(ctx, nil, s.world.Now()) }},
			{"sweep: an anchor read", false, func() (any, error) {
				return s3As(sweep).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("trailwarden-anchors"), Key: aws.String(anchored.Key), ExpectedBucketOwner: aws.String(vaultAccount)})
			}},
			{"sweep: an anchor hidden", false, func() (any, error) {
				return s3As(sweep).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("trailwarden-anchors"), Key: aws.String(anchored.Key)})
			}},
			{"sweep: something else into the bucket for anchors", false, func() (any, error) { return write(sweep, "trailwarden-anchors", "x", vaultAccount) }},
			{"react: an anchor", false, func() (any, error) { return s.anchors(t, react).Put(ctx, nil, s.world.Now()) }},
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
		})
	})
}
