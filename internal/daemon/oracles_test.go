package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/guard"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// canary stands in forged records: it must never get into a call of ours.
const canary = "canary-of-mallory"

// oracle watches over a rig. What it says are the oracles O1 to O9 of FAULTS.md.
type oracle struct {
	r            *rig
	ctx          context.Context
	failures     []string
	secrets      []string
	received     map[string]string // body by receipt
	messages     map[string]string // message id by receipt
	forged       map[string]bool   // event ids
	ledgerFailed bool
	killed       bool
}

func newOracle(r *rig) *oracle {
	return &oracle{r: r, received: map[string]string{}, messages: map[string]string{}, forged: map[string]bool{}}
}

func (o *oracle) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	o.r.say("ORACLE %s", text)
	if len(o.failures) < 10 {
		o.failures = append(o.failures, text)
	}
}

// allowed are all operations that the daemon may ever ask for.
var allowed = []string{
	"GetTrail", "GetTrailStatus", "GetEventSelectors", "GetInsightSelectors", "GetEventConfiguration", "ListTags", "ListTrails", "LookupEvents",
	"StartLogging", "UpdateTrail", "CreateTrail", "PutEventSelectors", "PutInsightSelectors", "PutEventConfiguration", "AddTags", "RemoveTags",
	"ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "DescribeOrganization", "ListDelegatedAdministrators",
}

// request holds a call of ours against O2, O3 and O4 before it is made.
func (o *oracle) request(p *passage) {
	if !slices.Contains(allowed, p.op) && !strings.HasPrefix(p.op, "POST /") && !strings.HasPrefix(p.op, "HEAD /") {
		o.fail("O3: call of %s", p.op)
	}
	if isEffect(p.op) && p.op != "StartLogging" && strings.Contains(string(p.body), canary) { // StartLogging writes nothing but the name
		o.fail("O4: a value of a forged record is in the call %s %s", p.op, p.body)
	}
	if p.op != "DeleteMessageBatch" {
		return
	}
	var in struct {
		Entries []struct{ ReceiptHandle string }
	}
	if err := json.Unmarshal(p.body, &in); err != nil {
		o.fail("DeleteMessageBatch cannot be read: %v", err)
	}
	for _, e := range in.Entries {
		o.durable(o.messages[e.ReceiptHandle], o.received[e.ReceiptHandle])
	}
}

// answered remembers what was received.
func (o *oracle) answered(p *passage, res *http.Response) {
	if p.op != "ReceiveMessage" || res == nil {
		return
	}
	body, _ := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	var out struct {
		Messages []struct{ MessageId, ReceiptHandle, Body string }
	}
	if json.Unmarshal(body, &out) == nil {
		for _, m := range out.Messages {
			o.received[m.ReceiptHandle], o.messages[m.ReceiptHandle] = m.Body, m.MessageId
		}
	}
}

// disk reads the ledger as it truly is.
func (o *oracle) disk() *memory.Store { return &memory.Store{Disk: o.r.disk} }

// durable is O2: a message is acknowledged only when its incident, or that it could not be decoded, is in the ledger.
func (o *oracle) durable(id, body string) {
	if o.r.ledger != nil {
		return // another one than the oracle can look into at any time
	}
	ctx := context.Background()
	store := o.disk()
	records, bad := event.Decode(batchOf(id, body))
	if len(bad) > 0 {
		found := false
		_ = store.Entries(ctx, ledger.System, 1, func(e ledger.Entry) error {
			found = found || e.Kind == ledger.KindQuarantine && strings.Contains(string(e.Body), id)
			return nil
		})
		if !found {
			o.fail("O2: message %s could not be decoded, is in no quarantine, and was acknowledged", id)
		}
	}
	for _, rec := range records {
		if _, watched := incident.RuleFor(rec); !watched {
			continue
		}
		a, err := guard.Place(rec)
		want := incident.ID(a.String(), rec.ID)
		switch b, pinned := o.r.pinned[a]; {
		case err != nil:
			want = incident.ID("", rec.ID)
		case pinned && !o.r.unpinned && len(incident.Findings(rec, &b.Want)) == 0:
			continue
		}
		if strings.Contains(rec.Actor.ARN, "trailwarden") && !o.forged[rec.ID] {
			continue // confirms another incident
		}
		if !o.holds(ctx, store, want) {
			o.fail("O2: %s of %s (event %s, incident %s) is not in the ledger, and its message was acknowledged", rec.Name, a, rec.ID, want)
		}
	}
}

func batchOf(id, body string) []byte {
	out, _ := json.Marshal(map[string]any{"Records": []any{map[string]any{"messageId": id, "body": body, "eventSource": "aws:sqs"}}})
	return out
}

func (o *oracle) holds(ctx context.Context, store *memory.Store, id string) bool {
	if _, found, _ := store.Incident(ctx, id); found {
		return true
	}
	marks, _ := store.Marks(ctx, "alias/"+id, o.r.world.Now())
	for _, m := range marks {
		if m.Key == "alias/"+id {
			_, found, _ := store.Incident(ctx, m.Value)
			return found
		}
	}
	return false
}

// heard is a message as a channel got it.
type heard struct {
	at  time.Time
	id  string
	inc incident.Incident
}

// Notify is the channel's.
func (e *ear) Notify(ctx context.Context, inc incident.Incident) error {
	if !e.r.gate.pass("before " + e.name) {
		return errDead
	}
	if e.slow > 0 && !pause(ctx, e.slow) {
		return ctx.Err()
	}
	if e.down {
		return fmt.Errorf("%s is down", e.name)
	}
	e.told = append(e.told, heard{time.Now(), notify.Identity(inc), inc})
	e.r.say("%s hears %s %s %s count %d %v", e.name, inc.ID, inc.Outcome, inc.Stage, inc.Count, rules(inc))
	e.r.oracle.message(inc)
	if !e.r.gate.pass("after " + e.name) {
		return errDead
	}
	return nil
}

func rules(inc incident.Incident) (out []string) {
	for _, f := range inc.Findings {
		out = append(out, f.Rule)
	}
	return out
}

// message is O7, and that we accuse nobody of what we did ourselves.
func (o *oracle) message(inc incident.Incident) {
	text, err := json.Marshal(inc)
	if err != nil {
		o.fail("O6: a message cannot be written: %v", err)
	}
	for _, secret := range o.secrets {
		if secret != "" && bytes.Contains(text, []byte(secret)) {
			o.fail("O7: a secret is in a message of %s", inc.ID)
		}
	}
	if o.ledgerFailed {
		return // a call whose intent could not be written may be anybody's after a crash
	}
	if inc.Actor != nil && strings.Contains(inc.Actor.ARN, "role/trailwarden") && inc.Outcome != incident.Confirmed && !o.forgedOne(inc) {
		o.fail("own repair is told as somebody's: %s %s %v record %+v", inc.ID, inc.Outcome, rules(inc), inc.Record)
	}
	if slices.Contains(rules(inc), "own.credentials") {
		o.fail("own call is told as stolen credentials: %s %+v", inc.ID, inc.Record)
	}
}

func (o *oracle) forgedOne(inc incident.Incident) bool {
	return inc.Record != nil && o.forged[inc.Record.EventID]
}

// chains is O8.
func (o *oracle) chains() {
	verdicts, err := ledger.Verify(context.Background(), o.disk(), nil)
	if err != nil {
		o.fail("O8: %v", err)
	}
	for _, v := range verdicts {
		for _, b := range v.Bad {
			o.fail("O8: %+v", b)
		}
	}
}

// converged is O5.
func (o *oracle) converged() bool { return len(o.differing()) == 0 }

// differing are the trails that are not as they are to be, with how they are.
func (o *oracle) differing() (out []string) {
	now := o.r.world.Snapshots()
	for arn, want := range o.r.want {
		got, ok := now[arn]
		if o.r.unpinned && got.Logging || ok && fmt.Sprint(got) == fmt.Sprint(want) {
			continue
		}
		out = append(out, fmt.Sprintf("%s is %+v, wanted %+v", arn, got, want))
	}
	return out
}

// quiet is what must hold when all has come to rest: O1, O5, O6, O8 and that nothing is left over.
func (o *oracle) quiet() {
	ctx, store := context.Background(), o.disk()
	for _, text := range o.differing() {
		o.fail("O5: %s", text)
	}
	all, err := store.Incidents(ctx, ledger.Query{})
	if err != nil {
		o.fail("O8: %v", err)
	}
	for _, inc := range all {
		a, err := trail.ParseARN(inc.Trail.ARN)
		if _, pinned := o.r.pinned[a]; err == nil && pinned && !inc.Well() {
			o.fail("O1: %s on %s is still %s: %s", inc.ID, a.Name, inc.Outcome, inc.Reason)
		} else if !inc.Well() && slices.Contains([]string{"trail.decoy", "own.channel", "own.queue"}, rules(inc)[0]) {
			o.fail("O1: %s %v on %q is still %s: %s", inc.ID, rules(inc), a.Name, inc.Outcome, inc.Reason)
		}
		for _, e := range o.r.ears {
			if !slices.ContainsFunc(e.told, func(h heard) bool { return h.inc.ID == inc.ID || h.inc.Holds(inc.ID) }) {
				o.fail("O6: %s %v was never told by %s", inc.ID, rules(inc), e.name)
			}
		}
	}
	for _, e := range o.r.ears {
		if !o.ledgerFailed && !o.killed {
			o.order(e)
		}
	}
	left, err := store.Messages(ctx, time.Time{}, 0)
	if err != nil || len(left) > 0 {
		o.fail("O6: %d messages are left to send (%v): %+v", len(left), err, idsOf(left))
	}
	o.chains()
}

func idsOf(messages []ledger.Message) (out []string) {
	for _, m := range messages {
		out = append(out, fmt.Sprintf("%s %s %s due %s tries %d %s", m.Channel, m.Incident.ID, m.Incident.Stage, m.Due.Format(time.TimeOnly), m.Tries, m.Error))
	}
	return out
}

// order: what a channel hears of one incident comes in its order, but for what it has heard already.
func (o *oracle) order(e *ear) {
	last, seen := map[string]int64{}, map[string]bool{}
	for _, h := range e.told {
		if h.inc.Ledger == nil || seen[h.id] {
			continue
		}
		seen[h.id] = true
		if h.inc.Ledger.Seq < last[h.inc.ID] {
			o.fail("O6: %s hears of %s out of order: entry %d after %d", e.name, h.inc.ID, h.inc.Ledger.Seq, last[h.inc.ID])
		}
		last[h.inc.ID] = h.inc.Ledger.Seq
	}
}
