package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
	"github.com/trailwarden/trailwarden/internal/sim"
)

const chain = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// wire lets a test do what it likes with requests on their way to AWS.
type wire func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error)

func (s *site) through(w wire) *site {
	next := s.cfg.HTTPClient.(*http.Client).Transport
	cfg := s.cfg
	cfg.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		return w(next, op, r)
	})}
	return &site{cfg: cfg, world: s.world, made: s.made}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func told(n int, outcome incident.Outcome) ledger.Batch {
	return ledgertest.Told(ledgertest.Sample(fmt.Sprintf("inc-%016x", n), chain, outcome, day), day)
}

// sound checks that all chains of a table hold, and returns how many entries the chain has.
func (s *site) sound(t *testing.T, table string) int64 {
	t.Helper()
	verdicts, err := ledger.Verify(t.Context(), s.open(t, table, Options{Limit: generous}), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, v := range verdicts {
		if len(v.Bad) > 0 {
			t.Errorf("chain %s does not hold: %+v", v.Chain, v.Bad)
		}
		if v.Chain == chain {
			n = v.Entries
		}
	}
	return n
}

// What passes by itself costs a write some time, and is done once, whether or not the answer that was lost told of an effect.
func TestWriteOutlastsFaults(t *testing.T) {
	conflict := sim.Fault{Code: "TransactionCanceledException", Message: "Transaction cancelled", Members: map[string]any{
		"CancellationReasons": []map[string]string{{"Code": "TransactionConflict"}, {"Code": "None"}}}}
	for name, f := range map[string]sim.Fault{
		"throttled":                       {Code: "ThrottlingException"},
		"too little capacity":             {Code: "ProvisionedThroughputExceededException"},
		"another transaction":             conflict,
		"still under way":                 {Code: "TransactionInProgressException"},
		"trouble":                         {Code: "InternalServerError"},
		"trouble after the effect":        {Code: "InternalServerError", After: true},
		"unavailable":                     {Code: "ServiceUnavailable"},
		"no answer":                       {Hang: true},
		"no answer after the effect":      {Hang: true, After: true},
		"garbage in place of the answer":  {Body: []byte("<html>proxy</html>")},
		"garbage with a status of 502":    {Body: []byte("<html>bad gateway</html>"), Status: 502},
		"an answer that is cut off":       {Body: []byte(`{"Item":`)},
		"an error that is not in any SDK": {Code: "SomethingNew", Status: 503},
	} {
		for _, op := range []string{"TransactWriteItems", "GetItem"} {
			t.Run(name+" "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := onSim(t)
					table := s.table(t)
					f := f
					f.Service, f.Op, f.Times = "dynamodb", op, 2
					s.world.Inject(f)
					store := s.open(t, table, Options{Limit: 10 * time.Second})
					head, err := store.Write(t.Context(), told(1, incident.Repaired))
					if err != nil || head.Seq != 1 {
						t.Fatalf("head %+v, %v", head, err)
					}
					if n := s.sound(t, table); n != 1 {
						t.Errorf("%d entries", n)
					}
				})
			})
		}
	}
}

// DynamoDB forgets a transaction's token after ten minutes: then what stands in the table says whose it is.
func TestWriteKnowsItsOwnWithoutToken(t *testing.T) {
	s := onSim(t)
	table := s.table(t)
	lost := false
	store := s.through(func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error) {
		if op != "TransactWriteItems" {
			return next.RoundTrip(r)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var request map[string]any
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, err
		}
		delete(request, "ClientRequestToken")
		if body, err = json.Marshal(request); err != nil {
			return nil, err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer, err := next.RoundTrip(r)
		if !lost && err == nil {
			lost = true
			// Another writer goes on before the try that is repeated.
			if _, err := s.open(t, table, Options{Limit: generous}).Write(t.Context(), told(2, incident.Open)); err != nil {
				t.Error(err)
			}
			return nil, errors.New("connection reset by peer")
		}
		return answer, err
	}).open(t, table, Options{Limit: generous})
	head, err := store.Write(t.Context(), told(1, incident.Open))
	if err != nil || head.Seq != 1 {
		t.Fatalf("head %+v, %v", head, err)
	}
	if n := s.sound(t, table); n != 2 {
		t.Errorf("%d entries, want one of each writer", n)
	}
}

// Writers that share a chain, on a bad day: nothing is lost, nothing is there twice, the chain holds.
func TestConflictStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers, writes = 4, 15
		s := onSim(t)
		table := s.table(t)
		var mu sync.Mutex
		random := rand.New(rand.NewPCG(7, 7))
		bad := s.through(func(next http.RoundTripper, op string, r *http.Request) (*http.Response, error) {
			mu.Lock()
			dice := random.IntN(20)
			mu.Unlock()
			switch dice {
			case 0: // lost on the way
				return nil, errors.New("connection refused")
			case 1: // lost on the way back
				if _, err := next.RoundTrip(r); err != nil {
					return nil, err
				}
				return nil, errors.New("connection reset by peer")
			case 2: // slow
				time.Sleep(time.Duration(dice) * 10 * time.Millisecond)
			}
			return next.RoundTrip(r)
		})
		var wait sync.WaitGroup
		for w := range writers {
			wait.Go(func() {
				store := bad.open(t, table, Options{Limit: 5 * time.Minute})
				for n := range writes {
					// Every other writer decides by what it read.
					for {
						b := told(100*w+n, incident.Repaired)
						b.Queue = []ledger.Message{{ID: fmt.Sprintf("m-%d-%d", w, n), Channel: "mail", Incident: *b.Incident, Created: day, Due: day}}
						if w%2 == 0 {
							_, _, head, err := store.Latest(t.Context(), chain)
							if err != nil {
								t.Error(err)
								return
							}
							b.After = &head.Seq
						}
						_, err := store.Write(t.Context(), b)
						if errors.Is(err, ledger.ErrMoved) {
							continue
						}
						if err != nil {
							t.Error(err)
						}
						break
					}
				}
			})
		}
		wait.Wait()
		if n := s.sound(t, table); n != writers*writes {
			t.Errorf("%d entries, want %d", n, writers*writes)
		}
		store := s.open(t, table, Options{Limit: generous})
		incidents, err := store.Incidents(t.Context(), ledger.Query{Unconfirmed: true})
		if err != nil || len(incidents) != writers*writes {
			t.Errorf("%d incidents, %v", len(incidents), err)
		}
		messages, err := store.Messages(t.Context(), day, 0)
		if err != nil || len(messages) != writers*writes {
			t.Errorf("%d messages, %v", len(messages), err)
		}
	})
}

// A ledger that is down costs a call its limit and no more, and the error says what to do.
func TestFailuresAreSaid(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault sim.Fault
		deny  string
		want  []string
		doubt bool
	}{
		{name: "hangs", fault: sim.Fault{Hang: true}, want: []string{"dynamodb:TransactWriteItems on table", "no answer in time", "check the network"}, doubt: true},
		{name: "throttled for ever", fault: sim.Fault{Code: "ThrottlingException"}, want: []string{"ThrottlingException: Rate exceeded", "tries", "ThrottledRequests"}},
		{name: "trouble for ever", fault: sim.Fault{Code: "InternalServerError"}, want: []string{"InternalServerError"}, doubt: true},
		{name: "garbage for ever", fault: sim.Fault{Code: "", Body: []byte("<html>"), Status: 404}, want: []string{"check proxies"}, doubt: true},
		{name: "denied", deny: "dynamodb:TransactWriteItems", want: []string{"AccessDeniedException", "allow dynamodb:PutItem, dynamodb:DeleteItem and dynamodb:ConditionCheckItem on table ledger-1"}},
		{name: "session expired", fault: sim.Fault{Code: "ExpiredTokenException"}, want: []string{"log in again"}},
		{name: "table gone", fault: sim.Fault{Code: "ResourceNotFoundException"}, want: []string{"check the table's name, AWS_REGION"}},
		{name: "unknown", fault: sim.Fault{Code: "SomethingNew"}, want: []string{"SomethingNew"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := onSim(t)
				table := s.table(t)
				if tt.deny != "" {
					s.world.Deny("*", tt.deny)
				} else {
					tt.fault.Service, tt.fault.Op = "dynamodb", "TransactWriteItems"
					s.world.Inject(tt.fault)
				}
				began := time.Now()
				_, err := s.open(t, table, Options{}).Write(t.Context(), told(1, incident.Open))
				if took := time.Since(began); took > Limit {
					t.Errorf("it took %s", took)
				}
				failed, ok := errors.AsType[*CallError](err)
				if !ok || failed.Doubt != tt.doubt {
					t.Fatalf("doubt is not %v: %#v", tt.doubt, err)
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
			})
		})
	}
}

// garbling alters answers, and sends the checksums of what they were.
type garbling struct {
	http.RoundTripper
	times int
}

func (g *garbling) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := g.RoundTripper.RoundTrip(r)
	if err != nil || g.times == 0 || res.StatusCode != http.StatusOK {
		return res, err
	}
	g.times--
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Header.Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(body)))
	res.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("1"), []byte("2"), 1)))
	return res, nil
}

// An answer that was altered on its way is asked for again, and is never believed.
func TestAlteredAnswer(t *testing.T) {
	for _, times := range []int{0, 1, 1000} {
		s := onSim(t)
		table := s.table(t)
		if _, err := s.open(t, table, Options{Limit: generous}).Write(t.Context(), told(1, incident.Open)); err != nil {
			t.Fatal(err)
		}
		s.cfg.HTTPClient = &http.Client{Transport: &garbling{s.world.Transport(), times}}
		limit, ever := generous, times < 1000
		if !ever {
			limit = 200 * time.Millisecond
		}
		_, found, head, err := s.open(t, table, Options{Limit: limit}).Latest(t.Context(), chain)
		if ever && (err != nil || !found || head.Seq != 1) {
			t.Errorf("altered %d times: %v, head %+v", times, err, head)
		}
		if !ever && (err == nil || !strings.Contains(err.Error(), "the answer is not what DynamoDB sent") || !strings.Contains(err.Error(), "something between")) {
			t.Errorf("altered %d times: %v", times, err)
		}
	}
}

func TestAbsentTableAndSilentOpen(t *testing.T) {
	s := onSim(t)
	before := len(s.world.Calls())
	store := s.open(t, "absent", Options{Limit: generous})
	if calls := s.world.Calls()[before:]; len(calls) > 0 {
		t.Errorf("opening calls AWS: %v", calls)
	}
	_, err := store.Heads(t.Context())
	if err == nil || !strings.Contains(err.Error(), "create the table") {
		t.Errorf("absent table: %v", err)
	}
}

// A shorter context ends a call earlier than the limit.
func TestContextIsShorter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onSim(t)
		store := s.open(t, s.table(t), Options{})
		s.world.Inject(sim.Fault{Service: "dynamodb", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := store.Lease(ctx, "trail", "me", day, day.Add(time.Minute)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// A batch that DynamoDB cannot write as a whole is refused as a whole.
func TestBatchTooLarge(t *testing.T) {
	s := onSim(t)
	table := s.table(t)
	store := s.open(t, table, Options{Limit: generous})
	b := told(1, incident.Open)
	for n := range maxItems {
		b.Queue = append(b.Queue, ledger.Message{ID: fmt.Sprint(n), Incident: *b.Incident, Created: day})
	}
	if _, err := store.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "at most 100 items") {
		t.Errorf("error %v", err)
	}
	b = told(1, incident.Open)
	for n := range 20 {
		b.Entries = append(b.Entries, ledger.Draft{Time: day, Kind: ledger.KindStart, Body: fmt.Sprint(n, strings.Repeat("x", 250_000))})
	}
	if _, err := store.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "4096 KB as a whole") {
		t.Errorf("error %v", err)
	}
	if n := s.sound(t, table); n != 0 {
		t.Errorf("%d entries were written", n)
	}
}

// What is too large for an item is kept beside it, and found again; what was altered there is found out.
func TestLargeBodies(t *testing.T) {
	for _, o := range []Options{{Limit: generous}, {Limit: generous, Bucket: bucket, Owner: account}} {
		t.Run("bucket "+o.Bucket, func(t *testing.T) {
			s := onSim(t)
			table := s.table(t)
			store := s.open(t, table, o)
			b := told(1, incident.Open)
			b.Incident.Reason = strings.Repeat("because ", 100_000)
			b.Entries[0].Body = b.Incident
			b.Queue = []ledger.Message{{ID: "m", Incident: *b.Incident, Created: day}}
			if _, err := store.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			got, found, err := store.Incident(t.Context(), b.Incident.ID)
			if err != nil || !found || got.Reason != b.Incident.Reason {
				t.Errorf("incident: %v, %d bytes, %v", found, len(got.Reason), err)
			}
			messages, err := store.Messages(t.Context(), time.Time{}, 0)
			if err != nil || len(messages) != 1 || messages[0].Incident.Reason != b.Incident.Reason {
				t.Errorf("%d messages, %v", len(messages), err)
			}
			if n := s.sound(t, table); n != 1 {
				t.Errorf("%d entries", n)
			}

			// Somebody alters the entry's body where it is kept.
			var sum string
			if err := store.entries(t.Context(), chain, 1, func(i item) error { sum = i.text("blob"); return nil }); err != nil {
				t.Fatal(err)
			}
			if o.Bucket == "" {
				forged := key{"blob/" + sum, "00001"}.item()
				forged["data"] = value{B: []byte("forged")}
				err = store.putItem(t.Context(), forged, condition{})
			} else {
				err = replaceObject(t, s, prefix+sum, "forged")
			}
			if err != nil {
				t.Fatal(err)
			}
			verdicts, err := ledger.Verify(t.Context(), store, nil)
			if err != nil || len(verdicts) != 1 || len(verdicts[0].Bad) == 0 || verdicts[0].Bad[0].Seq != 1 {
				t.Errorf("altered body: %+v, %v", verdicts, err)
			}
			if _, err := store.Blob(t.Context(), sum); err == nil || errors.Is(err, ledger.ErrNoBlob) {
				t.Errorf("altered blob: %v", err)
			}
		})
	}
}

func TestTooLargeForTheTable(t *testing.T) {
	s := onSim(t)
	store := s.open(t, s.table(t), Options{Limit: generous})
	_, err := store.Keep(t.Context(), make([]byte, piece*maxPieces+1), day)
	if err == nil || !strings.Contains(err.Error(), "S3 bucket for evidence") {
		t.Errorf("error %v", err)
	}
}

func TestBucketOfAnotherOwner(t *testing.T) {
	s := onSim(t)
	store := s.open(t, s.table(t), Options{Limit: generous, Bucket: bucket, Owner: "444455556666"})
	_, err := store.Keep(t.Context(), []byte("evidence"), day)
	if err == nil || !strings.Contains(err.Error(), "allow s3:PutObject on bucket "+bucket) {
		t.Errorf("error %v", err)
	}
}

// Tables that were altered by hand, or by a later trailwarden, are refused and not written on.
func TestAlteredTables(t *testing.T) {
	s := onSim(t)
	prepare := func(t *testing.T) (*Store, string) {
		table := s.table(t)
		store := s.open(t, table, Options{Limit: generous})
		for n := range 3 {
			if _, err := store.Write(t.Context(), told(n, incident.Open)); err != nil {
				t.Fatal(err)
			}
		}
		return s.open(t, table, Options{Limit: generous}), table
	}
	put := func(t *testing.T, store *Store, i item) {
		if err := store.putItem(t.Context(), i, condition{}); err != nil {
			t.Fatal(err)
		}
	}
	firstBad := func(t *testing.T, store *Store) string {
		verdicts, err := ledger.Verify(t.Context(), store, nil)
		if err != nil || len(verdicts) != 1 || len(verdicts[0].Bad) == 0 {
			t.Fatalf("%+v, %v", verdicts, err)
		}
		return fmt.Sprint(verdicts[0].Bad[0].Seq, " ", verdicts[0].Bad[0].Fault)
	}
	t.Run("later layout", func(t *testing.T) {
		store, _ := prepare(t)
		i, err := store.get(t.Context(), key{partitionHeads, chain})
		if err != nil {
			t.Fatal(err)
		}
		i["v"] = integer(version + 1)
		put(t, store, i)
		if _, err := store.Write(t.Context(), told(9, incident.Open)); err == nil || !strings.Contains(err.Error(), "a later one") {
			t.Errorf("error %v", err)
		}
		if _, err := store.Heads(t.Context()); err == nil {
			t.Error("its heads are read")
		}
	})
	t.Run("head set back", func(t *testing.T) {
		store, _ := prepare(t)
		var second ledger.Entry
		if err := store.Entries(t.Context(), chain, 2, func(e ledger.Entry) error {
			if e.Seq == 2 {
				second = e
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		put(t, store, head{Head: second.Head()}.item())
		if _, err := store.Write(t.Context(), told(9, incident.Open)); err == nil || !strings.Contains(err.Error(), "altered") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("entry altered", func(t *testing.T) {
		store, _ := prepare(t)
		i, err := store.get(t.Context(), key{entriesOf(chain), number(2)})
		if err != nil {
			t.Fatal(err)
		}
		i["body"] = text(strings.ReplaceAll(i.text("body"), "mallory", "nobody."))
		put(t, store, i)
		if got := firstBad(t, store); got != "2 hash" {
			t.Errorf("first bad link: %s", got)
		}
	})
	t.Run("entry removed", func(t *testing.T) {
		store, _ := prepare(t)
		if err := store.deleteMany(t.Context(), []key{{entriesOf(chain), number(2)}}); err != nil {
			t.Fatal(err)
		}
		if got := firstBad(t, store); got != "2 missing" {
			t.Errorf("first bad link: %s", got)
		}
	})
	t.Run("incident altered in the list", func(t *testing.T) {
		store, _ := prepare(t)
		i, err := store.get(t.Context(), incidentKey(told(1, incident.Open).Incident.ID))
		if err != nil {
			t.Fatal(err)
		}
		i["body"] = text(strings.ReplaceAll(i.text("body"), "mallory", "nobody."))
		put(t, store, i)
		if got := firstBad(t, store); got != "2 incident" {
			t.Errorf("first bad link: %s", got)
		}
	})
}

func replaceObject(t *testing.T, s *site, key, content string) error {
	t.Helper()
	_, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader(content)})
	return err
}
