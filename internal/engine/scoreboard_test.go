package engine

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

var update = flag.Bool("update", false, "write docs/scoreboard.md, in place of comparing it")

// way is one way to blind a trail: an entry of the catalogue, and the calls that do it.
type way struct {
	rule     string
	advanced bool // the trail has advanced selectors
	tamper   func(ctx context.Context, api *cloudtrail.Client, s scene) error
	decides  string // why it is for people, and not repaired
}

// scene is what a tamperer finds.
type scene struct {
	name, arn              *string
	key, group, role       string // others than the trail's
	selectors              []types.EventSelector
	advanced               []types.AdvancedEventSelector
	bucketOfMallory, topic string
	organization           *sim.Organization
}

func updateTrail(change func(*cloudtrail.UpdateTrailInput, scene)) func(context.Context, *cloudtrail.Client, scene) error {
	return func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		in := &cloudtrail.UpdateTrailInput{Name: s.name}
		change(in, s)
		_, err := api.UpdateTrail(ctx, in)
		return err
	}
}

func basicSelectors(change func(scene) []types.EventSelector) func(context.Context, *cloudtrail.Client, scene) error {
	return func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: s.name, EventSelectors: change(s)})
		return err
	}
}

func advancedSelectors(change func(scene) []types.AdvancedEventSelector) func(context.Context, *cloudtrail.Client, scene) error {
	return func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: s.name, AdvancedEventSelectors: change(s)})
		return err
	}
}

func dataOf(s scene) []types.DataResource { return s.selectors[0].DataResources }

func field(name string, equals ...string) types.AdvancedFieldSelector {
	return types.AdvancedFieldSelector{Field: &name, Equals: equals}
}

// ways are the entries of group trail, in the catalogue's order.
var ways = []way{
	{rule: "trail.stop", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: s.name})
		return err
	}},
	{rule: "trail.delete", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: s.name})
		return err
	}},
	{rule: "trail.update.multi-region-off", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.IsMultiRegionTrail = aws.Bool(false) })},
	{rule: "trail.update.global-events-off", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) {
		in.IsMultiRegionTrail, in.IncludeGlobalServiceEvents = aws.Bool(false), aws.Bool(false)
	})},
	{rule: "trail.update.validation-off", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.EnableLogFileValidation = aws.Bool(false) })},
	{rule: "trail.update.bucket-changed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, s scene) { in.S3BucketName = &s.bucketOfMallory })},
	{rule: "trail.update.prefix-changed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.S3KeyPrefix = aws.String("elsewhere") })},
	{rule: "trail.update.kms-removed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.KmsKeyId = aws.String("") })},
	{rule: "trail.update.kms-changed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, s scene) { in.KmsKeyId = &s.key })},
	{rule: "trail.update.cwl-removed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) {
		in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn = aws.String(""), aws.String("")
	})},
	{rule: "trail.update.cwl-changed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, s scene) {
		in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn = &s.group, &s.role
	})},
	{rule: "trail.update.sns-changed", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.SnsTopicName = aws.String("") })},
	{rule: "trail.update.org-off", tamper: updateTrail(func(in *cloudtrail.UpdateTrailInput, _ scene) { in.IsOrganizationTrail = aws.Bool(false) })},
	{rule: "trail.selectors.mgmt-off", tamper: basicSelectors(func(s scene) []types.EventSelector {
		return []types.EventSelector{{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(false), DataResources: dataOf(s)}}
	})},
	{rule: "trail.selectors.readonly", tamper: basicSelectors(func(s scene) []types.EventSelector {
		return []types.EventSelector{{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true), DataResources: dataOf(s)}}
	})},
	{rule: "trail.selectors.writeonly", tamper: basicSelectors(func(s scene) []types.EventSelector {
		return []types.EventSelector{{ReadWriteType: types.ReadWriteTypeWriteOnly, IncludeManagementEvents: aws.Bool(true), DataResources: dataOf(s)}}
	})},
	{rule: "trail.selectors.exclude-source", tamper: basicSelectors(func(s scene) []types.EventSelector {
		return []types.EventSelector{{ReadWriteType: types.ReadWriteTypeAll, IncludeManagementEvents: aws.Bool(true), DataResources: dataOf(s),
			ExcludeManagementEventSources: []string{"kms.amazonaws.com"}}}
	})},
	{rule: "trail.selectors.data-narrowed", tamper: basicSelectors(func(scene) []types.EventSelector {
		return []types.EventSelector{{ReadWriteType: types.ReadWriteTypeAll, IncludeManagementEvents: aws.Bool(true)}}
	})},
	{rule: "trail.selectors.adv-no-mgmt", advanced: true, tamper: advancedSelectors(func(s scene) []types.AdvancedEventSelector { return s.advanced[1:] })},
	{rule: "trail.selectors.adv-mgmt-narrowed", advanced: true, tamper: advancedSelectors(func(s scene) []types.AdvancedEventSelector {
		return append([]types.AdvancedEventSelector{{Name: aws.String("all management events"), FieldSelectors: []types.AdvancedFieldSelector{
			field("eventCategory", "Management"), field("readOnly", "true")}}}, s.advanced[1:]...)
	})},
	{rule: "trail.selectors.adv-data-narrowed", advanced: true, tamper: advancedSelectors(func(s scene) []types.AdvancedEventSelector {
		narrowed := types.AdvancedEventSelector{FieldSelectors: append(slices.Clone(s.advanced[1].FieldSelectors), field("readOnly", "true"))}
		return []types.AdvancedEventSelector{s.advanced[0], narrowed, s.advanced[2]}
	})},
	{rule: "trail.selectors.adv-network-narrowed", advanced: true, tamper: advancedSelectors(func(s scene) []types.AdvancedEventSelector { return s.advanced[:2] })},
	{rule: "trail.insights.off", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: s.name, InsightSelectors: []types.InsightSelector{}})
		return err
	}},
	{rule: "trail.eventconfig", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.PutEventConfiguration(ctx, &cloudtrail.PutEventConfigurationInput{TrailName: s.name, AggregationConfigurations: []types.AggregationConfiguration{}})
		return err
	}},
	{rule: "trail.tags.removed", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: s.arn, TagsList: []types.Tag{{Key: aws.String("protected")}}})
		return err
	}},
	{rule: "trail.tags.overwritten", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: s.arn, TagsList: []types.Tag{{Key: aws.String("protected"), Value: aws.String("no")}}})
		return err
	}},
	{rule: "trail.decoy", decides: "people decide about a trail that nobody pinned; it is never touched", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("decoy"), S3BucketName: &s.bucketOfMallory})
		return err
	}},
	{rule: "trail.start", decides: "nothing to repair: the trail records", tamper: func(ctx context.Context, api *cloudtrail.Client, s scene) error {
		_, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: s.name})
		return err
	}},
}

// played is how one way went in one mode.
type played struct {
	detected bool
	repaired bool
	calls    []string
	seconds  float64 // simulated, from the tampering until the trail was read back as pinned
}

// TestScoreboard tampers once for each entry, with events delivered and without any, and writes down what came of it.
func TestScoreboard(t *testing.T) {
	results := map[string][2]played{}
	for _, w := range ways {
		for mode, events := range []bool{true, false} {
			name := w.rule + map[bool]string{true: " by event", false: " by sweep"}[events]
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := results[w.rule]
					r[mode] = play(t, w, events)
					results[w.rule] = r
				})
			})
		}
	}
	if t.Failed() {
		return
	}
	var doc bytes.Buffer
	writeScoreboard(&doc, results)
	const file = "../../docs/scoreboard.md"
	if *update {
		if err := os.WriteFile(file, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(old, doc.Bytes()) {
		t.Errorf("%s is out of date: run go test ./internal/engine -run Scoreboard -update\n%s", file, cmp.Diff(string(old), doc.String()))
	}
}

// play tampers in one way, and wants the trail as it was.
func play(t *testing.T, w way, events bool) played {
	ctx := t.Context()
	a := onSim(t, sim.Options{Clock: time.Now, Seed: 7})
	s := stageScene(t, a, w.advanced)
	var heard []incident.Incident
	e := a.pin(t)
	e.Channels = append(e.Channels, notify.Channel{Name: "heard", Notifier: channel(func(inc incident.Incident) { heard = append(heard, inc) })})
	// A first sweep finds nothing, and remembers how the trail is.
	if report := e.Sweep(ctx); report.Err() != nil || len(heard) > 0 {
		t.Fatalf("before anything happened: %v, %+v", report.Err(), heard)
	}
	a.behindRule(t, e)
	a.world.BreakBus(!events)
	before := a.world.Snapshots()

	at, calls := a.world.Now(), len(a.world.Calls())
	if err := w.tamper(ctx, cloudtrail.NewFromConfig(a.attacker), s); err != nil {
		t.Fatalf("tamper: %v", err)
	}
	if events {
		if err := a.world.Settle(10 * time.Minute); err != nil {
			t.Fatal(err)
		}
	} else {
		a.world.Advance(time.Minute)
		if err := e.Sweep(ctx).Err(); err != nil {
			t.Errorf("sweep: %v", err)
		}
	}

	p := played{}
	for _, inc := range heard {
		named := slices.ContainsFunc(inc.Findings, func(f incident.Finding) bool { return f.Rule == w.rule })
		p.detected = p.detected || named
		if named && inc.RepairedAt != nil && !p.repaired {
			p.repaired, p.seconds = true, inc.RepairedAt.Sub(at).Seconds()
		}
	}
	for _, c := range a.world.Calls()[calls:] {
		if c.Mutates && c.Service == "cloudtrail" && strings.Contains(c.Principal, "trailwarden") {
			p.calls = append(p.calls, c.Op)
		}
	}
	if !p.detected {
		t.Errorf("not named: %s", summary(heard))
	}
	after := a.world.Snapshots()
	if w.decides == "" {
		if !p.repaired {
			t.Errorf("not repaired: %s", summary(heard))
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("the trails are not as they were (-before +after):\n%s", d)
		}
		return p
	}
	if len(p.calls) > 0 {
		t.Errorf("it was not to be touched, yet: %v", p.calls)
	}
	if d := cmp.Diff(before[a.trail()], after[a.trail()]); d != "" {
		t.Errorf("the pinned trail changed:\n%s", d)
	}
	return p
}

func summary(heard []incident.Incident) string {
	var b strings.Builder
	for _, inc := range heard {
		fmt.Fprintf(&b, "\n%s %s:", inc.Outcome, inc.Reason)
		for _, f := range inc.Findings {
			b.WriteString(" " + f.Rule)
		}
	}
	return b.String()
}

// stageScene gives the trail everything that can be set.
func stageScene(t *testing.T, a account, advanced bool) scene {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	account := a.world.Account(a.id)
	s := scene{
		organization: a.world.Organization(a.id, "444455556666"),
		name:         aws.String("main"), arn: aws.String(a.trail()), bucketOfMallory: "mallory-drop", topic: a.topic,
		key: account.Key(region, "99999999-0000-4000-8000-000000000009"), group: account.LogGroup(region, "unwatched"), role: account.LogRole("another"),
	}
	buckets := s3.NewFromConfig(a.attacker, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucketOfMallory,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}})
	must(err)
	for _, bucket := range []string{s.bucketOfMallory, "main-audit-logs"} {
		// For an organization's accounts, and for any prefix.
		policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:GetBucketAcl","Resource":"arn:aws:s3:::%[1]s"},
			{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::%[1]s/*"}]}`, bucket)
		_, err = buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
		must(err)
	}

	_, err = sns.NewFromConfig(a.attacker).SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: &a.topic, AttributeName: aws.String("Policy"),
		AttributeValue: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},` +
			`"Action":"SNS:Publish","Resource":"` + a.topic + `"}]}`)})
	must(err)

	api := cloudtrail.NewFromConfig(a.attacker)
	key, group, role := account.Key(region, "11111111-0000-4000-8000-000000000001"), account.LogGroup(region, "audit"), account.LogRole("cloudtrail-logs")
	_, err = api.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{
		Name: s.name, IsMultiRegionTrail: aws.Bool(true), IncludeGlobalServiceEvents: aws.Bool(true), EnableLogFileValidation: aws.Bool(true),
		IsOrganizationTrail: aws.Bool(true), KmsKeyId: &key, CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role, SnsTopicName: &a.topic,
	})
	must(err)
	data := []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"arn:aws:s3:::ledger/"}}}
	s.selectors = []types.EventSelector{{ReadWriteType: types.ReadWriteTypeAll, IncludeManagementEvents: aws.Bool(true), DataResources: data}}
	s.advanced = []types.AdvancedEventSelector{
		{Name: aws.String("management"), FieldSelectors: []types.AdvancedFieldSelector{field("eventCategory", "Management")}},
		{Name: aws.String("objects"), FieldSelectors: []types.AdvancedFieldSelector{field("eventCategory", "Data"), field("resources.type", "AWS::S3::Object")}},
		{Name: aws.String("endpoints"), FieldSelectors: []types.AdvancedFieldSelector{field("eventCategory", "NetworkActivity"), field("eventSource", "cloudtrail.amazonaws.com")}},
	}
	in := &cloudtrail.PutEventSelectorsInput{TrailName: s.name, EventSelectors: s.selectors}
	if advanced {
		in = &cloudtrail.PutEventSelectorsInput{TrailName: s.name, AdvancedEventSelectors: s.advanced}
	}
	_, err = api.PutEventSelectors(ctx, in)
	must(err)
	_, err = api.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: s.name, InsightSelectors: []types.InsightSelector{
		{InsightType: types.InsightTypeApiCallRateInsight}, {InsightType: types.InsightTypeApiErrorRateInsight}}})
	must(err)
	_, err = api.PutEventConfiguration(ctx, &cloudtrail.PutEventConfigurationInput{TrailName: s.name, AggregationConfigurations: []types.AggregationConfiguration{
		{EventCategory: types.EventCategoryAggregationData, Templates: []types.Template{types.TemplateApiActivity}}}})
	must(err)
	_, err = api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: s.arn, TagsList: []types.Tag{{Key: aws.String("protected"), Value: aws.String("yes")}, {Key: aws.String("owner"), Value: aws.String("security")}}})
	must(err)
	a.world.Advance(20 * time.Minute) // until all that has gone by, and the trail delivers
	return s
}

// behindRule puts the engine behind a rule on every CloudTrail call, as its function.
func (a account) behindRule(t *testing.T, e *Engine) {
	t.Helper()
	function := a.world.Function(a.id, region, "trailwarden", func(ctx context.Context, payload []byte) ([]byte, error) { return e.Invoke(ctx, payload) })
	rules := eventbridge.NewFromConfig(a.attacker)
	if _, err := rules.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: aws.String("trailwarden"),
		EventPattern: aws.String(`{"source":["aws.cloudtrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"]}}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := rules.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: aws.String("trailwarden"),
		Targets: []eventtypes.Target{{Id: aws.String("function"), Arn: &function}}}); err != nil {
		t.Fatal(err)
	}
}

// pin is the engine with the trail pinned as it is, and everything open for repair.
func (a account) pin(t *testing.T) *Engine {
	t.Helper()
	e := a.engine(t, func(o *Options) { o.Channels = nil })
	arn := trail.ARN{Partition: "aws", Region: region, Account: a.id, Name: "main"}
	state, err := e.Guard.Cloud.(*cloud.Members).Home.Read(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	e.Guard.Baseline = func(x trail.ARN) (trail.Baseline, bool) {
		return trail.Baseline{ARN: x, Want: state.Settings, Repair: trail.Groups()}, x == arn
	}
	e.Pinned = []trail.ARN{arn}
	return e
}

// channel is a Notifier of the tests.
type channel func(incident.Incident)

// hearing lets one message in at a time: trails are told of side by side.
var hearing sync.Mutex

func (c channel) Notify(_ context.Context, inc incident.Incident) error {
	hearing.Lock()
	defer hearing.Unlock()
	c(inc)
	return nil
}

func writeScoreboard(b *bytes.Buffer, results map[string][2]played) {
	data, err := os.ReadFile("testdata/catalogue.tsv")
	if err != nil {
		panic(err)
	}
	b.WriteString("# Scoreboard\n\n" +
		"Every entry of the catalogue of ways to blind CloudTrail, and what trailwarden makes of it on the simulated AWS, with a pinned baseline\n" +
		"that opens all groups for repair: once with events delivered, once without any (a sweep a minute later). Written by\n" +
		"`go test ./internal/engine -run Scoreboard -update`, and compared in CI.\n\n")
	detected, both, repaired, reversible := 0, 0, 0, 0
	for _, w := range ways {
		r := results[w.rule]
		if r[0].detected && r[1].detected {
			both++
		}
		if r[0].detected || r[1].detected {
			detected++
		}
		if w.decides == "" {
			reversible++
			if r[0].repaired && r[1].repaired {
				repaired++
			}
		}
	}
	fmt.Fprintf(b, "Of the %d entries of group `trail`, %d are detected in both modes; of the %d that can be repaired, %d are.\n\n", len(ways), both, reversible, repaired)
	b.WriteString("| entry | what it is | by event | by sweep | repaired | calls | simulated seconds, event / sweep |\n|---|---|---|---|---|---|---|\n")
	for line := range strings.Lines(string(data)) {
		part := strings.Split(strings.TrimSpace(line), "\t")
		i := slices.IndexFunc(ways, func(w way) bool { return w.rule == part[0] })
		if i < 0 {
			fmt.Fprintf(b, "| `%s` | %s | not yet | not yet | not yet | | |\n", part[0], part[2])
			continue
		}
		r, fixed, seconds := results[part[0]], ways[i].decides, ""
		if fixed == "" {
			fixed = yes(r[0].repaired && r[1].repaired)
			seconds = fmt.Sprintf("%.0f / %.0f", r[0].seconds, r[1].seconds)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", part[0], part[2], yes(r[0].detected), yes(r[1].detected), fixed, strings.Join(r[1].calls, ", "), seconds)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}
