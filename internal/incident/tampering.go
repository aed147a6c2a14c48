package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// contest names who keeps undoing the repairs.
func (inc *Incident) contest() {
	last := inc.Tamperings[len(inc.Tamperings)-1]
	count, principals := 0, map[string]int{}
	for _, t := range inc.Tamperings {
		if last.At.Sub(t.At).Abs() <= contestedTime && t.Outcome != Attempted {
			count++
			principals[t.Principal]++
		}
	}
	if count < contestedCount {
		return
	}
	who, most := "somebody whom no record names", 0
	for _, t := range inc.Tamperings { // in order, so that equal counts name the first
		if n := principals[t.Principal]; n > most && t.Principal != "" {
			who, most = t.Principal, n
		}
	}
	if inc.Contested == "" {
		inc.Stage = StageEscalated
	}
	inc.Contested = fmt.Sprintf("%s has undone the repair again and again: %d times within %s. If this is a tool that manages the trail%s, two systems fight over it: "+
		"change what one of them wants, or approve the change in the baseline", who, max(most, count), contestedTime, inc.Actor.looksLike())
}

// looksLike says which tool an actor claims to be. That is a hint for people, and nothing follows from it: callers choose their user agent.
func (a *Actor) looksLike() string {
	if a == nil {
		return ""
	}
	for _, known := range []struct{ in, mark, name string }{
		{a.InvokedBy + " " + a.SourceIP, "config.amazonaws.com", "AWS Config"},
		{a.InvokedBy + " " + a.SourceIP, "controltower.amazonaws.com", "AWS Control Tower"},
		{a.InvokedBy + " " + a.SourceIP, "cloudformation.amazonaws.com", "AWS CloudFormation"},
		{a.InvokedBy + " " + a.SourceIP, "ssm.amazonaws.com", "an automation of AWS Systems Manager"},
		{a.UserAgent, "Terraform", "Terraform"},
		{a.UserAgent, "Pulumi", "Pulumi"},
		{a.UserAgent, "c7n", "Cloud Custodian"},
		{a.UserAgent, "trailwarden/", "another trailwarden"},
	} {
		if strings.Contains(known.in, known.mark) {
			return ", as it looks like " + known.name
		}
	}
	return ""
}

// shorten keeps the list of tamperings bounded. The first stays, the latest stay, and no principal and no rule goes
// unless it is listed again.
func (inc *Incident) shorten() {
	for i := 1; len(inc.Tamperings) > tamperingsKept && i < len(inc.Tamperings)-1; i++ {
		t := inc.Tamperings[i]
		again := slices.ContainsFunc(inc.Tamperings[i+1:], func(later Tampering) bool { return later.Rule == t.Rule && later.Principal == t.Principal })
		if again || len(inc.Tamperings) > 4*tamperingsKept {
			inc.Tamperings = slices.Delete(inc.Tamperings, i, i+1)
			i--
		}
	}
}

func tampering(inc Incident) Tampering {
	t := Tampering{ID: inc.ID, Rule: ruleOf(inc), At: inc.OpenedAt, Outcome: inc.Outcome, BlindWindow: inc.BlindWindow}
	if inc.Record != nil {
		t.EventID, t.Event = inc.Record.EventID, inc.Record.EventName
	}
	if inc.Actor != nil {
		t.Principal = inc.Actor.Principal()
	}
	return t
}

// lit brings blind windows that are open up to what next found: they end when the trail records again. A sweep that creates a deleted
// trail anew does not know since when it was gone, and has no window of its own.
func (inc *Incident) lit(next Incident) {
	end := next.SeenAt
	back := (next.Outcome == Repaired || next.Outcome == Restored) && !slices.ContainsFunc(next.Drifts, func(d Drift) bool {
		return d.Field == string(trail.FieldLogging) || d.Field == string(trail.FieldExists)
	})
	if back && next.RepairedAt != nil {
		end = *next.RepairedAt
	}
	until := func(w *BlindWindow) *BlindWindow {
		switch {
		case w == nil || !w.Open || end.Before(w.From):
			return w
		case back:
			return Window(w.From, end, end, w.Certainty)
		}
		return Window(w.From, time.Time{}, end, w.Certainty)
	}
	inc.BlindWindow = until(inc.BlindWindow)
	for i := range inc.Tamperings {
		inc.Tamperings[i].BlindWindow = until(inc.Tamperings[i].BlindWindow)
	}
}

// Principal is who it was, in one text.
func (a Actor) Principal() string {
	for _, text := range []string{a.ARN, a.Issuer, a.InvokedBy, a.Name, a.Account} {
		if text != "" {
			return text
		}
	}
	return a.Type
}

func ruleOf(inc Incident) string {
	if len(inc.Findings) == 0 {
		return ""
	}
	return inc.Findings[0].Rule
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// union is what is in either list, sorted; nil where there is nothing.
func union(a, b []string) []string {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return slices.Compact(all)
}
