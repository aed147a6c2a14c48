// Package doctor examines a deployment: each check says how a part is and, where something is wrong, the command that
// mends it. It only reads. What the deployment should be is taken from CloudFormation's record of the stack, not from the
// functions' own environment, which somebody may have changed.
package doctor

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

// Status is how a part is.
type Status string

const (
	OK      Status = "ok"
	Waiting Status = "waiting" // it takes a person or some time, as it does after a deployment
	Wrong   Status = "wrong"
	Unknown Status = "unknown" // it could not be read
)

// Statuses are all of them, from well to unread.
var Statuses = []Status{OK, Waiting, Wrong, Unknown}

// Check is one thing that was examined.
type Check struct {
	Name   string `json:"check"`          // what was examined, in a word or two
	Status Status `json:"status"`         // how it is
	Text   string `json:"text"`           // the same, in a sentence
	Mend   string `json:"mend,omitempty"` // the command that mends it, or what to do; empty when all is well
}

// Deployment is a stack to examine.
type Deployment struct {
	Config aws.Config
	View   stack.View
	Name   string // of the stack
	Parts  []stack.Part
	Made   deploy.Made // what the stack's template makes of its parameters; without resources where that is not known
	Now    time.Time
}

// exam collects checks of one subject.
type exam struct {
	Deployment
	checks []Check
}

func (e *exam) add(name string, status Status, text, mend string) {
	e.checks = append(e.checks, Check{name, status, text, mend})
}

// patience is how long one subject may take: a service that does not answer costs no other its answer.
const patience = 20 * time.Second

// Examine makes all checks of the stack's own parts. They are made at the same time.
func (d Deployment) Examine(ctx context.Context) []Check {
	subjects := []func(*exam, context.Context){
		(*exam).stack, (*exam).self, (*exam).rules, (*exam).permissions, (*exam).heartbeat, (*exam).queues, (*exam).topic,
		(*exam).subscriptions, (*exam).alarms, (*exam).table, (*exam).concurrency,
	}
	exams := make([]exam, len(subjects))
	var wg sync.WaitGroup
	for i, examine := range subjects {
		exams[i].Deployment = d
		wg.Go(func() {
			bounded, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			examine(&exams[i], bounded)
		})
	}
	wg.Wait()
	var all []Check
	for _, e := range exams {
		all = append(all, e.checks...)
	}
	return all
}

// retryer tries three times; a person waits.
func retryer() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), time.Second) }

// name is what the stack's function or resource of a kind is called.
func (e *exam) name(kind string) string {
	name := e.View.Parameters["Name"]
	if name == "" {
		name = "trailwarden"
	}
	return name + "-" + kind
}

// properties are those of a resource by the template; nil when it has none such.
func (e *exam) properties(id string) map[string]any { return e.Made.Resources[id].Properties }

// own is a command of trailwarden for this stack.
func (e *exam) own(verb string) string {
	if e.Name == "trailwarden" {
		return "trailwarden " + verb
	}
	return "trailwarden " + verb + " --stack-name " + Quote(e.Name)
}

// revert is the command that puts back what somebody changed past CloudFormation. To deploy again would not: CloudFormation
// compares with what it did last, unless it is asked to look.
func (e *exam) revert() string { return e.own("deploy --update --revert-drift") }

func (e *exam) stack(context.Context) {
	v := e.View
	switch {
	case v.Underway():
		e.add("stack", Waiting, "CloudFormation is at work on it: "+v.Status, "look again when it is done")
	case !v.Stands():
		e.add("stack", Wrong, sentence("it is in state "+v.Status, v.Reason), e.own("destroy")+", then deploy again")
	case !v.Protected:
		e.add("stack", Wrong, "nothing protects it against deletion", "aws cloudformation update-termination-protection --enable-termination-protection --stack-name "+Quote(e.Name))
	default:
		e.add("stack", OK, v.Status+", protected against deletion, release "+v.Parameters["Release"], "")
	}
}

func sentence(text, reason string) string {
	if reason == "" {
		return text
	}
	return text + ": " + reason
}

var harmless = regexp.MustCompile(`^[A-Za-z0-9_./:@=+,-]+$`)

// Quote makes one word of a shell of a text. Names come from AWS, where an attacker may have chosen them, and people copy commands.
func Quote(s string) string {
	if harmless.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// queueName is the name in a queue's URL.
func queueName(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}

// count is "1 event", "2 events".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// few is a list for a sentence, cut where it gets long.
func few(list []string) string {
	const most = 6
	if len(list) > most {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}
