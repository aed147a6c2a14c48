// Package selfwatch looks at trailwarden's own deployment, as an attacker would before stopping a trail: are the functions'
// code, role, environment and concurrency as deployed, does the rule still take every watched call and hand it to the queue,
// does the queue keep it and reach the function, does the timer still start the sweep, is the policy that repairs still attached?
// It only reads. What is expected stands in TRAILWARDEN_SELF, which the template writes: both functions have it, so that each
// tells of the other.
package selfwatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/awscall"
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
	// What older templates do not tell is not looked at.
	Schedule *Schedule `json:"schedule,omitempty"`
	Events   *Events   `json:"events,omitempty"`
}

// functionARN is the ARN of a function in the queue's account and Region.
func (e Expect) functionARN(f Function) string {
	part := strings.Split(e.Queue, ":")
	if len(part) != 6 {
		return f.Name
	}
	return fmt.Sprintf("arn:%s:lambda:%s:%s:function:%s", part[1], part[3], part[4], f.Name)
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
	needed := map[string]string{
		"code_sha256": e.CodeSHA256, "queue": e.Queue, "react.name": e.React.Name, "react.role": e.React.Role,
		"sweep.name": e.Sweep.Name, "sweep.role": e.Sweep.Role, "rule.name": e.Rule.Name, "rule.account": e.Rule.Account,
	}
	if s := e.Schedule; s != nil {
		needed["schedule.group"], needed["schedule.name"], needed["schedule.expression"] = s.Group, s.Name, s.Expression
	}
	if q := e.Events; q != nil {
		needed["events.dead_letters"], needed["events.senders"] = q.DeadLetters, strings.Join(q.Senders, " ")
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		if needed[name] == "" {
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
	// Settle is how long after a change to a function it may be a deployment, which changes one after the other: what differs in code and
	// configuration is not told before, or when it has been there for twice as long whatever was changed since. 0 tells all at once.
	Settle time.Duration

	held map[string]time.Time // since when findings are held back
}

// Look reads everything and says what is wrong. The error, an *Unread, says what could not be read; the findings hold all the same.
func (w *Watch) Look(ctx context.Context) ([]Finding, error) {
	var l look
	l.caller = caller{awscall.Caller{Config: w.Config, Agent: "trailwarden"}}
	l.functions(ctx, w.Expect)
	l.mapping(ctx, w.Expect)
	l.rule(ctx, w.Expect)
	l.schedule(ctx, w.Expect)
	l.queue(ctx, w.Expect)
	l.repairs(ctx, w.Expect)
	w.settle(&l, time.Now())
	if len(l.unread.hidden) == 0 {
		return l.findings, nil
	}
	return l.findings, &l.unread
}

// settle holds back what may be a deployment under way. It is neither told nor taken for ended.
func (w *Watch) settle(l *look, now time.Time) {
	before := w.held
	w.held = make(map[string]time.Time)
	if w.Settle <= 0 || now.Sub(l.changed) >= w.Settle {
		return
	}
	l.findings = slices.DeleteFunc(l.findings, func(f Finding) bool {
		if f.Rule != "lambda.code" && f.Rule != "lambda.config" {
			return false
		}
		key := f.Rule + " " + f.Resource + " " + f.Got
		since, known := before[key]
		if !known {
			since = now
		}
		w.held[key] = since
		if now.Sub(since) >= 2*w.Settle {
			return false
		}
		l.hide(f.Resource, f.Rule)
		return true
	})
}

// Unread is what a look could not see, or did not tell yet.
type Unread struct {
	Errs []error // one for each read that failed
	// Refused are those of them that IAM refused, of reads that older roles are not granted.
	Refused []error
	hidden  []hidden
}

// hidden is what a read would have told of: rules by what their ids begin with.
type hidden struct {
	resource string
	rules    []string
}

func (u *Unread) Error() string {
	if err := errors.Join(u.Unwrap()...); err != nil {
		return err.Error()
	}
	return "the functions were changed just now"
}

// Unwrap returns every error.
func (u *Unread) Unwrap() []error { return append(slices.Clone(u.Errs), u.Refused...) }

// Hides says whether a finding of this rule on this resource may be as true as before, or as untrue: what would tell was not read.
func (u *Unread) Hides(rule, resource string) bool {
	return slices.ContainsFunc(u.hidden, func(h hidden) bool {
		return h.resource == resource && slices.ContainsFunc(h.rules, func(begin string) bool { return strings.HasPrefix(rule, begin) })
	})
}

// look is one look at everything.
type look struct {
	caller
	findings []Finding
	unread   Unread
	changed  time.Time // when one of the functions was changed last
}

func (l *look) find(rule string, severity incident.Severity, resource, text, want, got, mend string) {
	l.findings = append(l.findings, Finding{rule, severity, resource, text, want, got, mend})
}

// fail notes a read that failed, and which findings it would have told of.
func (l *look) fail(err error, resource string, rules ...string) {
	l.unread.Errs = append(l.unread.Errs, err)
	l.hide(resource, rules...)
}

// mayRefuse is fail for a read that older roles are not granted.
func (l *look) mayRefuse(err error, resource string, rules ...string) {
	if code := codeOf(err); code == "AccessDeniedException" || code == "AccessDenied" {
		l.unread.Refused = append(l.unread.Refused, err)
	} else {
		l.unread.Errs = append(l.unread.Errs, err)
	}
	l.hide(resource, rules...)
}

func (l *look) hide(resource string, rules ...string) {
	l.unread.hidden = append(l.unread.hidden, hidden{resource, rules})
}

// ask is what to do where no single command mends it. To deploy the same again would not: CloudFormation does not see what was changed past it.
const ask = "look in Event history for who changed it, and run trailwarden doctor from a machine that you trust: it says what mends it"

// repairs sees whether the kill switch was used.
func (l *look) repairs(ctx context.Context, e Expect) {
	if e.RepairPolicy == "" {
		return
	}
	for _, role := range []string{e.React.Role, e.Sweep.Role} {
		attached, err := l.attached(ctx, role)
		if err != nil {
			l.fail(err, role, "iam.policy-detached")
			continue
		}
		if !attached[e.RepairPolicy] {
			name := role[strings.LastIndexByte(role, '/')+1:]
			l.find("iam.policy-detached", incident.Critical, role, "repairs are switched off: trailwarden watches and tells, and starts no trail", e.RepairPolicy, "not attached",
				"aws iam attach-role-policy --role-name "+name+" --policy-arn "+e.RepairPolicy)
		}
	}
}
