package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// standing reads which incidents are not well, or not confirmed, so that the sweep can end them.
func (r *run) standing(ctx context.Context) {
	if r.Keeper == nil {
		return
	}
	list, err := r.Keeper.Store.Incidents(ctx, ledger.Query{Open: true, Unconfirmed: true})
	if err != nil {
		r.fail(Failure{Err: fmt.Errorf("sweep: read standing incidents: %w", err)})
		return
	}
	r.open = make(map[trail.ARN][]incident.Incident)
	for _, inc := range list {
		if a, err := trail.ParseARN(inc.Trail.ARN); err == nil {
			r.open[a] = append(r.open[a], inc)
		}
	}
}

// settle takes the incidents that were found again off the list of those that may have ended.
func (r *run) settle(arn trail.ARN, found []incident.Incident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open[arn]) == 0 {
		return
	}
	r.open[arn] = slices.DeleteFunc(r.open[arn], func(inc incident.Incident) bool {
		return slices.ContainsFunc(found, func(f incident.Incident) bool { return f.ID == inc.ID })
	})
}

// resolve ends the incidents of a trail that was swept and that nothing of was found any more: what was open is restored, by
// whomever; what was repaired is confirmed by log files that are delivered again.
func (r *run) resolve(ctx context.Context, arn trail.ARN, found []incident.Incident) {
	r.mu.Lock()
	open := slices.Clone(r.open[arn])
	r.mu.Unlock()
	var ended []incident.Incident
	for _, inc := range open {
		if inc.Well() {
			s, known, _ := r.Guard.Journal.Status(ctx, arn)
			if !known || inc.RepairedAt == nil || !s.Delivered.After(*inc.RepairedAt) {
				continue
			}
			inc.Outcome, inc.Record = incident.Confirmed, nil
			ended = append(ended, inc)
			continue
		}
		inc.Outcome, inc.Reason, inc.Drifts = incident.Restored, "found well by the sweep; not by a call of this deployment, as far as it knows", nil
		if w := inc.BlindWindow; w != nil && w.Open {
			end := r.now()
			if s, known, _ := r.Guard.Journal.Status(ctx, arn); known && s.Started.After(w.From) {
				end = s.Started
			}
			inc.BlindWindow = incident.Window(w.From, end, r.now(), w.Certainty)
		}
		inc.Drifts = []incident.Drift{}
		inc.NextSteps = incident.Steps(inc)
		ended = append(ended, inc)
	}
	if len(ended) > 0 {
		r.incidents(ctx, arn, nil, ended)
	}
}

// vanished ends what was found wrong with trails that nobody pinned and that are in no list any more: no sweep looks at them.
func (r *run) vanished(ctx context.Context, listed []trail.ARN) {
	for _, arn := range slices.SortedFunc(maps.Keys(r.open), func(a, b trail.ARN) int { return strings.Compare(a.String(), b.String()) }) {
		if slices.Contains(listed, arn) || slices.Contains(r.Pinned, arn) {
			continue
		}
		var ended []incident.Incident
		for _, inc := range r.open[arn] {
			if !inc.Lasting() || inc.Well() {
				continue
			}
			inc.Outcome, inc.Reason, inc.Drifts = incident.Restored, "the trail is in no list any more", []incident.Drift{}
			inc.NextSteps = incident.Steps(inc)
			ended = append(ended, inc)
		}
		if len(ended) > 0 {
			r.incidents(ctx, arn, nil, ended)
		}
	}
}

// Quarantine keeps a message that could be decoded and not handled, however often it came, and tells of it. It says whether it is kept.
func (e *Engine) Quarantine(ctx context.Context, message []byte, why, id string) bool {
	sum := sha256.Sum256(message)
	bad := event.Bad{Where: "message", Why: why, SHA256: hex.EncodeToString(sum[:]), Size: len(message), Excerpt: fmt.Sprintf("%.1000q", message), MessageID: id}
	return e.Keeper != nil && len(e.quarantine(ctx, message, []event.Bad{bad})) == 0
}

// quarantine keeps input that could not be decoded, and tells of it; it returns what could not be kept.
func (e *Engine) quarantine(ctx context.Context, input []byte, bad []event.Bad) []event.Bad {
	if e.Keeper == nil || len(bad) == 0 {
		return bad
	}
	now := e.now()
	sum, err := e.Keeper.Store.Keep(ctx, input, now)
	if err != nil {
		e.Log.ErrorContext(ctx, "input that cannot be decoded could not be kept either", "error", err.Error())
		return bad
	}
	var drafts []ledger.Draft
	for _, b := range bad {
		drafts = append(drafts, ledger.Draft{Time: now, Kind: ledger.KindQuarantine, Body: ledger.Quarantine{
			Input: sum, SHA256: b.SHA256, Size: b.Size, Where: b.Where, Why: b.Why, Excerpt: b.Excerpt, MessageID: b.MessageID,
		}})
	}
	if _, err := e.Keeper.Store.Write(ctx, ledger.Batch{Chain: ledger.System, Entries: drafts}); err != nil {
		e.Log.ErrorContext(ctx, "input that cannot be decoded could not be kept either", "error", err.Error())
		return bad
	}
	first := bad[0]
	hour := now.UTC().Truncate(time.Hour) // whoever can send us garbage cannot send mail through us
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.input", Title: "Input that is no CloudTrail record", Severity: incident.Medium,
		Text: "Something was received that cannot be decoded. It is kept; nothing else of this hour of the kind is told",
	}}, "input "+hour.Format(time.RFC3339), time.Time{}, now)
	inc.Trail, inc.Outcome = incident.TrailRef{}, incident.Noted
	inc.Reason = fmt.Sprintf("%s; SHA-256 %s, %d bytes", first.Error(), first.SHA256, first.Size)
	inc.NextSteps = []incident.Step{{Text: "Look at what was received, and find out who sent it.", Command: "trailwarden incidents show --quarantine " + first.SHA256}}
	e.Send(ctx, e.announce(ctx, inc))
	return nil
}
