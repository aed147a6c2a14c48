package daemon

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// terraform is another system that sets the trail, as a role of its own.
const terraform = "arn:aws:iam::" + account + ":role/ci/terraform"

func (s *stage) as(role string) *cloudtrail.Client {
	c := s.world.Account(account).Role(role, "apply")
	cfg := s.ours
	cfg.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	cfg.AppID = "Terraform" // in the user agent, which is no reason to leave it anything
	return cloudtrail.NewFromConfig(cfg)
}

func tag(t *testing.T, api *cloudtrail.Client, value string) {
	t.Helper()
	must(api.AddTags(t.Context(), &cloudtrail.AddTagsInput{ResourceId: aws.String(arnOf("main").String()), TagsList: []types.Tag{{Key: aws.String("team"), Value: &value}}}))
}

// pass lets time go by.
func (s *stage) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); s.world.Deliver() {
		time.Sleep(5 * time.Second)
	}
}

// tagged is the value of the tag that is fought over, empty without it.
func (s *stage) tagged() string {
	snapshot, _ := s.world.Snapshot(arnOf("main").String())
	return snapshot.Tags["team"]
}

// TestD14KnownRemediator: a system that the configuration names keeps writing its value over our repair. After the third time the next one is left to it, and people
// are told; nothing else is left to it, or to anybody, and it ends when a person takes it on, or six hours after its last write.
func TestD14KnownRemediator(t *testing.T) {
	contested := func(inc incident.Incident) bool {
		return strings.Contains(inc.Contested, terraform) && strings.Contains(inc.Contested, "lets that setting rest until") && inc.Stage == incident.StageEscalated && inc.Outcome == incident.Open
	}
	for _, events := range []bool{true, false} {
		for _, test := range []struct {
			name  string
			known bool
			do    func(*testing.T, *stage, *cloudtrail.Client)
			want  string // the tag at the end
		}{
			{"left to it", true, func(t *testing.T, s *stage, _ *cloudtrail.Client) {
				if !s.people.heard(contested) {
					t.Error("nobody was told that the setting is left to the other system")
				}
				s.world.Advance(5 * time.Hour)
				s.pass(2 * time.Minute)
			}, "theirs"},
			{"repaired six hours later, and left again when it comes back", true, func(t *testing.T, s *stage, api *cloudtrail.Client) {
				s.world.Advance(6 * time.Hour)
				s.pass(2 * time.Minute)
				if s.tagged() != "" {
					t.Error("not repaired after it was quiet")
				}
				tag(t, api, "theirs")
				s.pass(5 * time.Minute)
				tag(t, api, "theirs")
				s.pass(5 * time.Minute)
			}, "theirs"},
			{"repaired when a person takes it on", true, func(t *testing.T, s *stage, _ *cloudtrail.Client) {
				i := slices.IndexFunc(s.incidents(t), func(inc incident.Incident) bool { return inc.Contested != "" && !inc.Well() })
				must(s.daemon.Engine.Keeper.Acknowledge(t.Context(), s.incidents(t)[i].ID, incident.Ack{By: "ada", At: s.world.Now()}))
				s.pass(2 * time.Minute)
			}, ""},
			{"another value is repaired", true, func(t *testing.T, s *stage, api *cloudtrail.Client) {
				tag(t, api, "another")
				s.pass(2 * time.Minute)
			}, ""},
			{"what stops recording is repaired for ever", true, func(t *testing.T, s *stage, api *cloudtrail.Client) {
				for range 4 {
					must(api.StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
					s.pass(5 * time.Minute)
					if !s.logging(t, "main") {
						t.Fatal("a stop is left to the other system")
					}
					must(api.PutEventSelectors(t.Context(), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"), EventSelectors: []types.EventSelector{
						{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true)}}}))
					s.pass(5 * time.Minute)
					if now, _ := s.world.Snapshot(arnOf("main").String()); strings.Contains(now.EventSelectors, "ReadOnly") {
						t.Fatalf("left to the other system: %+v", now)
					}
				}
			}, "theirs"},
			{"only who is named is left anything", false, func(*testing.T, *stage, *cloudtrail.Client) {}, ""},
		} {
			name := test.name
			if !events {
				name += ", no event arrives"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(t, "main")
					s.daemon.Engine.Guard.Remediators = []string{terraform}
					if !test.known {
						s.daemon.Engine.Guard.Remediators = []string{"arn:aws:iam::" + account + ":role/another"}
					}
					s.world.BreakBus(!events)
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan struct{})
					go func() { defer close(ended); s.daemon.Run(ctx) }()
					defer func() { cancel(); <-ended }()
					api := s.as("terraform")
					s.pass(2 * time.Minute)
					for range 6 {
						tag(t, api, "theirs")
						s.pass(90 * time.Second)
					}
					test.do(t, s, api)
					if got := s.tagged(); got != test.want {
						t.Errorf("the tag is %q, want %q", got, test.want)
					}
				})
			})
		}
	}
}
