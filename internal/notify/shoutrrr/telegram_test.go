package shoutrrr

import (
	"errors"
	"net/url"
	"testing"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// TestTelegram holds the reason why Telegram is not let in: shoutrrr's sender says that all is well when the network is
// down. A version that says otherwise fails this test, and may be let in.
func TestTelegram(t *testing.T) {
	answering(t, 0, "", errors.New("dial tcp: connection refused"))
	u, err := url.Parse("telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?channels=@x")
	if err != nil {
		t.Fatal(err)
	}
	s := &telegram.Service{}
	if err := s.Initialize(u, quiet{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send("CloudTrail "+notifytest.Repaired().Trail.Name, &types.Params{}); err != nil {
		t.Errorf("shoutrrr now tells of it: %v", err)
	}
}
