package route

import (
	"slices"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var all = []string{"mail", "chat", "pager"}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func told(targets []Target) (names []string) {
	for _, t := range targets {
		names = append(names, t.Channel)
	}
	return names
}

func TestTargets(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	with := func(change func(*incident.Incident)) incident.Incident {
		inc := notifytest.Failed() // trail org-trail in 123456789012, eu-west-1
		change(&inc)
		return inc
	}
	high := with(func(i *incident.Incident) { i.Severity = incident.High })
	critical := with(func(i *incident.Incident) { i.Severity = incident.Critical })
	own := func(rule string) incident.Incident {
		return with(func(i *incident.Incident) { i.Findings = []incident.Finding{{Rule: rule}}; i.Severity = incident.Info })
	}
	mail, chat := []string{"mail"}, []string{"chat"}
	open := Window{From: now.Add(-time.Hour), Until: now.Add(time.Hour), Channels: chat}
	for _, test := range []struct {
		name string
		plan Plan
		inc  incident.Incident
		want []string
	}{
		{"no routes: everybody", Plan{}, high, all},
		{"the first that fits", Plan{Rules: []Rule{{Channels: mail}, {Channels: chat}}}, high, mail},
		{"continue", Plan{Rules: []Rule{{Channels: mail, Continue: true}, {Channels: chat}}}, high, []string{"mail", "chat"}},
		{"severity, at least", Plan{Rules: []Rule{{Match: Match{Severity: incident.High}, Channels: mail}}}, critical, mail},
		{"severity, not reached", Plan{Rules: []Rule{{Match: Match{Severity: incident.Critical}, Channels: mail}, {Channels: chat}}}, high, chat},
		{"account", Plan{Rules: []Rule{{Match: Match{Accounts: []string{"123456789012"}}, Channels: mail}}}, high, mail},
		{"another account", Plan{Rules: []Rule{{Match: Match{Accounts: []string{"1"}}, Channels: mail}, {Channels: chat}}}, high, chat},
		{"Region", Plan{Rules: []Rule{{Match: Match{Regions: []string{"us-east-1"}}, Channels: mail}, {Channels: chat}}}, high, chat},
		{"trail by name", Plan{Rules: []Rule{{Match: Match{Trail: "org-*"}, Channels: mail}}}, high, mail},
		{"trail by ARN", Plan{Rules: []Rule{{Match: Match{Trail: "arn:*:trail/org-*"}, Channels: mail}}}, high, mail},
		{"rule", Plan{Rules: []Rule{{Match: Match{Rule: "bucket.*"}, Channels: mail}, {Channels: chat}}}, high, chat},
		{"drill only", Plan{Rules: []Rule{{Match: Match{Drill: yes()}, Channels: mail}, {Channels: chat}}}, high, chat},
		{"drill never", Plan{Rules: []Rule{{Match: Match{Drill: no()}, Channels: mail}, {Channels: chat}}}, high, mail},
		{"nothing fits: everybody", Plan{Rules: []Rule{{Match: Match{Accounts: []string{"1"}}, Channels: mail}}}, high, all},
		{"a channel that is off: everybody", Plan{Rules: []Rule{{Channels: []string{"fax"}}}}, high, all},
		{"a failing channel cannot be hidden", Plan{Rules: []Rule{{Channels: chat}}}, own("own.channel"), all},
		{"nor the heartbeat", Plan{Rules: []Rule{{Channels: chat}}}, own("own.heartbeat"), all},
		{"maintenance", Plan{Windows: []Window{open}}, critical, chat},
		{"maintenance that tells nobody", Plan{Windows: []Window{{From: open.From, Until: open.Until}}}, critical, nil},
		{"maintenance of another trail", Plan{Windows: []Window{{Match: Match{Trail: "x"}, From: open.From, Until: open.Until}}}, critical, all},
		{"maintenance that is over", Plan{Windows: []Window{{From: open.From, Until: now}}}, critical, all},
		{"maintenance hides no failing channel", Plan{Windows: []Window{open}}, own("own.channel"), all},
		{"escalated", Plan{Rules: []Rule{{Channels: mail}}, Steps: []Step{{Channels: []string{"pager"}}}},
			with(func(i *incident.Incident) { i.Alarm = &incident.Alarm{Escalated: 1} }), []string{"mail", "pager"}},
		{"escalated to more steps than there are", Plan{Rules: []Rule{{Channels: mail}}}, with(func(i *incident.Incident) { i.Alarm = &incident.Alarm{Escalated: 7} }), mail},
	} {
		test.plan.All = all
		if got := told(test.plan.Targets(test.inc, now)); !slices.Equal(got, test.want) {
			t.Errorf("%s: told %q, want %q", test.name, got, test.want)
		}
	}
	slow := Plan{All: all, Group: Group{Wait: time.Minute}}
	if g := slow.Targets(critical, now)[0].Group; g != (Group{}) {
		t.Errorf("what is critical waits %v", g)
	}
	if g := slow.Targets(high, now)[0].Group; g.Wait != time.Minute {
		t.Errorf("what is high waits %v", g)
	}
}

func TestDue(t *testing.T) {
	begin := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	plan := Plan{All: all, Repeat: time.Hour, Steps: []Step{{After: 15 * time.Minute, Channels: []string{"pager"}}, {After: 45 * time.Minute, Channels: []string{"chat"}}}}
	inc := notifytest.Failed()
	inc.SeenAt, inc.Severity = begin, incident.High
	var log []string
	for minute := range 180 {
		now := begin.Add(time.Duration(minute) * time.Minute)
		alarm, escalated, reminded := plan.Due(inc, now)
		if !escalated && !reminded {
			continue
		}
		inc.Alarm = &alarm
		what := "reminded"
		if escalated {
			what = "escalated"
		}
		log = append(log, now.Format("15:04 ")+what)
	}
	want := []string{"12:15 escalated", "12:45 escalated", "13:45 reminded", "14:45 reminded"}
	if !slices.Equal(log, want) {
		t.Errorf("%q, want %q", log, want)
	}
	late := begin.Add(100 * time.Hour)
	for name, change := range map[string]func(*incident.Incident){
		"acknowledged": func(i *incident.Incident) { i.Acknowledged = &incident.Ack{} },
		"well":         func(i *incident.Incident) { i.Outcome = incident.Repaired },
	} {
		changed := inc
		if change(&changed); due(plan, changed, late) {
			t.Errorf("%s: people are alarmed all the same", name)
		}
	}
	plan.Windows = []Window{{From: late.Add(-time.Hour), Until: late.Add(time.Hour)}}
	if due(plan, inc, late) || !due(plan, inc, late.Add(time.Hour)) {
		t.Error("maintenance puts the alarm off until its end")
	}
}

func due(p Plan, inc incident.Incident, now time.Time) bool {
	_, escalated, reminded := p.Due(inc, now)
	return escalated || reminded
}
