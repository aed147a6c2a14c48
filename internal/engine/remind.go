package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify/route"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Remind does what time alone makes due: it tells a new deployment's people that it watches, reminds them of what is open and nobody has
// taken on, escalates, and tells of maintenance that begins and ends. What was done stands in the ledger, with the incident
// itself: a new process neither repeats nor forgets it.
func (e *Engine) Remind(ctx context.Context) error {
	if e.Keeper == nil || e.Keeper.Separate || len(e.Channels) == 0 {
		return nil
	}
	return errors.Join(e.welcome(ctx), e.maintenance(ctx), e.alarm(ctx))
}

// alarm reminds and escalates.
func (e *Engine) alarm(ctx context.Context) error {
	open, err := e.Keeper.Store.Incidents(ctx, ledger.Query{Open: true})
	if err != nil {
		return fmt.Errorf("remind: %w", err)
	}
	var errs []error
	for _, inc := range open {
		if _, escalated, reminded := e.plan().Due(inc, e.now()); !escalated && !reminded {
			continue
		}
		_, err := e.Keeper.change(ctx, inc.ID, func(inc *incident.Incident) (bool, []ledger.Mark) {
			alarm, escalated, reminded := e.plan().Due(*inc, e.now())
			switch {
			case escalated:
				inc.Stage = incident.StageEscalated
			case reminded:
				inc.Stage = incident.StageReminded
			default:
				return false, nil // somebody took it on, mended it or reminded of it meanwhile
			}
			inc.Alarm = &alarm
			return true, nil
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// welcomeKey is the mark of the message that a new deployment begins with; its value is the incident's id.
const welcomeKey = "welcome"

// welcome tells, once for a ledger, that the guard watches.
func (e *Engine) welcome(ctx context.Context) error {
	store, now := e.Keeper.Store, e.now()
	if _, told, err := mark(ctx, store, welcomeKey, now); err != nil || told {
		return err
	}
	accounts := "the account " + strings.Join(e.Guard.Accounts, ", ")
	if len(e.Guard.Accounts) > 1 {
		accounts = "the accounts " + strings.Join(e.Guard.Accounts, ", ")
	}
	pinned := "No trail is pinned yet: a stopped trail is started again, and everything else is told"
	if n := len(e.Pinned); n > 0 {
		pinned = fmt.Sprintf("Pinned trails: %d", n)
	}
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.welcome", Title: "trailwarden has begun to watch", Severity: incident.Info,
		Text: "It watches over CloudTrail in " + accounts + ". " + pinned + ". Messages about incidents come the way that this one came",
	}}, "welcome", now, now)
	inc.Trail, inc.Outcome = incident.TrailRef{}, incident.Noted
	inc.NextSteps = []incident.Step{
		{Text: "Acknowledge this message, so that it stands in the ledger that somebody hears.", Command: "trailwarden incidents ack " + inc.ID},
		{Text: "Prove by a drill that an attack is seen, repaired and told.", Command: "trailwarden drill list"},
	}
	return e.once(ctx, inc, ledger.Mark{Key: welcomeKey, Value: inc.ID})
}

// once records and tells of an incident of our own, and then that this was done. In between it is done again: by its id it is the same.
func (e *Engine) once(ctx context.Context, inc incident.Incident, done ledger.Mark) error {
	_, messages, err := e.Keeper.Keep(ctx, ledger.System, []incident.Incident{inc})
	if err != nil {
		return err
	}
	e.Send(ctx, messages)
	_, err = e.Keeper.Store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{done}})
	return err
}

// Heard says who has acknowledged the message that the deployment began with: nil when nobody has. The id is empty when none was sent yet.
func (e *Engine) Heard(ctx context.Context) (id string, by *incident.Ack, err error) {
	id, told, err := mark(ctx, e.Keeper.Store, welcomeKey, e.now())
	if err != nil || !told {
		return "", nil, err
	}
	inc, _, err := e.Keeper.Store.Incident(ctx, id)
	return id, inc.Acknowledged, err
}

// maintenanceKept is how long it is remembered that a window's end was told.
const maintenanceKept = 30 * 24 * time.Hour

// maintenance tells, by every channel, that a window has opened or ended.
func (e *Engine) maintenance(ctx context.Context) error {
	var errs []error
	for _, w := range e.Routing.Windows {
		errs = append(errs, e.announceWindow(ctx, w))
	}
	return errors.Join(errs...)
}

func (e *Engine) announceWindow(ctx context.Context, w route.Window) error {
	now := e.now()
	if now.Before(w.From) {
		return nil
	}
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("maintenance/%x", sha256.Sum256(text))
	stands, _, err := mark(ctx, e.Keeper.Store, key, now)
	if err != nil {
		return fmt.Errorf("maintenance: %w", err)
	}
	begun, over := stands != "", !now.Before(w.Until)
	if stands == "ended" || begun && !over || !begun && over {
		return nil
	}
	told := "nobody"
	if len(w.Channels) > 0 {
		told = strings.Join(w.Channels, ", ")
	}
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.maintenance", Title: "Maintenance begins", Severity: incident.Low,
		Text: fmt.Sprintf("Until %s incidents of %s are told to %s alone. They are recorded and repaired as always. %s answers for it: %s",
			w.Until.UTC().Format(time.RFC3339), ofWhat(w.Match), told, w.Who, w.Why),
	}}, key+" begun", now, now)
	next := ledger.Mark{Key: key, Value: "begun", Expires: w.Until.Add(maintenanceKept)}
	if over {
		happened, open, err := e.during(ctx, w)
		if err != nil {
			return err
		}
		inc = incident.FromState(trail.ARN{}, []incident.Finding{{
			Rule: "own.maintenance", Title: "Maintenance has ended", Severity: incident.Low,
			Text: fmt.Sprintf("Incidents of %s are told as usual again. %d happened meanwhile, and %d of them are open: those are told now. It was %s's: %s",
				ofWhat(w.Match), happened, open, w.Who, w.Why),
		}}, key+" ended", now, now)
		inc.NextSteps = []incident.Step{{Text: "See what happened meanwhile.", Command: "trailwarden incidents list --since " +
			w.From.UTC().Format(time.RFC3339) + " --until " + w.Until.UTC().Format(time.RFC3339)}}
		next.Value = "ended"
	}
	inc.Trail, inc.Outcome = incident.TrailRef{}, incident.Noted
	return e.once(ctx, inc, next)
}

// during counts the incidents of a window that has ended.
func (e *Engine) during(ctx context.Context, w route.Window) (happened, open int, err error) {
	all, err := e.Keeper.Store.Incidents(ctx, ledger.Query{Since: w.From, Until: w.Until})
	for _, inc := range all {
		if inc.Trail.ARN == "" || !w.Fits(inc) {
			continue
		}
		happened++
		if !inc.Well() {
			open++
		}
	}
	return happened, open, err
}

// ofWhat says in words what a window is about.
func ofWhat(m route.Match) string {
	var parts []string
	add := func(what, value string) {
		if value != "" {
			parts = append(parts, what+" "+value)
		}
	}
	add("severity from", string(m.Severity))
	add("account", strings.Join(m.Accounts, ", "))
	add("Region", strings.Join(m.Regions, ", "))
	add("trail", m.Trail)
	add("rule", m.Rule)
	switch {
	case m.Drill != nil && *m.Drill:
		parts = append(parts, "drills")
	case m.Drill != nil:
		parts = append(parts, "no drill")
	}
	if len(parts) == 0 {
		return "every kind"
	}
	return strings.Join(parts, ", ")
}
