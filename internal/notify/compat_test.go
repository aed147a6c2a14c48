package notify

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// TestCompat2017Subjects holds the subject lines against the sample's code of 2017-06-08.
func TestCompat2017Subjects(t *testing.T) {
	for name, want := range map[string]string{
		"repaired":                `CloudTrail event- "StopLogging" received. Will automatically enable logging.`,
		"restored":                `CloudTrail event- "StopLogging" received. Will automatically enable logging.`,
		"failed":                  `CloudTrail event- "StopLogging" received. Will automatically enable logging.`,
		"confirmed":               `CloudTrail event- "StartLogging" received`,
		"noted_UpdateTrail":       `CloudTrail event- "UpdateTrail" received`,
		"noted_PutEventSelectors": `CloudTrail event- "PutEventSelectors" received`,
		// Where nothing is going to be started, nothing is promised.
		"attempted": `CloudTrail event- "StopLogging" received`,
		"observe":   `CloudTrail event- "StopLogging" received`,
		"open":      `CloudTrail event- "StopLogging" received`,
		"rejected":  `CloudTrail event- "StopLogging" received`,
		"hostile":   `CloudTrail event- "unknown" received`,
	} {
		subject, _, ok, err := Compat2017(samples()[name], 64<<10)
		if err != nil || !ok || subject != want {
			t.Errorf("%s: subject %q, %v, %v; want %q", name, subject, ok, err, want)
		}
	}
	watched := samples()["failed"]
	watched.Observe = true
	if subject, _, _, _ := Compat2017(watched, 64<<10); subject != `CloudTrail event- "StopLogging" received` {
		t.Errorf("who only observes promises %q", subject)
	}
	if _, _, ok, _ := Compat2017(samples()["sweep"], 64<<10); ok {
		t.Error("a sweep sends a mail that the sample never sent")
	}
}

// TestCompat2017Body sends the event as it came, and by allow-list when it did not come along or is too large.
func TestCompat2017Body(t *testing.T) {
	inc := samples()["repaired"]
	inc.Event = json.RawMessage(`{
	  "version": "0", "resources": [],
	  "detail": {"eventName": "StopLogging", "requestParameters": {"name": "org-trail"}, "userAgent": "a` + "\u202e" + `b", "big": 12345678901234567890}
	}`)
	_, body, _, err := Compat2017(inc, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"0","resources":[],"detail":{"eventName":"StopLogging","requestParameters":{"name":"org-trail"},"userAgent":"a\u202eb","big":12345678901234567890}}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}

	for name, event := range map[string]string{
		"no event":  "",
		"no JSON":   `{"version":`,
		"too large": `{"version":"` + strings.Repeat("0", 70000) + `"}`,
	} {
		inc.Event = json.RawMessage(event)
		_, body, _, err := Compat2017(inc, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		detail, _ := got["detail"].(map[string]any)
		parameters, _ := detail["requestParameters"].(map[string]any)
		if detail["eventName"] != "StopLogging" || parameters["name"] != orgTrail.String() {
			t.Errorf("%s: the sample's consumers find nothing in %s", name, body)
		}
		if _, ok := got["trailwarden"]; ok {
			t.Errorf("%s: the body has a member that the sample did not send", name)
		}
	}
}

// TestMachineKeepsTodaysConsumers reads what consumers of the sample's e-mail read: the name of the trail under the
// member that each call has for it.
func TestMachineKeepsTodaysConsumers(t *testing.T) {
	for _, c := range calls {
		doc, err := Machine(sampleOf(orgTrail, c.event), 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		if err := json.Unmarshal(doc, &m); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"AddTags": m.Detail.RequestParameters.ResourceID, "RemoveTags": m.Detail.RequestParameters.ResourceID,
			"PutEventSelectors": m.Detail.RequestParameters.TrailName, "PutInsightSelectors": m.Detail.RequestParameters.TrailName,
			"PutEventConfiguration": m.Detail.RequestParameters.TrailName,
		}
		if name, other := want[c.event]; other && name != orgTrail.String() || m.Detail.RequestParameters.Name != orgTrail.String() {
			t.Errorf("%s: request parameters %+v", c.event, m.Detail.RequestParameters)
		}
		if m.Detail.EventName != c.event || m.Detail.UserIdentity.ARN == "" || m.DetailType != "AWS API Call via CloudTrail" || m.Source != "aws.cloudtrail" {
			t.Errorf("%s: %+v", c.event, m.Event)
		}
	}
}

// TestMachineDoesNotLaunder: a record that was rejected as forged must not come out of our topic as CloudTrail's.
func TestMachineDoesNotLaunder(t *testing.T) {
	inc := with(sampleOf(orgTrail, "StopLogging"), func(inc *incident.Incident) { inc.Outcome = incident.Rejected })
	doc, err := Machine(inc, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	if m.Source != "trailwarden" || m.DetailType == "AWS API Call via CloudTrail" {
		t.Errorf("a rejected record goes out as %s of %s", m.DetailType, m.Source)
	}
}

// TestMachineCuts takes the largest texts and lists first, says so, and leaves the input alone.
func TestMachineCuts(t *testing.T) {
	inc := samples()["repaired"]
	inc.Actor.UserAgent, inc.Actor.Name = strings.Repeat("😀", 50000), "a"+strings.Repeat("😀", 50000)
	for range 3000 {
		inc.Drifts = append(inc.Drifts, incident.Drift{Field: "tags", Want: "a", Got: "b"})
	}
	doc, err := Machine(inc, 32<<10)
	if err != nil {
		t.Fatal(err)
	}
	checkJSON(t, doc, 32<<10)
	var m Message
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(m.Detail.UserAgent, "…[truncated, sha256 ") || !m.Trailwarden.Partial {
		t.Errorf("what was cut is not told: %.60s… partial %v", m.Detail.UserAgent, m.Trailwarden.Partial)
	}
	if strings.Contains(m.Detail.UserAgent+m.Detail.UserIdentity.UserName, "\ufffd") {
		t.Error("a text was cut within a character")
	}
	if m.Detail.UserIdentity.ARN != inc.Actor.ARN || m.Trailwarden.Reason != inc.Reason {
		t.Error("short texts were cut though long ones were there")
	}
	if len(inc.Drifts) != 3000 || len(inc.Actor.UserAgent) != 200000 {
		t.Error("the incident itself was changed")
	}
}
