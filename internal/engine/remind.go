package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
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
