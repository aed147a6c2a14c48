package cloud

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/sim"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// in is a client of an account of a simulated AWS.
func in(w *sim.World, account string) *Client {
	creds := w.Account(account).Role("trailwarden", "test")
	return &Client{Version: "test", Config: aws.Config{
		Region: home.Region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: w.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken),
	}}
}

const (
	management = "111122223333"
	member     = "444455556666"
	stranger   = "999900001111"
)

// TestCaller: who we are in the organization, and what a missing permission leaves open.
func TestCaller(t *testing.T) {
	for _, test := range []struct {
		name, account string
		prepare       func(*sim.World, *sim.Organization)
		want          trail.Caller
		unknown       string
	}{
		{"the management account", management, nil, trail.Caller{Account: management, Management: management}, ""},
		{"a delegated administrator", member, func(_ *sim.World, o *sim.Organization) { o.Delegate(member) },
			trail.Caller{Account: member, Management: management, Delegated: true}, ""},
		{"a member is refused, which is said", member, nil, trail.Caller{Account: member, Management: management}, "ListDelegatedAdministrators was refused"},
		{"in no organization", stranger, nil, trail.Caller{Account: stranger}, ""},
		{"denied", member, func(w *sim.World, _ *sim.Organization) { w.Deny("*", "organizations:*") }, trail.Caller{Account: member}, "DescribeOrganization was refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := sim.New(sim.Options{})
			o := w.Organization(management, member)
			if test.prepare != nil {
				test.prepare(w, o)
			}
			got, err := in(w, test.account).Caller(t.Context())
			unknown := got.Unknown
			got.Unknown = ""
			if err != nil || got != test.want || (unknown == "") != (test.unknown == "") || !strings.Contains(unknown, test.unknown) {
				t.Errorf("got %+v, %q, %v", got, unknown, err)
			}
		})
	}
}

func TestRegions(t *testing.T) {
	w := sim.New(sim.Options{Regions: []string{"us-east-1", home.Region}})
	w.Account(management).EnableRegion("ap-east-1")
	got, err := in(w, management).Regions(t.Context())
	if err != nil || !slices.Equal(got, []string{"ap-east-1", home.Region, "us-east-1"}) {
		t.Errorf("got %v, %v", got, err)
	}
	w = sim.New(sim.Options{})
	w.Deny("*", "ec2:DescribeRegions")
	if _, err = in(w, management).Regions(t.Context()); trail.ClassOf(err) != trail.ClassDenied || !strings.Contains(err.Error(), "UnauthorizedOperation") {
		t.Errorf("denied: %v", err)
	}
}

// TestBucketOwner: a bucket in another Region too; and that S3 refuses to say is not that it is somebody else's.
func TestBucketOwner(t *testing.T) {
	w := sim.New(sim.Options{})
	for account, bucket := range map[string]string{management: "ours", stranger: "theirs"} {
		c := in(w, account)
		api := s3.NewFromConfig(c.Config, func(o *s3.Options) { o.UsePathStyle = true; o.Region = "eu-west-1" })
		if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket,
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
			t.Fatal(err)
		}
		if bucket == "theirs" {
			policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::theirs","arn:aws:s3:::theirs/*"]}]}`
			if _, err := api.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask := func(bucket, owner string, want trail.Ownership, class trail.Class) {
		t.Helper()
		got, err := in(w, management).BucketOwner(t.Context(), bucket, owner)
		if got != want || class != "" && trail.ClassOf(err) != class {
			t.Errorf("%s of %s: %q, %v", bucket, owner, got, err)
		}
	}
	ask("ours", management, trail.OwnerExpected, "")
	ask("ours", stranger, trail.OwnerOther, "")
	ask("theirs", management, trail.OwnerOther, "")
	ask("nobodys", management, trail.OwnerMissing, "")
	w.Deny("*trailwarden*", "s3:HeadBucket")
	ask("ours", management, trail.OwnerUnknown, trail.ClassDenied)
}
