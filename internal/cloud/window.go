package cloud

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
)

// Window reads the records that Event history has of a stretch of time in a Region, as AWS wrote them, newest first. Whole is false
// when there were more than most. Event history lags by minutes, and holds management events only.
func (c *Client) Window(ctx context.Context, region string, from, to time.Time, most int) (records [][]byte, whole bool, err error) {
	var token *string
	for {
		var out *cloudtrail.LookupEventsOutput
		err := c.retry(ctx, "LookupEvents", region, func(ctx context.Context) (err error) {
			out, err = c.in(region).LookupEvents(ctx, &cloudtrail.LookupEventsInput{
				StartTime: aws.Time(from), EndTime: aws.Time(to), MaxResults: aws.Int32(50), NextToken: token,
			})
			return err
		})
		if err != nil {
			return records, false, err
		}
		for _, e := range out.Events {
			records = append(records, []byte(aws.ToString(e.CloudTrailEvent)))
		}
		switch next := aws.ToString(out.NextToken); {
		case next == "":
			return records, true, nil
		case next == aws.ToString(token) || len(records) >= most:
			return records, false, nil
		}
		token = out.NextToken
	}
}
