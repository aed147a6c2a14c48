package deploy

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// forwarded stands before moto for the command line: it makes of a change set's template one that moto understands (forMoto), and
// answers the one read of a trail that moto does not know, and keeps the bucket's policy away, whose condition moto does not read.
func (m moto) forwarded(t *testing.T) string {
	t.Helper()
	outputs := map[string]string{} // of the stacks that change sets make, by name: moto tells none
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetEventConfiguration") { // which moto does not know
			fmt.Fprintf(w, `{"TrailARN":%q,"MaxEventSize":"Standard","ContextKeySelectors":[]}`, "arn:aws:cloudtrail:"+region+":"+motoAccount+":trail/main")
			return
		}
		if r.Method == http.MethodPut && r.URL.Query().Has("policy") { // moto refuses everybody whom a Deny is about, whatever its condition
			w.WriteHeader(http.StatusNoContent)
			return
		}
		form, err := url.ParseQuery(string(body))
		if action := form.Get("Action"); err == nil && (action == "CreateChangeSet" || action == "CreateStackSet") {
			parameters := map[string]string{}
			for n := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", n)); n++ {
				at := fmt.Sprintf("Parameters.member.%d.Parameter", n)
				parameters[form.Get(at+"Key")] = form.Get(at + "Value")
			}
			text := []byte(form.Get("TemplateBody"))
			if at := form.Get("TemplateURL"); at != "" {
				text = m.object(t, at)
				form.Del("TemplateURL")
			}
			template, err := parse("sent", text)
			if err != nil {
				t.Errorf("the command line puts no template: %v", err)
			}
			form.Set("TemplateBody", forMoto(t, template, parameters))
			_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			made, err := template.Make(Stack{Account: m.accountOf(t, strings.Split(scope, "/")[0]), Region: strings.Split(scope, "/")[2], Parameters: parameters})
			if err != nil {
				t.Errorf("the command line's parameters: %v", err)
			}
			list := "<Outputs>"
			for key, value := range made.Outputs {
				list += "<member><OutputKey>" + key + "</OutputKey><OutputValue>" + value + "</OutputValue></member>"
			}
			outputs[form.Get("StackName")] = list + "</Outputs>"
			body = []byte(form.Encode())
		}
		if form.Get("Action") == "DeleteStackInstances" { // which moto knows by account only
			body = []byte(m.byAccount(t, form).Encode())
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, m.url+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out.Header = r.Header.Clone()
		out.Header.Del("Accept-Encoding")
		relay(w, out, func(answer []byte) []byte {
			if list := outputs[stackName(form.Get("StackName"))]; list != "" && form.Get("Action") == "DescribeStacks" {
				return []byte(strings.Replace(noOutputs.ReplaceAllString(string(answer), ""), "<StackStatus>", list+"<StackStatus>", 1))
			}
			return answer
		})
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// object reads the version of an object that a URL of AWS names.
func (m moto) object(t *testing.T, address string) []byte {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil || !at.Query().Has("versionId") {
		t.Errorf("%q pins no version of an object: %v", address, err)
		return nil
	}
	bucket, _, _ := strings.Cut(at.Host, ".s3."+region+".amazonaws.com")
	objects := s3.NewFromConfig(m.admin, func(o *s3.Options) { o.UsePathStyle = true })
	out, err := objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(strings.TrimPrefix(at.Path, "/")), VersionId: aws.String(at.Query().Get("versionId"))})
	if err != nil {
		t.Errorf("read %s: %v", address, err)
		return nil
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		t.Errorf("read %s: %v", address, err)
	}
	return content
}

// accountOf is the account that an access key is of.
func (m moto) accountOf(t *testing.T, key string) string {
	t.Helper()
	m.admin = m.admin.Copy()
	m.admin.Credentials = credentials.NewStaticCredentialsProvider(key, "secret", "")
	found := regexp.MustCompile(`<Account>([0-9]+)</Account>`).FindSubmatch(m.query(t, "sts", "GetCallerIdentity", url.Values{}))
	if found == nil {
		t.Fatal("moto does not say whose key it is")
	}
	return string(found[1])
}

// byAccount names the accounts that a stack set has instances in, in place of organizational units.
func (m moto) byAccount(t *testing.T, form url.Values) url.Values {
	t.Helper()
	list := m.in(t, managementAccount, region).query(t, "cloudformation", "ListStackInstances", url.Values{"StackSetName": {form.Get("StackSetName")}})
	form.Del("DeploymentTargets.OrganizationalUnitIds.member.1")
	for i, found := range regexp.MustCompile(`<Account>([0-9]+)</Account>`).FindAllSubmatch(list, -1) {
		form.Set(fmt.Sprintf("Accounts.member.%d", i+1), string(found[1]))
	}
	return form
}

// stackName is the name in the name or id of a stack.
func stackName(name string) string {
	if part := strings.Split(name, "/"); len(part) == 3 {
		return part[1]
	}
	return name
}

var noOutputs = regexp.MustCompile(`<Outputs ?/>|<Outputs>\s*</Outputs>`)

// newcomer is somebody with the command line, an empty folder and an account in which a trail is logging.
type newcomer struct {
	stack
	t            *testing.T
	program, dir string
	environ      []string
	commands     []string // that were typed
}

func newNewcomer(t *testing.T) *newcomer {
	t.Helper()
	m := startMoto(t)
	n := &newcomer{t: t, dir: t.TempDir(), stack: stack{moto: m, trail: "arn:aws:cloudtrail:" + region + ":" + motoAccount + ":trail/main"}}
	n.program = filepath.Join(n.dir, "trailwarden")
	n.environ = append(os.Environ(), "AWS_ENDPOINT_URL="+m.forwarded(t), "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
		"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1")
	n.build("", n.program, "../../cmd/trailwarden")
	// What `make lambda` does, for arm64 alone.
	n.build("arm64", filepath.Join(n.dir, "bootstrap"), "../../cmd/trailwarden-lambda")
	if out, err := exec.Command("go", "run", "../../tools/lambdazip", filepath.Join(n.dir, "function.zip"), filepath.Join(n.dir, "bootstrap")).CombinedOutput(); err != nil {
		t.Fatalf("lambdazip: %v\n%s", err, out)
	}
	m.makeTrail(t)
	return n
}

func (n *newcomer) build(arch, out, what string) {
	n.t.Helper()
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", "-o", out, what)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+arch)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatalf("build %s: %v\n%s", what, err, text)
	}
}

// types runs one command of trailwarden, and gives its exit code and what it prints.
func (n *newcomer) types(args ...string) (code int, stdout, stderr string) {
	n.t.Helper()
	n.commands = append(n.commands, "trailwarden "+strings.Join(args, " "))
	cmd := exec.CommandContext(n.t.Context(), n.program, args...)
	cmd.Dir, cmd.Env = n.dir, n.environ
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		n.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// unpacked is a folder with what is in the deployed zip, as Lambda would unpack it.
func (n *newcomer) unpacked() string {
	n.t.Helper()
	objects := s3.NewFromConfig(n.admin, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := aws.String("trailwarden-artifacts-" + motoAccount + "-" + region)
	list, err := objects.ListObjectsV2(n.t.Context(), &s3.ListObjectsV2Input{Bucket: bucket})
	ok(n.t)(list, err)
	zips := slices.DeleteFunc(list.Contents, func(o s3types.Object) bool { return !strings.HasSuffix(*o.Key, ".zip") })
	if len(zips) != 1 {
		n.t.Fatalf("there are %d zips in the bucket", len(zips))
	}
	out, err := objects.GetObject(n.t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: zips[0].Key})
	ok(n.t)(out, err)
	defer out.Body.Close()
	packed, err := io.ReadAll(out.Body)
	ok(n.t)(packed, err)
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	ok(n.t)(z, err)
	dir := n.t.TempDir()
	ok(n.t)(nil, os.CopyFS(dir, z))
	return dir
}

// motoCannot are the checks of doctor that cannot be well on moto 5.2.1, and why.
var motoCannot = map[string]string{
	"template":            "what stands before moto makes one of the template that moto understands",
	"stack":               "moto does not know UpdateTerminationProtection",
	"timer":               "moto makes no schedules",
	"queue":               "moto makes no policies of queues",
	"dead letters":        "the same",
	"topic":               "nor of topics",
	"sweep":               "nobody starts one",
	"alarms":              "moto's stack has none",
	"Lambda concurrency":  "moto does not know GetAccountSettings",
	"repairs":             "moto attaches no managed policies to a stack's roles",
	"permissions":         "the same, and it writes the roles' own policies as Python does",
	"ledger's protection": "moto does not take point-in-time recovery from a template",
	"who is told":         "moto makes no subscriptions",
	"trail main":          "moto's trails deliver nothing",
}

// TestNewcomerOnMoto: one command deploys; a trail that is stopped then is started again by what was deployed; doctor finds all
// well but for what moto does not do; destroy leaves the evidence and says so. Prints how long it took.
func TestNewcomerOnMoto(t *testing.T) {
	t.Parallel()
	binary := lambdaBinary(t)
	n := newNewcomer(t)
	began := time.Now()
	code, stdout, stderr := n.types("deploy", "--yes", "--email", "security@example.com", "--zip", "function.zip")
	deployed := time.Since(began)
	if code != 0 && code != 3 && code != 5 || !strings.Contains(stdout, "deployed: stack trailwarden") {
		t.Fatalf("deploy: exit code %d\n%s%s", code, stdout, stderr)
	}
	n.queue = n.queueURL(t, "trailwarden-events")
	n.mapped(t, false)
	stopped := time.Now()
	n.stop(t)
	events := n.received(t, n.queue)
	if len(events) != 1 {
		t.Fatalf("%d events reached the deployed queue, want one", len(events))
	}
	api, _ := n.start(t, binary, "trailwarden-react", n.session(t, "trailwarden-react"), append(n.environment(t, "trailwarden-react"), "LAMBDA_TASK_ROOT="+n.unpacked()))
	answerOf(t, api, batch(t, events))
	if !n.logging(t) {
		t.Fatal("the trail does not log again")
	}
	t.Logf("%d command(s) typed: %v; deployed and examined after %s, stopped trail started %s after its StopLogging, first proven repair %s after `deploy --yes`",
		len(n.commands), n.commands, deployed.Round(10*time.Millisecond), time.Since(stopped).Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
	n.mapped(t, true)

	_, stdout, stderr = n.types("doctor", "-o", "json")
	var report struct {
		Checks []struct{ Check, Status, Text, Mend string }
	}
	ok(t)(nil, json.Unmarshal([]byte(stdout), &report))
	if len(report.Checks) < 12 {
		t.Errorf("doctor makes %d checks: %s", len(report.Checks), stderr)
	}
	for _, c := range report.Checks {
		if _, known := motoCannot[c.Check]; c.Status != "ok" && !known {
			t.Errorf("doctor: %s is %s: %s", c.Check, c.Status, c.Text)
		}
		if c.Status != "ok" && c.Mend == "" {
			t.Errorf("doctor: %s is %s, and nothing says how to mend it", c.Check, c.Status)
		}
	}

	for _, to := range []string{"on", "off"} {
		if code, _, stderr = n.types("deploy", "--repair", to, "--yes"); code != 0 {
			t.Errorf("--repair %s: exit code %d: %s", to, code, stderr)
		}
		for _, role := range []string{"trailwarden-react", "trailwarden-sweep"} {
			attached := strings.Contains(string(n.query(t, "iam", "ListAttachedRolePolicies", url.Values{"RoleName": {role}})), ":policy/trailwarden-repair<")
			if attached != (to == "on") {
				t.Errorf("--repair %s: the policy that repairs is attached to %s: %t", to, role, attached)
			}
		}
	}

	code, stdout, stderr = n.types("destroy", "--yes")
	if code != 0 || !strings.Contains(stdout, "aws dynamodb delete-table") {
		t.Errorf("destroy: exit code %d\n%s%s", code, stdout, stderr)
	}
	tables := n.call(t, "dynamodb", "POST", "/", "{}", "X-Amz-Target", "DynamoDB_20120810.ListTables")
	if !strings.Contains(string(tables), `"trailwarden"`) {
		t.Errorf("the ledger is gone with the stack: %s", tables)
	}
}
