package sim

import (
	"cmp"
	"regexp"
	"strings"
)

const trailsPerRegion = 5

// settings are what CreateTrail and UpdateTrail set.
type settings struct {
	bucket, prefix      string
	topic, topicARN     string // as given (name or ARN), and the ARN
	global, multiRegion bool
	validation          bool
	logGroup, logRole   string
	kmsKey              string // ARN
	organization        bool   // covers all accounts of the owner's organization
}

type createInput struct {
	Name, S3BucketName, S3KeyPrefix, SnsTopicName, CloudWatchLogsLogGroupArn, CloudWatchLogsRoleArn, KmsKeyId string

	IncludeGlobalServiceEvents                                       *bool
	IsMultiRegionTrail, EnableLogFileValidation, IsOrganizationTrail bool
	TagsList                                                         []tag
}

// trailDescription is a trail as CreateTrail and UpdateTrail answer it; trailRecord adds what reads know besides.
type trailDescription struct {
	Name, S3BucketName         string
	S3KeyPrefix                string `json:",omitempty"`
	SnsTopicName               string `json:",omitempty"`
	SnsTopicARN                string `json:",omitempty"`
	IncludeGlobalServiceEvents bool
	IsMultiRegionTrail         bool
	TrailARN                   string
	LogFileValidationEnabled   bool
	CloudWatchLogsLogGroupArn  string `json:",omitempty"`
	CloudWatchLogsRoleArn      string `json:",omitempty"`
	KmsKeyId                   string `json:",omitempty"`
	IsOrganizationTrail        bool
}

func (x *trail) description() trailDescription {
	return trailDescription{
		Name: x.name, S3BucketName: x.bucket, S3KeyPrefix: x.prefix, SnsTopicName: x.topic, SnsTopicARN: x.topicARN,
		IncludeGlobalServiceEvents: x.global, IsMultiRegionTrail: x.multiRegion, TrailARN: x.arn, LogFileValidationEnabled: x.validation,
		CloudWatchLogsLogGroupArn: x.logGroup, CloudWatchLogsRoleArn: x.logRole, KmsKeyId: x.kmsKey, IsOrganizationTrail: x.organization,
	}
}

// create makes a trail. It does not start logging.
func (t *trails) create(c *call, in *createInput) (any, error) {
	c.resources = append(c.resources, recordResource{"AWS::CloudTrail::Trail", in.Name}, recordResource{"AWS::S3::Bucket", in.S3BucketName})
	if err := checkTrailName(in.Name); err != nil {
		return nil, err
	}
	x := &trail{name: in.Name, account: t.ownerOfNew(c, in.IsOrganizationTrail), home: c.region}
	x.arn = c.arnIn(x.account, "cloudtrail", "trail/"+in.Name)
	if in.IsOrganizationTrail {
		if err := t.checkOrganization(c); err != nil {
			return nil, err
		}
	}
	if err := t.onBehalf(c, x.account); err != nil {
		return nil, err
	}
	if t.byARN[x.arn] != nil {
		return nil, fail("TrailAlreadyExistsException", "Trail %s already exists for customer: %s", in.Name, x.account)
	}
	x.settings = settings{
		bucket: in.S3BucketName, prefix: in.S3KeyPrefix, topic: in.SnsTopicName, logGroup: in.CloudWatchLogsLogGroupArn, logRole: in.CloudWatchLogsRoleArn,
		kmsKey: in.KmsKeyId, global: in.IncludeGlobalServiceEvents == nil || *in.IncludeGlobalServiceEvents, multiRegion: in.IsMultiRegionTrail, validation: in.EnableLogFileValidation,
		organization: in.IsOrganizationTrail,
	}
	if err := t.quota(x); err != nil {
		return nil, err
	}
	if err := t.check(c, x); err != nil {
		return nil, err
	}
	tags, err := withTags(nil, in.TagsList)
	if err != nil {
		return nil, err
	}
	x.tags = tags
	t.add(x)
	t.changed(c, x.arn)
	return x.description(), nil
}

// quota: a multi-Region trail counts in every Region, the organization's in the management account only.
func (t *trails) quota(x *trail) error {
	regions := []string{x.home}
	if x.multiRegion {
		regions = t.world.accountLocked(x.account).regions
	}
	for _, r := range regions {
		n := 0
		for _, other := range t.byAccount[x.account] {
			if other.visibleIn(r) {
				n++
			}
		}
		if n >= trailsPerRegion {
			return fail("MaximumNumberOfTrailsExceededException", "User: %s already has %d trails in %s.", x.account, n, r)
		}
	}
	return nil
}

// updateInput has pointers: what is absent stays, what is empty is cleared.
type updateInput struct {
	Name string

	S3BucketName, S3KeyPrefix, SnsTopicName, CloudWatchLogsLogGroupArn, CloudWatchLogsRoleArn, KmsKeyId *string

	IncludeGlobalServiceEvents, IsMultiRegionTrail, EnableLogFileValidation, IsOrganizationTrail *bool
}

func (t *trails) update(c *call, in *updateInput) (any, error) {
	x, err := t.forChange(c, in.Name)
	if err != nil {
		return nil, err
	}
	if (in.CloudWatchLogsLogGroupArn == nil) != (in.CloudWatchLogsRoleArn == nil) {
		if in.CloudWatchLogsRoleArn == nil {
			return nil, fail("InvalidCloudWatchLogsRoleArnException", "CloudWatch Logs role ARN must be specified together with the log group ARN.")
		}
		return nil, fail("InvalidCloudWatchLogsLogGroupArnException", "CloudWatch Logs log group ARN must be specified together with the role ARN.")
	}
	next := *x
	set(&next.bucket, in.S3BucketName)
	set(&next.prefix, in.S3KeyPrefix)
	set(&next.topic, in.SnsTopicName)
	set(&next.logGroup, in.CloudWatchLogsLogGroupArn)
	set(&next.logRole, in.CloudWatchLogsRoleArn)
	set(&next.kmsKey, in.KmsKeyId)
	set(&next.multiRegion, in.IsMultiRegionTrail)
	set(&next.validation, in.EnableLogFileValidation)
	set(&next.organization, in.IsOrganizationTrail)
	if next.multiRegion != x.multiRegion {
		next.global = next.multiRegion // AWS switches them together, unless told otherwise
	}
	set(&next.global, in.IncludeGlobalServiceEvents)
	if in.IsOrganizationTrail != nil {
		if err := t.convert(c, x, next.organization); err != nil {
			return nil, err
		}
	}
	if err := t.check(c, &next); err != nil {
		return nil, err
	}
	x.settings = next.settings
	t.spread(x)
	t.changed(c, x.arn)
	return x.description(), nil
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (t *trails) delete(c *call, in *nameInput) (any, error) {
	x, err := t.forChange(c, in.Name)
	if err != nil {
		return nil, err
	}
	t.remove(x)
	t.changed(c, x.arn)
	return nil, nil
}

// check validates a trail's whole configuration and what it depends on, as CreateTrail and UpdateTrail do, and completes
// the topic's and the key's ARN.
func (t *trails) check(c *call, x *trail) error {
	if x.multiRegion && !x.global {
		return fail("InvalidParameterCombinationException", "Multi-Region trail must include global service events.")
	}
	if len(x.prefix) > 200 {
		return fail("InvalidS3PrefixException", "The S3 prefix is longer than 200 characters")
	}
	b, err := t.checkBucket(x)
	if err != nil {
		return err
	}
	if err := t.checkTopic(c, x); err != nil {
		return err
	}
	if err := t.checkLogGroup(c, x); err != nil {
		return err
	}
	return t.checkKey(c, x, b)
}

func (t *trails) checkBucket(x *trail) (*bucket, error) {
	if !bucketName.MatchString(x.bucket) || dottedQuad.MatchString(x.bucket) {
		return nil, fail("InvalidS3BucketNameException", "Bucket name is not valid: %s", cmp.Or(x.bucket, "(blank)"))
	}
	b := t.world.buckets.byName[x.bucket]
	if b == nil {
		return nil, fail("S3BucketDoesNotExistException", "S3 bucket %s does not exist!", x.bucket)
	}
	if !b.letsCloudTrailWrite(x, x.home, t.organizationID(x)) {
		return nil, fail("InsufficientS3BucketPolicyException", "Incorrect S3 bucket policy is detected for bucket: %s", x.bucket)
	}
	return b, nil
}

var topicName = regexp.MustCompile(`^(arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:)?[A-Za-z0-9_-]{1,256}$`)

func (t *trails) checkTopic(c *call, x *trail) error {
	x.topicARN = ""
	if x.topic == "" {
		return nil
	}
	if !topicName.MatchString(x.topic) {
		return fail("InvalidSnsTopicNameException", "SNS topic name is invalid: %s", x.topic)
	}
	arn := x.topic
	if !strings.HasPrefix(arn, "arn:") {
		arn = c.arn("sns", x.topic)
	}
	if t.world.topicLets(arn, x) != "" {
		return fail("InsufficientSnsTopicPolicyException", "SNS Topic does not exist or the topic policy is incorrect!")
	}
	x.topicARN = arn
	return nil
}

var logGroupARN = regexp.MustCompile(`^(arn:aws[a-z-]*:logs:([a-z0-9-]+):([0-9]{12}):log-group:[A-Za-z0-9_/.#-]{1,512}):(\*|log-stream:.*)$`)

// checkLogGroup: the group must exist in the trail's Region, in an account that may change the trail, and CloudTrail must be
// able to assume the role.
func (t *trails) checkLogGroup(c *call, x *trail) error {
	if x.logGroup == "" && x.logRole == "" {
		return nil
	}
	part := logGroupARN.FindStringSubmatch(x.logGroup)
	o := t.world.organizationOf(x.account)
	if part == nil || part[2] != c.region || part[3] != x.account && (o == nil || !o.manages(part[3])) || !t.world.logs.groups[part[1]] {
		return fail("InvalidCloudWatchLogsLogGroupArnException", "CloudTrail cannot validate the specified log group ARN.")
	}
	r := t.world.logs.roles[x.logRole]
	switch {
	case r == nil:
		return fail("InvalidCloudWatchLogsRoleArnException", "The supplied CloudWatch Logs role ARN is invalid.")
	case r.broken || c.at.Before(r.usable):
		return fail("InvalidCloudWatchLogsRoleArnException", "Access denied. Check the permissions for your role.")
	}
	return nil
}

// checkKey completes whatever names the key to its ARN. The key must be known, usable, and in the bucket's Region.
func (t *trails) checkKey(c *call, x *trail, b *bucket) error {
	if x.kmsKey == "" {
		return nil
	}
	if !keyName.MatchString(x.kmsKey) {
		return fail("InvalidKmsKeyIdException", "KMS key ID %s is not valid.", x.kmsKey)
	}
	k := t.world.keys.named(c.account, b.region, x.kmsKey)
	switch {
	case k == nil || k.region != b.region:
		return fail("KmsKeyNotFoundException", "KMS key %s does not exist, or is not in the Region of the S3 bucket.", x.kmsKey)
	case !k.deletion.IsZero():
		return fail("KmsException", "KMS key %s is pending deletion.", k.arn)
	case k.disabled:
		return fail("KmsException", "KMS key %s is disabled.", k.arn)
	case !k.letsCloudTrail(x):
		return fail("InsufficientEncryptionPolicyException", "Insufficient permissions to access S3 bucket %s or KMS key %s.", x.bucket, k.arn)
	}
	x.kmsKey = k.arn
	return nil
}
