package event

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTraps are the traps in real records, by the names that the catalogue of tampering gives them.
// Those about comparing and judging (console-full-form, partial-update, selector-union, …) are the
// business of others: here their parameters must come through whole.
func TestTraps(t *testing.T) {
	call := func(name, parameters, rest string) string {
		return `{"eventVersion":"1.08","eventName":"` + name + `","eventSource":"cloudtrail.amazonaws.com","requestParameters":` + parameters + rest + `}`
	}
	const arn = "arn:aws:cloudtrail:us-east-1:111122223333:trail/main"
	denied := func(message string) string {
		return call("StopLogging", "null", `,"errorCode":"AccessDenied","errorMessage":`+quoted(message))
	}
	trail := func(r Record) string { return fmt.Sprintf("%s %t", r.Trail, r.TrailIsHint) }
	request := func(r Record) string { return string(r.Request) }
	account := func(r Record) string { return r.Account }
	when := func(r Record) string { return r.Time.Format(time.RFC3339Nano) }
	console := func(r Record) string { return fmt.Sprint(r.Actor.Console) }
	mfa := func(r Record) string { return fmt.Sprint(r.Actor.MFA) }
	session := func(mfa string) string {
		return record(`"userIdentity":{"sessionContext":{"attributes":{"mfaAuthenticated":` + mfa + `}}}`)
	}
	who := func(r Record) string {
		a := r.Actor
		return strings.Join([]string{a.Type, a.ARN, a.Account, a.UserName, a.InvokedBy}, "|")
	}
	identity := func(members string) string { return record(`"userIdentity":{` + members + `}`) }

	for _, c := range []struct {
		trap, what, input string
		field             func(Record) string
		want              string
	}{
		{"null-request-on-denied", "ARN in the message", denied("User: arn:aws:iam::111122223333:user/m is not authorized to perform: cloudtrail:StopLogging on resource: " + arn + " because no identity-based policy allows the cloudtrail:StopLogging action"), trail, arn + " true"},
		{"null-request-on-denied", "at the end of a sentence", denied("not authorized on resource: " + arn + "."), trail, arn + " true"},
		{"null-request-on-denied", "China", denied("on resource: arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/a.b_c-d with an explicit deny"), trail, "arn:aws-cn:cloudtrail:cn-north-1:111122223333:trail/a.b_c-d true"},
		{"null-request-on-denied", "GovCloud", denied("arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main"), trail, "arn:aws-us-gov:cloudtrail:us-gov-west-1:111122223333:trail/main true"},
		{"null-request-on-denied", "the first of two", denied(arn + " " + arn + "2"), trail, arn + " true"},
		{"null-request-on-denied", "no ARN", denied("Access denied"), trail, " false"},
		{"null-request-on-denied", "not a trail", denied("on resource: arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/x"), trail, " false"},
		{"null-request-on-denied", "requestParameters are there: they count", call("StopLogging", `{"name":"main"}`, `,"errorCode":"TrailNotFoundException","errorMessage":"Unknown trail: `+arn+`2"`), trail, "main false"},
		{"null-request-on-denied", "another service's denial", `{"eventName":"PutObject","eventSource":"s3.amazonaws.com","requestParameters":null,"errorMessage":"` + arn + `"}`, trail, " false"},

		{"name-or-arn", "bare name", call("StopLogging", `{"name":"main"}`, ""), trail, "main false"},
		{"name-or-arn", "ARN", call("StopLogging", `{"name":"`+arn+`"}`, ""), trail, arn + " false"},
		{"name-or-arn", "empty", call("StopLogging", `{"name":""}`, ""), trail, " false"},
		{"name-or-arn", "null", call("StopLogging", `{"name":null}`, ""), trail, " false"},

		{"trailName", "PutEventSelectors", call("PutEventSelectors", `{"trailName":"main","eventSelectors":[]}`, ""), trail, "main false"},
		{"trailName", "PutInsightSelectors", call("PutInsightSelectors", `{"trailName":"`+arn+`","insightSelectors":[]}`, ""), trail, arn + " false"},
		{"trailName", "AddTags", call("AddTags", `{"resourceId":"`+arn+`","tagsList":[]}`, ""), trail, arn + " false"},
		{"trailName", "RemoveTags", call("RemoveTags", `{"resourceId":"`+arn+`","tagsList":[]}`, ""), trail, arn + " false"},
		{"trailName", "RemoveTags with a version", call("RemoveTags20131101v2", `{"resourceId":"`+arn+`","tagsList":[]}`, ""), trail, arn + " false"},
		{"trailName", "RemoveTags of an event data store", call("RemoveTags", `{"resourceId":"arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/x"}`, ""), trail, " false"},
		{"trailName", "resourceId of another call", call("PutResourcePolicy", `{"resourceId":"x"}`, ""), trail, " false"},
		{"trailName", "ListTags reads", call("ListTags", `{"resourceIdList":["`+arn+`"]}`, ""), trail, " false"},
		{"trailName", "an event data store has a name too", call("CreateEventDataStore", `{"name":"lake"}`, ""), trail, " false"},
		{"trailName", "and so has a channel", call("UpdateChannel", `{"channel":"c","name":"main"}`, ""), trail, " false"},

		{"console-full-form", "all fields come through", call("UpdateTrail", `{"name":"main","snsTopicName":"","kmsKeyId":"","isMultiRegionTrail":true}`, ""), request, `{"name":"main","snsTopicName":"","kmsKeyId":"","isMultiRegionTrail":true}`},
		{"response-names", "the answer comes through", call("UpdateTrail", `{"name":"main"}`, `,"responseElements":{"trailARN":"`+arn+`"}`), func(r Record) string { return string(r.Response) }, `{"trailARN":"` + arn + `"}`},
		{"failed-attempts", "not succeeded", call("StopLogging", `{"name":"main"}`, `,"errorCode":"TrailNotFoundException"`), func(r Record) string { return fmt.Sprint(r.Succeeded()) }, "false"},
		{"self-traffic", "invokedBy", identity(`"type":"AWSService","invokedBy":"cloudtrail.amazonaws.com"`), who, "AWSService||||cloudtrail.amazonaws.com"},
		{"xml-shapes", "Host is a string or a list", record(`"requestParameters":{"Host":["a","b"],"lifecycle":"","acl":[""]}`), request, `{"Host":["a","b"],"lifecycle":"","acl":[""]}`},
		{"xml-shapes", "userAgent is a list", record(`"userAgent":["aws-cli","x"]`), func(r Record) string { return r.Actor.UserAgent }, "aws-cli x"},
		{"xml-shapes", "userAgent in brackets", record(`"userAgent":"[aws-cli]"`), func(r Record) string { return r.Actor.UserAgent }, "[aws-cli]"},

		{"types", "sessionCredentialFromConsole is a string", record(`"sessionCredentialFromConsole":"true"`), console, "true"},
		{"types", "sessionCredentialFromConsole is a boolean", record(`"sessionCredentialFromConsole":true`), console, "true"},
		{"types", "sessionCredentialFromConsole is absent", record(``), console, "false"},
		{"types", "mfaAuthenticated is a string", session(`"true"`), mfa, "true"},
		{"types", "mfaAuthenticated is a string that says no", session(`"false"`), mfa, "false"},
		{"types", "mfaAuthenticated is a boolean", session(`true`), mfa, "true"},
		{"types", "mfaAuthenticated is a placeholder", session(`"..."`), mfa, "false"},
		{"types", "readOnly is true", record(`"readOnly":true`), func(r Record) string { return fmt.Sprint(r.ReadOnly) }, "true"},
		{"types", "readOnly is absent up to 1.05", record(`"eventVersion":"1.05"`), func(r Record) string { return fmt.Sprint(r.ReadOnly) }, "false"},
		{"types", "recipientAccountId is absent: the bus knows", eventBridge(record(`"userIdentity":{"accountId":"999988887777"}`)), account, "111122223333"},
		{"types", "recipientAccountId is absent: the caller's", record(`"userIdentity":{"accountId":"999988887777"}`), account, "999988887777"},
		{"types", "eventVersion 1.0", record(`"eventVersion":"1.0"`), func(r Record) string { return r.Version }, "1.0"},

		{"identity", "root has no name", identity(`"type":"Root","arn":"arn:aws:iam::1:root","accountId":"1"`), who, "Root|arn:aws:iam::1:root|1||"},
		{"identity", "IAM user", identity(`"type":"IAMUser","userName":"m"`), who, "IAMUser|||m|"},
		{"identity", "another account", identity(`"type":"AWSAccount","accountId":"2"`), who, "AWSAccount||2||"},
		{"identity", "Identity Center", identity(`"type":"IdentityCenterUser","onBehalfOf":{"userId":"u"}`), who, "IdentityCenterUser||||"},
		{"identity", "Identity Center: the user", identity(`"type":"IdentityCenterUser","onBehalfOf":{"userId":"u","identityStoreArn":"x"}`), func(r Record) string { return r.Actor.OnBehalfOf }, "u"},
		{"identity", "federated", identity(`"type":"FederatedUser","sessionContext":{"sessionIssuer":{},"webIdFederationData":{}}`), who, "FederatedUser||||"},
		{"identity", "no type", identity(`"invokedBy":"x.amazonaws.com"`), who, "||||x.amazonaws.com"},
		{"identity", "null", record(`"userIdentity":null`), who, "||||"},
		{"identity", "null inside", identity(`"type":"Unknown","sessionContext":null,"accountId":null`), who, "Unknown||||"},

		{"anonymised-regions", "Region", record(`"awsRegion":"megov-westwest-1r","sourceIPAddress":"08.1.250.216"`), func(r Record) string { return r.Region + " " + r.Actor.SourceIP }, "megov-westwest-1r 08.1.250.216"},
		{"anonymised-regions", "accounts of 9 digits", record(`"recipientAccountId":"012345678"`), account, "012345678"},
		{"anonymised-regions", "accounts of 11 digits", record(`"recipientAccountId":"01234567890"`), account, "01234567890"},
		{"anonymised-regions", "accounts of 13 digits", record(`"recipientAccountId":"0123456789012"`), account, "0123456789012"},
		{"anonymised-regions", "trail in such a place", denied("on resource: arn:aws:cloudtrail:megov-westwest-1r:01234567890:trail/main because"), trail, "arn:aws:cloudtrail:megov-westwest-1r:01234567890:trail/main true"},
		{"hidden-values", "in the place of a trail", call("StopLogging", `{"name":"HIDDEN_DUE_TO_SECURITY_REASONS"}`, ""), trail, "HIDDEN_DUE_TO_SECURITY_REASONS false"},
		{"namesakes", "AddTags of another service", `{"eventName":"AddTags","eventSource":"elasticloadbalancing.amazonaws.com","requestParameters":{"resourceId":"x","name":"main"}}`, trail, " false"},
		{"versioned-names", "kept as written", `{"eventName":"UpdateFunctionCode20150331v2","eventSource":"lambda.amazonaws.com"}`, func(r Record) string { return r.Name }, "UpdateFunctionCode20150331v2"},

		{"envelopes", "padded eventTime", record(`"eventTime":"2024-11-25 17:51:21.000000000"`), when, "2024-11-25T17:51:21Z"},
		{"envelopes", "eventTime without a zone", record(`"eventTime":"2024-11-25T17:51:21"`), when, "2024-11-25T17:51:21Z"},
		{"envelopes", "eventTime with fraction and zone", record(`"eventTime":"2024-11-25T17:51:21.5+01:00"`), when, "2024-11-25T16:51:21.5Z"},
		{"envelopes", "eventTime is a placeholder", record(`"eventTime":"..."`), when, "0001-01-01T00:00:00Z"},
	} {
		t.Run(c.trap+"/"+c.what, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.field(one(t, c.input))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Duplicates and disorder (6,496 of 23,981 ids come twice in one set) come through as they stand:
// whoever remembers sorts them out.
func TestTrapDuplicatesAndDisorder(t *testing.T) {
	got, bads := Decode([]byte(records(stop, other, stop)))
	if diff := cmp.Diff([]string{"id-1", "id-2", "id-1"}, ids(got)); diff != "" || len(bads) > 0 {
		t.Errorf("bads %v, ids (-want +got):\n%s", bads, diff)
	}
}
