package cloud

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const memberAccount = "444455556666"

// TestOrganization: a member's trail is read, started and put back with the member's own roles, without an event; a member that does
// not trust us is named, and costs no other account anything.
func TestMembers(t *testing.T) {
	world, home0 := onWorld(t)
	permit(t, world,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["cloudtrail:Get*","cloudtrail:ListTags"],"Resource":"arn:aws:cloudtrail:*:111122223333:trail/*"},
		{"Effect":"Allow","Action":"sts:AssumeRole","Resource":["arn:aws:iam::*:role/member"]}]}`)
	there := world.Account(memberAccount)
	trust := func(role string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"ArnEquals":{"aws:PrincipalArn":"` + role + `"}}}]}`
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := `{"Effect":"Allow","Action":["cloudtrail:Get*","cloudtrail:List*","cloudtrail:StartLogging"],"Resource":"*"}`
	must(nil, there.Restrict("member", sim.Identity{Trust: trust("arn:aws:iam::" + home.Account + ":role/react"),
		Policies: []string{`{"Version":"2012-10-17","Statement":[` + reads + `,{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::444455556666:role/restore"}]}`}}))
	must(nil, there.Restrict("restore", sim.Identity{Trust: trust("arn:aws:iam::" + memberAccount + ":role/member"), Policies: []string{allow(`"cloudtrail:UpdateTrail"`, `"*"`)}}))
	must(nil, world.Account("777788889999").Restrict("member", sim.Identity{Trust: trust("arn:aws:iam::000000000000:role/nobody")}))

	c := there.User("admin")
	admin := aws.Config{Region: home.Region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: world.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
	theirs := home
	theirs.Account = memberAccount
	objects := s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true })
	must(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("their-logs"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(home.Region)}}))
	must(objects.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("their-logs"), Policy: aws.String(sim.CloudTrailBucketPolicy("their-logs", theirs.String()))}))
	must(cloudtrail.NewFromConfig(admin).CreateTrail(t.Context(), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("their-logs")}))

	o := &Members{Home: home0, Accounts: []string{memberAccount, "777788889999"}, Role: "member"}
	state, err := o.Read(t.Context(), theirs)
	if err != nil || !state.Exists || state.Logging || state.Settings.Bucket != "their-logs" {
		t.Fatalf("the member's trail is read as %+v (%v)", state, err)
	}
	must(o.Do(t.Context(), trail.Action{Op: trail.StartLogging, Target: theirs}, "inc-1"))
	must(o.Do(t.Context(), validate(theirs), "inc-1"))
	if s, _ := world.Snapshot(theirs.String()); !s.Logging || !s.LogFileValidation {
		t.Errorf("the member's trail is %+v", s)
	}
	if deleted, err := o.Deleted(t.Context(), trail.ARN{Partition: "aws", Region: home.Region, Account: memberAccount, Name: "gone"}, true); err != nil || !deleted {
		t.Errorf("that a member's trail is gone is proven %t (%v)", deleted, err)
	}
	stranger := home
	stranger.Account = "777788889999"
	_, err = o.Status(t.Context(), stranger)
	failed, ok := errors.AsType[*trail.CallError](err)
	if !ok || failed.Op != "AssumeRole" || failed.Class != trail.ClassDenied || !strings.Contains(failed.Target, "777788889999:role/member") {
		t.Errorf("an account that does not trust us gives %v", err)
	}
	if _, err := o.Status(t.Context(), home); err != nil {
		t.Errorf("and the home account: %v", err)
	}
}
