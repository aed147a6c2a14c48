package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// TestRegionsUnknown: while nobody says which Regions there are, a trail in another one has not vanished, and what is wrong with it has not ended.
func TestRegionsUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		there := cloudtrail.NewFromConfig(k.attacker, func(o *cloudtrail.Options) { o.Region = "eu-west-1" })
		if _, err := there.CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: aws.String("elsewhere"), S3BucketName: &k.scene.bucketOfMallory}); err != nil {
			t.Fatal(err)
		}
		sweep := func(want incident.Outcome, when string) {
			t.Helper()
			time.Sleep(time.Minute)
			k.restart(t)
			if err := k.engine.Sweep(t.Context()).Err(); err != nil {
				t.Errorf("%s: %v", when, err)
			}
			for _, inc := range k.all(t) {
				if inc.Trail.Name == "elsewhere" {
					if inc.Outcome != want {
						t.Errorf("%s: it is %s, want %s: %s", when, inc.Outcome, want, inc.Reason)
					}
					return
				}
			}
			t.Errorf("%s: there is no incident", when)
		}
		sweep(incident.Open, "new")
		mend := k.world.Inject(sim.Fault{Service: "ec2", Op: "DescribeRegions", Code: "UnauthorizedOperation"})
		sweep(incident.Open, "Regions unknown")
		mend()
		sweep(incident.Open, "Regions known")
		if _, err := there.DeleteTrail(t.Context(), &cloudtrail.DeleteTrailInput{Name: aws.String("elsewhere")}); err != nil {
			t.Fatal(err)
		}
		sweep(incident.Restored, "deleted")
	})
}

// TestMemberUnreachable: that a member cannot be listed fails the sweep, also while the own account's Regions are not known, which alone does not.
func TestMemberUnreachable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := newKept(t)
		k.world.Inject(sim.Fault{Service: "ec2", Op: "DescribeRegions", Account: k.id, Code: "UnauthorizedOperation"})
		members := k.engine.Guard.Cloud.(*cloud.Members)
		if err := k.engine.Sweep(t.Context()).Err(); err != nil {
			t.Errorf("without a member: %v", err)
		}
		const member = "444455556666"
		members.Accounts, members.Role = []string{member}, "trailwarden-member"
		k.world.Inject(sim.Fault{Service: "sts", Op: "AssumeRole", Code: "AccessDenied"})
		if err := k.engine.Sweep(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), member) {
			t.Errorf("the sweep says nothing of a member that it cannot list: %v", err)
		}
	})
}
