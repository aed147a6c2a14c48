package event

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// checkFields holds Decode against encoding/json into map[string]any, which compares keys exactly.
// Whatever Decode refuses must have one of the faults that an independent look finds too.
func checkFields(t *testing.T, data []byte) {
	var doc map[string]any
	if json.Unmarshal(data, &doc) != nil || len(data) > 8<<10 {
		return
	}
	name, _ := doc["eventName"].(string)
	source, _ := doc["eventSource"].(string)
	if name == "" || source == "" || strings.Contains(string(data), `"aws:`) {
		return
	}
	records, bads := Decode(data)
	if len(records)+len(bads) != 1 {
		t.Fatalf("%d records, bads %v", len(records), bads)
	}
	faulty := hasDuplicateKeys(data) || !utf8.Valid(data) || strings.Contains(strings.ToLower(string(data)), `\ud`) || tooDeep(data)
	if len(bads) > 0 {
		if !faulty && !hasWrongType(doc) {
			t.Errorf("refused without a reason: %v\n%s", bads[0], data)
		}
		return
	}
	if hasDuplicateKeys(data) || !utf8.Valid(data) || tooDeep(data) {
		t.Errorf("accepted in spite of duplicate keys, invalid UTF-8 or depth:\n%s", data)
		return
	}
	text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
	object := func(m map[string]any, key string) map[string]any { o, _ := m[key].(map[string]any); return o }
	caller := object(doc, "userIdentity")
	want := []string{
		name, source, text(doc, "eventID"), text(doc, "eventVersion"), text(doc, "eventType"), text(doc, "awsRegion"), text(doc, "requestID"),
		text(doc, "sharedEventID"), text(doc, "errorCode"), text(doc, "errorMessage"), text(doc, "sourceIPAddress"),
		text(caller, "type"), text(caller, "arn"), text(caller, "accountId"), text(caller, "userName"), text(caller, "accessKeyId"), text(caller, "invokedBy"),
		text(object(object(caller, "sessionContext"), "sessionIssuer"), "arn"),
	}
	r := records[0]
	got := []string{
		r.Name, r.Source, r.ID, r.Version, r.Type, r.Region, r.RequestID,
		r.SharedID, r.ErrorCode, r.ErrorMessage, r.Actor.SourceIP,
		r.Actor.Type, r.Actor.ARN, r.Actor.Account, r.Actor.UserName, r.Actor.AccessKeyID, r.Actor.InvokedBy, r.Actor.Issuer,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-encoding/json +Decode):\n%s", diff)
	}
	for key, part := range map[string]json.RawMessage{"requestParameters": r.Request, "responseElements": r.Response} {
		var value any
		if part != nil && json.Unmarshal(part, &value) != nil {
			t.Errorf("%s is no JSON: %s", key, part)
		}
		if diff := cmp.Diff(doc[key], value); diff != "" {
			t.Errorf("%s (-encoding/json +Decode):\n%s", key, diff)
		}
	}
	if source == "cloudtrail.amazonaws.com" && r.Trail != "" && !r.TrailIsHint {
		p := object(doc, "requestParameters")
		if r.Trail != text(p, "name") && r.Trail != text(p, "trailName") && r.Trail != text(p, "resourceId") {
			t.Errorf("trail %q is not in %s", r.Trail, r.Request)
		}
	}
}

// hasDuplicateKeys looks for them with the tokens of encoding/json.
func hasDuplicateKeys(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	type level struct {
		keys   map[string]bool // nil in an array
		isName bool
	}
	var open []level
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			return true
		}
		if top := len(open) - 1; top >= 0 && open[top].keys != nil {
			if name, ok := token.(string); ok && open[top].isName {
				if open[top].keys[name] {
					return true
				}
				open[top].keys[name] = true
				open[top].isName = false
				continue
			}
			open[top].isName = true // after this value
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, isName: true})
		case json.Delim('['):
			open = append(open, level{})
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			if top := len(open) - 1; top >= 0 && open[top].keys != nil {
				open[top].isName = true
			}
		}
	}
}

func tooDeep(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > 64 {
				return true
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}

// hasWrongType says whether a member that Record has a place for is of none of the types it may have,
// or whether there are too many.
func hasWrongType(doc map[string]any) bool {
	wrong := len(doc) > 1000
	is := func(m map[string]any, key string, types string) {
		kind := "n"
		switch m[key].(type) {
		case string:
			kind = "s"
		case bool:
			kind = "b"
		case map[string]any:
			kind = "o"
		case []any:
			kind = "a"
		case float64:
			kind = "f"
		}
		wrong = wrong || kind != "n" && !strings.Contains(types, kind)
	}
	object := func(m map[string]any, key string) map[string]any {
		is(m, key, "o")
		o, _ := m[key].(map[string]any)
		return o
	}
	for _, key := range []string{"eventID", "eventVersion", "eventType", "awsRegion", "recipientAccountId", "requestID", "sharedEventID", "errorCode", "errorMessage", "sourceIPAddress", "eventTime"} {
		is(doc, key, "s")
	}
	if list, ok := doc["userAgent"].([]any); ok {
		for _, element := range list {
			if _, ok := element.(string); !ok {
				return true
			}
		}
	}
	is(doc, "userAgent", "sa")
	is(doc, "readOnly", "sb")
	is(doc, "sessionCredentialFromConsole", "sb")
	caller := object(doc, "userIdentity")
	for _, key := range []string{"type", "arn", "principalId", "accountId", "userName", "accessKeyId", "invokedBy"} {
		is(caller, key, "s")
	}
	session := object(caller, "sessionContext")
	is(object(session, "sessionIssuer"), "arn", "s")
	is(object(session, "attributes"), "mfaAuthenticated", "sb")
	if p, ok := doc["requestParameters"].(map[string]any); ok && doc["eventSource"] == "cloudtrail.amazonaws.com" {
		is(p, "name", "s")
		is(p, "trailName", "s")
		is(p, "resourceId", "s")
	}
	if when, _ := doc["eventTime"].(string); strings.ContainsAny(when, "0123456789") {
		at, err := time.Parse(time.RFC3339, when)
		wrong = wrong || err != nil || at.UTC().Year() < 0 || at.UTC().Year() > 9999
	}
	return wrong
}
