package sim

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

const (
	memberID   = "222233334444"
	delegateID = "333344445555"
	strangerID = "444455556666"
)

// company is an organization with its trail "main", seen by everybody in it.
type company struct {
	*site // of the management account
	org   *Organization

	member, delegate, stranger *site
}

func newCompany(t *testing.T, o Options) *company {
	t.Helper()
	s := newSite(t, o)
	org := s.Organization(account, memberID, delegateID)
	if !org.Delegate(delegateID) {
		t.Fatal("delegation refused")
	}
	c := &company{s, org, s.as(memberID), s.as(delegateID), s.as(strangerID)}
	s.bucketFor(t, "logs")
	s.putPolicy(t, "logs", CloudTrailOrganizationBucketPolicy("logs", mainARN, org.ID))
	return c
}

// withTrail makes the organization's trail in all Regions and starts it.
func (c *company) withTrail(t *testing.T) *company {
	t.Helper()
	must(t)(c.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{
		Name: aws.String("main"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true), IsOrganizationTrail: aws.Bool(true)}))
	c.start(t)
	return c
}

// as is the same world seen by a user of another account.
func (s *site) as(id string) *site { return at(s.World, s.config.Region, s.Account(id).User("bob")) }

func (s *site) in(region, id string) *site { return at(s.World, region, s.Account(id).User("bob")) }

func TestWhoMayCreateAnOrganizationTrail(t *testing.T) {
	deny := func(action string) func(*company) {
		return func(c *company) { c.Deny("arn:aws:iam::"+account+":user/alice", action) }
	}
	tests := []struct {
		name    string
		prepare func(*company)
		who     func(*company) *site
		want    string
	}{
		{"management account", nil, func(c *company) *site { return c.site }, ""},
		{"delegated administrator", nil, func(c *company) *site { return c.delegate }, ""},
		{"member", nil, func(c *company) *site { return c.member }, "NotOrganizationMasterAccountException"},
		{"no longer delegated", func(c *company) { c.org.Undelegate(delegateID) }, func(c *company) *site { return c.delegate }, "NotOrganizationMasterAccountException"},
		{"delegated administrator who left", func(c *company) { c.org.Leave(delegateID) }, func(c *company) *site { return c.delegate }, "OrganizationsNotInUseException"},
		{"account without organization", nil, func(c *company) *site { return c.stranger }, "OrganizationsNotInUseException"},
		{"organization ended", func(c *company) { c.org.Leave(account) }, func(c *company) *site { return c.site }, "OrganizationsNotInUseException"},
		{"billing only", func(c *company) { c.org.AllFeatures(false) }, func(c *company) *site { return c.site }, "OrganizationNotInAllFeaturesModeException"},
		{"no trusted access", func(c *company) { c.org.TrustedAccess(false) }, func(c *company) *site { return c.site }, "CloudTrailAccessNotEnabledException"},
		{"organization not readable", deny("organizations:Describe*"), func(c *company) *site { return c.site }, "InsufficientDependencyServiceAccessPermissionException"},
		{"no service-linked role: it is made", func(c *company) { c.org.ServiceLinkedRole(false) }, func(c *company) *site { return c.site }, ""},
		{"no service-linked role, nor the right to make it", func(c *company) {
			c.org.ServiceLinkedRole(false)
			deny("iam:CreateServiceLinkedRole")(c)
		}, func(c *company) *site { return c.site }, "InsufficientDependencyServiceAccessPermissionException"},
		{"no service-linked role, by the delegated administrator", func(c *company) { c.org.ServiceLinkedRole(false) }, func(c *company) *site { return c.delegate }, "NoManagementAccountSLRExistsException"},
		{"policy of a single account", func(c *company) { c.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", mainARN)) }, func(c *company) *site { return c.site }, "InsufficientS3BucketPolicyException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCompany(t, Options{})
			if tt.prepare != nil {
				tt.prepare(c)
			}
			_, err := tt.who(c).trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsOrganizationTrail: aws.Bool(true)})
			wantCode(t, tt.want, err)
			v, ok := c.Trail(mainARN)
			if ok != (tt.want == "") || ok && (v.Account != account || !v.Organization) {
				t.Errorf("trail of the management account: %v %+v", ok, v)
			}
			if got := len(c.Trails()); got > 1 {
				t.Errorf("%d trails exist", got)
			}
		})
	}
}

// What everybody of the organization, and somebody else, sees of its trail and may do to it: by ARN, and by name.
func TestOrganizationTrailFromEveryAccount(t *testing.T) {
	foreign, notMine, unknown := "CloudTrailARNInvalidException", "NotOrganizationMasterAccountException", "TrailNotFoundException"
	name := func(s string) *string { return &s }
	operations := []struct {
		op                         string
		call                       func(*site, string) error
		member, delegate, stranger string // by ARN
		byName                     string // in a member and by the delegated administrator
	}{
		{"GetTrail", func(s *site, n string) error {
			_, err := s.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: &n})
			return err
		}, "", "", foreign, unknown},
		{"GetTrailStatus", func(s *site, n string) error {
			_, err := s.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: &n})
			return err
		}, "", "", foreign, unknown},
		{"GetEventSelectors", func(s *site, n string) error {
			_, err := s.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: &n})
			return err
		}, foreign, "", foreign, unknown},
		{"GetEventConfiguration", func(s *site, n string) error {
			_, err := s.trail.GetEventConfiguration(ctx(t), &cloudtrail.GetEventConfigurationInput{TrailName: &n})
			return err
		}, foreign, "", foreign, unknown},
		{"PutInsightSelectors", func(s *site, n string) error {
			_, err := s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: &n, InsightSelectors: []types.InsightSelector{{InsightType: "ApiErrorRateInsight"}}})
			return err
		}, notMine, "", foreign, unknown},
		{"GetInsightSelectors", func(s *site, n string) error {
			_, err := s.trail.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: &n})
			return err
		}, foreign, "", foreign, unknown},
		{"UpdateTrail", func(s *site, n string) error {
			_, err := s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: &n, EnableLogFileValidation: aws.Bool(true)})
			return err
		}, notMine, "", foreign, unknown},
		{"PutEventSelectors", func(s *site, n string) error {
			_, err := s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: &n, EventSelectors: []types.EventSelector{{ReadWriteType: "WriteOnly"}}})
			return err
		}, notMine, "", foreign, unknown},
		{"PutEventConfiguration", func(s *site, n string) error {
			_, err := s.trail.PutEventConfiguration(ctx(t), &cloudtrail.PutEventConfigurationInput{TrailName: &n})
			return err
		}, notMine, "", foreign, unknown},
		{"AddTags", func(s *site, n string) error {
			_, err := s.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: &n, TagsList: manyTags(1)})
			return err
		}, notMine, "", foreign, foreign},
		{"ListTags", func(s *site, n string) error {
			_, err := s.trail.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{n}})
			return err
		}, foreign, "", foreign, foreign},
		{"RemoveTags", func(s *site, n string) error {
			_, err := s.trail.RemoveTags(ctx(t), &cloudtrail.RemoveTagsInput{ResourceId: &n, TagsList: manyTags(1)})
			return err
		}, notMine, "", foreign, foreign},
		{"StopLogging", func(s *site, n string) error {
			_, err := s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: name(n)})
			return err
		}, notMine, "", foreign, unknown},
		{"StartLogging", func(s *site, n string) error {
			_, err := s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: name(n)})
			return err
		}, notMine, "", foreign, unknown},
		{"DeleteTrail", func(s *site, n string) error {
			_, err := s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: name(n)})
			return err
		}, notMine, "", foreign, unknown},
	}
	c := newCompany(t, Options{}).withTrail(t)
	for _, op := range operations {
		before := c.Trails()
		t.Run(op.op, func(t *testing.T) {
			wantCode(t, op.member, op.call(c.member, mainARN))
			wantCode(t, op.stranger, op.call(c.stranger, mainARN))
			wantCode(t, op.byName, op.call(c.member, "main"))
			wantCode(t, op.byName, op.call(c.delegate, "main"))
			if fmt.Sprint(before) != fmt.Sprint(c.Trails()) {
				t.Error("a refused call changed the trail")
			}
			wantCode(t, op.delegate, op.call(c.delegate, mainARN))
		})
	}
	if n := len(c.Trails()); n != 0 {
		t.Errorf("%d trails after the delegated administrator deleted the only one", n)
	}
	_, err := c.delegate.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String(mainARN)})
	wantCode(t, "TrailNotFoundException", err)
	must(t)(c.delegate.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsOrganizationTrail: aws.Bool(true)}))
	if v, ok := c.Trail(mainARN); !ok || v.Account != account {
		t.Errorf("recreated by the delegated administrator: %v %+v", ok, v)
	}
}

func TestTextOfAnUnknownTrailInAMember(t *testing.T) {
	c := newCompany(t, Options{}).withTrail(t)
	_, err := c.member.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	if want := "Unknown trail: " + strings.Replace(mainARN, account, memberID, 1) + " for the user: " + memberID; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	_, err = c.stranger.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String(mainARN)})
	if want := "AccountID in ARN is wrong, you can only access resources with AccountID " + strangerID; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// listed is what an account finds when it lists trails: by DescribeTrails with and without shadows, and by ListTrails.
func (s *site) listed(t *testing.T) string {
	t.Helper()
	var n [3]int
	for i, shadows := range []bool{true, false} {
		out, err := s.trail.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: &shadows})
		if err != nil {
			t.Fatal(err)
		}
		n[i] = len(out.TrailList)
		for _, x := range out.TrailList {
			if *x.TrailARN != mainARN || *x.HomeRegion != home || !*x.IsOrganizationTrail {
				t.Errorf("described: %s of %s, organization %v", *x.TrailARN, *x.HomeRegion, *x.IsOrganizationTrail)
			}
		}
	}
	out, err := s.trail.ListTrails(ctx(t), &cloudtrail.ListTrailsInput{})
	if err != nil {
		t.Fatal(err)
	}
	n[2] = len(out.Trails)
	return fmt.Sprint(n)
}

func TestOrganizationTrailInLists(t *testing.T) {
	c := newCompany(t, Options{}).withTrail(t)
	none, shadow, own := "[0 0 0]", "[1 0 1]", "[1 1 1]"
	check := func(when, management, member, delegate string) {
		t.Helper()
		for _, x := range []struct {
			who  string
			s    *site
			want string
		}{
			{"management", c.site, management}, {"management elsewhere", c.in(away, account), strings.ReplaceAll(management, own, shadow)},
			{"member", c.member, member}, {"member elsewhere", c.in(away, memberID), member},
			{"delegate", c.delegate, delegate}, {"stranger", c.stranger, none},
		} {
			if got := x.s.listed(t); got != x.want {
				t.Errorf("%s: %s sees %s, want %s", when, x.who, got, x.want)
			}
		}
	}
	check("at first", own, shadow, shadow)
	c.org.Leave(memberID)
	check("after the member left", own, none, shadow)
	c.org.Add(memberID)
	check("after it came back", own, shadow, shadow)
	must(t)(c.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")}))
	check("after the end of the trail", none, none, none)
}

func TestMemberAboveItsQuotaStillSeesTheOrganizationTrail(t *testing.T) {
	c := newCompany(t, Options{}).withTrail(t)
	c.putPolicy(t, "logs", strings.ReplaceAll(CloudTrailBucketPolicy("logs", "arn:aws:cloudtrail:*:*:trail/*"), "StringEquals", "StringLike"))
	for i := range 5 {
		must(t)(c.member.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String(fmt.Sprint("own", i)), S3BucketName: aws.String("logs")}))
	}
	_, err := c.member.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("own5"), S3BucketName: aws.String("logs")})
	wantCode(t, "MaximumNumberOfTrailsExceededException", err)
	out, err := c.member.trail.ListTrails(ctx(t), &cloudtrail.ListTrailsInput{})
	if err != nil || len(out.Trails) != 6 {
		t.Errorf("member sees %v (%v), want six trails", out, err)
	}
}

func TestConvertingTrails(t *testing.T) {
	update := func(s *site, arn string, organization bool) error {
		_, err := s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: &arn, IsOrganizationTrail: &organization})
		return err
	}
	c := newCompany(t, Options{}).withTrail(t)
	is := func(when string, want bool) {
		t.Helper()
		if v, ok := c.Trail(mainARN); !ok || v.Organization != want || !v.Logging {
			t.Errorf("%s: exists %v, %+v", when, ok, v)
		}
	}
	wantCode(t, "NotOrganizationMasterAccountException", update(c.delegate, mainARN, false))
	wantCode(t, "", update(c.delegate, mainARN, true)) // nothing to convert
	wantCode(t, "", update(c.site, mainARN, false))
	is("made account-only", false)
	wantCode(t, "CloudTrailARNInvalidException", update(c.delegate, mainARN, true))
	wantCode(t, "", update(c.site, mainARN, true))
	is("made the organization's again", true)
	c.org.TrustedAccess(false)
	is("without trusted access", false)
	wantCode(t, "CloudTrailAccessNotEnabledException", update(c.site, mainARN, true))
	c.org.TrustedAccess(true)
	is("with trusted access again", false)
	wantCode(t, "", update(c.site, mainARN, true))
	c.org.Leave(account)
	is("after the end of the organization", false)
	wantCode(t, "OrganizationsNotInUseException", update(c.site, mainARN, true))

	c = newCompany(t, Options{})
	own := strings.Replace(mainARN, account, delegateID, 1)
	c.putPolicy(t, "logs", CloudTrailBucketPolicy("logs", own))
	must(t)(c.delegate.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")}))
	wantCode(t, "NotOrganizationMasterAccountException", update(c.delegate, own, true))
}

// Whoever changes the organization's trail, the record is the management account's; a member's refused try is its own.
func TestRecordsOfOrganizationTrailChanges(t *testing.T) {
	c := newCompany(t, Options{}).withTrail(t)
	c.Advance(time.Minute)
	before := len(c.Records())
	must(t)(c.delegate.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String(mainARN)}))
	_, err := c.member.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String(mainARN)})
	wantCode(t, "NotOrganizationMasterAccountException", err)
	type seen struct {
		By, In, Code string
		Bus          bool
	}
	var got []seen
	for _, r := range c.Records()[before:] {
		var doc struct {
			UserIdentity                  struct{ AccountID string }
			RecipientAccountID, ErrorCode string
		}
		if err := json.Unmarshal(r.Raw, &doc); err != nil {
			t.Fatal(err)
		}
		if r.Account != doc.RecipientAccountID {
			t.Errorf("record in %s says %s", r.Account, doc.RecipientAccountID)
		}
		got = append(got, seen{doc.UserIdentity.AccountID, r.Account, doc.ErrorCode, r.Bus})
	}
	want := []seen{{delegateID, account, "", true}, {memberID, memberID, "NotOrganizationMasterAccountException", false}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %+v, want %+v", got, want)
	}
	for id, n := range map[string]int{account: 1, delegateID: 0, memberID: 1} {
		out, err := c.as(id).trail.LookupEvents(ctx(t), &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{{AttributeKey: "EventName", AttributeValue: aws.String("StopLogging")}}})
		if err != nil || len(out.Events) != n {
			t.Errorf("Event history of %s: %v %v, want %d", id, out, err, n)
		}
	}
}

func TestOrganizationTrailAndTheBusOfMembers(t *testing.T) {
	for _, cover := range []bool{false, true} {
		c := newCompany(t, Options{OrganizationCover: cover}).withTrail(t)
		_, err := c.member.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("absent")})
		wantCode(t, "TrailNotFoundException", err)
		records := c.Records()
		if last := records[len(records)-1]; last.Account != memberID || last.Bus != cover {
			t.Errorf("with OrganizationCover %v: %s, on the bus: %v", cover, last.Account, last.Bus)
		}
	}
}

func TestOnlyThreeDelegatedAdministrators(t *testing.T) {
	s := newSite(t, Options{})
	o := s.Organization(account, "000000000001", "000000000002", "000000000003", "000000000004")
	got := fmt.Sprint(o.Delegate(account), o.Delegate(strangerID), o.Delegate("000000000001"), o.Delegate("000000000001"), o.Delegate("000000000002"), o.Delegate("000000000003"), o.Delegate("000000000004"))
	if want := "false false true false true true false"; got != want {
		t.Errorf("delegations %s, want %s", got, want)
	}
}
