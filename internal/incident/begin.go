package incident

import (
	"cmp"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// FromRecord begins the incident of one watched record, with its Findings. Its outcome is what the record alone
// tells: Attempted or Noted; who reads the trail's state may find better or worse.
func FromRecord(findings []Finding, r event.Record, ref TrailRef, seen time.Time) Incident {
	first := r.ID
	if r.SharedID != "" {
		first = r.SharedID // the copies that two accounts have of one call are one incident
	}
	if first == "" {
		first = r.Time.UTC().Format(time.RFC3339) + r.RequestID
	}
	inc := Incident{
		SchemaVersion: SchemaVersion,
		ID:            ID(ref.ARN, first),
		Trail:         ref,
		Outcome:       Noted,
		Severity:      Info,
		Findings:      findings,
		Record: &Record{
			EventID: r.ID, EventName: CallName(r.Name), EventSource: r.Source, EventTime: r.Time.UTC(),
			Account: r.Account, Region: r.Region, RequestID: r.RequestID,
			ErrorCode: r.ErrorCode, ErrorMessage: r.ErrorMessage, DeliveryID: r.Carrier.ID,
		},
		Actor:    actorOf(r.Actor),
		Drifts:   []Drift{},
		Actions:  []Action{},
		OpenedAt: r.Time.UTC(),
		SeenAt:   seen.UTC(),
		Source:   r.Carrier.Kind,
		Event:    r.Carrier.Event,
	}
	if inc.Event == nil {
		inc.Event = r.Raw
	}
	if r.Time.IsZero() {
		inc.OpenedAt = seen.UTC()
	}
	if len(findings) > 0 {
		inc.Severity = findings[0].Severity
	}
	if r.SharedID != "" {
		inc.Accounts = []string{r.Account}
	}
	if !r.Succeeded() {
		inc.Outcome = Attempted
	}
	return inc
}

// FromState begins the incident of a state that a sweep found, without any record. What is first makes its id: of a
// trail that was stopped its StopLoggingTime; it is to be the same for the same state, whoever finds it. A zero opened means
// that nobody knows since when.
func FromState(a trail.ARN, findings []Finding, first string, opened, seen time.Time) Incident {
	inc := Incident{
		SchemaVersion: SchemaVersion,
		ID:            ID(a.String(), first),
		Trail:         RefOf(a),
		Outcome:       Open,
		Severity:      Info,
		Findings:      findings,
		Drifts:        []Drift{},
		Actions:       []Action{},
		OpenedAt:      opened.UTC(),
		SeenAt:        seen.UTC(),
		Source:        "sweep",
	}
	if opened.IsZero() {
		inc.OpenedAt = seen.UTC()
	}
	if len(findings) > 0 {
		inc.Severity = findings[0].Severity
	}
	return inc
}

func actorOf(a event.Actor) *Actor {
	if a == (event.Actor{}) {
		return nil
	}
	name := cmp.Or(a.UserName, a.OnBehalfOf)
	if name == "" && a.ARN == "" {
		name = a.PrincipalID // of another account's principal AWS says no more
	}
	return &Actor{
		Type: a.Type, ARN: a.ARN, Account: a.Account, Name: name, Issuer: a.Issuer,
		KeySuffix: suffix(a.AccessKeyID), MFA: a.MFA, Console: a.Console,
		InvokedBy: a.InvokedBy, SourceIP: a.SourceIP, UserAgent: a.UserAgent,
	}
}

// suffix is as much of an access key id as may be shown.
func suffix(key string) string {
	if len(key) < 16 {
		return ""
	}
	return key[len(key)-4:]
}

// Where a blind window's bounds come from, the surest first.
const (
	FromStatus  = "from_status"  // the trail's own start and stop times
	FromRecords = "from_records" // the times of records
)

// Window is the blind window that began at from. A zero to leaves it open, counted until now.
func Window(from, to, now time.Time, certainty string) *BlindWindow {
	w := &BlindWindow{From: from.UTC(), Certainty: certainty}
	end := to
	if to.IsZero() {
		w.Open, end = true, now
	} else {
		to = to.UTC()
		w.To = &to
	}
	w.Seconds = max(0, end.Sub(from).Seconds())
	return w
}
