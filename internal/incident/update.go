package incident

import (
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// update is what an UpdateTrail asks for: members that are nil stay as they are. Where the answer shows what
// came of a member, that is taken, because there aliases and names are resolved.
type update struct {
	bucket, prefix, topic, key, group, role *string
	global, multi, org, validation          *bool

	form bool // the request is the console's whole form: most of it restates what was
	odd  bool // some of it could not be understood
}

func readUpdate(c call) update {
	var d, answers decoder
	asked := c.params
	d.only(asked, "name", "s3BucketName", "s3KeyPrefix", "snsTopicName", "kmsKeyId",
		"cloudWatchLogsLogGroupArn", "cloudWatchLogsRoleArn", "includeGlobalServiceEvents", "isMultiRegionTrail",
		"isOrganizationTrail", "enableLogFileValidation")
	answer := answers.object(c.record.Response)
	text := func(member, answered string) *string {
		value := d.text(asked[member])
		if now := answers.text(answer[answered]); value != nil && now != nil {
			return now
		}
		return value
	}
	flag := func(member, answered string) *bool {
		value := d.flag(asked[member])
		if now := answers.flag(answer[answered]); value != nil && now != nil {
			return now
		}
		return value
	}
	u := update{
		bucket:     text("s3BucketName", "s3BucketName"),
		prefix:     text("s3KeyPrefix", "s3KeyPrefix"),
		topic:      text("snsTopicName", "snsTopicARN"),
		key:        text("kmsKeyId", "kmsKeyId"),
		group:      text("cloudWatchLogsLogGroupArn", "cloudWatchLogsLogGroupArn"),
		role:       text("cloudWatchLogsRoleArn", "cloudWatchLogsRoleArn"),
		global:     flag("includeGlobalServiceEvents", "includeGlobalServiceEvents"),
		multi:      flag("isMultiRegionTrail", "isMultiRegionTrail"),
		org:        flag("isOrganizationTrail", "isOrganizationTrail"),
		validation: flag("enableLogFileValidation", "logFileValidationEnabled"),
	}
	// CloudTrail itself switches global events off with the other Regions.
	if u.global == nil && off(u.multi) && c.pinned != nil && !slices.Contains(c.ignored, trail.FieldGlobalEvents) {
		u.global = answers.flag(answer["includeGlobalServiceEvents"])
	}
	u.form = c.record.Actor.Console ||
		u.bucket != nil && u.topic != nil && u.key != nil && u.multi != nil && u.validation != nil
	u.odd = !d.understood()
	return u
}

func off(flag *bool) bool { return flag != nil && !*flag }

// switchedOff says whether a setting was set to false, and that means something: it is pinned to be true or,
// where nothing is pinned, the caller asked for it and did not just send the whole form.
func (c call) switchedOff(asked *bool, pinned func(trail.Settings) bool) bool {
	if c.pinned == nil {
		return off(asked) && !c.update.form
	}
	return off(asked) && pinned(*c.pinned)
}

func multiRegionOff(c call) bool {
	return c.switchedOff(c.update.multi, func(s trail.Settings) bool { return s.MultiRegion })
}

func globalEventsOff(c call) bool {
	return c.switchedOff(c.update.global, func(s trail.Settings) bool { return s.GlobalEvents })
}

func validationOff(c call) bool {
	return c.switchedOff(c.update.validation, func(s trail.Settings) bool { return s.Validation })
}

// organizationOff needs a pinned trail: false is what every trail of one account has.
func organizationOff(c call) bool {
	return c.pinned != nil && c.pinned.Organization && off(c.update.org)
}

// bucketChanged: every trail has a bucket, so that none means that it is not pinned.
func bucketChanged(c call) bool {
	return c.pinned != nil && c.pinned.Bucket != "" && differs(c.update.bucket, c.pinned.Bucket)
}

func prefixChanged(c call) bool { return c.pinned != nil && differs(c.update.prefix, c.pinned.Prefix) }

func differs(asked *string, pinned string) bool { return asked != nil && *asked != pinned }

func removed(asked *string, pinned string) bool { return asked != nil && *asked == "" && pinned != "" }

func keyRemoved(c call) bool { return c.pinned != nil && removed(c.update.key, c.pinned.Key) }

func keyChanged(c call) bool {
	if c.pinned == nil || c.update.key == nil || *c.update.key == "" {
		return false
	}
	same, sure := sameKey(*c.update.key, c.pinned.Key)
	return sure && !same
}

// sameKey compares what a caller named, a key's id or ARN or an alias, with a pinned key ARN. Only AWS knows
// which key an alias stands for.
func sameKey(typed, pinned string) (same, sure bool) {
	switch {
	case typed == pinned, strings.HasSuffix(pinned, ":key/"+typed):
		return true, true
	case pinned == "":
		return false, true
	case strings.HasPrefix(typed, "alias/"), strings.Contains(typed, ":alias/"), !strings.Contains(pinned, ":key/"):
		return false, false
	}
	return false, true
}

func groupRemoved(c call) bool { return c.pinned != nil && removed(c.update.group, c.pinned.LogGroup) }

func groupChanged(c call) bool {
	if c.pinned == nil || groupRemoved(c) {
		return false
	}
	group := c.update.group
	return group != nil && groupName(*group) != groupName(c.pinned.LogGroup) || differs(c.update.role, c.pinned.LogRole)
}

// groupName cuts the ":*" that AWS writes behind some log group ARNs and not behind others.
func groupName(arn string) string { return strings.TrimSuffix(arn, ":*") }

func topicChanged(c call) bool {
	if c.pinned == nil || c.update.topic == nil {
		return false
	}
	topic := *c.update.topic
	if topic != "" && !strings.HasPrefix(topic, "arn:") {
		// A bare name is a topic of the trail's own Region and account.
		r := c.record
		return !strings.HasSuffix(c.pinned.Topic, ":sns:"+r.Region+":"+r.Account+":"+topic)
	}
	return topic != c.pinned.Topic
}

func updateSettled(c call) bool {
	if c.pinned == nil || c.update.odd || c.pinned.Bucket == "" && c.update.bucket != nil {
		return false
	}
	if key := c.update.key; key != nil && *key != "" {
		_, sure := sameKey(*key, c.pinned.Key)
		return sure
	}
	return true
}
