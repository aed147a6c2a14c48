package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// blueprint lets the simulated CloudFormation make of trailwarden.yaml what CloudFormation would.
func blueprint(r sim.StackRequest) sim.Blueprint {
	t, err := deploy.Load("trailwarden")
	if err != nil {
		return sim.Blueprint{Refused: err.Error()}
	}
	made, err := t.Make(deploy.Stack{Account: r.Account, Region: r.Region, Name: r.Name, Parameters: r.Parameters})
	if err != nil {
		return sim.Blueprint{Refused: err.Error()}
	}
	out := sim.Blueprint{Outputs: made.Outputs}
	for id, x := range made.Resources {
		physical := id
		for _, property := range []string{"FunctionName", "RoleName", "TableName", "AlarmName", "Name", "LogGroupName"} {
			if name, ok := x.Properties[property].(string); ok && x.Type != "AWS::Lambda::Version" {
				physical = name
			}
		}
		out.Resources = append(out.Resources, sim.StackResource{ID: id, Type: x.Type, Physical: physical, Retain: x.Deletion == "Retain"})
	}
	slices.SortFunc(out.Resources, func(a, b sim.StackResource) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// zipFile is a zip that Lambda could run, but that does nothing.
func zipFile(t testing.TB) string {
	t.Helper()
	var program bytes.Buffer
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: 1, Ehsize: 64, Shentsize: 64, Phentsize: 56}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	binary.Write(&program, binary.LittleEndian, h)
	packed, err := artifact.Artifact{Bootstrap: program.Bytes()}.Pack()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "function.zip")
	if err := os.WriteFile(name, packed, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// site is a simulated account with a trail, in which somebody deploys.
type site struct {
	*stage
	t   *testing.T
	zip string
}

// newSite makes credentials of a role "deployer" those of the environment, and a folder of the test's own the working folder.
func newSite(t *testing.T) *site {
	t.Helper()
	world := sim.New(sim.Options{Clock: time.Now, DefaultAccount: demoAccount, ConfirmedEmail: true})
	world.Blueprints(blueprint)
	s := &site{&stage{world: world}, t, zipFile(t)}
	admin := s.config(world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10")
	if err := s.trail(t.Context(), admin, "main", "example-audit-logs"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	who := world.Account(demoAccount).Role("deployer", "cli")
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": demoRegion, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_ACCESS_KEY_ID": who.AccessKeyID, "AWS_SECRET_ACCESS_KEY": who.SecretAccessKey, "AWS_SESSION_TOKEN": who.SessionToken,
	} {
		t.Setenv(name, value)
	}
	t.Chdir(t.TempDir())
	return s
}

// run is one command of trailwarden.
func (s *site) run(args ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(s.t.Context(), args, strings.NewReader(""), &out, &errs, os.Environ())
	return code, out.String(), errs.String()
}

// deploying is the command line of a `deploy --yes` with the zip of the test.
func (s *site) deploying(args ...string) []string {
	return append([]string{"deploy", "--yes", "--zip", s.zip, "--email", "security@example.com", "--history", "0"}, args...)
}

// deploy is that command.
func (s *site) deploy(args ...string) (code int, stdout, stderr string) {
	return s.run(s.deploying(args...)...)
}

// there is what a deployment has made: stacks with their states, and whether the bucket is there.
func (s *site) there() string {
	var list []string
	for _, x := range s.world.Stacks() {
		list = append(list, x.Name+" "+x.Status)
	}
	api := s3.NewFromConfig(s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10"), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := api.HeadBucket(context.Background(), &s3.HeadBucketInput{Bucket: aws.String(stack.BucketFor(demoAccount, demoRegion)), ExpectedBucketOwner: aws.String(demoAccount)}); err == nil {
		list = append(list, "bucket")
	}
	return strings.Join(list, ", ")
}

// end is how a command ends.
type end struct {
	code  int
	says  []string // all of it on stderr
	there string   // afterwards
}

// held holds what a command did against how it was to end.
func (e end) held(t *testing.T, s *site, code int, stdout, stderr string) {
	t.Helper()
	if code != e.code {
		t.Errorf("exit code %d, want %d", code, e.code)
	}
	for _, want := range e.says {
		if !strings.Contains(stderr, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if got := s.there(); got != e.there {
		t.Errorf("there is %q afterwards, want %q", got, e.there)
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", stdout, stderr)
	}
}

// stop stops the trail.
func (s *site) stop() {
	mallory := s.config(s.world.Account(demoAccount).User("mallory"), "203.0.113.66")
	if _, err := cloudtrail.NewFromConfig(mallory).StopLogging(s.t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}); err != nil {
		s.t.Fatal(err)
	}
}

// Each way in which a deployment fails ends with a message that says why and what to do, and nothing half-made is left
// unsaid.
func TestDeployFails(t *testing.T) {
	for name, test := range map[string]struct {
		before func(*site)
		args   []string
		end
	}{
		"no credentials": {
			before: func(s *site) {
				for _, n := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
					s.t.Setenv(n, "")
				}
			},
			end: end{code: exitError, says: []string{"check the AWS credentials", "find out the account"}},
		},
		"a Region that the account has not enabled": {
			args: []string{"--region", "me-south-1"},
			end:  end{code: exitError, says: []string{"Region is enabled"}},
		},
		"a Region in which no trail has its home": {
			args: []string{"--region", "us-east-1"},
			end:  end{code: exitUsage, says: []string{"wrong Region", "--region eu-central-1", "nothing was deployed"}},
		},
		"the bucket's name is taken": {
			before: func(s *site) {
				api := s3.NewFromConfig(s.config(s.world.Account("666666666666").User("mallory"), "203.0.113.66"), func(o *s3.Options) { o.UsePathStyle = true })
				if _, err := api.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String(stack.BucketFor(demoAccount, demoRegion)),
					CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: demoRegion}}); err != nil {
					s.t.Fatal(err)
				}
			},
			end: end{code: exitError, says: []string{"the name is taken, by another account", "--bucket", "nothing that was not there before is left"}},
		},
		"the stack is there": {
			before: func(s *site) { s.deploy() },
			end:    end{code: exitError, says: []string{"is there already", "--update", "nothing was changed"}, there: "trailwarden CREATE_COMPLETE, bucket"},
		},
		"there is no stack to update": {
			args: []string{"--update"},
			end:  end{code: exitError, says: []string{"no stack trailwarden in eu-central-1 to update"}},
		},
		"a role may not be made": {
			before: func(s *site) {
				s.world.Blueprints(func(r sim.StackRequest) sim.Blueprint {
					b := blueprint(r)
					b.Fails, b.Reason = "ReactRole", `Resource handler returned message: "User: arn:aws:sts::111122223333:assumed-role/deployer/cli is not authorized to perform: iam:CreateRole" (RequestToken: 1, HandlerErrorCode: AccessDenied)`
					return b
				})
			},
			end: end{code: exitError, there: "bucket",
				says: []string{"ReactRole (AWS::IAM::Role)", "iam:CreateRole", "--print-policy", "the stack is removed", "left: the bucket", "left: the zip s3://", "aws s3api delete-object"}},
		},
		"change sets may not be made": {
			before: func(s *site) { s.world.Deny("*deployer*", "cloudformation:CreateChangeSet") },
			end:    end{code: exitError, there: "bucket", says: []string{"make a change set", "--print-policy", "left: the bucket"}},
		},
		"the change set may not be executed": {
			before: func(s *site) { s.world.Deny("*deployer*", "cloudformation:ExecuteChangeSet") },
			end: end{code: exitError, there: "trailwarden REVIEW_IN_PROGRESS, bucket",
				says: []string{"execute the change set", "left: the change set", "left: the stack trailwarden, empty, in review", "aws cloudformation delete-stack"}},
		},
		"an earlier deployment waits for a yes": {
			before: func(s *site) {
				allow := s.world.Deny("*deployer*", "cloudformation:ExecuteChangeSet")
				s.deploy()
				allow()
			},
			end: end{code: exitError, there: "trailwarden REVIEW_IN_PROGRESS, bucket", says: []string{"a change set waits", "aws cloudformation delete-stack"}},
		},
		"a malformed address": {
			args: []string{"--email", "security at example.com"},
			end:  end{code: exitUsage, says: []string{"--email", "is not one e-mail address", "nothing was asked of AWS"}},
		},
		"another zip": {
			args: []string{"--zip-sha256", strings.Repeat("0", 64)},
			end:  end{code: exitUsage, says: []string{"is not the zip that --zip-sha256 names", "nothing was deployed"}},
		},
		"a stopped trail": {
			before: func(s *site) { s.stop() },
			end:    end{code: exitFindings, says: []string{"pin arn:aws:cloudtrail", "find out who did that"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if test.before != nil {
				test.before(s)
			}
			code, stdout, stderr := s.deploy(test.args...)
			test.end.held(t, s, code, stdout, stderr)
		})
	}
}

// Nobody to ask and no --yes: nothing is asked of AWS, nothing is made. A dry run makes nothing either.
func TestDeployAsks(t *testing.T) {
	s := newSite(t)
	code, _, stderr := s.run("deploy", "--zip", s.zip, "--email", "security@example.com")
	if code != exitUsage || !strings.Contains(stderr, "--yes") || s.there() != "" {
		t.Errorf("exit code %d, there is %q: %s", code, s.there(), stderr)
	}
	code, stdout, stderr := s.run("deploy", "--dry-run", "--history", "0", "--zip", s.zip, "--email", "security@example.com")
	if code != exitOK || s.there() != "" {
		t.Errorf("dry run: exit code %d, there is %q: %s", code, s.there(), stderr)
	}
	if _, err := os.Stat(usualBaseline); err == nil {
		t.Error("the dry run wrote a baseline")
	}
	for _, want := range []string{"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main", "cloudtrail:StartLogging", "together", "ReactRole", "nothing was made"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the dry run does not show %q:\n%s", want, stdout)
		}
	}
	for _, call := range s.world.Calls() {
		if call.Mutates && strings.Contains(call.Principal, "deployer") {
			t.Errorf("%s was called", call.Op)
		}
	}
}

// Deployed, updated and destroyed: what the stack is asked to be, what stays, and that all this takes no more than the
// policy that --print-policy prints.
func TestDeployUpdateDestroy(t *testing.T) {
	s := newSite(t)
	code, policy, stderr := s.run("deploy", "--print-policy")
	if code != exitOK {
		t.Fatalf("--print-policy: %d: %s", code, stderr)
	}
	if err := s.world.Account(demoAccount).Restrict("deployer", sim.Identity{Policies: []string{policy}}); err != nil {
		t.Fatal(err)
	}
	parameters := func() map[string]string {
		t.Helper()
		list := s.world.Stacks()
		if len(list) != 1 {
			t.Fatalf("there are %d stacks", len(list))
		}
		return list[0].Parameters
	}
	code, stdout, stderr := s.deploy()
	// The simulated CloudFormation makes no real queues, rules and functions, and doctor misses them.
	if code != exitFindings || !strings.Contains(stdout, "deployed: stack trailwarden") || !strings.Contains(stdout, "Confirm subscription") {
		t.Fatalf("deploy: exit code %d\n%s%s", code, stdout, stderr)
	}
	if got := s.there(); got != "trailwarden CREATE_COMPLETE, bucket" || !s.world.Stacks()[0].Protected {
		t.Errorf("there is %q, protected: %t", got, s.world.Stacks()[0].Protected)
	}
	first := parameters()
	if first["NotificationEmail"] != "security@example.com" || first["Baseline"] != artifact.Baseline || first["ArtifactVersion"] == "" {
		t.Errorf("the stack was asked to be %v", first)
	}

	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip)
	if code != exitFindings || !strings.Contains(stdout, "unchanged: stack trailwarden") {
		t.Errorf("an update that changes nothing: exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", "rate(5 minutes)")
	if code != exitFindings || parameters()["SweepSchedule"] != "rate(5 minutes)" || parameters()["ArtifactVersion"] != first["ArtifactVersion"] || parameters()["NotificationEmail"] != "security@example.com" {
		t.Errorf("an update of one parameter: exit code %d, %v\n%s%s", code, parameters(), stdout, stderr)
	}
	// Without the file the deployed baseline stays; with another it changes.
	if err := os.Rename(usualBaseline, "kept.yaml"); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip)
	if code != exitFindings || !strings.Contains(stdout, "unchanged: ") {
		t.Errorf("an update without the file: exit code %d\n%s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile("kept.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("kept.yaml", bytes.Replace(text, []byte("serial: 1"), []byte("serial: 2"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = s.run("deploy", "--update", "--yes", "--zip", s.zip, "--baseline", "kept.yaml")
	if code != exitFindings || parameters()["ArtifactSha256"] == first["ArtifactSha256"] {
		t.Errorf("an update of the baseline: exit code %d, the zip is %s, was %s\n%s%s", code, parameters()["ArtifactSha256"], first["ArtifactSha256"], stdout, stderr)
	}
	s.refused(t)

	if code, _, stderr = s.run("destroy"); code != exitUsage || s.there() != "trailwarden UPDATE_COMPLETE, bucket" || !s.world.Stacks()[0].Protected {
		t.Errorf("destroy without a yes: exit code %d, there is %q: %s", code, s.there(), stderr)
	}
	code, stdout, stderr = s.run("destroy", "--yes")
	if code != exitOK || s.there() != "bucket" {
		t.Errorf("destroy: exit code %d, there is %q: %s", code, s.there(), stderr)
	}
	for _, want := range []string{"table trailwarden", "aws dynamodb delete-table", "/aws/lambda/trailwarden-react", "/aws/lambda/trailwarden-sweep", "could not be handled", "bucket trailwarden-artifacts-111122223333-eu-central-1"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("destroy does not say that it leaves %q:\n%s", want, stdout)
		}
	}
	s.refused(t)
}

// refused sees that nothing that the deployer did was refused. What the simulated AWS does not have is no refusal.
func (s *site) refused(t *testing.T) {
	t.Helper()
	for _, call := range s.world.Calls() {
		if strings.Contains(call.Principal, "deployer") && strings.Contains(call.Error, "Denied") {
			t.Errorf("%s:%s was refused: %s", call.Service, call.Op, call.Error)
		}
	}
}
