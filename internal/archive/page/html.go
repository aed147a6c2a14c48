package page

import (
	"bufio"
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// head is the page as far as <body>, with its styles.
//
//go:embed head.html
var head string

// mostRows is how many findings the page lists: it is for people.
const mostRows = 5000

// HTML writes one page that needs nothing else: no script, no font, no address. It says so when the scan did
// not come to its end.
func HTML(w io.Writer, r archive.Report, unfinished bool) error {
	m := markup{bufio.NewWriter(w)}
	m.raw(head, "<h1>What the log archive tells</h1>\n")
	m.element("p", "soft", fmt.Sprintf("%s to %s (UTC), %s records in %s files.",
		Time(r.Summary.From), Time(r.Summary.To), Thousands(r.Summary.Records), Thousands(r.Summary.Files)))
	if unfinished {
		m.element("p", "notice", "The scan did not come to its end: files are missing from this report.")
	}
	m.figures(r)
	if p := newPicture(r); p != nil {
		m.timeline(p)
	}
	m.windows(r.Windows)
	m.incidents(r.Incidents)
	m.findings(r.Findings)
	damaged := m.damaged(r.Damaged)
	if len(r.Windows)+len(r.Findings)+damaged == 0 {
		m.element("p", "", "Nothing was found: no tampering, no gap, no damaged file.")
	}
	m.raw("</body>\n</html>\n")
	return m.Flush()
}

// timeline draws the picture.
func (m markup) timeline(p *picture) {
	m.element("h2", "", "Timeline")
	fmt.Fprintf(m, `<svg viewBox="0 0 %d %d" role="img" aria-label="Timeline of blind windows and findings">`+"\n", p.Width, p.Height)
	for _, t := range p.Ticks {
		fmt.Fprintf(m, `<line class="grid" x1="%d" y1="18" x2="%[1]d" y2="%[2]d"/><text class="soft" x="%[1]d" y="%[3]d" text-anchor="middle">%[4]s</text>`, t.X, t.Bottom, t.TextY, escape(t.Text))
	}
	for _, l := range p.Lanes {
		fmt.Fprintf(m, `<text x="8" y="%d">%s</text><text class="soft" x="8" y="%d">%s</text><rect class="lane" x="%d" y="%d" width="%d" height="22" rx="3"/>`+"\n",
			l.TextY, escape(l.Name), l.SoftY, escape(l.Note), l.X, l.Y, l.Width)
		for _, d := range l.Delivered {
			fmt.Fprintf(m, `<rect class="delivered" x="%d" y="%d" width="%d" height="4"/>`, d.X, d.Y, d.Width)
		}
		for _, w := range l.Windows {
			fmt.Fprintf(m, `<rect class="w-%s" x="%d" y="%d" width="%d" height="16" rx="2"><title>%s</title></rect>`, escape(w.Class), w.X, w.Y, w.Width, escape(w.Text))
		}
		for _, d := range l.Dots {
			fmt.Fprintf(m, `<circle class="dot f-%s" cx="%d" cy="%d" r="5"><title>%s</title></circle>`, escape(d.Class), d.X, d.Y, escape(d.Text))
		}
		m.raw("\n")
	}
	m.raw("</svg>\n", `<p class="soft">Bars are blind windows: <span class="high">sure</span>, <span class="medium">likely</span>, `,
		`<span class="low">possible (a quiet time looks the same)</span>. Dots are findings by severity. `,
		`The thin line at the bottom of a lane is when log files were delivered.</p>`)
}

func (m markup) figures(r archive.Report) {
	figure := func(class, number, text string) {
		m.raw("<span>")
		m.element("b", class, number)
		m.raw(escape(text), "</span>\n")
	}
	when := func(class string, n int) string {
		if n == 0 {
			return ""
		}
		return class
	}
	m.raw(`<div class="figures">`, "\n")
	figure(when("high", len(r.Windows)), strconv.Itoa(len(r.Windows)), "blind windows")
	figure("", Length(r.Summary.BlindTime), "longest, by records")
	figure("", strconv.Itoa(len(r.Findings)), "findings")
	figure("", strconv.Itoa(len(r.Incidents)), "incidents")
	figure(when("medium", len(r.Damaged)), strconv.Itoa(len(r.Damaged)), "damaged files")
	m.raw("</div>\n")
}

func (m markup) windows(windows []archive.Window) {
	if len(windows) == 0 {
		return
	}
	m.element("h2", "", "Blind windows")
	rows := m.table("From", "To", "Length", "Sure", "Account", "Region", "Trail", "Why")
	for _, w := range windows {
		until := "still open"
		if w.To != nil {
			until = Time(*w.To)
		}
		why := ""
		for _, text := range w.Why {
			why += text + ". "
		}
		rows.row(whole(Time(w.From)), whole(until), whole(Length(w.Seconds)), graded(w.Sure), prose(w.Account),
			whole(w.Region), prose(nameOf(w)), prose(strings.TrimSpace(why)))
	}
	rows.end()
	for _, w := range windows {
		if len(w.Activity) == 0 {
			continue
		}
		m.element("h3", "", fmt.Sprintf("Who did what around %s, %s %s", Time(w.From), w.Region, nameOf(w)))
		rows := m.table("Principal", "Calls", "Writes", "Errors", "First", "Last", "Top calls", "Addresses")
		for _, a := range w.Activity {
			who := prose(a.Name)
			if a.Tampered {
				who.class = "high"
			}
			rows.row(who, number(a.Calls), number(a.Writes), number(a.Errors),
				whole(Time(a.First)), whole(Time(a.Last)), prose(strings.Join(a.Names, ", ")), prose(strings.Join(a.Sources, ", ")))
		}
		rows.end()
	}
}

// nameOf is the trail that a window is of; without one it was found by the files that are missing.
func nameOf(w archive.Window) string { return cmp.Or(w.Trail.Name, "(files)") }

func (m markup) incidents(incidents []archive.Incident) {
	if len(incidents) == 0 {
		return
	}
	m.element("h2", "", "Incidents")
	rows := m.table("From", "To", "Severity", "Trail", "Rules", "Actors", "Outcome", "Id")
	for _, i := range incidents {
		rows.row(whole(Time(i.From)), whole(Time(i.To)), graded(string(i.Severity)), prose(cmp.Or(i.Trail.Name, "-")),
			prose(strings.Join(i.Rules, ", ")), prose(strings.Join(i.Actors, ", ")), prose(string(i.Outcome)), whole(i.ID))
	}
	rows.end()
}

func (m markup) findings(findings []archive.Finding) {
	if len(findings) == 0 {
		return
	}
	m.element("h2", "", "Findings")
	rows := m.table("Time", "Severity", "Rule", "What", "Trail", "Region", "Actor", "Outcome", "File")
	for _, f := range findings[:min(mostRows, len(findings))] {
		name, address := Actor(f)
		rows.row(whole(Time(f.EventTime)), graded(string(f.Severity)), prose(f.Rule), prose(f.Text), prose(cmp.Or(f.Trail.Name, "-")),
			whole(f.Record.Region), cell{text: name, below: address}, prose(string(f.Outcome)), cell{class: "soft", text: f.File})
	}
	rows.end()
	if more := len(findings) - mostRows; more > 0 {
		m.element("p", "soft", fmt.Sprintf("And %d more: see -o json.", more))
	}
}

// damaged lists what is wrong with files, and returns how many things that are.
func (m markup) damaged(damaged []archive.Damage) (faults int) {
	for _, d := range damaged {
		faults += len(d.Faults)
	}
	if faults == 0 {
		return 0
	}
	m.element("h2", "", "Files that could not be read as a whole")
	rows := m.table("File", "What is wrong")
	for _, d := range damaged {
		for _, f := range d.Faults {
			rows.row(prose(d.File), prose(f.Kind+": "+f.Error()))
		}
	}
	rows.end()
	return faults
}
