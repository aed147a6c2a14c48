// Package selfwatch looks at trailwarden's own deployment, as an attacker would before stopping a trail: are the functions'
// code, role, environment and concurrency as deployed, does the rule still take every watched call and hand it to the queue,
// does the queue still reach the function, is the policy that repairs still attached? It only reads. What is expected
// stands in TRAILWARDEN_SELF, which the template writes. It speaks to AWS by the SDK's signer and HTTP client alone: three
// more service clients would double the function's zip.
package selfwatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// Variable is the environment variable that holds an Expect as JSON.
const Variable = "TRAILWARDEN_SELF"

// Expect is how the deployment should be.
type Expect struct {
	CodeSHA256   string   `json:"code_sha256"`   // of the zip, base64, as Lambda tells it
	Queue        string   `json:"queue"`         // ARN of the queue of events
	RepairPolicy string   `json:"repair_policy"` // ARN of the kill switch; empty where nothing is to be repaired
	React        Function `json:"react"`
	Sweep        Function `json:"sweep"`
	Rule         Rule     `json:"rule"`
}

// Function is one of the two Lambda functions.
type Function struct {
	Name string `json:"name"`
	Role string `json:"role"` // ARN
}

// Rule is the rule that hands events to the queue.
type Rule struct {
	Name    string `json:"name"`
	Account string `json:"account"` // whose events it takes
}

// Parse reads what Variable holds. Half an expectation is an error: it would find nothing wrong.
func Parse(text string) (Expect, error) {
	var e Expect
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Expect{}, fmt.Errorf("parse %s: %w", Variable, err)
	}
	for name, value := range map[string]string{
		"code_sha256": e.CodeSHA256, "queue": e.Queue, "react.name": e.React.Name, "react.role": e.React.Role,
		"sweep.name": e.Sweep.Name, "sweep.role": e.Sweep.Role, "rule.name": e.Rule.Name, "rule.account": e.Rule.Account,
	} {
		if value == "" {
			return Expect{}, fmt.Errorf("parse %s: %s is missing", Variable, name)
		}
	}
	return e, nil
}

// Finding is one thing about the deployment that is not as it should be.
type Finding struct {
	Rule      string            // id in the catalogue, such as "lambda.code"
	Severity  incident.Severity //
	Resource  string            // name or ARN of what was changed
	Text      string            // what is wrong and what it costs, in a sentence
	Want, Got string            // for people
	Mend      string            // what to do
}

// Watch looks at one deployment.
type Watch struct {
	Config aws.Config
	Expect Expect
}

// Look reads everything and says what is wrong. An error says what could not be read; the findings hold all the same.
func (w *Watch) Look(ctx context.Context) ([]Finding, error) {
	var l look
	l.caller = caller{w.Config}
	l.functions(ctx, w.Expect)
	l.mapping(ctx, w.Expect)
	l.rule(ctx, w.Expect)
	l.repairs(ctx, w.Expect)
	return l.findings, errors.Join(l.errs...)
}

// look is one look at everything.
type look struct {
	caller
	findings []Finding
	errs     []error
}

func (l *look) find(rule string, severity incident.Severity, resource, text, want, got, mend string) {
	l.findings = append(l.findings, Finding{rule, severity, resource, text, want, got, mend})
}

func (l *look) fail(err error) { l.errs = append(l.errs, err) }

const redeploy = "deploy trailwarden again from a machine that you trust, and look in Event history for who changed it"

// mapping sees whether the queue reaches the function.
func (l *look) mapping(ctx context.Context, e Expect) {
	mappings, err := l.mappings(ctx, e.React.Name, e.Queue)
	if err != nil {
		l.fail(err)
		return
	}
	for _, m := range mappings {
		if m.State == "Enabled" || m.State == "Updating" || m.State == "Enabling" || m.State == "Creating" {
			return
		}
	}
	if len(mappings) == 0 {
		l.find("lambda.mapping-deleted", incident.Critical, e.Queue, "events no longer reach the function: its mapping to the queue is gone",
			"a mapping", "none", redeploy)
		return
	}
	l.find("lambda.mapping-changed", incident.Critical, e.Queue, "events no longer reach the function: its mapping to the queue is off", "Enabled", mappings[0].State,
		"aws lambda update-event-source-mapping --enabled --uuid "+mappings[0].UUID)
}

// repairs sees whether the kill switch was used.
func (l *look) repairs(ctx context.Context, e Expect) {
	if e.RepairPolicy == "" {
		return
	}
	for _, role := range []string{e.React.Role, e.Sweep.Role} {
		attached, err := l.attached(ctx, role)
		if err != nil {
			l.fail(err)
			continue
		}
		if !attached[e.RepairPolicy] {
			name := role[strings.LastIndexByte(role, '/')+1:]
			l.find("iam.policy-detached", incident.Critical, role, "repairs are switched off: trailwarden watches and tells, and starts no trail", e.RepairPolicy, "not attached",
				"aws iam attach-role-policy --role-name "+name+" --policy-arn "+e.RepairPolicy)
		}
	}
}
