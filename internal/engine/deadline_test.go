package engine

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestD15StopsBeforeItsDeadline: a function that AWS is about to end says before that which messages are to come again, and the next one
// repairs what they tell of.
func TestD15StopsBeforeItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPinned(t, false)
		mend := p.world.Inject(sim.Fault{Service: "cloudtrail", Hang: true, Principal: "*assumed-role*"})
		body, err := json.Marshal(string(p.stop(t, "main")))
		if err != nil {
			t.Fatal(err)
		}
		payload := json.RawMessage(`{"Records":[{"messageId":"m-1","eventSource":"aws:sqs","body":` + string(body) + `}]}`)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		out, err := p.engine.Invoke(ctx, payload)
		if ctx.Err() != nil {
			t.Error("AWS would have ended it")
		}
		if err != nil || !strings.Contains(string(out), `"itemIdentifier":"m-1"`) {
			t.Errorf("answered %s, %v", out, err)
		}
		mend()
		if out, err = p.engine.Invoke(t.Context(), payload); err != nil || strings.Contains(string(out), "m-1") {
			t.Errorf("answered %s, %v", out, err)
		}
		if at, _ := p.world.Trail(p.trail()); !at.Logging {
			t.Error("the trail is not logging")
		}
	})
}
