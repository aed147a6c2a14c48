// Package event says what happened: it decodes CloudTrail records, strictly, out of every envelope
// that carries them (EventBridge, SQS, SNS, log files, LookupEvents, CloudWatch Logs, JSON lines).
//
// A record is a hint to look at a trail. Every field of it is text that an attacker may have written:
// nothing in it is ever sent back to AWS, and whoever prints it must escape it.
package event

import (
	"encoding/json"
	"time"
)

// Record is one CloudTrail event, as AWS wrote it.
type Record struct {
	ID       string    // eventID
	Name     string    // eventName, such as "StopLogging"; eventType of Insights and aggregated events: they are no call
	Source   string    // eventSource, such as "cloudtrail.amazonaws.com"
	Version  string    // eventVersion, such as "1.11"
	Type     string    // eventType, such as "AwsApiCall"
	Region   string    // awsRegion; in anonymised copies any text
	Account  string    // recipientAccountId, else the carrier's account, else the caller's account
	Time     time.Time // eventTime, UTC; zero when absent or a placeholder without a digit ("...")
	ReadOnly bool      // readOnly; false when absent

	RequestID    string // requestID: equal to the request id that the caller's SDK saw
	SharedID     string // sharedEventID: joins the copies that two accounts receive of one call
	ErrorCode    string // errorCode; not empty means that the call was refused
	ErrorMessage string // errorMessage

	Actor Actor

	// Trail names the trail that the record is about, as the caller typed it: a bare name or an ARN.
	// It is empty when the record names none. Nothing says that it is a name that CloudTrail allows.
	Trail string
	// TrailIsHint is set when Trail was found in errorMessage because requestParameters was null.
	TrailIsHint bool

	Request  json.RawMessage // requestParameters; nil when null or absent
	Response json.RawMessage // responseElements; nil when null or absent

	Carrier Carrier
	Raw     json.RawMessage // the record itself, byte for byte as it stood in its carrier
}

// Succeeded says whether the call took effect, as far as the record tells.
func (r Record) Succeeded() bool { return r.ErrorCode == "" }

// Actor is who made the call, and from where.
type Actor struct {
	Type        string // userIdentity.type, such as "AssumedRole"; empty for service events
	ARN         string // userIdentity.arn
	PrincipalID string // userIdentity.principalId
	Account     string // userIdentity.accountId; may differ from the record's account
	UserName    string // userIdentity.userName
	OnBehalfOf  string // userIdentity.onBehalfOf.userId: all that an IAM Identity Center user is known by
	Issuer      string // userIdentity.sessionContext.sessionIssuer.arn: the role behind a session
	AccessKeyID string // userIdentity.accessKeyId; print at most its last four characters
	MFA         bool   // userIdentity.sessionContext.attributes.mfaAuthenticated
	Console     bool   // sessionCredentialFromConsole
	InvokedBy   string // userIdentity.invokedBy: the AWS service that called on somebody's behalf
	SourceIP    string // sourceIPAddress: an address or the name of an AWS service
	UserAgent   string // userAgent; the caller chooses it
}

// Kinds of carrier.
const (
	CarrierBare           = "bare"            // one record by itself
	CarrierArray          = "array"           // [record, …]
	CarrierLines          = "json_lines"      // one record or envelope a line
	CarrierLogFile        = "log_file"        // {"Records":[…]}, as CloudTrail writes to S3
	CarrierEventBridge    = "eventbridge"     // {"detail-type":…, "detail":{record}}
	CarrierLookupEvents   = "lookup_events"   // LookupEvents answer: CloudTrailEvent is a JSON string
	CarrierCloudWatchLogs = "cloudwatch_logs" // subscription: {"awslogs":{"data":base64(gzip)}}
)

// Carrier is the innermost envelope that a record came in, with what that envelope says of itself.
type Carrier struct {
	Kind       string
	Where      string          // path to the record within the input, such as "Records[3].body.detail"
	MessageID  string          // messageId of the outermost SQS message around it, however many envelopes out
	ID         string          // EventBridge: id of the delivery; two deliveries of one record differ in it
	Source     string          // EventBridge: source; "aws.cloudtrail" unless forged
	DetailType string          // EventBridge: detail-type
	Account    string          // EventBridge: account
	Region     string          // EventBridge: region
	Event      json.RawMessage // EventBridge: the whole event, as it came; nil if it is larger than 1 MiB or no UTF-8
}

// Bad is a piece of input that could not be decoded. It is reported and kept, never skipped in silence.
type Bad struct {
	Where     string // path to the piece or to the fault in it, with line and column if the syntax is wrong; ASCII
	Why       string // what is wrong with it, without a final dot; ASCII
	SHA256    string // hex digest of the piece
	Size      int    // its length in bytes
	Excerpt   string // its beginning, at most 1 KiB, escaped to printable ASCII
	MessageID string // messageId of the outermost SQS message around it
}

func (b Bad) Error() string { return b.Where + ": " + b.Why }
