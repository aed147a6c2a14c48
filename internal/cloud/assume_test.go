package cloud

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const restoreRole = "arn:aws:iam::111122223333:role/restore"

func allow(actions, resources string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions + `,"Resource":` + resources + `}]}`
}

// onWorld is a client with a role that may start trails and assume another that may restore them, and the trails main and other.
func onWorld(t *testing.T) (*sim.World, *Client) {
	t.Helper()
	world := sim.New(sim.Options{})
	here := world.Account(home.Account)
	as := func(c sim.Credentials) aws.Config {
		return aws.Config{Region: home.Region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: world.Transport()},
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
	}
	admin := as(here.User("admin"))
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"main", "other"} {
		bucket := aws.String("logs-of-" + name)
		objects := s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true })
		must(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(home.Region)}}))
		must(objects.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(sim.CloudTrailBucketPolicy(*bucket, strings.Replace(home.String(), "main", name, 1)))}))
		must(cloudtrail.NewFromConfig(admin).CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: bucket}))
	}
	permit(t, world, allow(`["cloudtrail:StartLogging","sts:AssumeRole"]`, `"*"`))
	if err := here.Restrict("restore", sim.Identity{
		Policies: []string{allow(`["cloudtrail:UpdateTrail","cloudtrail:AddTags"]`, `"*"`)},
		Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole",
			"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/react"}}}]}`,
	}); err != nil {
		t.Fatal(err)
	}
	return world, &Client{Version: "test", Config: as(here.Role("react", "x")), Restore: restoreRole}
}

func permit(t *testing.T, world *sim.World, policy string) {
	t.Helper()
	if err := world.Account(home.Account).Restrict("react", sim.Identity{Policies: []string{policy}}); err != nil {
		t.Fatal(err)
	}
}

func validate(a trail.ARN) trail.Action {
	return trail.Action{Op: trail.UpdateTrail, Target: a, Send: []trail.Field{trail.FieldValidation}, Set: trail.Settings{Validation: true}}
}

// TestRestoreRole: what restores is done by the restore role, for the one trail; what starts is not, and needs it not.
func TestRestoreRole(t *testing.T) {
	world, c := onWorld(t)
	if _, err := c.Do(t.Context(), validate(home), "inc-1"); err != nil {
		t.Fatal(err)
	}
	if s, _ := world.Snapshot(home.String()); !s.LogFileValidation {
		t.Error("the trail was not put back")
	}
	if _, err := c.Do(t.Context(), trail.Action{Op: trail.StartLogging, Target: home}, "inc-1"); err != nil {
		t.Fatal(err)
	}
	// The client made for main is of no use for another trail, which the role itself may well change.
	narrow := c.restorers[home].api
	_, err := narrow.UpdateTrail(t.Context(), &cloudtrail.UpdateTrailInput{Name: aws.String(strings.Replace(home.String(), "main", "other", 1))})
	if got := c.classify(t.Context(), "UpdateTrail", "other", err, 1); err == nil || got.Class != trail.ClassDenied {
		t.Errorf("with the session for main, UpdateTrail of another trail gives %v", err)
	}
	other := home
	other.Name = "other"
	if _, err := c.Do(t.Context(), validate(other), "inc-2"); err != nil {
		t.Errorf("and with its own session: %v", err)
	}
	if _, err := c.Do(t.Context(), trail.Action{Op: trail.RemoveTags, Target: home, Keys: []string{"a"}}, "inc-3"); trail.ClassOf(err) != trail.ClassDenied {
		t.Errorf("RemoveTags, which the role is not granted, gives %v", err)
	}
}

// TestRestoreEndsWithTheKillSwitch: a minute after the permission to assume the role is taken away nothing is restored any more,
// and the error says what to look at.
func TestRestoreEndsWithTheKillSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world, c := onWorld(t)
		if _, err := c.Do(t.Context(), validate(home), "inc-1"); err != nil {
			t.Fatal(err)
		}
		permit(t, world, allow(`"cloudtrail:GetTrail"`, `"*"`))
		time.Sleep(keep)
		_, err := c.Do(t.Context(), validate(home), "inc-2")
		var failed *trail.CallError
		if !errors.As(err, &failed) || failed.Class != trail.ClassDenied || failed.Op != "AssumeRole" || failed.Target != restoreRole {
			t.Fatalf("got %v, want a denied AssumeRole", err)
		}
		for _, want := range []string{"trailwarden-repair", "RestoreTrailArns", restoreRole} {
			if !strings.Contains(failed.Hint, want) {
				t.Errorf("the hint does not name %s: %s", want, failed.Hint)
			}
		}
		if _, err := c.Do(t.Context(), trail.Action{Op: trail.StartLogging, Target: home}, "inc-3"); trail.ClassOf(err) != trail.ClassDenied {
			t.Errorf("StartLogging without the permission gives %v", err)
		}
	})
}
