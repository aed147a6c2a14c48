package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/sns"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/sim/deployment"
)

// pair is both functions of one deployment, within the test's own process.
type pair struct {
	*deployed
	deployment   *deployment.Deployment
	react, sweep *function
	log          *strings.Builder
	read         int // mails that were read
}

// over hands requests to a handler without a socket.
type over struct{ http.Handler }

func (o over) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{deployed: &deployed{world: sim.New(sim.Options{Clock: time.Now, ConfirmedEmail: true})}, deployment: deployment.New(), log: &strings.Builder{}}
	p.deployment.Next = p.world
	p.admin = p.as(p.world.Account(account).Role("platform", "terraform"))
	p.furnish(t)
	disk := &memory.Disk{}
	p.react, p.sweep = p.function(t, disk, "react"), p.function(t, disk, "sweep")
	return p
}

func (p *pair) as(c sim.Credentials) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: over{p.deployment}}, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
}

func (p *pair) function(t *testing.T, disk *memory.Disk, role string) *function {
	t.Helper()
	cfg := p.as(p.world.Account(account).Role("trailwarden", role))
	e, err := engine.New(cfg, engine.Options{
		Accounts: []string{account}, Now: time.Now, Ledger: &memory.Store{Disk: disk}, Log: slog.New(slog.NewTextHandler(p.log, nil)),
		Channels: func(*engine.Engine) ([]notify.Channel, error) {
			topic, err := sns.Open(cfg, "arn:aws:sns:"+region+":"+account+":alerts")
			return []notify.Channel{{Name: "sns", Notifier: topic}}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect, err := selfwatch.Parse(deployment.Self)
	if err != nil {
		t.Fatal(err)
	}
	return &function{engine: e, metrics: io.Discard, self: &watcher{Watch: &selfwatch.Watch{Config: cfg, Expect: expect, Settle: settleTime}}}
}

// looks has one of the functions run once, long enough after it looked last, with an event that is none of a fault.
func (p *pair) looks(t *testing.T, f *function) {
	t.Helper()
	time.Sleep(lookPause)
	payload := `{"sweep":true}`
	if f == p.react {
		payload = sqsBatch(event("StartLogging", p.world.Now()))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if answer, err := f.Invoke(ctx, []byte(payload)); err != nil || strings.Contains(string(answer), "itemIdentifier") {
		t.Fatalf("%s, %v\n%s", answer, err, p.log)
	}
}

// told are the mails about trailwarden itself since the last time.
func (p *pair) told() (list []sim.Mail) {
	all := p.mail()
	for _, m := range all[p.read:] {
		if strings.HasPrefix(m.Subject, "trailwarden itself was changed") {
			list = append(list, m)
		}
	}
	p.read = len(all)
	return list
}

func (p *pair) functions() map[string]*function {
	return map[string]*function{"react": p.react, "sweep": p.sweep}
}

// TestEachWayIsTold: whichever way somebody switches one of the two functions off, or blinds it, the other tells of it, and of its end.
// A function that was switched off looks at nothing; here each finds all that the other does.
func TestEachWayIsTold(t *testing.T) {
	// Faults H1 and H2; those of the queue are D10.
	for _, w := range deployment.Ways() {
		for _, by := range []string{"react", "sweep"} {
			t.Run(w.Name+", seen by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPair(t)
					f := p.functions()[by]
					p.looks(t, f)
					if told := p.told(); len(told) != 0 {
						t.Fatalf("all was well, and told was %v", told)
					}
					p.deployment.Change(w.Do)
					p.looks(t, f)
					p.looks(t, f)
					told := p.told()
					for _, want := range w.Want {
						rule, resource, _ := strings.Cut(want, " ")
						i := slices.IndexFunc(told, func(m sim.Mail) bool {
							return strings.Contains(m.Body, rule) && strings.Contains(m.Body, resource) && strings.Contains(m.Body, "What to do next")
						})
						if i < 0 {
							t.Fatalf("nobody was told of %s, and what to do: %v\n%s", want, told, p.log)
						}
						if !slices.ContainsFunc([]string{"   aws ", "trailwarden doctor", "aws events list-targets-by-rule", "it stands in the incident"}, func(s string) bool { return strings.Contains(told[i].Body, s) }) {
							t.Errorf("no command mends it:\n%s", told[i].Body)
						}
						told = slices.Delete(told, i, i+1)
					}
					if len(told) != 0 {
						t.Errorf("told besides: %v", told)
					}
					p.deployment.Heal()
					p.looks(t, f)
					told = p.told()
					if len(told) != len(w.Want) || slices.ContainsFunc(told, func(m sim.Mail) bool { return !strings.Contains(m.Subject, "well again") }) {
						t.Errorf("that it is well again was told as %v", told)
					}
				})
			})
		}
	}
}

// TestTwoLookAsOne: what both functions find is one incident, told once, begun and ended by whoever is first.
func TestTwoLookAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		for round := range 2 {
			p.deployment.Change(func(x *deployment.Parts) { x.Rule["State"] = "DISABLED" })
			for range 3 {
				p.looks(t, p.react)
				p.looks(t, p.sweep)
			}
			if told := p.told(); len(told) != 1 {
				t.Errorf("round %d: told %d times", round, len(told))
			}
			p.deployment.Heal()
			for range 3 {
				p.looks(t, p.sweep)
				p.looks(t, p.react)
			}
			if told := p.told(); len(told) != 1 || !strings.Contains(told[0].Subject, "well again") {
				t.Errorf("round %d: ended as %v", round, told)
			}
		}
	})
}

// TestOneMisconfigured: what is wrong with one function's configuration alone is told once, and the other, which has a good one, does not take
// it for mended again and again.
func TestOneMisconfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.react.faults = misconfigured(errors.New("TRAILWARDEN_SNS_TOPIC_ARN: no ARN"))
		p.deployment.Change(func(x *deployment.Parts) { x.Environment(deployment.React)["TRAILWARDEN_SNS_TOPIC_ARN"] = "x" })
		for range 4 {
			p.looks(t, p.react)
			p.looks(t, p.sweep)
		}
		if told := p.told(); len(told) != 2 { // the configuration, and that they differ
			t.Errorf("told %d times: %v", len(told), told)
		}
		p.react.faults = nil
		p.deployment.Heal()
		p.looks(t, p.sweep)
		p.looks(t, p.react)
		if told := p.told(); len(told) != 2 {
			t.Errorf("ended as %v", told)
		}
	})
}

// TestOneSeesNotWhatTheOtherDoes: what one of them may not read it neither tells of nor takes for ended, and it says once in its log what it may not.
func TestOneSeesNotWhatTheOtherDoes(t *testing.T) {
	for op, do := range map[string]func(*deployment.Parts){
		"GetSchedule":        func(x *deployment.Parts) { x.Timer["State"] = "DISABLED" },
		"GetQueueAttributes": func(x *deployment.Parts) { x.Queue["DelaySeconds"] = "900" },
		"DescribeRule":       func(x *deployment.Parts) { x.Rule["State"] = "DISABLED" },
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t)
				refuse := func(code string) {
					p.deployment.Change(func(x *deployment.Parts) { x.Refuse[op] = code })
				}
				refuse("AccessDeniedException")
				p.looks(t, p.react)
				if told := p.told(); len(told) != 0 {
					t.Errorf("told, and not seen: %v", told)
				}
				p.deployment.Change(do)
				refuse("")
				p.looks(t, p.sweep)
				if told := p.told(); len(told) != 1 {
					t.Fatalf("the sweep saw it, and told %v", told)
				}
				refuse("AccessDeniedException")
				for range 5 {
					p.looks(t, p.react)
				}
				if told := p.told(); len(told) != 0 {
					t.Errorf("react, which cannot see it, told %v", told)
				}
				if optional, n := op != "DescribeRule", strings.Count(p.log.String(), op); optional && n != 1 {
					t.Errorf("the log names %s %d times:\n%s", op, n, p.log)
				}
				p.deployment.Heal()
				p.looks(t, p.sweep)
				if told := p.told(); len(told) != 1 || !strings.Contains(told[0].Subject, "well again") {
					t.Errorf("ended as %v", told)
				}
			})
		})
	}
}

// TestEventsComeFirst: the look at the deployment begins when the event's trail is repaired and people were told, and where AWS hangs it ends
// before the invocation does.
func TestEventsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		payload := sqsBatch(p.stop(t))
		began, looked := time.Now(), false
		p.react.self.Config.HTTPClient = &http.Client{Transport: over{http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if !looked && (!p.logging(t) || !p.mailed("repaired")) {
				t.Error("it looked before the trail was repaired, and that told")
			}
			looked = true
			<-r.Context().Done()
		})}}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		answer, err := p.react.Invoke(ctx, []byte(payload))
		if took := time.Since(began); err != nil || strings.Contains(string(answer), "itemIdentifier") || took > lookTime+time.Second || !looked {
			t.Errorf("answered %s, %v after %v; looked %t", answer, err, took, looked)
		}
		// With less time left it does not begin.
		p.react.self.last, began = time.Time{}, time.Now()
		short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if answer, err := p.react.Invoke(short, []byte(sqsBatch(p.stop(t)))); err != nil || time.Since(began) > time.Second || !p.logging(t) {
			t.Errorf("answered %s, %v after %v", answer, err, time.Since(began))
		}
	})
}

// TestReactIsNotMuteForGood: when a message could not be sent, react sends it, and what comes after, also while no sweep runs.
func TestReactIsNotMuteForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t)
		p.react.self = nil // also where nobody says how the deployment should be
		mend := p.world.Inject(sim.Fault{Service: "sns", Op: "Publish", Code: "InternalError", Times: 5})
		invoke := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := p.react.Invoke(ctx, []byte(sqsBatch(p.stop(t)))); err != nil {
				t.Fatal(err)
			}
		}
		invoke()
		if p.mailed("repaired") {
			t.Fatal("the message was to fail")
		}
		mend()
		time.Sleep(time.Hour)
		invoke()
		time.Sleep(time.Hour)
		invoke()
		if n := len(p.mail()); n < 3 {
			t.Errorf("of three incidents %d were told: %v\n%s", n, p.mail(), p.log)
		}
	})
}
