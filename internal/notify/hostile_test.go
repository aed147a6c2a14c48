package notify

import (
	"encoding/json"
	"net/mail"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

const (
	canaryKey   = notifytest.CanaryKey
	canaryToken = notifytest.CanaryToken
)

// hostileTexts is the one table of bad texts that every renderer has to take.
var hostileTexts = notifytest.Hostile

// filled sets every text of an incident to s. What a record cannot set stays as it is with keep.
func filled(s string) incident.Incident {
	inc := hostile(0)
	now := inc.SeenAt
	inc.ID, inc.Reason, inc.Source = s, s, s
	inc.Outcome, inc.Severity = incident.Outcome(s), incident.Severity(s)
	inc.Trail = incident.TrailRef{ARN: s, Name: s, Account: s, Region: s, Partition: s}
	inc.Findings = []incident.Finding{{Rule: s, Title: s, Severity: incident.Severity(s), Attack: s, Text: s}}
	inc.Drifts = []incident.Drift{{Field: s, Want: s, Got: s}}
	inc.Actions = []incident.Action{
		{Op: s, Target: s, At: &now, RequestID: s, Error: s}, {Op: s, Target: s, At: &now, RequestID: s}, {Op: s, Target: s},
	}
	inc.NextSteps = []incident.Step{{Text: s, Command: s}}
	*inc.Record = incident.Record{EventID: s, EventName: s, EventSource: s, EventTime: now, Account: s, Region: s,
		RequestID: s, ErrorCode: s, ErrorMessage: s, DeliveryID: s}
	*inc.Actor = incident.Actor{Type: s, ARN: s, Account: s, Name: s, Issuer: s, KeySuffix: s, InvokedBy: s, SourceIP: s, UserAgent: s}
	inc.BlindWindow.Certainty = s
	inc.Stage, inc.Contested, inc.Warning = incident.Stage(s), s, s
	inc.Tamperings = []incident.Tampering{{ID: s, Rule: s, At: now, EventID: s, Event: s, Principal: s, Outcome: incident.Outcome(s), BlindWindow: inc.BlindWindow}}
	inc.Acknowledged = &incident.Ack{By: s, At: now, Note: s}
	inc.Evidence = &incident.Evidence{From: now, To: now, ReadAt: now, Incomplete: s, Unknown: s, SHA256: s,
		Principals: []incident.Principal{{ARN: s, Names: []string{s, s}, IPs: []string{s}}}}
	inc.Ledger = &incident.LedgerHead{Chain: s, Hash: s}
	return inc
}

// believable is an incident of a real trail in which only the record's own texts are bad.
func believable(s string, outcome incident.Outcome) incident.Incident {
	inc := filled(s)
	inc.Trail, inc.ID = incident.RefOf(orgTrail), incident.ID(orgTrail.String(), s)
	inc.Outcome, inc.Severity, inc.Source = outcome, incident.Critical, "eventbridge"
	inc.Record.EventName = "StopLogging"
	return inc
}

func TestHostileTexts(t *testing.T) {
	// FAULTS G6.
	for name, text := range hostileTexts {
		t.Run(name, func(t *testing.T) {
			checkAll(t, filled(text))
			for _, outcome := range incident.Outcomes {
				checkAll(t, believable(text, outcome))
			}
		})
	}
	checkAll(t, hostile(20000))
}

// checkAll holds every form of an incident against what is promised of it.
func checkAll(t *testing.T, inc incident.Incident) {
	t.Helper()
	checkLine(t, "subject", Subject(inc), 99)
	checkLine(t, "short", Short(inc), 140)
	checkSubjectInMail(t, Subject(inc))
	checkProse(t, Prose(inc, berlin))
	const limit = 32 << 10
	machine, err := Machine(inc, limit)
	if err != nil {
		t.Fatal(err)
	}
	checkJSON(t, machine, limit)
	if _, body, ok, err := Compat2017(inc, limit); err != nil {
		t.Fatal(err)
	} else if ok {
		checkJSON(t, body, limit)
	}
}

func checkLine(t *testing.T, what, line string, limit int) {
	t.Helper()
	if len(line) > limit {
		t.Errorf("%s has %d characters, more than %d: %s", what, len(line), limit, line)
	}
	for _, r := range line {
		if r < ' ' || r > '~' || strings.ContainsRune("`^{}[]~|\\", r) {
			t.Errorf("%s holds %q: %s", what, r, line)
		}
	}
	if line == "" || !unicode.IsLetter(rune(line[0])) {
		t.Errorf("%s does not begin with a letter: %q", what, line)
	}
	checkSecrets(t, line)
}

// checkSubjectInMail sends the subject through a mail: it has to stay one line, and the only new header.
func checkSubjectInMail(t *testing.T, subject string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader("To: a@example.com\r\nSubject: " + subject + "\r\n\r\nbody"))
	if err != nil {
		t.Fatalf("mail with subject %q: %v", subject, err)
	}
	if got := m.Header.Get("Subject"); got != subject || len(m.Header) != 2 {
		t.Errorf("subject %q arrives as %q among %d headers", subject, got, len(m.Header))
	}
}

// headings are all lines that prose may have at the margin, by how they begin.
var headings = []string{
	"What was not recorded", "Who and from where", "What is not as wanted", "Still not as wanted",
	"What was done", "What to do next", "Where to look", "Details",
}

func checkProse(t *testing.T, prose string) {
	t.Helper()
	if !utf8.ValidString(prose) {
		t.Errorf("prose is not UTF-8")
	}
	if len(prose) > 48<<10 {
		t.Errorf("prose has %d bytes", len(prose))
	}
	checkVisible(t, prose, true)
	checkSecrets(t, prose)
	sections := strings.Split(prose, "\n\n")
	seen := map[string]int{}
	for _, section := range sections {
		first, _, _ := strings.Cut(section, "\n")
		for _, h := range headings {
			if strings.HasPrefix(first, h) {
				seen[h]++
			}
		}
	}
	for h, n := range seen {
		if n > 1 {
			t.Errorf("prose has the section %q %d times: a text forged one", h, n)
		}
	}
	for line := range strings.SplitSeq(prose, "\n") {
		copied := strings.Contains(line, "https://") || strings.HasPrefix(line, "     ") && utf8.RuneCountInString(line) <= 605
		if n := utf8.RuneCountInString(line); n > width && !copied && len(strings.Fields(line)) > 3 {
			t.Errorf("prose has a line of %d characters: %s", n, line)
		}
		// A link in the text is ours, or none.
		if strings.Contains(line, "://") && !strings.Contains(line, ".console.aws.amazon.com/") && !strings.HasPrefix(line, "     ") {
			t.Errorf("prose links to a place that a record chose: %s", line)
		}
	}
}

func checkVisible(t *testing.T, text string, newlines bool) {
	t.Helper()
	for i, r := range text {
		if r == '\n' && newlines {
			continue
		}
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point) ||
			unicode.Is(unicode.Zs, r) && r != ' ' {
			t.Fatalf("holds %U at byte %d: %q", r, i, text[max(0, i-20):min(len(text), i+20)])
		}
	}
}

func checkSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{canaryKey, canaryToken[:60]} {
		if strings.Contains(text, secret) {
			t.Errorf("holds a secret: %.200s", text)
		}
	}
}

func checkJSON(t *testing.T, doc []byte, limit int) {
	t.Helper()
	if len(doc) > limit {
		t.Errorf("document has %d bytes, more than %d", len(doc), limit)
	}
	if !utf8.Valid(doc) || !json.Valid(doc) {
		t.Fatalf("document is broken: %.300s", doc)
	}
	checkVisible(t, string(doc), false)
	checkSecrets(t, string(doc))
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"version", "id", "detail-type", "source", "account", "time", "region", "detail"} {
		if _, ok := members[name]; !ok {
			t.Errorf("document lacks %q", name)
		}
	}
}

func FuzzProse(f *testing.F) {
	// FAULTS G4.
	seed(f)
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		checkProse(t, Prose(filled(text), nil))
		checkProse(t, Prose(believable(text, pick(outcome)), berlin))
	})
}

func FuzzSubject(f *testing.F) {
	// FAULTS G3.
	seed(f)
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		for _, inc := range []incident.Incident{filled(text), believable(text, pick(outcome))} {
			checkLine(t, "subject", Subject(inc), 99)
			checkLine(t, "short", Short(inc), 140)
			checkSubjectInMail(t, Subject(inc))
		}
	})
}

func FuzzMachine(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		inc := believable(text, pick(outcome))
		machine, err := Machine(inc, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		checkJSON(t, machine, 64<<10)
		// What fits arrives as it was: escapes are JSON's, not ours.
		var got Message
		if err := json.Unmarshal(machine, &got); err != nil {
			t.Fatal(err)
		}
		if len(text) < 500 && utf8.ValidString(text) && mask(text) == text && got.Detail.UserAgent != text {
			t.Errorf("user agent %q arrives as %q", text, got.Detail.UserAgent)
		}
	})
}

func seed(f *testing.F) {
	for _, text := range hostileTexts {
		if len(text) > 5000 {
			text = text[:5000]
		}
		f.Add(text, byte(len(text)))
	}
}

func pick(b byte) incident.Outcome { return incident.Outcomes[int(b)%len(incident.Outcomes)] }
