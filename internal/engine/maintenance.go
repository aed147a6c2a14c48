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

const (
	// maintenanceKept is how long it is remembered that a window's end was told.
	maintenanceKept = 30 * 24 * time.Hour
	// maintenanceMark is what the keys of the marks of windows begin with. The value of one is "begun" and the window, then "ended", or "removed" and when.
	maintenanceMark = "maintenance/"
	// settled is how soon a window that was removed is told as open again: two processes with different configurations are not to tell it in turns.
	settled = 10 * time.Minute
)

// maintenance tells, by every channel, that a window has opened or ended: at its time, or because it was taken out of the configuration.
func (e *Engine) maintenance(ctx context.Context) error {
	marks, err := e.Keeper.Store.Marks(ctx, maintenanceMark, e.now())
	if err != nil {
		return fmt.Errorf("maintenance: %w", err)
	}
	stands := make(map[string]string, len(marks))
	for _, m := range marks {
		stands[m.Key] = m.Value
	}
	configured := make(map[string]bool)
	var errs []error
	for _, w := range e.Routing.Windows {
		text, err := json.Marshal(w)
		if err != nil {
			return err
		}
		key := fmt.Sprintf("%s%x", maintenanceMark, sha256.Sum256(text))
		configured[key] = true
		errs = append(errs, e.announceWindow(ctx, w, key, string(text), stands[key]))
	}
	for _, m := range marks {
		if text, begun := strings.CutPrefix(m.Value, "begun"); begun && !configured[m.Key] {
			errs = append(errs, e.announceRemoval(ctx, m.Key, text))
		}
	}
	return errors.Join(errs...)
}

// announceWindow tells that a window has begun, or ended, where that was not told yet.
func (e *Engine) announceWindow(ctx context.Context, w route.Window, key, text, stands string) error {
	now := e.now()
	begun, over := strings.HasPrefix(stands, "begun"), !now.Before(w.Until)
	since, removed := strings.CutPrefix(stands, "removed ")
	at, _ := time.Parse(time.RFC3339, since)
	switch {
	case now.Before(w.From), stands == "ended", begun && !over, !begun && over:
		return nil
	case removed && now.Sub(at) < settled:
		return nil
	case over:
		return e.windowEnds(ctx, w, key+" ended", "Maintenance has ended", "Incidents of %s are told as usual again", ledger.Mark{Key: key, Value: "ended", Expires: w.Until.Add(maintenanceKept)})
	}
	told := "nobody"
	if len(w.Channels) > 0 {
		told = strings.Join(w.Channels, ", ")
	}
	inc := ofMaintenance("Maintenance begins", fmt.Sprintf("Until %s incidents of %s are told to %s alone. They are recorded and repaired as always. %s answers for it: %s",
		w.Until.UTC().Format(time.RFC3339), ofWhat(w.Match), told, w.Who, w.Why), key+" begun"+stands, now)
	return e.once(ctx, inc, ledger.Mark{Key: key, Value: "begun" + text, Expires: w.Until.Add(maintenanceKept)})
}

// announceRemoval tells that a window which was open is not in the configuration any more.
func (e *Engine) announceRemoval(ctx context.Context, key, text string) error {
	now := e.now()
	var w route.Window
	if json.Unmarshal([]byte(text), &w) != nil {
		return nil
	}
	if !now.Before(w.Until) { // it ended while nobody ran
		return e.windowEnds(ctx, w, key+" ended", "Maintenance has ended", "Incidents of %s are told as usual again", ledger.Mark{Key: key, Value: "ended", Expires: w.Until.Add(maintenanceKept)})
	}
	removed := "removed " + now.UTC().Format(time.RFC3339)
	return e.windowEnds(ctx, w, key+" "+text+now.UTC().Format(time.RFC3339), "Maintenance has ended before its time",
		"The window was taken out of the configuration, or changed: incidents of %s are told as usual again, or as it says now", ledger.Mark{Key: key, Value: removed, Expires: w.Until.Add(maintenanceKept)})
}

func (e *Engine) windowEnds(ctx context.Context, w route.Window, id, title, says string, done ledger.Mark) error {
	happened, open, err := e.during(ctx, w)
	if err != nil {
		return err
	}
	inc := ofMaintenance(title, fmt.Sprintf(says+". %d happened meanwhile, and %d of them are open: those are told now. It was %s's: %s",
		ofWhat(w.Match), happened, open, w.Who, w.Why), id, e.now())
	inc.NextSteps = []incident.Step{{Text: "See what happened meanwhile.", Command: "trailwarden incidents list --since " +
		w.From.UTC().Format(time.RFC3339) + " --until " + w.Until.UTC().Format(time.RFC3339)}}
	return e.once(ctx, inc, done)
}

func ofMaintenance(title, text, id string, now time.Time) incident.Incident {
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{Rule: "own.maintenance", Title: title, Severity: incident.Low, Text: text}}, id, now, now)
	inc.Trail, inc.Outcome = incident.TrailRef{}, incident.Noted
	return inc
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
