package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
)

// terraform is the tool in a copy of the module, so that nothing is left in the repository.
type terraform struct {
	dir string // the copy of deploy/terraform
	env []string
}

// providers are where a provider may lie: nothing here is fetched from Terraform's registry.
var providers = []string{"/opt/tf-plugins", "/usr/share/terraform/plugins"}

func startTerraform(t *testing.T) terraform {
	t.Helper()
	if _, err := exec.LookPath("terraform"); err != nil {
		t.Skip("NOT PROVEN HERE: that terraform itself takes the module, for it is not installed")
	}
	i := slices.IndexFunc(providers, func(dir string) bool {
		found, _ := filepath.Glob(filepath.Join(dir, "registry.terraform.io/hashicorp/aws/*"))
		return len(found) > 0
	})
	if i < 0 {
		t.Skipf("NOT PROVEN HERE: that terraform itself takes the module, for no mirror of the AWS provider is in %v", providers)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "terraformrc")
	ok(t)(nil, os.WriteFile(config, fmt.Appendf(nil, "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", providers[i]), 0o600))
	tf := terraform{dir: filepath.Join(dir, "module"), env: []string{"TF_CLI_CONFIG_FILE=" + config, "TF_IN_AUTOMATION=1", "TF_INPUT=0"}}
	ok(t)(nil, os.CopyFS(tf.dir, os.DirFS("../../deploy/terraform")))
	return tf
}

// run runs terraform in a folder of the copy and gives its output; all runs together have the time of the test.
func (tf terraform) run(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "terraform", args...)
	cmd.Dir, cmd.Env = filepath.Join(tf.dir, dir), append(os.Environ(), tf.env...)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	t.Logf("terraform %s: %.1f s", args[0], time.Since(began).Seconds())
	if err != nil {
		return string(out), fmt.Errorf("terraform %s: %w\n%s\n%s", strings.Join(args, " "), err, out, errors.Bytes())
	}
	return string(out), nil
}

func (tf terraform) must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := tf.run(t, dir, args...)
	ok(t)(nil, err)
	return out
}

// TestTerraformItself: terraform finds the module formatted and valid, and its own tests, with a mocked provider, pass.
func TestTerraformItself(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that terraform itself takes the module; it takes a minute")
	}
	t.Parallel()
	tf := startTerraform(t)
	if unformatted, err := tf.run(t, ".", "fmt", "-check", "-recursive", "-diff"); err != nil {
		t.Errorf("terraform fmt -recursive deploy/terraform:\n%s", unformatted)
	}
	for _, dir := range []string{"examples/simple", "examples/organization"} { // all modules are within
		tf.must(t, dir, "init", "-backend=false", "-no-color")
		tf.must(t, dir, "validate", "-no-color")
	}
	tf.must(t, ".", "init", "-backend=false", "-no-color")
	out := tf.must(t, ".", "test", "-no-color")
	if passed := regexp.MustCompile(`(\d+) passed, 0 failed`).FindStringSubmatch(out); passed == nil || passed[1] == "0" {
		t.Errorf("terraform test ran nothing:\n%s", out)
	}
}

// motoLacks is what moto 5.2.1 does not do, as an override of the module, and why. A change of a queue takes 25 seconds.
const motoLacks = `
# It forgets which queues may redrive, and the provider waits for it to remember.
resource "aws_sqs_queue" "dead_letters" {
  redrive_allow_policy = null
}

# It tells this one with spaces that nobody put there, so that every plan would change it.
resource "aws_sqs_queue" "events" {
  redrive_policy = null
}
`

// motoDiffers are the changes that a second plan shows on moto 5.2.1 and why; on AWS there are none.
var motoDiffers = map[string][]string{
	"module.trailwarden.aws_lambda_function.react": {"logging_config"}, // moto does not tell it
	"module.trailwarden.aws_lambda_function.sweep": {"logging_config"},
}

// restoringToo has examples/organization put trails back in full, in the central account and in the member.
const restoringToo = `
module "trailwarden" {
  restore_trail_arns    = ["arn:aws:cloudtrail:eu-central-1:123456789012:trail/main"]
  restore_log_role_arns = ["arn:aws:iam::123456789012:role/logs"]
}

module "member" {
  restore_trail_arns    = ["arn:aws:cloudtrail:*:444455556666:trail/main"]
  restore_log_role_arns = ["arn:aws:iam::444455556666:role/logs"]
}
`

// Accounts of the organization on moto besides the central one, motoAccount.
const (
	witnessAccount = "999999999999"
	memberAccount  = "444455556666"
)

// organizationModules are the modules of examples/organization with the account and Region that each is for, and the templates with
// the parameters that make the same.
func organizationModules(uploaded map[string]string) map[string]struct {
	Stack
	templates map[string]map[string]string
} {
	type module = struct {
		Stack
		templates map[string]map[string]string
	}
	const organization = "o-exampleorg1"
	queue := "arn:aws:sqs:" + region + ":" + motoAccount + ":trailwarden-"
	bus := "arn:aws:events:" + region + ":" + motoAccount + ":event-bus/trailwarden"
	central := maps.Clone(uploaded)
	maps.Copy(central, map[string]string{"RestoreTrailArns": "arn:aws:cloudtrail:" + region + ":" + motoAccount + ":trail/main", "RestoreLogRoleArns": "arn:aws:iam::" + motoAccount + ":role/logs",
		"OrganizationId": organization, "MemberAccounts": memberAccount, "HeartbeatBusArn": "arn:aws:events:" + region + ":" + witnessAccount + ":event-bus/trailwarden-witness"})
	return map[string]module{
		"module.trailwarden": {Stack{Account: motoAccount, Region: region}, map[string]map[string]string{
			"trailwarden": central,
			"organization": {"OrganizationId": organization, "MemberAccounts": memberAccount, "QueueArn": queue + "events", "DeadLettersArn": queue + "dead-letters",
				"TopicArn": "arn:aws:sns:" + region + ":" + motoAccount + ":trailwarden"}}},
		"module.central_iam_events": {Stack{Account: motoAccount, Region: iamRegion}, map[string]map[string]string{"forwarder": {"HomeRegion": region}}},
		"module.witness": {Stack{Account: witnessAccount, Region: region}, map[string]map[string]string{
			"witness": {"WatchedAccountId": motoAccount, "WatchedRegion": region, "NotificationEmail": "board@example.com"}}},
		"module.member": {Stack{Account: memberAccount, Region: region}, map[string]map[string]string{
			"member-role": {"CentralAccountId": motoAccount, "OrganizationId": organization, "CentralBusArn": bus,
				"RestoreTrailArns": "arn:aws:cloudtrail:*:" + memberAccount + ":trail/main", "RestoreLogRoleArns": "arn:aws:iam::" + memberAccount + ":role/logs"},
			"member-rules": {"CentralBusArn": bus}}},
		"module.member_iam_events": {Stack{Account: memberAccount, Region: iamRegion}, map[string]map[string]string{"member-rules": {"CentralBusArn": bus}}},
	}
}

// TestTerraformOnMoto: examples/organization, with all modules in three accounts and two Regions. Apply makes what the templates make, as
// AWS's answers say; a second plan changes nothing; destroy leaves what the README says, and nothing else.
func TestTerraformOnMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that terraform's apply makes what the templates make and destroy leaves evidence; it takes a minute and more")
	}
	t.Parallel() // it mostly waits: the provider takes 25 seconds for a queue until it trusts it
	tf := startTerraform(t)
	m := startMoto(t)
	uploaded := m.upload(t, zippedText(t, "#!/bin/sh\n"))
	tf.env = append(tf.env, "AWS_ENDPOINT_URL="+m.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE="+m.profiles(t))
	given := map[string]any{
		"region": region, "organization_id": "o-exampleorg1", "notification_email": uploaded["NotificationEmail"], "witness_email": "board@example.com",
		"profiles": map[string]string{"central": "central", "witness": "witness", "member": "member"},
		"artifact": map[string]string{"bucket": uploaded["ArtifactBucket"], "key": uploaded["ArtifactKey"], "version": uploaded["ArtifactVersion"], "sha256": uploaded["ArtifactSha256"]},
	}
	root := "examples/organization"
	for name, text := range map[string]string{"moto_override.tf": motoLacks, root + "/moto_override.tf": restoringToo, root + "/moto.auto.tfvars.json": encode(t, given)} {
		ok(t)(nil, os.WriteFile(filepath.Join(tf.dir, name), []byte(text), 0o600))
	}

	tf.must(t, root, "init", "-no-color")
	tf.must(t, root, "apply", "-auto-approve", "-no-color")
	state := tf.state(t, root)
	modules := organizationModules(uploaded)
	for name, module := range modules {
		var want []Made
		for template, parameters := range module.templates {
			place := module.Stack
			place.Parameters = parameters
			want = append(want, mustMake(t, template, place))
		}
		sameAsTemplates(t, name, want, state[name])
		delete(state, name)
	}
	if len(state) > 1 || state[""] == nil { // data of the example itself
		t.Errorf("nobody looked at %v", slices.Collect(maps.Keys(state)))
	}

	tf.must(t, root, "plan", "-out=again", "-no-color")
	changes := tf.changes(t, root, "again")
	if diff := cmp.Diff(motoDiffers, changes); diff != "" {
		t.Errorf("what a second plan would change (-known of moto +now)\n%s", diff)
	}

	kept := takenOut(t)
	args := []string{"state", "rm"}
	for _, address := range strings.Fields(tf.must(t, root, "state", "list")) {
		if kept.MatchString(address) {
			args = append(args, address)
		}
	}
	tf.must(t, root, args...)
	tf.must(t, root, "destroy", "-auto-approve", "-no-color")
	want := map[string][]string{
		"module.trailwarden": {"archive trailwarden", "log group /aws/lambda/trailwarden-react", "log group /aws/lambda/trailwarden-sweep",
			"queue trailwarden-dead-letters", "table trailwarden"},
		"module.central_iam_events": {"queue trailwarden-forward-dead-letters"},
		"module.witness":            {}, "module.member": {}, "module.member_iam_events": {},
	}
	for name, module := range modules {
		if diff := cmp.Diff(want[name], m.in(t, module.Account, module.Region).left(t)); diff != "" {
			t.Errorf("%s: what is there after destroy (-README +moto)\n%s", name, diff)
		}
	}
}

// profiles writes credentials of an administrator of each account as the AWS CLI reads them.
func (m moto) profiles(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for profile, account := range map[string]string{"central": motoAccount, "witness": witnessAccount, "member": memberAccount} {
		c, err := m.in(t, account, region).admin.Credentials.Retrieve(t.Context())
		ok(t)(c, err)
		fmt.Fprintf(&text, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n", profile, c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	file := filepath.Join(t.TempDir(), "credentials")
	ok(t)(nil, os.WriteFile(file, []byte(text.String()), 0o600))
	return file
}

// upload puts a zip into a versioned bucket and says so as parameters.
func (m moto) upload(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	objects := s3.NewFromConfig(m.admin, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := aws.String("trailwarden-artifacts")
	ok(t)(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	ok(t)(objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))
	put, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("trailwarden.zip"), Body: bytes.NewReader(packed)})
	ok(t)(put, err)
	sum := sha256.Sum256(packed)
	return artifact("ArtifactVersion", *put.VersionId, "ArtifactSha256", base64.StdEncoding.EncodeToString(sum[:]))
}

func zippedText(t *testing.T, text string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bootstrap")
	ok(t)(nil, os.WriteFile(file, []byte(text), 0o600))
	return zipped(t, file)
}

// state are the resources of the state by module, without what AWS adds where nobody said anything.
func (tf terraform) state(t *testing.T, dir string) map[string][]tfResource {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tf.dir, dir, "terraform.tfstate"))
	ok(t)(text, err)
	var state struct {
		Resources []struct {
			Module, Mode, Type, Name string
			Instances                []struct{ Attributes map[string]any }
		}
	}
	ok(t)(nil, json.Unmarshal(text, &state))
	preset := map[string]any{"datapoints_to_alarm": 0., "visibility_timeout_seconds": 30.}
	all := map[string][]tfResource{}
	for _, r := range state.Resources {
		for _, instance := range r.Instances {
			maps.DeleteFunc(instance.Attributes, func(name string, v any) bool { return v == "" && name != "pattern" || v == preset[name] })
			all[r.Module] = append(all[r.Module], tfResource{Type: r.Type, Name: r.Name, Mode: r.Mode, Values: instance.Attributes})
		}
	}
	return all
}

// sameAsTemplates holds what moto tells of what a module made against the templates.
func sameAsTemplates(t *testing.T, module string, templates []Made, state []tfResource) {
	t.Helper()
	want := ofTemplates(templates...)
	got, problems := asTemplate(state, false)
	for _, p := range problems {
		t.Errorf("%s: %s", module, p)
	}
	onlyTagsOfTemplates(t, want, got)
	delete(want["AWS::SQS::Queue trailwarden-dead-letters"], "RedriveAllowPolicy") // motoLacks, motoDiffers
	delete(want["AWS::SQS::Queue trailwarden-events"], "RedrivePolicy")
	delete(want["AWS::Lambda::Function trailwarden-react"], "LoggingConfig")
	delete(want["AWS::Lambda::Function trailwarden-sweep"], "LoggingConfig")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -templates +what Terraform made on moto\n%s", module, diff)
	}
}

// changes are the attributes that a plan would change, by address; a resource that would be made or deleted is "create" or "delete".
func (tf terraform) changes(t *testing.T, dir, plan string) map[string][]string {
	t.Helper()
	var shown struct {
		Changes []struct {
			Address, Mode string
			Change        struct {
				Actions       []string
				Before, After map[string]any
			}
		} `json:"resource_changes"`
	}
	ok(t)(nil, json.Unmarshal([]byte(tf.must(t, dir, "show", "-json", plan)), &shown))
	out := map[string][]string{}
	for _, c := range shown.Changes {
		if c.Mode != "managed" || slices.Equal(c.Change.Actions, []string{"no-op"}) {
			continue
		}
		if !slices.Equal(c.Change.Actions, []string{"update"}) {
			out[c.Address] = c.Change.Actions
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.Change.After)) {
			if !cmp.Equal(c.Change.Before[name], c.Change.After[name]) {
				out[c.Address] = append(out[c.Address], name)
			}
		}
	}
	return out
}

// left is what moto still has, in one account and Region, of all that the templates make.
func (m moto) left(t *testing.T) []string {
	t.Helper()
	out := []string{}
	add := func(kind string, names ...string) {
		for _, name := range names {
			out = append(out, kind+" "+name)
		}
	}
	// listed are the names in the answer of a JSON service: items at path, each a name or an object with one.
	listed := func(service, target, path, name string) (names []string) {
		var answer map[string]any
		body := m.call(t, service, "POST", "/", "{}", "X-Amz-Target", target, "Content-Type", "application/x-amz-json-1.1")
		ok(t)(nil, json.Unmarshal(body, &answer))
		items, _ := answer[path].([]any)
		for _, item := range items {
			if fields, is := item.(map[string]any); is {
				item = fields[name]
			}
			names = append(names, fmt.Sprint(item))
		}
		return names
	}
	tagged := func(service, action, tag string) (names []string) {
		for _, found := range regexp.MustCompile(`<`+tag+`>(.*?)</`+tag+`>`).FindAllSubmatch(m.query(t, service, action, url.Values{"Scope": {"Local"}}), -1) {
			names = append(names, last(string(found[1])))
		}
		return names
	}
	add("log group", listed("logs", "Logs_20140328.DescribeLogGroups", "logGroups", "logGroupName")...)
	add("metric filter", listed("logs", "Logs_20140328.DescribeMetricFilters", "metricFilters", "filterName")...)
	for _, queue := range listed("sqs", "AmazonSQS.ListQueues", "QueueUrls", "") {
		add("queue", last(queue))
	}
	add("table", listed("dynamodb", "DynamoDB_20120810.ListTables", "TableNames", "")...)
	add("rule", listed("events", "AWSEvents.ListRules", "Rules", "Name")...)
	add("archive", listed("events", "AWSEvents.ListArchives", "Archives", "ArchiveName")...)
	for _, bus := range listed("events", "AWSEvents.ListEventBuses", "EventBuses", "Name") {
		if bus != "default" {
			add("bus", bus)
		}
	}
	add("topic", tagged("sns", "ListTopics", "TopicArn")...)
	add("alarm", tagged("monitoring", "DescribeAlarms", "AlarmName")...)
	add("dashboard", tagged("monitoring", "ListDashboards", "DashboardName")...)
	if m.region == region { // of the whole account
		for _, role := range tagged("iam", "ListRoles", "RoleName") {
			if role != administrator {
				add("role", role)
			}
		}
		add("policy", tagged("iam", "ListPolicies", "PolicyName")...)
	}
	var functions struct {
		Functions []struct{ FunctionName string }
	}
	ok(t)(nil, json.Unmarshal(m.call(t, "lambda", "GET", "/2015-03-31/functions/", ""), &functions))
	for _, f := range functions.Functions {
		add("function", f.FunctionName)
	}
	var schedules struct{ ScheduleGroups []struct{ Name string } }
	ok(t)(nil, json.Unmarshal(m.call(t, "scheduler", "GET", "/schedule-groups", ""), &schedules))
	for _, g := range schedules.ScheduleGroups {
		if g.Name != "default" {
			add("schedule group", g.Name)
		}
	}
	slices.Sort(out)
	return out
}
