package sns

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// TestLife: each step of a life is a message of its own: a FIFO topic drops none of them, subscriptions can choose
// among them, and subjects say what happened.
func TestLife(t *testing.T) {
	c, s := open(t, topic+".fifo")
	life := notifytest.Life()[:7]
	// The same trouble for the third and fourth time is news each time.
	for _, count := range []int{3, 4} {
		again := life[3]
		again.Name, again.Incident.Count = again.Name+string(rune('0'+count)), count
		life = append(life, again)
	}
	ids, groups, subjects := map[string]string{}, map[string]bool{}, strings.Builder{}
	for i, sample := range life {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		p := s.got[i]
		if other, ok := ids[p.deduplication]; ok {
			t.Errorf("SNS drops %s as a double of %s", sample.Name, other)
		}
		ids[p.deduplication], groups[p.group] = sample.Name, true
		if p.attributes["stage"] != string(sample.Incident.Stage) {
			t.Errorf("%s: attributes %v", sample.Name, p.attributes)
		}
		subjects.WriteString(sample.Name + ": " + p.subject + "\n")
		subjects.WriteString("  sms: " + p.forms["sms"] + "\n")
	}
	if len(groups) != 1 {
		t.Errorf("the life is in %d groups, and its order is lost", len(groups))
	}
	compare(t, "life.golden", subjects.String())
}

// TestRetry: the same message, sent again, is dropped by a FIFO topic.
func TestRetry(t *testing.T) {
	c, s := open(t, topic+".fifo")
	for range 2 {
		for _, sample := range notifytest.Life() {
			if err := c.Notify(t.Context(), sample.Incident); err != nil {
				t.Fatal(err)
			}
		}
	}
	half := len(s.got) / 2
	for i := range half {
		if s.got[i].deduplication != s.got[half+i].deduplication {
			t.Errorf("%s, sent again, is other news", notifytest.Life()[i].Name)
		}
	}
}

// TestCompat2017Life: what the sample of 2017 never told is told in our own form.
func TestCompat2017Life(t *testing.T) {
	c, s := open(t, topic)
	c.Compat2017 = true
	want := map[string]bool{"opened": true, "repaired": true, "again": true, "confirmed": true, "drill": true, "observed": true}
	for i, sample := range notifytest.Life() {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		if got := strings.HasPrefix(s.got[i].subject, "CloudTrail event- "); got != want[sample.Name] {
			t.Errorf("%s is told as %q", sample.Name, s.got[i].subject)
		}
	}
}

// TestRender: what is rendered is what is published.
func TestRender(t *testing.T) {
	c, s := open(t, topic+".fifo")
	inc := notifytest.Repaired()
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	doc, err := c.Render(inc)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		TopicArn, Subject, MessageGroupId, MessageDeduplicationId string
		MessageAttributes                                         map[string]string
		Message                                                   map[string]string
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	p := s.one(t)
	if got.TopicArn != p.topic || got.Subject != p.subject || got.MessageGroupId != p.group || got.MessageDeduplicationId != p.deduplication {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(p.forms, got.Message) + cmp.Diff(p.attributes, got.MessageAttributes); diff != "" {
		t.Error(diff)
	}
}

// TestHostile: SNS takes every message, and no secret is in it.
func TestHostile(t *testing.T) {
	c, s := open(t, topic+".fifo")
	for name, inc := range notifytest.HostileIncidents() {
		if err := c.Notify(t.Context(), inc); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p := s.got[len(s.got)-1]
		bad := []error{notifytest.Visible(p.subject, false), notifytest.Visible(p.forms["email"], true), notifytest.Visible(p.forms["sms"], false), notifytest.NoSecrets(p.message)}
		for _, form := range []string{"default", "sqs", "https"} {
			bad = append(bad, notifytest.Visible(p.forms[form], false))
		}
		if err := errors.Join(bad...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-file +now):\n%s", path, diff)
	}
}
