package sim

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func statements(list string) string {
	return `{"Version":"2012-10-17","Statement":[` + list + `]}`
}

// TestIdentityPolicies: what a role may do is what its policies, its boundary and its session policy all allow, and none denies.
func TestIdentityPolicies(t *testing.T) {
	const onMain = `,"Resource":"arn:aws:cloudtrail:*:111122223333:trail/main"`
	start := `{"Effect":"Allow","Action":"cloudtrail:StartLogging"` + onMain
	for _, c := range []struct {
		name     string
		identity Identity
		want     string // of StartLogging on main
	}{
		{"nothing allowed", Identity{Policies: []string{statements(`{"Effect":"Allow","Action":"cloudtrail:StopLogging"` + onMain + `}`)}}, "AccessDeniedException"},
		{"allowed", Identity{Policies: []string{statements(start + `}`)}}, ""},
		{"allowed by wildcards", Identity{Policies: []string{statements(`{"Effect":"Allow","Action":["cloudtrail:Start*"],"Resource":["arn:*:cloudtrail:eu-?entral-1:*:trail/m*"]}`)}}, ""},
		{"another trail", Identity{Policies: []string{statements(`{"Effect":"Allow","Action":"cloudtrail:StartLogging","Resource":"arn:aws:cloudtrail:*:111122223333:trail/other"}`)}}, "AccessDeniedException"},
		{"another account", Identity{Policies: []string{statements(`{"Effect":"Allow","Action":"cloudtrail:StartLogging","Resource":"arn:aws:cloudtrail:*:444455556666:trail/*"}`)}}, "AccessDeniedException"},
		{"a denial wins, from another policy", Identity{Policies: []string{statements(start + `}`), statements(`{"Effect":"Deny","Action":"cloudtrail:*","Resource":"*"}`)}}, "AccessDeniedException"},
		{"a condition that holds", Identity{Policies: []string{statements(start + `,"Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/guard"}}}`)}}, ""},
		{"a condition that does not", Identity{Policies: []string{statements(start + `,"Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}`)}}, "AccessDeniedException"},
		{"a key that is not known", Identity{Policies: []string{statements(start + `,"Condition":{"StringEquals":{"aws:ResourceOrgID":"o-1"}}}`)}}, "AccessDeniedException"},
		{"an operator that is not known allows nothing", Identity{Policies: []string{statements(start + `,"Condition":{"ForAllValues:StringLike":{"aws:CalledVia":"*"}}}`)}}, "AccessDeniedException"},
		{"and denies always", Identity{Policies: []string{statements(start + `},{"Effect":"Deny","Action":"cloudtrail:StartLogging","Resource":"*","Condition":{"NumericLessThan":{"x:y":"1"}}}`)}}, "AccessDeniedException"},
		{"within the boundary", Identity{Policies: []string{statements(start + `}`)}, Boundary: statements(`{"Effect":"Allow","Action":"cloudtrail:*","Resource":"*"}`)}, ""},
		{"beyond the boundary", Identity{Policies: []string{statements(start + `}`)}, Boundary: statements(`{"Effect":"Allow","Action":"sns:*","Resource":"*"}`)}, "AccessDeniedException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.logging(t)
			if err := s.Account(account).Restrict("guard", c.identity); err != nil {
				t.Fatal(err)
			}
			_, err := at(s.World, home, s.Account(account).Role("guard", "x")).trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String(mainARN)})
			wantCode(t, c.want, err)
			_, err = at(s.World, home, s.Account(account).Role("other", "x")).trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String(mainARN)})
			wantCode(t, "", err)
		})
	}
	if err := New(Options{}).Account(account).Restrict("guard", Identity{Policies: []string{statements(`{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`)}}); err == nil {
		t.Error("a policy with a principal was taken for an identity policy")
	}
}

// TestAssumedRoles: a trust policy is asked, and a session policy narrows what the role may do.
func TestAssumedRoles(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	if err := s.Account(account).Restrict("restore", Identity{
		Policies: []string{statements(`{"Effect":"Allow","Action":["cloudtrail:UpdateTrail","cloudtrail:AddTags"],"Resource":"*"}`)},
		Trust:    statements(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole","Condition":{"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/guard"}}}`),
	}); err != nil {
		t.Fatal(err)
	}
	assume := func(who Credentials, policy *string) (*sts.AssumeRoleOutput, error) {
		return sts.NewFromConfig(configFor(s.World, home, who)).AssumeRole(ctx(t), &sts.AssumeRoleInput{
			RoleArn: aws.String("arn:aws:iam::111122223333:role/restore"), RoleSessionName: aws.String("x1"), Policy: policy})
	}
	_, err := assume(s.Account(account).Role("thief", "x"), nil)
	wantCode(t, "AccessDenied", err)
	onMain := statements(`{"Effect":"Allow","Action":"cloudtrail:*","Resource":"` + mainARN + `"}`)
	out, err := assume(s.Account(account).Role("guard", "x"), &onMain)
	wantCode(t, "", err)
	c := out.Credentials
	as := at(s.World, home, Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey, SessionToken: *c.SessionToken})
	_, err = as.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String(mainARN), EnableLogFileValidation: aws.Bool(true)})
	wantCode(t, "", err)
	_, err = as.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("arn:aws:cloudtrail:eu-central-1:111122223333:trail/other")})
	wantCode(t, "AccessDeniedException", err)
	_, err = as.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String(mainARN)}) // the session allows it, the role does not
	wantCode(t, "AccessDeniedException", err)
	_, err = as.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String(mainARN), CloudWatchLogsRoleArn: aws.String("arn:aws:iam::111122223333:role/logs"),
		CloudWatchLogsLogGroupArn: aws.String("arn:aws:logs:eu-central-1:111122223333:log-group:x:*")}) // nobody lets it pass that role
	wantCode(t, "AccessDeniedException", err)
	_, err = as.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: []types.Tag{{Key: aws.String("a")}}})
	wantCode(t, "", err)
	bad := `{"Statement":[{"Effect":"Perhaps"}]}`
	_, err = assume(s.Account(account).Role("guard", "x"), &bad)
	wantCode(t, "MalformedPolicyDocument", err)
}
