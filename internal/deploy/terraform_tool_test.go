package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
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
		t.Skip("NOT PROVEN HERE: terraform is not installed, so that nobody but our own reading of HCL looked at the module")
	}
	i := slices.IndexFunc(providers, func(dir string) bool {
		found, _ := filepath.Glob(filepath.Join(dir, "registry.terraform.io/hashicorp/aws/*"))
		return len(found) > 0
	})
	if i < 0 {
		t.Skipf("NOT PROVEN HERE: there is no mirror with the AWS provider in %v, so that terraform cannot look at the module", providers)
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

// onMoto uses the module with everything that moto can make.
const onMoto = `
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "AKIDEXAMPLE"
  secret_key                  = "secret"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

variable "sha256" { type = string }

variable "object" { type = string }

module "trailwarden" {
  source = "../.."

  artifact_bucket       = "trailwarden-artifacts"
  artifact_key          = "trailwarden.zip"
  artifact_version      = var.object
  artifact_sha256       = var.sha256
  notification_email    = "security@example.com"
  restore_trail_arns    = ["arn:aws:cloudtrail:eu-central-1:123456789012:trail/main"]
  restore_log_role_arns = ["arn:aws:iam::123456789012:role/logs"]
  organization_id       = "o-exampleorg1"
  member_accounts       = ["444455556666"]
  heartbeat_bus_arn     = "arn:aws:events:eu-west-1:999999999999:event-bus/trailwarden-witness"
}
`

// TestTerraformOnMoto: apply makes what the templates make, as AWS's answers say; a second plan changes nothing; destroy leaves what
// the README says, and nothing else.
func TestTerraformOnMoto(t *testing.T) {
	if os.Getenv("TRAILWARDEN_TERRAFORM_APPLY") == "" {
		t.Skip("NOT PROVEN HERE: terraform's apply and destroy take two minutes and more; TRAILWARDEN_TERRAFORM_APPLY=1 runs them")
	}
	t.Parallel() // it mostly waits: the provider takes 25 seconds for a queue until it trusts it
	tf := startTerraform(t)
	m := startMoto(t)
	tf.env = append(tf.env, "AWS_ENDPOINT_URL="+m.url)
	parameters := m.upload(t, zippedText(t, "#!/bin/sh\n"))
	tf.env = append(tf.env, "TF_VAR_object="+parameters["ArtifactVersion"], "TF_VAR_sha256="+parameters["ArtifactSha256"])
	ok(t)(nil, os.WriteFile(filepath.Join(tf.dir, "moto_override.tf"), []byte(motoLacks), 0o600))
	ok(t)(nil, os.MkdirAll(filepath.Join(tf.dir, "examples/moto"), 0o700))
	ok(t)(nil, os.WriteFile(filepath.Join(tf.dir, "examples/moto/main.tf"), []byte(onMoto), 0o600))

	root := "examples/moto"
	tf.must(t, root, "init", "-no-color")
	tf.must(t, root, "apply", "-auto-approve", "-no-color")
	state := tf.state(t, root)
	sameAsTemplates(t, parameters, state)

	tf.must(t, root, "plan", "-out=again", "-no-color")
	changes := tf.changes(t, root, "again")
	if diff := cmp.Diff(motoDiffers, changes); diff != "" {
		t.Errorf("what a second plan would change (-known of moto +now)\n%s", diff)
	}

	kept := takenOut(t)
	args := []string{"state", "rm"}
	for _, r := range state {
		if kept.MatchString(r.Address) {
			args = append(args, r.Address)
		}
	}
	tf.must(t, root, args...)
	tf.must(t, root, "destroy", "-auto-approve", "-no-color")
	if diff := cmp.Diff([]string{"log group /aws/lambda/trailwarden-react", "log group /aws/lambda/trailwarden-sweep", "queue trailwarden-dead-letters", "table trailwarden"}, m.left(t)); diff != "" {
		t.Errorf("what is there after destroy (-README +moto)\n%s", diff)
	}
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

// state are the resources of the state, without what AWS adds where nobody said anything.
func (tf terraform) state(t *testing.T, dir string) []tfResource {
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
	var all []tfResource
	for _, r := range state.Resources {
		for _, instance := range r.Instances {
			maps.DeleteFunc(instance.Attributes, func(name string, v any) bool { return v == "" || v == preset[name] })
			all = append(all, tfResource{Address: r.Module + "." + r.Type + "." + r.Name, Type: r.Type, Name: r.Name, Mode: r.Mode, Values: instance.Attributes})
		}
	}
	return all
}

// sameAsTemplates holds what moto tells of what was made against the templates.
func sameAsTemplates(t *testing.T, parameters map[string]string, state []tfResource) {
	t.Helper()
	maps.Copy(parameters, map[string]string{"RestoreTrailArns": "arn:aws:cloudtrail:" + region + ":" + motoAccount + ":trail/main", "RestoreLogRoleArns": "arn:aws:iam::" + motoAccount + ":role/logs",
		"OrganizationId": "o-exampleorg1", "MemberAccounts": "444455556666", "HeartbeatBusArn": "arn:aws:events:eu-west-1:999999999999:event-bus/trailwarden-witness"})
	queue := "arn:aws:sqs:" + region + ":" + motoAccount + ":trailwarden-"
	want := ofTemplates(
		mustMake(t, "trailwarden", Stack{Account: motoAccount, Region: region, Parameters: parameters}),
		mustMake(t, "organization", Stack{Account: motoAccount, Region: region, Parameters: map[string]string{"OrganizationId": "o-exampleorg1", "MemberAccounts": "444455556666",
			"QueueArn": queue + "events", "DeadLettersArn": queue + "dead-letters", "TopicArn": "arn:aws:sns:" + region + ":" + motoAccount + ":trailwarden"}}),
	)
	got, problems := asTemplate(state, false)
	for _, p := range problems {
		t.Error(p)
	}
	onlyTagsOfTemplates(t, want, got)
	delete(want["AWS::SQS::Queue trailwarden-dead-letters"], "RedriveAllowPolicy") // motoLacks, motoDiffers
	delete(want["AWS::SQS::Queue trailwarden-events"], "RedrivePolicy")
	delete(want["AWS::Lambda::Function trailwarden-react"], "LoggingConfig")
	delete(want["AWS::Lambda::Function trailwarden-sweep"], "LoggingConfig")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-templates +what Terraform made on moto\n%s", diff)
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

// left is what moto still has of what evidence or the rest could be.
func (m moto) left(t *testing.T) []string {
	t.Helper()
	var out []string
	list := func(kind, service, target, path string) {
		var answer map[string]any
		body := m.call(t, service, "POST", "/", "{}", "X-Amz-Target", target, "Content-Type", "application/x-amz-json-1.1")
		ok(t)(nil, json.Unmarshal(body, &answer))
		items, _ := answer[path].([]any)
		for _, item := range items {
			name := fmt.Sprint(item)
			if fields, is := item.(map[string]any); is {
				name = fmt.Sprint(fields[map[string]string{"log group": "logGroupName", "rule": "Name", "alarm": "AlarmName"}[kind]])
			} else if kind == "queue" {
				name = last(name)
			}
			out = append(out, kind+" "+name)
		}
	}
	list("log group", "logs", "Logs_20140328.DescribeLogGroups", "logGroups")
	list("queue", "sqs", "AmazonSQS.ListQueues", "QueueUrls")
	list("table", "dynamodb", "DynamoDB_20120810.ListTables", "TableNames")
	list("rule", "events", "AWSEvents.ListRules", "Rules")
	var functions struct {
		Functions []struct{ FunctionName string }
	}
	ok(t)(nil, json.Unmarshal(m.call(t, "lambda", "GET", "/2015-03-31/functions/", ""), &functions))
	for _, f := range functions.Functions {
		out = append(out, "function "+f.FunctionName)
	}
	for _, role := range regexp.MustCompile(`<RoleName>(.*?)</RoleName>`).FindAllSubmatch(m.query(t, "iam", "ListRoles", map[string][]string{}), -1) {
		out = append(out, "role "+string(role[1]))
	}
	slices.Sort(out)
	return out
}
