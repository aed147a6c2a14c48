package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// TestJSONIsWhatTheEnvironmentIs: every key reads alike from JSON and from the environment.
func TestJSONIsWhatTheEnvironmentIs(t *testing.T) {
	for _, k := range Keys {
		data, problem := k.Parse(k.Example)
		if k.Example == "" || problem != nil {
			data, problem = k.Parse(k.Default)
		}
		if problem != nil {
			t.Fatal(problem)
		}
		if _, none := data.(secret.Ref); none && data.(secret.Ref).Empty() {
			continue
		}
		value, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		document := `{"version":1,"` + k.Name + `":` + string(value) + `}`
		if k.Name == "version" {
			document = `{"version":1}`
		}
		want, err := Load(Layer{Values: []Value{{Key: k, Data: data}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(JSON("c.json", []byte(document)))
		if err != nil {
			t.Errorf("%s: %v", document, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Origins")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", document, diff)
		}
		if origin := got.Origins[k.Name].String(); origin != "file c.json" {
			t.Errorf("%s is of %q", k.Name, origin)
		}
	}
}

// TestBrokenJSON: whatever is wrong is said, no secret is in what is said, and what is good beside it counts.
func TestBrokenJSON(t *testing.T) {
	const good = `"notify.slack.channel":"C0123456789"`
	for name, test := range map[string]struct{ document, says string }{
		"empty":                {``, "cannot be read as JSON"},
		"a list":               {`[]`, "it is no object"},
		"YAML":                 {"version: 1\n", "cannot be read as JSON"},
		"cut off":              {`{"version":1,` + good + `,"repair_budget":`, "cannot be read as JSON"},
		"something behind":     {`{"version":1,` + good + `} {}`, "something follows"},
		"no version":           {`{` + good + `}`, `"version" is missing`},
		"of the future":        {`{"version":2,` + good + `}`, `"2" is not a version`},
		"an unknown key":       {`{"version":1,` + good + `,"notify.slak.channel":"C0123456789"}`, `did you mean "notify.slack.channel"?`},
		"a key in a section":   {`{"version":1,` + good + `,"notify":{"slack":{}}}`, `unknown key "notify"`},
		"set twice":            {`{"version":1,` + good + `,"notify.slack.channel":"C9999999999"}`, "set twice"},
		"nothing":              {`{"version":1,` + good + `,"anchor.bucket":null}`, "anchor.bucket: wants a text"},
		"a number for a text":  {`{"version":1,` + good + `,"anchor.bucket_owner":111122223333}`, "wants a text"},
		"a text for a number":  {`{"version":1,` + good + `,"repair_budget":"5"}`, "wants a whole number"},
		"a fraction":           {`{"version":1,` + good + `,"repair_budget":0.5}`, "is not a whole number"},
		"a text for a switch":  {`{"version":1,` + good + `,"notify.securityhub":"true"}`, "wants true or false"},
		"a number, a switch":   {`{"version":1,` + good + `,"notify.securityhub":2}`, "neither true nor false"},
		"a text for a list":    {`{"version":1,` + good + `,"evidence.regions":"us-east-1"}`, "wants a list"},
		"a bad item":           {`{"version":1,` + good + `,"evidence.regions":["us-east-1","mars"]}`, `"mars" is not the name of an AWS Region`},
		"a bad value":          {`{"version":1,` + good + `,"watch.heartbeat":"often"}`, `"often" is not a duration`},
		"routing as a text":    {`{"version":1,` + good + `,"routing":"{}"}`, "wants an object"},
		"routing, misspelt":    {`{"version":1,` + good + `,"routing":{"route":[]}}`, "unknown field"},
		"routing to nobody":    {`{"version":1,` + good + `,"routing":{"routes":[{"channels":["slak"]}]}}`, `did you mean "slack"?`},
		"a secret":             {`{"version":1,` + good + `,"notify.slack.bot_token":"xoxb-canary"}`, "a secret does not belong into this file"},
		"a secret in an array": {`{"version":1,` + good + `,"notify.slack.bot_token":["xoxb-canary"]}`, "wants a text"},
		"an empty secret":      {`{"version":1,` + good + `,"notify.slack.bot_token":""}`, "a secret does not belong into this file"},
	} {
		c, err := Load(JSON("c.json", []byte(test.document)))
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "file c.json: ") || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the secret is in %v", name, err)
		}
		if strings.Contains(test.document, good) && c.Notify.Slack.Channel != "C0123456789" {
			t.Errorf("%s: what is good beside it is lost: %q", name, c.Notify.Slack.Channel)
		}
	}
}

func TestJSONThatIsNotThere(t *testing.T) {
	if _, err := Load(ReadJSON(t.TempDir()+"/none.json", "none.json")); err == nil || !strings.Contains(err.Error(), "file none.json: ") {
		t.Error(err)
	}
}

// FuzzJSON: whatever the bytes are, there is an answer, and what it takes is what the table allows.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"version":1,"notify.slack.channel":"C0123456789","routing":{"routes":[{"channels":["sns"]}]}}`))
	f.Add([]byte(`{"version":1,"version":1}`))
	f.Add([]byte("\x00{\"a\":\xff}"))
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, v := range JSON("c.json", document).Values {
			if text, is := v.Data.(string); is {
				if problem := v.Key.Verify(text); problem != nil {
					t.Errorf("%q: %v", document, problem)
				}
			}
			if ref, is := v.Data.(secret.Ref); is {
				if _, here := ref.Here(); here || ref.Empty() {
					t.Errorf("%q gives a secret", document)
				}
			}
		}
	})
}
