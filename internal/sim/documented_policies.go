package sim

import "strings"

type jsonObject = map[string]any

// CloudTrailBucketPolicy is the policy that AWS documents for a log bucket of one trail.
func CloudTrailBucketPolicy(bucket, trailARN string) string {
	return bucketPolicy(bucket, trailARN, "")
}

// CloudTrailOrganizationBucketPolicy is the policy that AWS documents for a log bucket of an organization's trail.
func CloudTrailOrganizationBucketPolicy(bucket, trailARN, organization string) string {
	return bucketPolicy(bucket, trailARN, organization)
}

func bucketPolicy(bucket, trailARN, organization string) string {
	part := strings.Split(trailARN, ":")
	if len(part) < 6 {
		return ""
	}
	service := jsonObject{"Service": "cloudtrail.amazonaws.com"}
	write := func(sid, folder string) jsonObject {
		return jsonObject{"Sid": sid, "Effect": "Allow", "Principal": service, "Action": "s3:PutObject",
			"Resource":  "arn:" + part[1] + ":s3:::" + bucket + "/AWSLogs/" + folder + "/*",
			"Condition": jsonObject{"StringEquals": jsonObject{"aws:SourceArn": trailARN, "s3:x-amz-acl": "bucket-owner-full-control"}}}
	}
	statements := []jsonObject{
		{"Sid": "AWSCloudTrailAclCheck", "Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl",
			"Resource": "arn:" + part[1] + ":s3:::" + bucket, "Condition": jsonObject{"StringEquals": jsonObject{"aws:SourceArn": trailARN}}},
		write("AWSCloudTrailWrite", part[4]),
	}
	if organization != "" {
		statements = append(statements, write("AWSCloudTrailOrganizationWrite", organization))
	}
	return string(mustMarshal(jsonObject{"Version": "2012-10-17", "Statement": statements}))
}

// CloudTrailTopicPolicy is the policy that AWS documents for the topic of a trail.
func CloudTrailTopicPolicy(topicARN, trailARN string) string {
	return string(mustMarshal(jsonObject{"Version": "2012-10-17", "Statement": []jsonObject{{
		"Sid": "AWSCloudTrailSNSPolicy", "Effect": "Allow", "Principal": jsonObject{"Service": "cloudtrail.amazonaws.com"},
		"Action": "SNS:Publish", "Resource": topicARN, "Condition": jsonObject{"StringEquals": jsonObject{"aws:SourceArn": trailARN}},
	}}}))
}

func ownAccount(account string) jsonObject {
	return jsonObject{"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": jsonObject{"AWS": account}, "Action": "kms:*", "Resource": "*"}
}

// keyPolicy is what a key gets that is made without a policy: CloudTrail may not use it.
func keyPolicy(account string) string {
	return string(mustMarshal(jsonObject{"Version": "2012-10-17", "Statement": []jsonObject{ownAccount(account)}}))
}

// CloudTrailKeyPolicy is the policy that AWS documents for a key of this account that encrypts the log files of a trail.
func CloudTrailKeyPolicy(account, trailARN string) string {
	service := jsonObject{"Service": "cloudtrail.amazonaws.com"}
	return string(mustMarshal(jsonObject{"Version": "2012-10-17", "Statement": []jsonObject{
		ownAccount(account),
		{"Sid": "Allow CloudTrail to encrypt logs", "Effect": "Allow", "Principal": service, "Action": "kms:GenerateDataKey*", "Resource": "*",
			"Condition": jsonObject{"StringLike": jsonObject{"aws:SourceArn": trailARN, "kms:EncryptionContext:aws:cloudtrail:arn": trailARN}}},
		{"Sid": "Allow CloudTrail to describe key", "Effect": "Allow", "Principal": service, "Action": "kms:DescribeKey", "Resource": "*"},
	}}))
}
