package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/sim"
)

// view writes the demo as a timeline: one line for each thing that happens, in the order in which it does.
type view struct {
	w    io.Writer
	bold func(string) string

	stage *stage
	heard int // how many incidents were shown
}

// runDemo plays the whole attack and says whether every trail is logging at the end.
func runDemo(ctx context.Context, s *stage, w io.Writer, bold func(string) string) (well bool, err error) {
	v := &view{w: w, bold: bold, stage: s}
	v.intro()
	if err := s.play(ctx, v.act); err != nil {
		return false, err
	}
	if err := v.mail(); err != nil {
		return false, err
	}
	return v.table(), nil
}

func (v *view) line(at time.Time, who, what, note string) {
	fmt.Fprintf(v.w, "  %s  %-11s  %-24s %s\n", at.Format("15:04:05"), who, what, note)
}

func (v *view) intro() {
	fmt.Fprintf(v.w, "%s\n\n", v.bold("A simulated AWS, in this process. No account, no network."))
	fmt.Fprintf(v.w, "Trail main records everything that is done in account %s. trailwarden runs there as the\n"+
		"2017 AWS sample did: EventBridge rule, Lambda function, SNS topic. Somebody has stolen mallory's key.\n\n", demoAccount)
	fmt.Fprintf(v.w, "  %s\n", v.bold("UTC       who          does                     and so"))
}

// act shows what the attacker did and everything that came of it.
func (v *view) act(a act, at time.Time) error {
	v.line(at, v.bold("mallory    "), a.call, a.means)
	fresh := v.stage.heard[v.heard:]
	v.heard = len(v.stage.heard)
	if len(fresh) == 0 {
		return fmt.Errorf("nobody was told of %s", a.call)
	}
	for _, h := range fresh {
		v.incident(h, at)
	}
	fmt.Fprintln(v.w)
	return nil
}

func (v *view) incident(h heard, called time.Time) {
	inc := h.incident
	for _, action := range inc.Actions {
		if action.At != nil && inc.BlindWindow != nil && !inc.BlindWindow.Open {
			v.line(*action.At, v.bold("trailwarden"), action.Op+" "+inc.Trail.Name,
				v.bold(fmt.Sprintf("logging again, read back; blind for %s", seconds(inc.BlindWindow.Seconds))))
		}
	}
	if inc.Outcome == incident.Confirmed {
		v.line(h.at, "CloudTrail", "has recorded the repair", "incident "+inc.ID+" is confirmed")
		return
	}
	v.line(h.at, "trailwarden", "tells people", fmt.Sprintf("%s after the call; severity %s", seconds(h.at.Sub(called).Seconds()), inc.Severity))
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

// mail shows the two forms of the message about the stopped trail, as they arrive.
func (v *view) mail() error {
	for _, box := range []struct{ address, title string }{
		{demoReader, "The e-mail about the stopped trail, as it arrives"},
		{demoMachine, "The same, subscribed to as Email-JSON (its Message is a JSON document in a string)"},
	} {
		mail, ok := v.about("StopLogging", box.address)
		if !ok {
			return fmt.Errorf("no mail about StopLogging in the box of %s", box.address)
		}
		fmt.Fprintf(v.w, "%s\n\n", v.bold(box.title))
		fmt.Fprintf(v.w, "  From:    %s\n  To:      %s\n  Subject: %s\n\n", mail.From, mail.To, v.bold(mail.Subject))
		body := mail.Body
		var pretty bytes.Buffer
		if json.Indent(&pretty, []byte(body), "", "  ") == nil {
			body = pretty.String()
		}
		for line := range strings.Lines(strings.TrimRight(body, "\n") + "\n") {
			fmt.Fprint(v.w, fold(line, 110))
		}
		fmt.Fprintln(v.w)
	}
	return nil
}

// about finds the first mail that tells of a call. The prose names the incident, so that is what is looked for.
func (v *view) about(call, address string) (sim.Mail, bool) {
	for _, h := range v.stage.heard {
		if h.incident.Record == nil || h.incident.Record.EventName != call {
			continue
		}
		for _, m := range v.stage.world.Mailbox(address) {
			if strings.Contains(m.Body, h.incident.ID) {
				return m, true
			}
		}
	}
	return sim.Mail{}, false
}

// fold breaks a long line for reading, with a bar before it.
func fold(line string, width int) string {
	var b strings.Builder
	rest := []rune(strings.TrimRight(line, "\n"))
	for {
		n := min(width, len(rest))
		b.WriteString("  | " + string(rest[:n]) + "\n")
		if rest = rest[n:]; len(rest) == 0 {
			return b.String()
		}
	}
}

// table shows how every trail stands at the end.
func (v *view) table() (well bool) {
	well = true
	fmt.Fprintf(v.w, "%s\n\n", v.bold("How it stands"))
	t := tabwriter.NewWriter(v.w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  TRAIL\tREGION\tLOGGING\tBLIND FOR\tINCIDENTS\tREPAIRED")
	for _, x := range v.stage.world.Trails() {
		incidents, repaired, blind := 0, 0, 0.0
		for _, h := range v.stage.heard {
			if h.incident.Trail.ARN != x.ARN || h.incident.Outcome == incident.Confirmed {
				continue
			}
			incidents++
			if h.incident.Outcome == incident.Repaired {
				repaired++
				blind += h.incident.BlindWindow.Seconds
			}
		}
		logging := "yes"
		if !x.Logging {
			logging, well = "NO", false
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%d\n", x.Name, x.HomeRegion, logging, seconds(blind), incidents, repaired)
	}
	t.Flush()
	fmt.Fprintln(v.w)
	fmt.Fprintln(v.w, "The tags, selectors and validation of main stay changed: without a pinned baseline trailwarden tells of such")
	fmt.Fprintln(v.w, "changes and undoes none, as nobody has said what is wanted.")
	return well
}
