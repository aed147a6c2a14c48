package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/route"
)

// TestG11NobodyWouldHear: a channel that nobody reads is told by the other one and in the log, once for as long as it is so, over restarts; that somebody reads it again is
// told too. A channel that could not be asked, or failed to answer once, is no alarm.
func TestG11NobodyWouldHear(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := greeted(t, route.Plan{Rules: []route.Rule{{Channels: []string{"mail"}}}})
		var log bytes.Buffer
		listen := func(d time.Duration) {
			t.Helper()
			k.engine.Log = slog.New(slog.NewTextHandler(&log, nil))
			for end := k.world.Now().Add(d); k.world.Now().Before(end); k.world.Advance(time.Minute) {
				if err := k.engine.Listen(t.Context()); err != nil {
					t.Fatal(err)
				}
				k.flush(t)
			}
		}
		told := func() []incident.Incident { return ofRule(k.second.take(), "own.channel") }

		k.mail.says = &notify.Verdict{Text: "these credentials may not ask: AccessDenied", Good: true}
		listen(48 * time.Hour)
		k.mail.says = &notify.Verdict{Known: true, Text: "connection reset"}
		k.restart(t)
		listen(time.Minute)
		k.mail.says = nil
		listen(48 * time.Hour)
		if got := told(); len(got) > 0 {
			t.Errorf("told of what is not known: %s", summary(got))
		}

		k.mail.says = &notify.Verdict{Known: true, Text: "the topic exists, with 0 confirmed subscriptions: nobody would hear", Hint: "subscribe somebody"}
		listen(48 * time.Hour)
		k.restart(t)
		listen(48 * time.Hour)
		got := told()
		if len(got) != 1 || got[0].Well() || !strings.Contains(got[0].Reason, "nobody would hear") || !strings.Contains(got[0].NextSteps[0].Text, "subscribe somebody") {
			t.Fatalf("told: %s", summary(got))
		}
		if !strings.Contains(log.String(), "nobody would hear") {
			t.Error("it is not in the log")
		}
		k.mail.says = nil
		listen(10 * time.Minute)
		if got := told(); len(got) != 1 || got[0].Outcome != incident.Restored {
			t.Errorf("when somebody reads it again: %s", summary(got))
		}
		k.mail.says = &notify.Verdict{Known: true, Text: "the topic does not exist"}
		listen(25 * time.Hour)
		if got := told(); len(got) != 1 || got[0].Well() {
			t.Errorf("and when nobody does once more: %s", summary(got))
		}
	})
}
