package deploy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// TestFunctionsUnderstandTheirEnvironment: what the template sets is what the configuration reads, with every switch on and off, and both
// functions are set alike, which is what the sweep holds them to.
func TestFunctionsUnderstandTheirEnvironment(t *testing.T) {
	for name, stack := range map[string]Made{"everything": everything(t), "least": made(t, "trailwarden", artifact("Mode", "observe"))} {
		env := map[string]map[string]any{}
		for _, id := range []string{"React", "Sweep"} {
			env[id] = at(t, stack.Resources[id].Properties, "Environment", "Variables").(map[string]any)
			var environ []string
			for key, value := range env[id] {
				environ = append(environ, fmt.Sprintf("%s=%v", key, value))
			}
			cfg, problems := config.FromEnv(environ)
			if problems != nil {
				t.Errorf("%s, %s: %v", name, id, problems)
			}
			want := config.Config{Repair: "start", Observe: true, Accounts: []string{account}, Ledger: "dynamodb://trailwarden"}
			if name == "everything" {
				want = config.Config{Repair: "all", Accounts: []string{account, "444455556666"}, Ledger: "dynamodb://trailwarden",
					RestoreRoleARN: "arn:aws:iam::" + account + ":role/trailwarden-restore", MemberRole: "trailwarden-member",
					Evidence: config.Evidence{Bucket: "trailwarden-evidence", Owner: account}, Anchor: config.Anchor{Bucket: "trailwarden-anchors", Owner: "999999999999"}}
				want.Notify.EventBridge.Bus = "arn:aws:events:eu-central-1:111122223333:event-bus/security"
				want.Notify.SecurityHub = true
				want.Notify.AmazonQ.TopicARN = "arn:aws:sns:eu-central-1:111122223333:chat"
			}
			got := config.Config{Repair: cfg.Repair, Observe: cfg.Observe, Accounts: cfg.Accounts, Ledger: cfg.Ledger, RestoreRoleARN: cfg.RestoreRoleARN, MemberRole: cfg.MemberRole,
				Evidence: cfg.Evidence, Anchor: cfg.Anchor}
			got.Notify.EventBridge, got.Notify.SecurityHub, got.Notify.AmazonQ = cfg.Notify.EventBridge, cfg.Notify.SecurityHub, cfg.Notify.AmazonQ
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got)\n%s", name, id, diff)
			}
		}
		if _, err := selfwatch.Parse(fmt.Sprint(env["Sweep"][selfwatch.Variable])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(env["React"], env["Sweep"]); diff != "" {
			t.Errorf("%s: the functions are not set alike (-react +sweep)\n%s", name, diff)
		}
	}
}
