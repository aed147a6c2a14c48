package sim

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCreateTrail(t *testing.T) {
	key := "arn:aws:kms:eu-central-1:111122223333:key/0a1b2c3d-0000-4000-8000-000000000001"
	group, role := "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*", "arn:aws:iam::111122223333:role/trail-to-logs"
	without := strings.TrimSuffix(group, ":*")
	tests := []struct {
		name string
		in   cloudtrail.CreateTrailInput
		want string
	}{
		{"least", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs")}, ""},
		{"name with all separators", cloudtrail.CreateTrailInput{Name: aws.String("a.b-c_d"), S3BucketName: aws.String("logs")}, ""},
		{"name too short", cloudtrail.CreateTrailInput{Name: aws.String("ab"), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"name of 128", cloudtrail.CreateTrailInput{Name: aws.String(strings.Repeat("x", 128)), S3BucketName: aws.String("logs")}, ""},
		{"name of 129", cloudtrail.CreateTrailInput{Name: aws.String(strings.Repeat("x", 129)), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"adjacent separators", cloudtrail.CreateTrailInput{Name: aws.String("a--b"), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"ends with a dash", cloudtrail.CreateTrailInput{Name: aws.String("abc-"), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"IP address", cloudtrail.CreateTrailInput{Name: aws.String("192.168.5.4"), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"homoglyph", cloudtrail.CreateTrailInput{Name: aws.String("mаin"), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"ARN is no name", cloudtrail.CreateTrailInput{Name: aws.String(mainARN), S3BucketName: aws.String("logs")}, "InvalidTrailNameException"},
		{"no such bucket", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("gone")}, "S3BucketDoesNotExistException"},
		{"no bucket name", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("No_Bucket")}, "InvalidS3BucketNameException"},
		{"bucket without policy", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("bare")}, "InsufficientS3BucketPolicyException"},
		{"policy does not cover the prefix", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), S3KeyPrefix: aws.String("other")}, "InsufficientS3BucketPolicyException"},
		{"long prefix", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), S3KeyPrefix: aws.String(strings.Repeat("p", 201))}, "InvalidS3PrefixException"},
		{"all Regions without global events", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true), IncludeGlobalServiceEvents: aws.Bool(false)}, "InvalidParameterCombinationException"},
		{"organization", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), IsOrganizationTrail: aws.Bool(true)}, "OrganizationsNotInUseException"},
		{"known key", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), KmsKeyId: &key}, ""},
		{"known key by id", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), KmsKeyId: aws.String("0a1b2c3d-0000-4000-8000-000000000001")}, ""},
		{"unknown key", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), KmsKeyId: aws.String("0a1b2c3d-0000-4000-8000-00000000ffff")}, "KmsKeyNotFoundException"},
		{"key in another Region than the bucket", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), KmsKeyId: aws.String(strings.Replace(key, home, away, 1))}, "KmsKeyNotFoundException"},
		{"key id without sense", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), KmsKeyId: aws.String("my key")}, "InvalidKmsKeyIdException"},
		{"log group and role", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role}, ""},
		{"unknown log group", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: aws.String(strings.Replace(group, "trail", "other", 1)), CloudWatchLogsRoleArn: &role}, "InvalidCloudWatchLogsLogGroupArnException"},
		{"unknown role", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: aws.String(role + "2")}, "InvalidCloudWatchLogsRoleArnException"},
		{"log group ARN without its end", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: &without, CloudWatchLogsRoleArn: &role}, "InvalidCloudWatchLogsLogGroupArnException"},
		{"log group without role", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: &group}, "InvalidCloudWatchLogsRoleArnException"},
		{"role without log group", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsRoleArn: &role}, "InvalidCloudWatchLogsLogGroupArnException"},
		{"log group of another Region", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), CloudWatchLogsLogGroupArn: aws.String(strings.Replace(group, home, away, 1)), CloudWatchLogsRoleArn: &role}, "InvalidCloudWatchLogsLogGroupArnException"},
		{"topic name without sense", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), SnsTopicName: aws.String("a b")}, "InvalidSnsTopicNameException"},
		{"tag given twice", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), TagsList: []types.Tag{{Key: aws.String("a")}, {Key: aws.String("a")}}}, "InvalidTagParameterException"},
		{"51 tags", cloudtrail.CreateTrailInput{Name: aws.String("abc"), S3BucketName: aws.String("logs"), TagsList: manyTags(51)}, "TagsLimitExceededException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.bucketFor(t, "logs")
			s.Account(account).Key(home, "0a1b2c3d-0000-4000-8000-000000000001")
			s.Account(account).LogGroup(home, "trail")
			s.Account(account).LogGroup(away, "trail")
			s.Account(account).LogRole("trail-to-logs")
			s.Account(account).Key(away, "0a1b2c3d-0000-4000-8000-000000000001")
			must(t)(s.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("bare"), CreateBucketConfiguration: inRegion(home)}))
			_, err := s.trail.CreateTrail(ctx(t), &tt.in)
			wantCode(t, tt.want, err)
			if got := len(s.Trails()); (got == 1) != (tt.want == "") {
				t.Errorf("%d trails exist afterwards", got)
			}
		})
	}
}

func TestNewTrailHasTheDefaultsOfAWS(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	want := types.Trail{
		Name: aws.String("main"), TrailARN: aws.String(mainARN), HomeRegion: aws.String(home), S3BucketName: aws.String("logs"),
		IncludeGlobalServiceEvents: aws.Bool(true), IsMultiRegionTrail: aws.Bool(false), LogFileValidationEnabled: aws.Bool(false),
		IsOrganizationTrail: aws.Bool(false), HasCustomEventSelectors: aws.Bool(false), HasInsightSelectors: aws.Bool(false),
	}
	if diff := cmp.Diff(want, s.get(t), cmpopts.IgnoreUnexported(types.Trail{})); diff != "" {
		t.Error(diff)
	}
	if st := s.status(t); *st.IsLogging || st.StartLoggingTime != nil || st.LatestDeliveryTime != nil {
		t.Errorf("a new trail must not log: %+v", st)
	}
	_, err := s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")})
	wantCode(t, "TrailAlreadyExistsException", err)
}

// Each change, then what of the trail is different.
func TestUpdateTrail(t *testing.T) {
	type update = cloudtrail.UpdateTrailInput
	key := "arn:aws:kms:eu-central-1:111122223333:key/k1"
	group, role := "arn:aws:logs:eu-central-1:111122223333:log-group:trail:*", "arn:aws:iam::111122223333:role/trail-to-logs"
	tests := []struct {
		name    string
		updates []update
		want    string // error of the last one
		check   func(*types.Trail)
	}{
		{"nothing said, nothing changed", []update{{}}, "", func(*types.Trail) {}},
		{"empty clears, absent keeps", []update{{KmsKeyId: &key, SnsTopicName: aws.String("news"), EnableLogFileValidation: aws.Bool(true)}, {KmsKeyId: aws.String("")}}, "", func(w *types.Trail) {
			w.SnsTopicARN, w.LogFileValidationEnabled = aws.String("arn:aws:sns:eu-central-1:111122223333:news"), aws.Bool(true)
		}},
		{"topic cleared", []update{{SnsTopicName: aws.String("news")}, {SnsTopicName: aws.String("")}}, "", func(*types.Trail) {}},
		{"to all Regions", []update{{IncludeGlobalServiceEvents: aws.Bool(false)}, {IsMultiRegionTrail: aws.Bool(true)}}, "", func(w *types.Trail) { w.IsMultiRegionTrail = aws.Bool(true) }},
		{"back to one Region loses global events", []update{{IsMultiRegionTrail: aws.Bool(true)}, {IsMultiRegionTrail: aws.Bool(false)}}, "", func(w *types.Trail) { w.IncludeGlobalServiceEvents = aws.Bool(false) }},
		{"unless they are asked for", []update{{IsMultiRegionTrail: aws.Bool(true)}, {IsMultiRegionTrail: aws.Bool(false), IncludeGlobalServiceEvents: aws.Bool(true)}}, "", func(*types.Trail) {}},
		{"all Regions need global events", []update{{IsMultiRegionTrail: aws.Bool(true)}, {IncludeGlobalServiceEvents: aws.Bool(false)}}, "InvalidParameterCombinationException", func(w *types.Trail) { w.IsMultiRegionTrail = aws.Bool(true) }},
		{"log group and role together", []update{{CloudWatchLogsLogGroupArn: &group, CloudWatchLogsRoleArn: &role}}, "", func(w *types.Trail) { w.CloudWatchLogsLogGroupArn, w.CloudWatchLogsRoleArn = &group, &role }},
		{"log group alone", []update{{CloudWatchLogsLogGroupArn: &group}}, "InvalidCloudWatchLogsRoleArnException", func(*types.Trail) {}},
		{"bucket cannot be cleared", []update{{S3BucketName: aws.String("")}}, "InvalidS3BucketNameException", func(*types.Trail) {}},
		{"bucket must exist", []update{{S3BucketName: aws.String("gone")}}, "S3BucketDoesNotExistException", func(*types.Trail) {}},
		{"topic must exist", []update{{SnsTopicName: aws.String("absent")}}, "InsufficientSnsTopicPolicyException", func(*types.Trail) {}},
		{"topic by ARN", []update{{SnsTopicName: aws.String("arn:aws:sns:eu-central-1:111122223333:news")}}, "", func(w *types.Trail) {
			w.SnsTopicARN = aws.String("arn:aws:sns:eu-central-1:111122223333:news")
		}},
		{"disabled key", []update{{KmsKeyId: aws.String("arn:aws:kms:eu-central-1:111122223333:key/off")}}, "KmsException", func(*types.Trail) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.stopped(t)
			s.topics("arn:aws:sns:eu-central-1:111122223333:news")
			s.Account(account).LogGroup(home, "trail")
			s.Account(account).LogRole("trail-to-logs")
			s.Account(account).Key(home, "k1")
			s.Account(account).DisableKey(s.Account(account).Key(home, "off"))
			want := s.get(t)
			tt.check(&want)
			for i, u := range tt.updates {
				u.Name = aws.String("main")
				_, err := s.trail.UpdateTrail(ctx(t), &u)
				if i == len(tt.updates)-1 {
					wantCode(t, tt.want, err)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want, s.get(t), cmpopts.IgnoreUnexported(types.Trail{}), cmpopts.IgnoreFields(types.Trail{}, "SnsTopicName")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuotaOfTrailsCountsMultiRegionTrailsEverywhere(t *testing.T) {
	s := newSite(t, Options{})
	far := at(s.World, away, s.Account(account).User("alice"))
	s.bucketFor(t, "logs")
	create := func(s *site, name string, everywhere bool) error {
		_, err := s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: aws.String("logs"), IsMultiRegionTrail: &everywhere})
		return err
	}
	for _, name := range []string{"one", "two", "three"} {
		wantCode(t, "", create(s, name, true))
	}
	for _, name := range []string{"four", "five"} {
		wantCode(t, "", create(s, name, false))
	}
	wantCode(t, "MaximumNumberOfTrailsExceededException", create(s, "six", false))
	wantCode(t, "", create(far, "four", false)) // three shadows and this one
	wantCode(t, "", create(far, "five", false))
	wantCode(t, "MaximumNumberOfTrailsExceededException", create(far, "six", false))
	must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("one")}))
	wantCode(t, "", create(far, "six", false))
	must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("five")}))
	wantCode(t, "MaximumNumberOfTrailsExceededException", create(s, "seven", true)) // the other Region is full
	wantCode(t, "", create(s, "seven", false))
}

func TestListTrailsGoesByPages(t *testing.T) {
	s := newSite(t, Options{TrailsPerPage: 2})
	s.bucketFor(t, "logs")
	var want []string
	for _, name := range []string{"aaa", "bbb", "ccc", "ddd", "eee"} {
		must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: aws.String("logs")}))
		want = append(want, name)
	}
	var got []string
	pages := cloudtrail.NewListTrailsPaginator(s.trail, &cloudtrail.ListTrailsInput{})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Trails) > 2 {
			t.Errorf("%d trails on a page", len(out.Trails))
		}
		for _, x := range out.Trails {
			got = append(got, *x.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNamesAndARNs(t *testing.T) {
	s := newSite(t, Options{})
	s.stopped(t)
	other := strings.Replace(mainARN, account, "999988887777", 1)
	tests := []struct{ name, want string }{
		{"main", ""},
		{mainARN, ""},
		{"absent", "TrailNotFoundException"},
		{strings.Replace(mainARN, "main", "absent", 1), "TrailNotFoundException"},
		{other, "CloudTrailARNInvalidException"},
		{strings.Replace(mainARN, "aws", "aws-cn", 1), "CloudTrailARNInvalidException"},
		{"arn:aws:cloudtrail:eu-central-1:111122223333:eventdatastore/x", "CloudTrailARNInvalidException"},
		{"arn:aws:sns:eu-central-1:111122223333:main", "CloudTrailARNInvalidException"},
		{"a b c", "InvalidTrailNameException"},
	}
	for _, tt := range tests {
		name := aws.String(tt.name)
		operations := map[string]func() error{
			"StartLogging": func() error {
				_, err := s.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: name})
				return err
			},
			"StopLogging": func() error {
				_, err := s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: name})
				return err
			},
			"UpdateTrail": func() error {
				_, err := s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: name})
				return err
			},
			"GetTrail": func() error { _, err := s.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: name}); return err },
			"GetTrailStatus": func() error {
				_, err := s.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: name})
				return err
			},
			"PutEventSelectors": func() error {
				_, err := s.trail.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: name, EventSelectors: []types.EventSelector{{ReadWriteType: "All"}}})
				return err
			},
			"GetEventSelectors": func() error {
				_, err := s.trail.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: name})
				return err
			},
			"PutInsightSelectors": func() error {
				_, err := s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: name, InsightSelectors: []types.InsightSelector{}})
				return err
			},
			"PutEventConfiguration": func() error {
				_, err := s.trail.PutEventConfiguration(ctx(t), &cloudtrail.PutEventConfigurationInput{TrailName: name})
				return err
			},
			"GetEventConfiguration": func() error {
				_, err := s.trail.GetEventConfiguration(ctx(t), &cloudtrail.GetEventConfigurationInput{TrailName: name})
				return err
			},
		}
		for op, call := range operations {
			t.Run(op+" "+tt.name, func(t *testing.T) { wantCode(t, tt.want, call()) })
		}
		t.Run("DescribeTrails "+tt.name, func(t *testing.T) {
			out, err := s.trail.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{TrailNameList: []string{tt.name}})
			if tt.want == "TrailNotFoundException" {
				wantCode(t, "", err) // absent names are just absent
				if len(out.TrailList) != 0 {
					t.Errorf("described %v", out.TrailList)
				}
				return
			}
			wantCode(t, tt.want, err)
		})
	}
	_, err := s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: aws.String("absent")})
	if want := "Unknown trail: arn:aws:cloudtrail:eu-central-1:111122223333:trail/absent for the user: 111122223333"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
	_, err = s.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: &other})
	if want := "AccountID in ARN is wrong, you can only access resources with AccountID 111122223333"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

func TestDeleteAndRecreateGivesTheSameARN(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	must(t)(s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String(mainARN)}))
	_, err := s.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("main")})
	wantCode(t, "TrailNotFoundException", err)
	must(t)(s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs")}))
	if st := s.status(t); *st.IsLogging || st.StartLoggingTime != nil {
		t.Errorf("the recreated trail inherited the status of the old one: %+v", st)
	}
}

func TestOtherRegionsSeeShadowsAndChangeNothing(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	far := at(s.World, away, s.Account(account).User("alice"))
	names := func(s *site, in cloudtrail.DescribeTrailsInput) []string {
		t.Helper()
		out, err := s.trail.DescribeTrails(ctx(t), &in)
		if err != nil {
			t.Fatal(err)
		}
		list := []string{}
		for _, x := range out.TrailList {
			list = append(list, *x.TrailARN+" at home in "+*x.HomeRegion)
		}
		return list
	}
	mainHome := mainARN + " at home in " + home
	check := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}

	check("a single-Region trail is unseen elsewhere", names(far, cloudtrail.DescribeTrailsInput{}))
	check("but described there by ARN", names(far, cloudtrail.DescribeTrailsInput{TrailNameList: []string{mainARN}}), mainHome)
	_, err := far.trail.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String(mainARN)})
	wantCode(t, "TrailNotFoundException", err)

	must(t)(s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), IsMultiRegionTrail: aws.Bool(true)}))
	check("shadow", names(far, cloudtrail.DescribeTrailsInput{}), mainHome)
	check("without shadows", names(far, cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(false)}))
	check("at home it is no shadow", names(s, cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(false)}), mainHome)
	check("a name means the Region called", names(far, cloudtrail.DescribeTrailsInput{TrailNameList: []string{"main"}}))
	list, err := far.trail.ListTrails(ctx(t), &cloudtrail.ListTrailsInput{})
	if err != nil || len(list.Trails) != 1 || *list.Trails[0].HomeRegion != home {
		t.Errorf("ListTrails: %v %v", list, err)
	}
	if st := far.status(t); !*st.IsLogging {
		t.Error("the shadow does not log")
	}
	_, err = far.trail.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("main")})
	wantCode(t, "TrailNotFoundException", err)

	for name, want := range map[string]string{"main": "TrailNotFoundException", mainARN: "InvalidHomeRegionException"} {
		_, err := far.trail.StopLogging(ctx(t), &cloudtrail.StopLoggingInput{Name: &name})
		wantCode(t, want, err)
		_, err = far.trail.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: &name})
		wantCode(t, want, err)
		_, err = far.trail.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: &name})
		wantCode(t, want, err)
		_, err = far.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: &name})
		wantCode(t, want, err)
	}
	_, err = far.trail.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(mainARN), TagsList: manyTags(1)})
	wantCode(t, "ResourceNotFoundException", err)
	if v, _ := s.Trail(mainARN); !v.Logging {
		t.Error("a call from another Region stopped the trail")
	}
}
