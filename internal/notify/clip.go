package notify

import (
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// clip copies an incident with keys masked, texts cut to text bytes and lists to list entries. Lists are
// never nil in it, and times are UTC, as the JSON of an incident has them. Partial says that a list was cut.
func clip(inc incident.Incident, text, list int) incident.Incident {
	c := clipper{text: text, list: list}
	c.texts(&inc.ID, &inc.Reason, &inc.Source)
	inc.Outcome, inc.Severity = incident.Outcome(c.cut(string(inc.Outcome))), incident.Severity(c.cut(string(inc.Severity)))
	c.texts(&inc.Trail.ARN, &inc.Trail.Name, &inc.Trail.Account, &inc.Trail.Region, &inc.Trail.Partition)
	inc.OpenedAt, inc.SeenAt, inc.RepairedAt = inc.OpenedAt.UTC(), inc.SeenAt.UTC(), utc(inc.RepairedAt)

	inc.Findings = few(&c, inc.Findings, func(f *incident.Finding) {
		c.texts(&f.Rule, &f.Title, &f.Attack, &f.Text)
		f.Severity = incident.Severity(c.cut(string(f.Severity)))
	})
	inc.Drifts = few(&c, inc.Drifts, func(d *incident.Drift) { c.texts(&d.Field, &d.Want, &d.Got) })
	inc.Actions = few(&c, inc.Actions, func(a *incident.Action) {
		c.texts(&a.Op, &a.Target, &a.RequestID, &a.Error)
		a.At = utc(a.At)
	})
	inc.NextSteps = few(&c, inc.NextSteps, func(s *incident.Step) { c.texts(&s.Text, &s.Command) })

	if inc.Record != nil {
		r := *inc.Record
		c.texts(&r.EventID, &r.EventName, &r.EventSource, &r.Account, &r.Region, &r.RequestID,
			&r.ErrorCode, &r.ErrorMessage, &r.DeliveryID)
		r.EventTime = r.EventTime.UTC()
		inc.Record = &r
	}
	if inc.Actor != nil {
		a := *inc.Actor
		c.texts(&a.Type, &a.ARN, &a.Account, &a.Name, &a.Issuer, &a.KeySuffix, &a.InvokedBy, &a.SourceIP, &a.UserAgent)
		inc.Actor = &a
	}
	if inc.Coverage != nil {
		cut := func(l *incident.Loss) { c.texts(&l.Name, &l.Of, &l.Text) }
		inc.Coverage = &incident.Coverage{Lost: few(&c, inc.Coverage.Lost, cut), Remaining: few(&c, inc.Coverage.Remaining, cut)}
	}
	if inc.BlindWindow != nil {
		b := *inc.BlindWindow
		c.texts(&b.Certainty)
		b.From, b.To = b.From.UTC(), utc(b.To)
		inc.BlindWindow = &b
	}
	c.life(&inc)
	inc.Partial = inc.Partial || c.dropped
	return inc
}

// life copies what is known of an incident's life where a ledger is kept. What was never there stays away.
func (c *clipper) life(inc *incident.Incident) {
	inc.Stage = incident.Stage(c.cut(string(inc.Stage)))
	c.texts(&inc.Contested, &inc.Warning)
	if inc.Tamperings != nil {
		inc.Tamperings = few(c, inc.Tamperings, func(t *incident.Tampering) {
			c.texts(&t.ID, &t.Rule, &t.EventID, &t.Event, &t.Principal)
			t.Outcome, t.At = incident.Outcome(c.cut(string(t.Outcome))), t.At.UTC()
			if t.BlindWindow != nil {
				b := *t.BlindWindow
				c.texts(&b.Certainty)
				b.From, b.To, t.BlindWindow = b.From.UTC(), utc(b.To), &b
			}
		})
	}
	if inc.Acknowledged != nil {
		a := *inc.Acknowledged
		c.texts(&a.By, &a.Note)
		a.At, inc.Acknowledged = a.At.UTC(), &a
	}
	if inc.Evidence != nil {
		e := *inc.Evidence
		c.texts(&e.Incomplete, &e.Unknown, &e.SHA256)
		e.From, e.To, e.ReadAt = e.From.UTC(), e.To.UTC(), e.ReadAt.UTC()
		text := func(s *string) { c.texts(s) }
		e.Principals = few(c, e.Principals, func(p *incident.Principal) {
			c.texts(&p.ARN)
			p.Names, p.IPs = few(c, p.Names, text), few(c, p.IPs, text)
		})
		inc.Evidence = &e
	}
	if inc.Ledger != nil {
		l := *inc.Ledger
		c.texts(&l.Chain, &l.Hash)
		inc.Ledger = &l
	}
}

type clipper struct {
	text, list int
	dropped    bool
}

func (c *clipper) cut(s string) string { return cut(s, c.text) }

func (c *clipper) texts(fields ...*string) {
	for _, s := range fields {
		*s = c.cut(*s)
	}
}

// few copies the first entries of a list, each cut by each.
func few[T any](c *clipper, list []T, each func(*T)) []T {
	if len(list) > c.list {
		list, c.dropped = list[:c.list], true
	}
	out := make([]T, len(list))
	for i := range list {
		out[i] = list[i]
		each(&out[i])
	}
	return out
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
