package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/archive/page"
	"github.com/trailwarden/trailwarden/internal/sim"
)

const templateFile = "../../deploy/scan/template.yaml"

// template reads the template; of !Sub and its like only the text remains.
func template(t *testing.T) (text string, document map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`!(Sub|Ref|GetAtt|If|Not|Equals) `).ReplaceAll(raw, nil)
	plain = regexp.MustCompile(`!(If|Not|Equals)\n`).ReplaceAll(plain, []byte("\n"))
	asJSON, err := yaml.YAMLToJSON(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON, &document); err != nil {
		t.Fatal(err)
	}
	return string(raw), document
}

// at goes down into a document.
func at(v any, path ...string) map[string]any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	m, _ := v.(map[string]any)
	return m
}

func definition(t *testing.T) map[string]any {
	t.Helper()
	_, document := template(t)
	return at(document, "Resources", "Machine", "Properties", "Definition")
}

// functionPolicy is what the template lets the function do, in an account with the buckets logs and results.
func functionPolicy(t *testing.T) string {
	t.Helper()
	_, document := template(t)
	role := at(document, "Resources", "FunctionRole", "Properties")
	var statements []any
	for _, policy := range list(role["Policies"]) {
		for _, s := range policyStatements(policy) {
			if _, option := s.([]any); !option { // !If: the key, which these buckets have not
				statements = append(statements, s)
			}
		}
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("${AWS::Partition}", "aws", "${LogBucket}", "logs", "${LogPrefix}", "AWSLogs/", "${Results.Arn}", "arn:aws:s3:::results",
		`"Results.Arn"`, `"arn:aws:s3:::results"`, `"FunctionLogs.Arn"`, `"arn:aws:logs:eu-central-1:111122223333:log-group:scan:*"`).Replace(string(text))
}

// TestStateMachine: the language is used rightly, both ways in have the same workers, and each substitution is made.
func TestStateMachine(t *testing.T) {
	machine := definition(t)
	for _, problem := range lint(machine) {
		t.Error(problem)
	}
	if d := cmp.Diff(at(machine, "States", "ScanPrefix", "ItemProcessor"), at(machine, "States", "ScanInventory", "ItemProcessor")); d != "" {
		t.Errorf("workers of a prefix and of an inventory differ:\n%s", d)
	}
	_, document := template(t)
	given := at(document, "Resources", "Machine", "Properties", "DefinitionSubstitutions")
	text, _ := json.Marshal(machine)
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{([A-Za-z]+)\}`).FindAllStringSubmatch(string(text), -1) {
		if used[m[1]] = true; given[m[1]] == nil {
			t.Errorf("${%s} is substituted by nothing", m[1])
		}
	}
	for name := range given {
		if !used[name] {
			t.Errorf("substitution %s is not used", name)
		}
	}
}

// TestLinter: each of these is wrong, and the linter says so.
func TestLinter(t *testing.T) {
	for name, breaks := range map[string]func(states map[string]any){
		"is no path: a state that is not there": func(s map[string]any) { at(s, "From")["Default"] = "Nowhere" },
		"a state that nobody leads to":          func(s map[string]any) { s["Alone"] = map[string]any{"Type": "Succeed"} },
		"both Next and End":                     func(s map[string]any) { at(s, "Merge")["End"] = true },
		"neither Next nor End":                  func(s map[string]any) { delete(at(s, "Merge"), "Next") },
		"no Default":                            func(s map[string]any) { delete(at(s, "From"), "Default") },
		"a path as a text":                      func(s map[string]any) { at(s, "Merge", "Parameters", "merge")["job"] = "$$.Execution.Name" },
		"a text as a path":                      func(s map[string]any) { at(s, "Merge", "Parameters", "merge")["job.$"] = "name" },
		"JSONata":                               func(s map[string]any) { at(s, "Merge")["Arguments"] = map[string]any{} },
		"a field of another type of state":      func(s map[string]any) { at(s, "Done")["Retry"] = []any{} },
		"a map that is not distributed":         func(s map[string]any) { at(s, "ScanPrefix", "ItemProcessor", "ProcessorConfig")["Mode"] = "INLINE" },
		"express children": func(s map[string]any) {
			at(s, "ScanPrefix", "ItemProcessor", "ProcessorConfig")["ExecutionType"] = "EXPRESS"
		},
		"no bucket to list":             func(s map[string]any) { delete(at(s, "ScanPrefix", "ItemReader", "Parameters"), "Bucket") },
		"an inventory without its type": func(s map[string]any) { delete(at(s, "ScanInventory", "ItemReader"), "ReaderConfig") },
		"batches without a size":        func(s map[string]any) { delete(at(s, "ScanPrefix", "ItemBatcher"), "MaxItemsPerBatchPath") },
		"a number in quotes":            func(s map[string]any) { at(s, "ScanPrefix")["MaxConcurrency"] = "${Workers}" },
		"results to nowhere":            func(s map[string]any) { delete(at(s, "ScanPrefix"), "ResultWriter") },
		"a worker that leads nowhere":   func(s map[string]any) { at(s, "ScanPrefix", "ItemProcessor", "States", "More")["Default"] = "Nowhere" },
		"a partition":                   func(s map[string]any) { at(s, "Merge")["Resource"] = "arn:aws:states:::lambda:invoke" },
		"States.ALL before others": func(s map[string]any) {
			slices.Reverse(at(s, "ScanPrefix", "ItemProcessor", "States", "Scan")["Retry"].([]any))
		},
	} {
		machine := definition(t)
		breaks(machine["States"].(map[string]any))
		if len(lint(machine)) == 0 {
			t.Errorf("%s: the linter says nothing", name)
		}
	}
}

// TestTemplate: no account, Region or partition is assumed, and no role may more than it needs.
func TestTemplate(t *testing.T) {
	text, document := template(t)
	for _, assumed := range []string{`arn:aws`, `\b[0-9]{12}\b`, `\b(us|eu|ap|sa|ca|cn)-[a-z]+-[0-9]\b`, `amazonaws\.com\.cn`} {
		for _, found := range regexp.MustCompile(assumed).FindAllString(text, -1) {
			t.Errorf("the template assumes %s", found)
		}
	}
	count := 0
	for name, resource := range at(document, "Resources") {
		var statements []any
		for _, policy := range list(at(resource, "Properties")["Policies"]) {
			statements = append(statements, policyStatements(policy)...)
		}
		if at(resource)["Type"] == "AWS::IAM::Policy" {
			statements = append(statements, policyStatements(at(resource, "Properties"))...)
		}
		for _, s := range statements {
			allow, ok := s.(map[string]any)
			if !ok || allow["Effect"] == nil {
				if options, isIf := s.([]any); isIf { // !If [condition, statement, none]
					allow, _ = options[1].(map[string]any)
				}
			}
			count++
			what, _ := json.Marshal(allow["Action"])
			where, _ := json.Marshal(allow["Resource"])
			if strings.Contains(string(what), "*") {
				t.Errorf("%s %v: action %s", name, allow["Sid"], what)
			}
			if string(where) == `"*"` && !strings.HasPrefix(string(what), `["logs:CreateLogDelivery"`) || string(where) == "null" {
				t.Errorf("%s %v: resource %s", name, allow["Sid"], where)
			}
			for _, writes := range []string{"s3:Delete", "s3:PutBucket", "iam:", "cloudtrail:"} {
				if strings.Contains(string(what), writes) {
					t.Errorf("%s %v: action %s", name, allow["Sid"], what)
				}
			}
		}
	}
	if count < 11 {
		t.Errorf("%d statements: does this test read the template rightly?", count)
	}
}

func policyStatements(v map[string]any) []any {
	all, _ := at(v, "PolicyDocument")["Statement"].([]any)
	return all
}

// TestTemplateLint has cfn-lint look at the template, its state machine and roles included.
func TestTemplateLint(t *testing.T) {
	if exec.Command("cfn-lint", "--version").Run() != nil {
		t.Skip("NOT PROVEN HERE: that CloudFormation's schemas take the template, for cfn-lint is not installed")
	}
	if out, err := exec.Command("cfn-lint", templateFile).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestMachineRuns has moto execute the state machine, with the built function and moto's own S3. moto knows no ItemBatcher
// and no inventories: batches are of one object here, and the way of an inventory is not taken.
func TestMachineRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the state machine runs in moto")
	}
	if exec.Command("python3", "-c", "import moto.server, moto.stepfunctions.parser.api, moto.awslambda_simple.models").Run() != nil {
		t.Skip("NOT PROVEN HERE: that the state machine runs, for moto is not installed")
	}
	machine := definition(t)
	for _, name := range []string{"ScanPrefix", "ScanInventory"} {
		m := at(machine, "States", name)
		m["ItemSelector"] = map[string]any{"BatchInput": at(m, "ItemBatcher")["BatchInput"], "Items.$": "States.Array($$.Map.Item.Value)"}
		delete(m, "ItemBatcher")
		m["ToleratedFailurePercentage"] = json.RawMessage("100.0") // moto's grammar has no whole numbers here
	}
	at(machine, "States", "ScanInventory", "ItemReader", "ReaderConfig")["InputType"] = "JSON"
	text, err := json.Marshal(machine)
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, prefix string) (outcome map[string]string, get func(key string) []byte) {
		text := strings.NewReplacer("${Partition}", "aws", "${LogBucket}", "logs", "${LogPrefix}", "AWSLogs/", "${ResultsBucket}", "results").Replace(string(text))
		var d *deployed
		bridge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			a := <-d.api.Invoke(body)
			if a.Failed {
				w.Header().Set("X-Failed", "1")
			}
			w.Write(a.Body)
		}))
		t.Cleanup(bridge.Close)
		moto := exec.Command("python3", "testdata/machine.py")
		moto.Env = append(os.Environ(), "BRIDGE="+bridge.URL, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_SESSION_TOKEN=")
		var notes bytes.Buffer
		moto.Stderr = &notes
		in, err := moto.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := moto.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := moto.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { moto.Process.Kill(); moto.Wait() })
		late := time.AfterFunc(2*time.Minute, func() { moto.Process.Kill() })
		defer late.Stop()
		lines := bufio.NewScanner(out)
		next := func(word string) string {
			for lines.Scan() {
				if rest, ok := strings.CutPrefix(lines.Text(), word+" "); ok {
					return rest
				}
			}
			t.Fatalf("moto ended without %q:\n%s", word, notes.String())
			return ""
		}
		url := next("ready")
		d = deployAt(t, url, 20*time.Second, sim.Credentials{AccessKeyID: "x", SecretAccessKey: "x"}, sim.Credentials{AccessKeyID: "x", SecretAccessKey: "x"})
		d.put(t, "logs", "AWSLogs/a.json", record("stop", "StopLogging", "2026-01-02T12:00:00Z"))
		d.put(t, "logs", "AWSLogs/b.json", record("start", "StartLogging", "2026-01-02T12:10:00Z"))
		d.put(t, "logs", "AWSLogs/c.json", `{"Records":[{"eventVersion"`)
		d.put(t, "logs", "elsewhere/d.json", record("delete", "DeleteTrail", "2026-01-02T13:00:00Z"))
		order, _ := json.Marshal(map[string]any{"definition": text, "name": "run-1", "input": map[string]any{"prefix": prefix}})
		fmt.Fprintf(in, "%s\n", order)
		if err := json.Unmarshal([]byte(next("outcome")), &outcome); err != nil {
			t.Fatal(err)
		}
		return outcome, func(key string) []byte { return d.get(t, key) }
	}
	t.Run("a prefix", func(t *testing.T) {
		outcome, get := run(t, "AWSLogs/")
		var m merged
		if err := json.Unmarshal([]byte(outcome["output"]), &m); err != nil || outcome["status"] != "SUCCEEDED" {
			t.Fatalf("%v: %v", err, outcome)
		}
		if m.Findings != 2 || m.Windows != 1 || m.Damaged != 1 || m.Left != 0 || m.Files != 3 {
			t.Errorf("%+v", m)
		}
		var document page.Document
		if err := json.Unmarshal(get("runs/run-1/report.json"), &document); err != nil || len(document.Findings) != 2 || document.Interrupted {
			t.Errorf("%v: %+v", err, document)
		}
	})
	t.Run("what cannot be listed", func(t *testing.T) {
		outcome, get := run(t, "nothing/") // moto stumbles over an empty listing
		if outcome["status"] != "FAILED" || outcome["error"] != "NotListed" {
			t.Errorf("%v", outcome)
		}
		var document page.Document
		if err := json.Unmarshal(get("runs/run-1/report.json"), &document); err != nil || !document.Interrupted || len(document.Damaged) != 1 ||
			document.Damaged[0].Faults[0].Kind != archive.NotScanned {
			t.Errorf("%v: the report says nothing of it: %+v", err, document)
		}
	})
}
