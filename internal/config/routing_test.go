package config

import (
	"strings"
	"testing"
)

func TestRoutingFaults(t *testing.T) {
	for text, want := range map[string]string{
		`{"routes":[{"channels":[]}]}`:                                                                         "a route needs a channel",
		`{"routes":[{"channels":["slak"]}]}`:                                                                   `did you mean "slack"?`,
		`{"routes":[{"severity":"hihg","channels":["sns"]}]}`:                                                  `"hihg" is not a severity`,
		`{"routes":[{"trail":"[","channels":["sns"]}]}`:                                                        "not a pattern",
		`{"routes":[{"accounts":["1"],"channels":["sns"]}]}`:                                                   "not an account id",
		`{"routes":[{"drill":"yes","channels":["sns"]}]}`:                                                      "says nothing about drills",
		`{"repeat_interval":"often"}`:                                                                          "not a duration",
		`{"escalation":[{"after":"0s","channels":["sns"]}]}`:                                                   "not after the one before",
		`{"escalation":[{"after":"5m","channels":["sns"]},{"after":"5m","channels":["sns"]}]}`:                 "not after the one before",
		`{"escalation":[{"after":"5m","channels":[]}]}`:                                                        "a step needs a channel",
		`{"maintenance":[{"from":"2026-12-01T20:00:00Z","until":"2026-12-01T20:00:00Z","who":"a","why":"b"}]}`: "ends before it begins",
		`{"maintenance":[{"from":"2026-12-01T20:00:00Z","until":"2027-12-01T20:00:00Z","who":"a","why":"b"}]}`: "more than 7 days",
		`{"maintenance":[{"from":"2026-12-01T20:00:00Z","until":"2026-12-01T21:00:00Z","who":"a"}]}`:           "wants a text",
		`{"route":[]}`: "unknown field",
		`{} {}`:        "something follows",
		`[`:            "cannot be read as JSON",
	} {
		if _, err := FromEnv([]string{"TRAILWARDEN_ROUTING=" + text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	c, err := FromEnv([]string{`TRAILWARDEN_ROUTING={"routes":[{"severity":"high","channels":["sns"]}]}`})
	if err != nil || c.Routing == nil || c.Routing.Routes[0].Severity != "high" {
		t.Errorf("%+v, %v", c.Routing, err)
	}
}
