package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/logfile"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// History reads what the Event history of the account of a has of a stretch of time in a Region. Whole is false when there was more.
type History interface {
	Window(ctx context.Context, a trail.ARN, region string, from, to time.Time, most int) (records [][]byte, whole bool, err error)
}

const (
	// evidenceMost is how many records of one Region are read: at 50 a call and two calls a second this takes 50 s.
	evidenceMost = 5000
	// evidenceLeft is how much time is left of an invocation for what is due besides: a busy account's Event history takes more than one lasts.
	evidenceLeft = 20 * time.Second
	// longest is the longest stretch of time that is read in one piece of evidence.
	longest = 24 * time.Hour
)

// lag is when Event history is read, counted from the end of the blind window: at once, when most of it has come, and when it has surely
// caught up. Only the last reading is complete.
var lag = []time.Duration{0, 15 * time.Minute, time.Hour}

// evidenceDue says when the evidence of an incident is to be read first; false when there is nothing to read (yet).
func evidenceDue(inc incident.Incident, now time.Time) (time.Time, bool) {
	_, to, ok := dark(inc)
	if !ok || inc.Evidence != nil && !inc.Evidence.To.Before(to) {
		return time.Time{}, false
	}
	return now, true
}

// dark is the time in which nothing was recorded, all blind windows of the incident taken together; false while one is open.
func dark(inc incident.Incident) (from, to time.Time, ok bool) {
	windows := []*incident.BlindWindow{inc.BlindWindow}
	for _, t := range inc.Tamperings {
		windows = append(windows, t.BlindWindow)
	}
	for _, w := range windows {
		if w == nil || w.To == nil {
			continue
		}
		if !ok || w.From.Before(from) {
			from = w.From
		}
		if !ok || w.To.After(to) {
			to = *w.To
		}
		ok = true
	}
	if inc.BlindWindow != nil && inc.BlindWindow.Open {
		return from, to, false
	}
	if to.Sub(from) > longest {
		from = to.Add(-longest)
	}
	return from, to, ok
}

// Evidence reads Event history for the blind windows whose time has come, and adds what was done in them to their incidents.
func (e *Engine) Evidence(ctx context.Context) error {
	if e.Keeper == nil || e.History == nil {
		return nil
	}
	now := e.now()
	marks, err := e.Keeper.Store.Marks(ctx, "evidence/", now)
	if err != nil {
		return fmt.Errorf("read what evidence is to be read: %w", err)
	}
	reading := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		reading, cancel = context.WithDeadline(ctx, deadline.Add(-evidenceLeft))
		defer cancel()
	}
	var errs []error
	for _, m := range marks {
		if due, err := time.Parse(time.RFC3339, m.Value); err == nil && due.After(now) {
			continue
		}
		if reading.Err() != nil {
			break // the others are read by the next sweep
		}
		errs = append(errs, e.evidence(ctx, reading, strings.TrimPrefix(m.Key, "evidence/")))
	}
	return errors.Join(errs...)
}

// evidence reads the evidence of one incident, as long as reading lasts, and writes it down.
func (e *Engine) evidence(ctx, reading context.Context, id string) error {
	store, now := e.Keeper.Store, e.now()
	inc, found, err := store.Incident(ctx, id)
	if err != nil {
		return fmt.Errorf("read evidence of %s: %w", id, err)
	}
	from, to, closed := dark(inc)
	a, wrong := trail.ParseARN(inc.Trail.ARN)
	forget := ledger.Mark{Key: "evidence/" + id}
	if !found || !closed || wrong != nil {
		_, err := store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{forget}})
		return err
	}
	raw, regions, problems := e.window(reading, a, from, to)
	records, err := read(ctx, raw)
	if err != nil {
		return fmt.Errorf("read evidence of %s: %w", id, err)
	}
	sum := incident.Summarize(from, to, records)
	sum.ReadAt = now.UTC()
	next := nextReading(to, now)
	switch {
	case len(problems) > 0:
		sum.Incomplete = strings.Join(problems, "; ")
	case next.IsZero() && len(regions) == 1:
		sum.Incomplete = "only Region " + regions[0] + " was read"
	case next.IsZero():
		sum.Complete = true
	default:
		sum.Incomplete = "Event history lags: it is read again at " + next.UTC().Format(time.RFC3339)
	}
	if len(raw) > 0 {
		if sum.SHA256, err = store.Keep(ctx, raw, now); err != nil {
			return fmt.Errorf("keep evidence of %s: %w", id, err)
		}
	}
	mark := forget
	if !next.IsZero() {
		mark.Value = next.UTC().Format(time.RFC3339)
	}
	return e.witness(ctx, id, sum, mark)
}

// read reads records, one a line, by the reader of all log files.
func read(ctx context.Context, lines []byte) (records []event.Record, err error) {
	var r logfile.Reader
	_, err = r.Read(ctx, bytes.NewReader(lines), int64(len(lines)), logfile.Filter{}, func(one event.Record) { records = append(records, one) })
	return records, err
}

// witness adds evidence to the incident as it stands now, and tells of it when it says more than was told.
func (e *Engine) witness(ctx context.Context, id string, sum incident.Evidence, mark ledger.Mark) error {
	_, err := e.Keeper.change(ctx, id, func(inc *incident.Incident) (news bool, marks []ledger.Mark) {
		before := inc.Evidence
		inc.Evidence = &sum
		news = before == nil || before.Calls != sum.Calls || before.Changes != sum.Changes || before.Complete != sum.Complete
		if news {
			inc.Stage = incident.StageEvidence
		}
		return news && (sum.Calls > 0 || sum.Complete), []ledger.Mark{mark}
	})
	if err != nil {
		return fmt.Errorf("keep evidence of %s: %w", id, err)
	}
	return nil
}

// nextReading is when Event history is to be read again; zero when it need not be.
func nextReading(to, now time.Time) time.Time {
	for _, after := range lag {
		if at := to.Add(after); at.After(now) {
			return at
		}
	}
	return time.Time{}
}

// window reads all Regions of which the trail may have recorded something.
func (e *Engine) window(ctx context.Context, a trail.ARN, from, to time.Time) (raw []byte, regions, problems []string) {
	regions = []string{a.Region}
	for _, r := range e.Regions {
		if !slices.Contains(regions, r) {
			regions = append(regions, r)
		}
	}
	var lines bytes.Buffer
	for _, region := range regions {
		records, whole, err := e.History.Window(ctx, a, region, from, to, evidenceMost)
		for _, r := range records {
			lines.Write(r)
			lines.WriteByte('\n')
		}
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s could not be read to its end: %v", region, err))
		case !whole:
			problems = append(problems, fmt.Sprintf("%s has more than %d records of this time", region, evidenceMost))
		}
	}
	return lines.Bytes(), regions, problems
}
