package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wire answers every call with what it is given.
type wire func(op string, form url.Values) (status int, body string)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	op, form, _, err := asked(r)
	if err != nil {
		return nil, err
	}
	status, answer := w(op, form)
	if status == 0 {
		return nil, errors.New("dial tcp: no route to host")
	}
	header := http.Header{}
	if r.Method == http.MethodHead {
		header.Set("Date", answer)
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func always(status int, body string) wire {
	return func(string, url.Values) (int, string) { return status, body }
}

// Each way in which the daemon's surroundings can be wrong, what is said of it, and what mends it.
func TestDaemonChecks(t *testing.T) {
	now := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	clock := func(w wire) []Check { return []Check{Clock(t.Context(), over(w), func() time.Time { return now })} }
	queue := func(w wire) []Check {
		check, _ := Queue(t.Context(), over(w), "https://sqs.eu-central-1.amazonaws.com/111122223333/events")
		return []Check{check}
	}
	rules := func(w wire) []Check {
		return Rules(t.Context(), over(w), "arn:aws:sqs:eu-central-1:111122223333:events", account)
	}
	allowed := func(w wire) []Check {
		return []Check{Allowed(t.Context(), over(w), "arn:aws:sts::111122223333:assumed-role/daemon/i-1", []Need{{"arn:trail", []string{"cloudtrail:GetTrail", "cloudtrail:StartLogging"}}, {"*", []string{"cloudtrail:ListTrails"}}})}
	}
	at := func(d time.Duration) wire { return always(403, now.Add(d).Format(http.TimeFormat)) }
	rule := func(state, pattern string) wire {
		return func(op string, _ url.Values) (int, string) {
			if op == "ListRuleNamesByTarget" {
				return 200, `{"RuleNames":["watch"]}`
			}
			return 200, text(object{"State": state, "EventPattern": pattern})
		}
	}
	decided := func(decision, more string) wire {
		return func(op string, form url.Values) (int, string) {
			out := ""
			for n := 1; form.Has(fmt.Sprintf("ActionNames.member.%d", n)); n++ {
				action := form.Get(fmt.Sprintf("ActionNames.member.%d", n))
				if action == "cloudtrail:StartLogging" {
					out += "<member><EvalActionName>" + action + "</EvalActionName><EvalDecision>" + decision + "</EvalDecision>" + more + "</member>"
				} else {
					out += "<member><EvalActionName>" + action + "</EvalActionName><EvalDecision>allowed</EvalDecision></member>"
				}
			}
			return 200, xmlOf(op, "<EvaluationResults>"+out+"</EvaluationResults>")
		}
	}
	const whole = `{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"]}`
	const who = "arn:aws:iam::111122223333:role/daemon"
	for name, test := range map[string]struct {
		ask  func(wire) []Check
		aws  wire
		want Check
	}{
		"clock right":     {clock, at(20 * time.Second), Check{"clock", OK, "within 30 seconds of AWS's", ""}},
		"clock slow":      {clock, at(7 * time.Minute), Check{"clock", Wrong, "this machine's clock is 7m0s slow, by AWS's (AWS refuses calls from five minutes on)", "timedatectl set-ntp true"}},
		"clock fast":      {clock, at(-time.Minute), Check{"clock", Wrong, "this machine's clock is 1m0s fast, by AWS's (AWS refuses calls from five minutes on)", "timedatectl set-ntp true"}},
		"no time":         {clock, always(200, ""), Check{"clock", Unknown, "could not be read: the answer has no date", unreached}},
		"nobody to ask":   {clock, always(0, ""), Check{"clock", Unknown, `could not be read: Head "http://aws.invalid": dial tcp: no route to host`, unreached}},
		"queue":           {queue, always(200, `{"Attributes":{"ApproximateNumberOfMessages":"3","RedrivePolicy":"{}"}}`), Check{"queue", OK, "events: 3 waiting", ""}},
		"events wait":     {queue, always(200, `{"Attributes":{"ApproximateNumberOfMessages":"101","RedrivePolicy":"{}"}}`), Check{"queue", Wrong, "101 events wait: the daemon does not keep up, or does not run", "journalctl -u trailwarden --since -1h"}},
		"no dead letters": {queue, always(200, `{"Attributes":{"ApproximateNumberOfMessages":"0"}}`), Check{"queue", Wrong, "it has no queue for events that cannot be handled: such an event comes again for ever", `aws sqs set-queue-attributes --queue-url https://sqs.eu-central-1.amazonaws.com/111122223333/events --attributes '{"RedrivePolicy":"{\"deadLetterTargetArn\":\"ARN\",\"maxReceiveCount\":\"5\"}"}' with the ARN of another queue`}},
		"no such queue":   {queue, always(400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}`), Check{"queue", Wrong, "there is no queue https://sqs.eu-central-1.amazonaws.com/111122223333/events: only sweeps see what happens", "set watch.queue_url to the right one, or make it: docs/watch.md"}},
		"may not look":    {queue, always(403, `{"__type":"AccessDeniedException","message":"no"}`), Check{"queue", Unknown, "could not be read: GetQueueAttributes: AccessDeniedException: no", "use credentials that may read it: `trailwarden deploy --print-policy` prints what that takes"}},
		"no number":       {queue, always(200, `{"Attributes":{}}`), Check{"queue", Unknown, "SQS does not say how many messages wait", "look again: trailwarden doctor"}},
		"a proxy answers": {queue, always(418, `<html>`), Check{"queue", Unknown, "could not be read: GetQueueAttributes: the answer is none of AWS's (HTTP status 418)", unreached}},
		"rule":            {rules, rule("ENABLED", whole), Check{"rule", OK, "watch is on, and hands every call that changes a trail to the queue", ""}},
		"rule off":        {rules, rule("DISABLED", whole), Check{"rule", Wrong, "watch is off: no event tells of what happens to trails", "aws events enable-rule --name watch"}},
		"rule too narrow": {rules, rule("ENABLED", `{"source":["aws.cloudtrail"],"detail":{"eventName":["DeleteTrail"]}}`), Check{"rule", Wrong, `watch does not take every call that changes a trail: detail.eventName leaves out "StopLogging"`,
			"aws events put-rule --name watch --event-pattern PATTERN; the pattern is in what `trailwarden deploy --print-template` prints"}},
		"no rule": {rules, always(200, `{"RuleNames":[]}`), Check{"rule", Wrong, "no rule hands events to events: only sweeps see what happens",
			"aws events put-targets --rule NAME --targets Id=queue,Arn=arn:aws:sqs:eu-central-1:111122223333:events; the rule itself is in what `trailwarden deploy --print-template` prints"}},
		"may all":     {allowed, decided("allowed", ""), Check{"permissions", OK, who + " may make the 3 calls that it needs", ""}},
		"may not":     {allowed, decided("implicitDeny", ""), Check{"permissions", Wrong, who + " may not cloudtrail:StartLogging (its policies do not allow it)", "attach deploy/iam/watch.json and deploy/iam/repair.json to it"}},
		"an SCP":      {allowed, decided("explicitDeny", "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>"), Check{"permissions", Wrong, who + " may not cloudtrail:StartLogging (a service control policy of the organization denies it)", deniers[byOrganization]}},
		"a boundary":  {allowed, decided("implicitDeny", "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"), Check{"permissions", Wrong, who + " may not cloudtrail:StartLogging (its boundary denies it)", deniers[byBoundary]}},
		"may not ask": {allowed, always(403, denied), Check{"permissions", Unknown, "could not be read: SimulatePrincipalPolicy: AccessDenied: User: x may not", "allow iam:SimulatePrincipalPolicy to whoever runs doctor; reading trails is tried all the same"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff([]Check{test.want}, test.ask(test.aws)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if got := Rules(t.Context(), over(always(500, "")), "arn:aws:sqs:eu-central-1:999999999999:events", account); len(got) != 1 || got[0].Status != OK {
		t.Errorf("another account's queue: %v", got)
	}
}

// The daemon is asked itself: it is well, it says that it is not, it does not answer, it never answers.
func TestHealth(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/-/healthy" {
			t.Errorf("it asks for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	listen := strings.TrimPrefix(server.URL, "http://")
	check := func(want Status, text, mend string, got Check) {
		t.Helper()
		if got.Status != want || !strings.Contains(got.Text, text) || !strings.Contains(got.Mend, mend) {
			t.Errorf("%+v, want %s, %q, %q", got, want, text, mend)
		}
	}
	check(OK, "keeps its time", "", Health(t.Context(), listen))
	status = http.StatusServiceUnavailable
	check(Wrong, "not well: 503", "curl http://"+listen+"/-/healthy", Health(t.Context(), listen))
	server.Close()
	check(Wrong, "does not answer", "systemctl restart trailwarden", Health(t.Context(), listen))
	check(Wrong, "", "127.0.0.1:9402", Health(t.Context(), "no address\n"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	check(Wrong, "does not answer", "journalctl", Health(ended, listen))
}

func TestRates(t *testing.T) {
	for _, test := range []struct {
		trails map[string]int
		every  time.Duration
		want   Status
		mend   string
	}{
		{map[string]int{"eu-central-1": 5}, time.Minute, OK, ""},
		{map[string]int{"eu-central-1": 5, "us-east-1": 400}, time.Minute, Wrong, "--sweep-schedule 'rate(2 minutes)'"},
		{map[string]int{"us-east-1": 400}, 5 * time.Minute, OK, ""},
		{nil, time.Minute, OK, ""},
	} {
		if got := Rates(test.trails, test.every); got.Status != test.want || !strings.Contains(got.Mend, test.mend) {
			t.Errorf("%v by %s: %+v", test.trails, test.every, got)
		}
	}
}
