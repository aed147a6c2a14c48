package selfwatch

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/sim/deployment"
)

// over hands requests to a handler without a socket.
type over struct{ http.Handler }

func (o over) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Host = r.URL.Host
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w.Result(), nil
}

func looked(t *testing.T, d *deployment.Deployment, region, self string) ([]string, error) {
	t.Helper()
	e, err := Parse(self)
	if err != nil {
		t.Fatal(err)
	}
	w := Watch{Expect: e, Config: aws.Config{Region: region, HTTPClient: &http.Client{Transport: over{d}}, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}}
	findings, err := w.Look(t.Context())
	got := []string{}
	for _, f := range findings {
		got = append(got, f.Rule+" "+f.Resource)
		if f.Text == "" || f.Mend == "" || f.Want == f.Got || f.Severity.Rank() < 0 {
			t.Errorf("%s tells too little: %+v", f.Rule, f)
		}
	}
	return got, err
}

func seen(t *testing.T, d *deployment.Deployment) ([]string, error) {
	t.Helper()
	return looked(t, d, deployment.Region, deployment.Self)
}

// TestLook: a deployment that is whole has no finding, and each way to switch it off unseen has one.
func TestLook(t *testing.T) {
	ways := append(deployment.Ways(),
		deployment.Way{Name: "whole", Do: func(*deployment.Parts) {}},
		deployment.Way{Name: "concurrency 5", Do: func(p *deployment.Parts) { p.Concurrency[deployment.React] = 5 }},
		deployment.Way{Name: "a wider rule", Do: func(p *deployment.Parts) { p.Rule["EventPattern"] = `{"source":["aws.cloudtrail","aws.s3"]}` }},
		deployment.Way{Name: "the policy's statements in another order", Do: func(p *deployment.Parts) {
			p.Queue["Policy"] = strings.Replace(p.Queue["Policy"], `"sqs:ReceiveMessage","sqs:DeleteMessage"`, `"sqs:DeleteMessage","SQS:ReceiveMessage"`, 1)
		}})
	for _, w := range ways {
		t.Run(w.Name, func(t *testing.T) {
			d := deployment.New()
			d.Change(w.Do)
			got, err := seen(t, d)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(append([]string{}, w.Want...), got); diff != "" {
				t.Errorf("findings (-want +got)\n%s", diff)
			}
		})
	}
}

// TestDeploymentUnderWay: what a deployment changes, one function after the other, is not told; what somebody changes is, if later, and also
// when they change it again and again; and nothing that was told is taken for ended meanwhile.
func TestDeploymentUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const settle = 2 * time.Minute
		d := deployment.New()
		e, err := Parse(deployment.Self)
		if err != nil {
			t.Fatal(err)
		}
		w := Watch{Settle: settle, Expect: e, Config: aws.Config{Region: deployment.Region, HTTPClient: &http.Client{Transport: over{d}}, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")}}
		change := func(code string) {
			d.Change(func(p *deployment.Parts) {
				p.Functions[deployment.React]["CodeSha256"], p.Functions[deployment.React]["LastModified"] = code, time.Now().UTC().Format("2006-01-02T15:04:05.000+0000")
			})
		}
		look := func(told bool, when string) {
			t.Helper()
			found, err := w.Look(t.Context())
			hidden := false
			if unread, ok := errors.AsType[*Unread](err); ok {
				hidden = unread.Hides("lambda.code", deployment.React)
				if len(unread.Errs)+len(unread.Refused) > 0 || err.Error() == "" {
					t.Errorf("%s: %v", when, err)
				}
			}
			if code := slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == "lambda.code" }); code != told || hidden == told {
				t.Errorf("%s: told %t, want %t; hidden %t", when, code, told, hidden)
			}
		}
		change("new")
		look(false, "the other function comes next")
		time.Sleep(settle)
		look(true, "it did not come")
		change("newer")
		look(false, "something else")
		d.Heal()
		change("good")
		if found, err := w.Look(t.Context()); len(found) > 0 || err != nil {
			t.Errorf("as deployed, and changed just now: %v, %v", found, err)
		}
		change("evil")
		d.Change(func(p *deployment.Parts) { p.Concurrency[deployment.Sweep] = 0 })
		if found, _ := w.Look(t.Context()); len(found) != 1 || found[0].Rule != "lambda.throttled" {
			t.Errorf("what no deployment does waits: %v", found)
		}
		for range 4 {
			time.Sleep(time.Minute)
			change("evil")
		}
		look(true, "changed again and again")
	})
}

// TestOlderTemplates: what a template did not tell is not looked at, and is not missed.
func TestOlderTemplates(t *testing.T) {
	before, _, _ := strings.Cut(deployment.Self, ",\n\"schedule\"")
	d := deployment.New()
	d.Change(func(p *deployment.Parts) {
		p.Timer, p.Queue = nil, nil
		p.Environment(deployment.Sweep)[Variable] = before + "}"
		delete(p.Environment(deployment.React), Variable)
	})
	if got, err := looked(t, d, deployment.Region, before+"}"); len(got) != 0 || err != nil {
		t.Errorf("findings %v, error %v", got, err)
	}
}

// TestRefusedReads: what may not be read is said, hides nothing else, and is no finding; what it would have told is not known.
func TestRefusedReads(t *testing.T) {
	for op, hides := range map[string]string{
		"GetFunctionConfiguration": "lambda.code " + deployment.Sweep, "GetFunctionConcurrency": "lambda.throttled " + deployment.React,
		"ListEventSourceMappings": "lambda.mapping-changed " + deployment.Queue, "DescribeRule": "bus.rule-disabled " + deployment.Watch,
		"ListTargetsByRule": "bus.targets-removed " + deployment.Watch, "ListAttachedRolePolicies": "iam.policy-detached " + deployment.Role + deployment.Sweep,
		"GetSchedule": "bus.schedule-changed " + deployment.Sweep, "GetQueueAttributes": "notify.queue-attributes " + deployment.Queue,
	} {
		d := deployment.New()
		d.Change(func(p *deployment.Parts) { p.Refuse[op] = "AccessDeniedException" })
		got, err := seen(t, d)
		unread, ok := errors.AsType[*Unread](err)
		if len(got) != 0 || !ok || !strings.Contains(err.Error(), op+" ") || !strings.Contains(err.Error(), "AccessDeniedException: no") {
			t.Errorf("%s refused: findings %v, error %v", op, got, err)
			continue
		}
		rule, resource, _ := strings.Cut(hides, " ")
		if !unread.Hides(rule, resource) || unread.Hides(rule, resource+"2") || unread.Hides("lambda.alias", resource) {
			t.Errorf("%s refused hides %+v, want %s and no more", op, unread.hidden, hides)
		}
		if younger := op == "GetSchedule" || op == "GetQueueAttributes"; younger != (len(unread.Refused) == 1 && len(unread.Errs) == 0) {
			t.Errorf("%s refused: an older role may not read it: %t; refused %v, failed %v", op, younger, unread.Refused, unread.Errs)
		}
	}
	d := deployment.New()
	d.Change(func(p *deployment.Parts) {
		p.Refuse["DescribeRule"] = "AccessDeniedException"
		p.Functions[deployment.React]["CodeSha256"] = "evil"
	})
	if got, err := seen(t, d); len(got) != 1 || err == nil {
		t.Errorf("a refused read hides other code: %v, %v", got, err)
	}
}

// TestEndpoints: each service is asked where it is, and signed for there, in every partition.
func TestEndpoints(t *testing.T) {
	for region, want := range map[string]map[string]string{
		"eu-central-1":  {"lambda": "lambda.eu-central-1.amazonaws.com eu-central-1", "events": "events.eu-central-1.amazonaws.com eu-central-1", "iam": "iam.amazonaws.com us-east-1", "sqs": "sqs.eu-central-1.amazonaws.com eu-central-1", "scheduler": "scheduler.eu-central-1.amazonaws.com eu-central-1"},
		"cn-north-1":    {"lambda": "lambda.cn-north-1.amazonaws.com.cn cn-north-1", "events": "events.cn-north-1.amazonaws.com.cn cn-north-1", "iam": "iam.cn-north-1.amazonaws.com.cn cn-north-1", "sqs": "sqs.cn-north-1.amazonaws.com.cn cn-north-1", "scheduler": "scheduler.cn-north-1.amazonaws.com.cn cn-north-1"},
		"us-gov-east-1": {"lambda": "lambda.us-gov-east-1.amazonaws.com us-gov-east-1", "events": "events.us-gov-east-1.amazonaws.com us-gov-east-1", "iam": "iam.us-gov.amazonaws.com us-gov-west-1", "sqs": "sqs.us-gov-east-1.amazonaws.com us-gov-east-1", "scheduler": "scheduler.us-gov-east-1.amazonaws.com us-gov-east-1"},
	} {
		d := deployment.New()
		if _, err := looked(t, d, region, deployment.Self); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, d.Hosts()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", region, diff)
		}
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"", "{}", "null", strings.Replace(deployment.Self, `"good"`, `""`, 1), strings.Replace(deployment.Self, `"queue"`, `"que"`, 1),
		strings.Replace(deployment.Self, `"rate(1 minute)"`, `""`, 1), strings.Replace(deployment.Self, `"senders":[`, `"senders":[],"x":[`, 1)} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is taken for an expectation", text)
		}
	}
}
