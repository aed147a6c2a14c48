package incident

import (
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/event"
)

// TestSomebodyIsNamed: people are told who it was also where the record has neither ARN nor user name.
func TestSomebodyIsNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		actor event.Actor
		want  string
	}{
		"IAM Identity Center user":     {event.Actor{Type: "IdentityCenterUser", Account: "111122223333", OnBehalfOf: "544894e8-80c1"}, "544894e8-80c1"},
		"principal of another account": {event.Actor{Type: "AWSAccount", Account: "444455556666", PrincipalID: "AIDAEXAMPLE"}, "AIDAEXAMPLE"},
		"the id says less than the ARN": {event.Actor{Type: "Root", Account: "111122223333", PrincipalID: "111122223333",
			ARN: "arn:aws:iam::111122223333:root"}, "arn:aws:iam::111122223333:root"},
		"service": {event.Actor{Type: "AWSService", InvokedBy: "config.amazonaws.com"}, "config.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			inc := FromRecord(nil, event.Record{Actor: tt.actor}, TrailRef{}, time.Time{})
			if got := inc.Actor.Principal(); got != tt.want {
				t.Errorf("told as %q, want %q", got, tt.want)
			}
		})
	}
}
