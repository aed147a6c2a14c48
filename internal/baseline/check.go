package baseline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Advice is something in a valid file that people had better look at: what it pins is weak, or has lost its sense.
type Advice struct {
	Rule string `json:"rule"` // such as "validation_off"
	config.Problem
}

// longest is how long an approval may reasonably last.
const longest = 30 * 24 * time.Hour

// Check looks for what is weak in a file, in its order. An unsafe baseline is kept as faithfully as a safe one, so this
// is the time to see it. Who really owns a bucket is not seen here: Owners says it.
func (f File) Check(now time.Time) []Advice {
	c := &checker{remarks: remarks{file: f}, now: now}
	for i, t := range f.Trails {
		at := fmt.Sprintf("trails[%d]", i)
		c.coverage(at, t)
		c.targets(at, t)
		c.decisions(at, t)
		for j, a := range t.Approvals {
			c.approval(fmt.Sprintf("%s.approvals[%d]", at, j), a)
		}
	}
	return c.advice
}

type checker struct {
	remarks
	now    time.Time
	advice []Advice
}

func (c *checker) when(weak bool, rule, path, message, hint string) {
	if !weak {
		return
	}
	c.list = nil
	c.add(path, message, hint)
	c.advice = append(c.advice, Advice{rule, c.list[0]})
}

// coverage advises on what the pinned trail does not record.
func (c *checker) coverage(at string, t Trail) {
	pinned := func(f trail.Field) bool { return !slices.Contains(t.Ignore, f) }
	covers := trail.Baseline{ARN: t.ARN, Want: t.Settings()}.Coverage()
	c.when(pinned(trail.FieldLogging) && !t.Logging, "stopped", at+".logging",
		"the trail is pinned to be stopped: nothing is recorded", "write logging: true, or take the trail out of the file")
	c.when(pinned(trail.FieldValidation) && !t.Validation, "validation_off", at+".log_file_validation_enabled",
		"without digest files a changed or deleted log file cannot be proven", "turn validation on, then run `trailwarden baseline accept`")
	c.when(pinned(trail.FieldMultiRegion) && !t.MultiRegion, "single_region", at+".is_multi_region_trail",
		"only events of "+t.ARN.Region+" are recorded", "make it a multi-Region trail, or see that others cover the other Regions (requirements)")
	c.when(pinned(trail.FieldGlobalEvents) && !t.GlobalEvents && t.MultiRegion, "no_global_services", at+".include_global_service_events",
		"events of IAM, STS and CloudFront are not recorded", "CloudTrail wants them on in every multi-Region trail")
	if !pinned(trail.FieldSelectors) {
		return
	}
	selectors := at + ".event_selectors"
	read, write := covers.Read, covers.Write
	switch {
	case len(read)+len(write) == 0:
		c.when(true, "no_management_events", selectors, "no management event is recorded: neither who logs in nor who changes what",
			"record all of them, in this trail or another (requirements)")
	case len(read) == 0:
		c.when(true, "write_only", selectors, "management events that only read are not recorded: reconnaissance stays unseen", "record them too")
	case len(write) == 0:
		c.when(true, "read_only", selectors, "management events that change something are not recorded: nor does EventBridge get any", "record them too")
	default:
		c.when(!read.All() || !write.All(), "narrowed", selectors, "management events are recorded only where "+narrow(read, write), "record all of them")
	}
}

func narrow(read, write trail.Events) string {
	if write.All() {
		return read.String()
	}
	return write.String()
}

var bucketForm = lazily(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// targets advises on where things go.
func (c *checker) targets(at string, t Trail) {
	c.when(t.Bucket != "" && (!bucketForm().MatchString(t.Bucket) || strings.Contains(t.Bucket, "..")), "bucket_name", at+".s3_bucket_name",
		short(t.Bucket)+" is not a name that S3 allows", "compare it with what the trail has: `trailwarden baseline diff`")
	c.when(t.Bucket != "" && t.BucketOwner == "", "no_bucket_owner", at+".s3_bucket_name",
		"whose the bucket "+short(t.Bucket)+" is is not pinned: if it is deleted and a stranger takes its name, a repair points the trail to it",
		`write s3_bucket_owner: "ACCOUNT"; `+"`trailwarden baseline capture` does where S3 says it (s3:ListBucket)")
	for _, other := range c.file.Trails {
		c.when(other.Bucket == t.Bucket && other.BucketOwner != t.BucketOwner && t.BucketOwner != "" && other.BucketOwner != "", "bucket_owner", at+".s3_bucket_owner",
			"the bucket "+short(t.Bucket)+" is pinned to belong to another account in "+other.ARN.Name, "find out whose it is: aws s3api head-bucket --bucket NAME --expected-bucket-owner ACCOUNT")
	}
	c.when(t.Key != "" && (!strings.HasPrefix(t.Key, "arn:") || !strings.Contains(t.Key, ":key/")), "key_not_arn", at+".kms_key_id",
		short(t.Key)+" is not the full ARN of a key: an alias can be pointed at another key", "write arn:PARTITION:kms:REGION:ACCOUNT:key/ID")
	c.when(t.Topic != "" && !strings.HasPrefix(t.Topic, "arn:"), "topic_not_arn", at+".sns_topic_arn",
		short(t.Topic)+" is not the ARN of a topic", "write arn:PARTITION:sns:REGION:ACCOUNT:NAME")
	c.when((t.LogGroup == "") != (t.LogRole == ""), "log_group_alone", at+".cloud_watch_logs_log_group_arn",
		"a log group and the role that writes to it belong together, and one of them is missing", "write both, or neither")
}

// decisions advises on what people have decided about the trail.
func (c *checker) decisions(at string, t Trail) {
	c.when(len(t.Repair) == 0, "no_repair", at+".repair",
		"nothing of the trail is repaired by itself, not even a stop", "write repair: [logging], or more groups")
	for i, f := range t.Ignore {
		weighty := slices.Contains([]trail.Field{trail.FieldLogging, trail.FieldSelectors, trail.FieldBucket, trail.FieldExists}, f)
		c.when(weighty, "ignored", fmt.Sprintf("%s.ignore[%d]", at, i), "nobody would notice a change of "+string(f), "take it out of ignore; for a planned change use approvals")
	}
}

func (c *checker) approval(at string, a Approval) {
	left := a.Until.Sub(c.now)
	c.when(left <= 0, "approval_expired", at+".until", "the approval ended "+a.Until.Format(time.RFC3339)+": it excuses nothing any more", "take it out of the file")
	c.when(left > longest, "approval_long", at+".until", fmt.Sprintf("the approval lasts for %d days more", int(left.Hours()/24)), "end it within 30 days: until then the trail is unprotected there")
	c.when(strings.TrimSpace(a.Who) == "", "approval_nobody", at+".who", "nobody answers for the approval", "name the person")
	c.when(strings.TrimSpace(a.Why) == "", "approval_no_reason", at+".why", "the approval has no reason", "name the change or the ticket")
	c.when(len(a.Fields) == 0, "approval_whole_trail", at+".fields", "the approval covers the whole trail, its deletion included", "name the settings that change")
}

// Owners advises on buckets that do not belong to the accounts that the file says, by what S3 says of each.
func (f File) Owners(of func(bucket, account string) trail.Ownership) []Advice {
	c := &checker{remarks: remarks{file: f}}
	for i, t := range f.Trails {
		if t.BucketOwner == "" {
			continue
		}
		path, owner := fmt.Sprintf("trails[%d].s3_bucket_owner", i), of(t.Bucket, t.BucketOwner)
		c.when(owner == trail.OwnerOther, "bucket_owner", path, "the bucket "+short(t.Bucket)+" belongs to another account than "+t.BucketOwner,
			"find out who registered its name; no repair will point a trail to it")
		c.when(owner == trail.OwnerMissing, "bucket_missing", path, "there is no bucket "+short(t.Bucket)+": anybody may register its name", "make it again in account "+t.BucketOwner)
	}
	return c.advice
}
