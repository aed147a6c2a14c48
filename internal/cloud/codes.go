package cloud

import "github.com/trailwarden/trailwarden/internal/trail"

// codes has every error that CloudTrail's API model declares, and those that any service of AWS may answer
// with. A test holds it against the SDK's types: a code that a newer model adds fails the build.
var codes = map[string]trail.Class{
	"ConflictException":   trail.ClassRetry,
	"ThrottlingException": trail.ClassRetry,

	"OperationNotPermittedException": trail.ClassDenied,

	"ResourceNotFoundException": trail.ClassGone,
	"TrailNotFoundException":    trail.ClassGone,

	"CloudTrailARNInvalidException": trail.ClassWrongPlace,
	"InvalidHomeRegionException":    trail.ClassWrongPlace,
	"UnsupportedOperationException": trail.ClassWrongPlace,

	"CloudTrailAccessNotEnabledException":                    trail.ClassOrg,
	"InsufficientDependencyServiceAccessPermissionException": trail.ClassOrg,
	"InsufficientIAMAccessPermissionException":               trail.ClassOrg,
	"NoManagementAccountSLRExistsException":                  trail.ClassOrg,
	"NotOrganizationMasterAccountException":                  trail.ClassOrg,
	"OrganizationNotInAllFeaturesModeException":              trail.ClassOrg,
	"OrganizationsNotInUseException":                         trail.ClassOrg,

	"CloudTrailInvalidClientTokenIdException":    trail.ClassDependency,
	"CloudWatchLogsDeliveryUnavailableException": trail.ClassDependency,
	"InsufficientEncryptionPolicyException":      trail.ClassDependency,
	"InsufficientS3BucketPolicyException":        trail.ClassDependency,
	"InsufficientSnsTopicPolicyException":        trail.ClassDependency,
	"InvalidCloudWatchLogsLogGroupArnException":  trail.ClassDependency,
	"InvalidCloudWatchLogsRoleArnException":      trail.ClassDependency,
	"KmsException":                               trail.ClassDependency,
	"KmsKeyDisabledException":                    trail.ClassDependency,
	"KmsKeyNotFoundException":                    trail.ClassDependency,
	"S3BucketDoesNotExistException":              trail.ClassDependency,

	"TrailAlreadyExistsException": trail.ClassExists,

	"MaximumNumberOfTrailsExceededException": trail.ClassQuota,
	"TagsLimitExceededException":             trail.ClassQuota,

	"InsightNotEnabledException": trail.ClassEmpty,

	"ChannelARNInvalidException":             trail.ClassInput,
	"ChannelNotFoundException":               trail.ClassInput,
	"EventDataStoreARNInvalidException":      trail.ClassInput,
	"EventDataStoreNotFoundException":        trail.ClassInput,
	"InactiveEventDataStoreException":        trail.ClassInput,
	"InvalidEventCategoryException":          trail.ClassInput,
	"InvalidEventDataStoreCategoryException": trail.ClassInput,
	"InvalidEventDataStoreStatusException":   trail.ClassInput,
	"InvalidEventSelectorsException":         trail.ClassInput,
	"InvalidInsightSelectorsException":       trail.ClassInput,
	"InvalidKmsKeyIdException":               trail.ClassInput,
	"InvalidLookupAttributesException":       trail.ClassInput,
	"InvalidMaxResultsException":             trail.ClassInput,
	"InvalidNextTokenException":              trail.ClassInput,
	"InvalidParameterCombinationException":   trail.ClassInput,
	"InvalidParameterException":              trail.ClassInput,
	"InvalidS3BucketNameException":           trail.ClassInput,
	"InvalidS3PrefixException":               trail.ClassInput,
	"InvalidSnsTopicNameException":           trail.ClassInput,
	"InvalidTagParameterException":           trail.ClassInput,
	"InvalidTimeRangeException":              trail.ClassInput,
	"InvalidTokenException":                  trail.ClassInput,
	"InvalidTrailNameException":              trail.ClassInput,
	"ResourceTypeNotSupportedException":      trail.ClassInput,
	"TrailNotProvidedException":              trail.ClassInput,

	// Not declared by CloudTrail, yet they occur.
	"Throttling":                  trail.ClassRetry,
	"ThrottledException":          trail.ClassRetry,
	"TooManyRequestsException":    trail.ClassRetry,
	"RequestLimitExceeded":        trail.ClassRetry,
	"RequestThrottled":            trail.ClassRetry,
	"RequestThrottledException":   trail.ClassRetry,
	"SlowDown":                    trail.ClassRetry,
	"LimitExceededException":      trail.ClassRetry,
	"InternalFailure":             trail.ClassRetry,
	"InternalError":               trail.ClassRetry,
	"InternalServerError":         trail.ClassRetry,
	"ServiceUnavailable":          trail.ClassRetry,
	"ServiceUnavailableException": trail.ClassRetry,
	"RequestTimeout":              trail.ClassRetry,
	"RequestTimeoutException":     trail.ClassRetry,

	// Of Organizations.
	"AWSOrganizationsNotInUseException": trail.ClassEmpty,

	"AccessDenied":          trail.ClassDenied,
	"AccessDeniedException": trail.ClassDenied,
	"UnauthorizedOperation": trail.ClassDenied,
	"AuthorizationError":    trail.ClassDenied,

	"ExpiredToken":                        trail.ClassLogin,
	"ExpiredTokenException":               trail.ClassLogin,
	"UnrecognizedClientException":         trail.ClassLogin,
	"InvalidClientTokenId":                trail.ClassLogin,
	"InvalidAccessKeyId":                  trail.ClassLogin,
	"SignatureDoesNotMatch":               trail.ClassLogin,
	"InvalidSignatureException":           trail.ClassLogin,
	"IncompleteSignature":                 trail.ClassLogin,
	"IncompleteSignatureException":        trail.ClassLogin,
	"RequestExpired":                      trail.ClassLogin,
	"MissingAuthenticationToken":          trail.ClassLogin,
	"MissingAuthenticationTokenException": trail.ClassLogin,
	"NotAuthorized":                       trail.ClassLogin,
	"OptInRequired":                       trail.ClassLogin,
}
