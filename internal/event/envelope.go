package event

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// detailTypes are the EventBridge detail-types whose detail is a CloudTrail record.
var detailTypes = []string{
	"AWS API Call via CloudTrail",
	"AWS Service Event via CloudTrail",
	"AWS Insight via CloudTrail",
	"AWS Console Sign In via CloudTrail",
	"AWS Console Action via CloudTrail",
}

// lists are the members that hold a list of records or of envelopes, with the kind of carrier that
// makes of the object.
var lists = []struct{ key, kind string }{
	{"Records", CarrierLogFile}, // and the batches that Lambda gets
	{"Events", CarrierLookupEvents},
	{"logEvents", CarrierCloudWatchLogs},
}

// listKind is the kind of carrier that a list under this key makes of an object; "" if it is none.
func listKind(key []byte) string {
	for _, l := range lists {
		if string(key) == l.key {
			return l.kind
		}
	}
	return ""
}

// envelope tells what an object is by its keys, and decodes it. An object is a record if it has
// eventName and eventSource, whatever else it has: a record out of an envelope is then a record
// everywhere.
func (d *decoder) envelope(raw []byte, top []member, at spot) {
	var f *fault
	o := object{members: top, fault: &f}
	switch {
	case o.has("eventName") && o.has("eventSource") && !o.notification():
		d.record(raw, top, at)
	case o.has("detail-type"):
		d.eventBridge(raw, o, at)
	case o.is("eventSource", "aws:sqs") || o.has("body") && o.has("messageId"):
		d.sqs(raw, o, at)
	case o.has("Sns"):
		if inner, ok := d.inside(raw, o, "Sns", at); ok {
			at.where = at.where.join("Sns")
			d.sns(raw, inner, at)
		}
	case o.has("Type") && (o.has("Message") || o.has("TopicArn")):
		d.sns(raw, o, at)
	case o.has("CloudTrailEvent"):
		d.text(raw, o, "CloudTrailEvent", at, CarrierLookupEvents)
	case o.has("awslogs"):
		if inner, ok := d.inside(raw, o, "awslogs", at); ok {
			at.where = at.where.join("awslogs")
			d.text(raw, inner, "data", at, CarrierCloudWatchLogs)
		}
	case o.is("messageType", "CONTROL_MESSAGE"):
		// CloudWatch Logs asks whether we are there.
	case at.carrier.Kind == CarrierCloudWatchLogs && o.has("message"):
		d.text(raw, o, "message", at, CarrierCloudWatchLogs)
	default:
		for _, l := range lists {
			if o.has(l.key) {
				d.listOf(raw, o, l.key, l.kind, at)
				return
			}
		}
		d.other(raw, o, at)
	}
}

// inside is the object that is the member key.
func (d *decoder) inside(raw []byte, o object, key string, at spot) (object, bool) {
	var buf []member
	inner := o.object(key, &buf)
	if *o.fault != nil {
		d.bad(raw, at, *o.fault)
		return inner, false
	}
	inner.where = ""
	return inner, true
}

// listOf decodes the elements of the member key.
func (d *decoder) listOf(raw []byte, o object, key, carrier string, at spot) {
	value := o.find(key)
	if value == nil || value[0] != '[' {
		d.bad(raw, at, &fault{at: place(key), why: "is " + kind(o.raw(key)) + ", not an array"})
		return
	}
	at.where = at.where.join(place(key))
	d.list(value, at, carrier)
}

// text decodes the document inside the string key.
func (d *decoder) text(raw []byte, o object, key string, at spot, carrier string) {
	content := o.bytes(key)
	if *o.fault != nil {
		d.bad(raw, at, *o.fault)
		return
	}
	d.document(content, at.in(at.where.join(place(key)), carrier))
}

func (d *decoder) eventBridge(raw []byte, o object, at spot) {
	inner := at.in(at.where.join("detail"), CarrierEventBridge)
	inner.carrier.ID = o.text("id")
	inner.carrier.Source = o.text("source")
	inner.carrier.DetailType = o.text("detail-type")
	inner.carrier.Account = o.text("account")
	inner.carrier.Region = o.text("region")
	if len(raw) <= d.limits.record && utf8.Valid(raw) {
		inner.carrier.Event = raw
	}
	detail := o.find("detail")
	switch {
	case *o.fault != nil:
		d.bad(raw, at, *o.fault)
	case detail == nil:
		d.bad(raw, at, &fault{at: "detail", why: "is missing"})
	default:
		d.element(detail, inner)
	}
}

// sqs decodes a message of the batch that Lambda gets from a queue. Everything inside carries its id.
func (d *decoder) sqs(raw []byte, o object, at spot) {
	if d.messages == d.limits.messages {
		d.bad(raw, at, &fault{why: "more than " + strconv.Itoa(d.limits.messages) + " SQS messages"})
		return
	}
	d.messages++
	id := o.text("messageId")
	if at.carrier.MessageID == "" {
		at.carrier.MessageID = id
	}
	d.text(raw, o, "body", at, CarrierBare)
}

// sns decodes what SNS wraps around a message, unless raw delivery is on.
func (d *decoder) sns(raw []byte, o object, at spot) {
	switch what := o.text("Type"); what {
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		d.bad(raw, at, &fault{why: "SNS " + what + ": holds no record, and SubscribeURL is never fetched"})
	case "Notification", "":
		d.text(raw, o, "Message", at, CarrierBare)
	default:
		d.bad(raw, at, &fault{at: "Type", why: "is " + quote(what) + ", not an SNS notification"})
	}
}

// notification says whether the object is what Lambda gets from a source that is not CloudTrail. S3's
// has eventName and eventSource too.
func (o object) notification() bool {
	source := o.find("eventSource")
	return source != nil && strings.HasPrefix(string(source), `"aws:`)
}

// recordKeys are the keys by one of which an object was meant to be a record.
var recordKeys = []string{"eventName", "eventSource", "eventVersion", "eventID", "eventId", "eventTime", "userIdentity"}

// other decodes the records that have no eventName, and says what everything else is.
func (d *decoder) other(raw []byte, o object, at spot) {
	why := ""
	switch {
	case o.notification() && o.has("s3"):
		why = "S3 notification: names an object, holds no record"
	case o.notification():
		why = "Lambda event of " + quote(o.text("eventSource")) + ": of these only aws:sqs can hold records"
	case o.is("Event", "s3:TestEvent"):
		why = "S3 test notification: holds no record"
	case o.has("s3Bucket") && o.has("s3ObjectKey"):
		why = "CloudTrail delivery notification: names log files, holds no record"
	case o.has("digestStartTime"):
		why = "CloudTrail digest file: lists log files, holds no record"
	case at.carrier.Kind == CarrierEventBridge && !slices.Contains(detailTypes, at.carrier.DetailType):
		why = "detail-type " + quote(at.carrier.DetailType) + " is not CloudTrail's, and the detail is no CloudTrail record"
	case slices.ContainsFunc(recordKeys, o.has):
		d.record(raw, o.members, at)
		return
	case len(o.members) == 0:
		why = "empty object"
	default:
		why = "neither a CloudTrail record nor an envelope of one: its keys are " + o.names()
	}
	d.bad(raw, at, &fault{why: why})
}

// names lists the first keys of an object, for messages.
func (o object) names() string {
	const most = 6
	var names []string
	for i, m := range o.members {
		if i == most {
			names = append(names, "...")
			break
		}
		names = append(names, quote(string(m.key)))
	}
	return strings.Join(names, ", ")
}
