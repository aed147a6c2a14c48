package email

import (
	"bytes"
	"fmt"
	"net/mail"
	"regexp"
	"slices"

	gomail "github.com/wneessen/go-mail"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

var idForm = regexp.MustCompile(`^inc-[0-9a-f]{16}$`)

// message is the mail to one recipient. Nothing that a record can set gets into a header: the subject is of fixed words
// and checked parts, ids are our own hashes, and other values stand in lists of what they can be.
func (c *Channel) message(inc incident.Incident, to *mail.Address) (*gomail.Msg, error) {
	page := notify.PageOf(inc, c.Location)
	news := notify.Identity(inc)
	thread := "news-" + news
	if idForm.MatchString(inc.ID) {
		thread = inc.ID
	}
	at := "@" + domain(c.sender)

	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary("trailwarden-"+news))
	m.FromMailAddress(c.sender)
	m.ToMailAddress(to)
	m.Subject(page.Subject)
	m.SetDateWithValue(c.Now())
	m.SetMessageIDWithValue(thread + "." + news + at)
	// All messages refer to one that was never sent. So they are a thread whichever of them comes first, or gets lost.
	m.SetGenHeader(gomail.HeaderInReplyTo, "<"+thread+at+">")
	m.SetGenHeader(gomail.HeaderReferences, "<"+thread+at+">")
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("List-Id", "trailwarden <trailwarden."+domain(c.sender)+">")
	m.SetGenHeader("X-Mailer", "trailwarden")
	if inc.Severity.Rank() >= incident.High.Rank() && !notify.Ended(inc) {
		m.SetImportance(gomail.ImportanceHigh)
	}
	if idForm.MatchString(inc.ID) {
		m.SetGenHeader("X-Trailwarden-Incident", inc.ID)
	}
	if inc.Severity.Rank() >= 0 {
		m.SetGenHeader("X-Trailwarden-Severity", string(inc.Severity))
	}
	if slices.Contains(incident.Outcomes, inc.Outcome) {
		m.SetGenHeader("X-Trailwarden-Outcome", string(inc.Outcome))
	}
	if stage := notify.StageOf(inc); slices.Contains(incident.Stages, stage) {
		m.SetGenHeader("X-Trailwarden-Stage", string(stage))
	}
	if inc.Drill {
		m.SetGenHeader("X-Trailwarden-Drill", "true")
	}
	m.SetBodyString(gomail.TypeTextPlain, page.String())
	m.AddAlternativeString(gomail.TypeTextHTML, HTML(page, inc))
	return m, nil
}

// Render gives the mail to the first recipient as it is sent.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	m, err := c.message(inc, c.to[0])
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("write e-mail: %w", err)
	}
	return b.Bytes(), nil
}
