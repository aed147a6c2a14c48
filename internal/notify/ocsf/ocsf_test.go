package ocsf

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// TestGolden holds each step of a life against what was looked at, and against the schema.
func TestGolden(t *testing.T) {
	s := readSchema(t)
	for _, sample := range notifytest.Life() {
		t.Run(sample.Name, func(t *testing.T) {
			lines, err := Lines(sample.Incident, "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			for line := range bytes.Lines(lines) {
				s.check(t, line)
				if err := json.Indent(&pretty, line, "", "  "); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, sample.Name+".golden", pretty.Bytes())
		})
	}
}

// TestLife: a reader who keeps the last event of each finding knows how the incident stands.
func TestLife(t *testing.T) {
	type standing struct {
		Activity, Status int
		Alert            bool
		Repairs          []int // status of each Remediation Activity
	}
	got := map[string]standing{}
	uids := map[string]string{}
	for _, sample := range notifytest.Life()[:7] {
		events, err := Events(sample.Incident, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		var f Finding
		if err := json.Unmarshal(events[0], &f); err != nil {
			t.Fatal(err)
		}
		s := standing{Activity: f.ActivityID, Status: f.StatusID, Alert: f.IsAlert}
		for _, e := range events[1:] {
			var a Activity
			if err := json.Unmarshal(e, &a); err != nil {
				t.Fatal(err)
			}
			s.Repairs = append(s.Repairs, a.StatusID)
		}
		got[sample.Name] = s
		if f.Info.UID != sample.Incident.ID {
			t.Errorf("%s is another finding: %s", sample.Name, f.Info.UID)
		}
		if other, ok := uids[f.Metadata.UID]; ok {
			t.Errorf("%s has the event id of %s", sample.Name, other)
		}
		uids[f.Metadata.UID] = sample.Name
	}
	want := map[string]standing{
		"opened":       {1, 1, true, []int{2}},
		"repaired":     {1, 2, true, []int{1}},
		"evidence":     {2, 1, true, []int{1}},
		"again":        {2, 1, true, []int{1}},
		"escalated":    {2, 1, true, []int{2}},
		"acknowledged": {2, 2, true, []int{2}},
		"confirmed":    {3, 4, false, []int{1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHostile: whatever a record holds, the events fit the schema, keep their limit and give no secret away.
func TestHostile(t *testing.T) {
	s := readSchema(t)
	for name, inc := range notifytest.HostileIncidents() {
		lines, err := Lines(inc, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(lines) {
			if len(line) > Limit+1 {
				t.Errorf("%s: an event has %d bytes", name, len(line))
			}
			if err := notifytest.Visible(string(bytes.TrimSuffix(line, []byte("\n"))), false); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := notifytest.NoSecrets(string(line)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			s.check(t, line)
		}
	}
}

// TestManyActions: a thousand repair calls make no thousand events.
func TestManyActions(t *testing.T) {
	inc := notifytest.Repaired()
	for range 1000 {
		inc.Actions = append(inc.Actions, inc.Actions[0])
	}
	events, err := Events(inc, "1.0.0")
	if err != nil || len(events) != 51 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestNoCallNoActivity: what would have been called is no remediation.
func TestNoCallNoActivity(t *testing.T) {
	events, err := Events(notifytest.Observed(), "1.0.0")
	if err != nil || len(events) != 1 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); run go test -update and read it:\n%s", path, diff)
	}
}

// schema is testdata/required.json.
type schema struct {
	Classes map[string]string
	Objects map[string]struct {
		Members    map[string]member
		AtLeastOne []string `json:"at_least_one"`
	}
}

type member struct {
	Type, Object   string
	Required, List bool
	Enum           []float64
}

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("testdata/required.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// check holds one event against the schema.
func (s schema) check(t *testing.T, line []byte) {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal(line, &event); err != nil {
		t.Fatalf("%v: %.300s", err, line)
	}
	for _, wrong := range s.wrong("", s.Classes[fmt.Sprint(event["class_uid"])], event) {
		t.Errorf("%s in %.200s", wrong, line)
	}
	if got, want := event["type_uid"], event["class_uid"].(float64)*100+event["activity_id"].(float64); got != want {
		t.Errorf("type_uid is %v, want %v", got, want)
	}
}

func (s schema) wrong(path, object string, value any) (all []string) {
	o, ok := s.Objects[object]
	if !ok {
		return []string{path + " has the unknown shape " + object}
	}
	got, ok := value.(map[string]any)
	if !ok {
		return []string{path + " is no object"}
	}
	for name, m := range o.Members {
		if _, ok := got[name]; m.Required && !ok {
			all = append(all, path+"."+name+" is missing")
		}
	}
	if len(o.AtLeastOne) > 0 && !slices.ContainsFunc(o.AtLeastOne, func(name string) bool { _, ok := got[name]; return ok }) {
		all = append(all, fmt.Sprintf("%s has none of %v", path, o.AtLeastOne))
	}
	for name, v := range got {
		at := path + "." + name
		m, ok := o.Members[name]
		switch {
		case !ok:
			all = append(all, at+" is no member of "+object)
		case m.List:
			list, ok := v.([]any)
			if !ok {
				all = append(all, at+" is no list")
			}
			for i, item := range list {
				all = append(all, s.one(fmt.Sprintf("%s.%d", at, i), m, item)...)
			}
		default:
			all = append(all, s.one(at, m, v)...)
		}
	}
	return all
}

func (s schema) one(path string, m member, v any) []string {
	if m.Object != "" {
		return s.wrong(path, m.Object, v)
	}
	good := true
	switch m.Type {
	case "string":
		_, good = v.(string)
	case "boolean":
		_, good = v.(bool)
	case "integer", "timestamp":
		n, ok := v.(float64)
		good = ok && n == math.Trunc(n) && (m.Enum == nil || slices.Contains(m.Enum, n))
		if m.Type == "timestamp" {
			good = good && n > 1.7e12 // milliseconds of this time
		}
	case "ip":
		text, _ := v.(string)
		_, err := netip.ParseAddr(text)
		good = err == nil
	}
	if !good {
		return []string{fmt.Sprintf("%s is %v", path, v)}
	}
	return nil
}

// TestBadAddress: what is no address stands where services stand.
func TestBadAddress(t *testing.T) {
	for address, want := range map[string]Endpoint{
		"203.0.113.9":              {IP: "203.0.113.9"},
		"2001:db8::17":             {IP: "2001:db8::17"},
		"fe80::1%eth0":             {Service: "fe80::1%eth0"},
		"cloudformation.aws.local": {Service: "cloudformation.aws.local"},
	} {
		inc := notifytest.Repaired()
		inc.Actor = &incident.Actor{Type: "IAMUser", SourceIP: address}
		if e, _ := evidence(inc); *e.SrcEndpoint != want {
			t.Errorf("%s: %+v", address, *e.SrcEndpoint)
		}
	}
}

// FuzzEvents: whatever a record holds, the events fit the schema and give no secret away.
func FuzzEvents(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 2000)], byte(len(text)))
	}
	text, err := os.ReadFile("testdata/required.json")
	if err != nil {
		f.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		canary := notifytest.CanaryKey + " " + notifytest.CanaryToken + " "
		for _, inc := range []incident.Incident{
			notifytest.Filled(canary + text), notifytest.Believable(text+" "+canary, incident.Outcomes[int(outcome)%len(incident.Outcomes)]),
		} {
			lines, err := Lines(inc, "1.0.0")
			if err != nil {
				t.Fatal(err)
			}
			for line := range bytes.Lines(lines) {
				s.check(t, line)
				if err := notifytest.NoSecrets(string(line)); err != nil {
					t.Error(err)
				}
				if err := notifytest.Visible(string(bytes.TrimSuffix(line, []byte("\n"))), false); err != nil {
					t.Error(err)
				}
			}
		}
	})
}
