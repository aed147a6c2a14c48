package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"
)

// tamper HOW does to the trail what attackers do.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	s, ctx := stageOf(ts), context.Background()
	api := cloudtrail.NewFromConfig(s.config(s.world.Account(demoAccount).User("mallory"), "203.0.113.66"))
	arn, no := aws.String(mainTrail.String()), aws.Bool(false)
	var err error
	switch args[0] {
	case "stop":
		_, err = api.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: arn})
	case "delete":
		_, err = api.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: arn})
	case "minimize": // Pacu's single UpdateTrail
		_, err = api.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{
			Name: arn, IsMultiRegionTrail: no, IncludeGlobalServiceEvents: no, EnableLogFileValidation: no,
		})
	case "blind": // Rhino's selector: AWS takes it, and nothing is recorded
		_, err = api.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: arn, EventSelectors: []types.EventSelector{{
			ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: no, DataResources: []types.DataResource{
				{Type: aws.String("AWS::S3::Object"), Values: []string{}}, {Type: aws.String("AWS::Lambda::Function"), Values: []string{}},
			},
		}}})
	case "tags":
		_, err = api.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: arn, TagsList: []types.Tag{{Key: aws.String("protected")}}})
		if err == nil {
			_, err = api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: arn, TagsList: []types.Tag{{Key: aws.String("own\x1b[2J"), Value: aws.String("1")}}})
		}
	case "insights": // more than is pinned
		_, err = api.PutInsightSelectors(ctx, &cloudtrail.PutInsightSelectorsInput{TrailName: arn, InsightSelectors: []types.InsightSelector{
			{InsightType: types.InsightTypeApiCallRateInsight},
		}})
	case "decoy":
		if err = s.mallorysBucket(ctx); err == nil {
			_, err = api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String("decoy"), S3BucketName: aws.String("mallory-drop")})
		}
	case "bucket": // the trail goes on logging, into nothing
		admin := s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10")
		_, err = s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true }).DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{
			Bucket: aws.String("example-audit-logs"),
		})
	default:
		ts.Fatalf("unknown: tamper %s", args[0])
	}
	ts.Check(err)
}

// advance DURATION lets time pass in the simulated AWS.
func advance(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	stageOf(ts).world.Advance(d)
}

// edit FILE OLD NEW replaces a text, which must be there, once; \n in it is the end of a line.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	lines := strings.NewReplacer(`\n`, "\n")
	text, old := ts.ReadFile(args[0]), lines.Replace(args[1])
	if !strings.Contains(text, old) {
		ts.Fatalf("%s has no %q", args[0], old)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, old, lines.Replace(args[2]), 1)), 0o600))
}
