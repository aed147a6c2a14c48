package main

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/archive/page"
)

func scanResult(a *app, known archive.Result, r archive.Report, interrupted bool) result {
	lines := []any{} // not nil: none is an answer too
	for _, line := range page.Lines(r) {
		lines = append(lines, line)
	}
	return result{
		JSON:  page.NewDocument(r, interrupted),
		Lines: lines,
		Table: func(w io.Writer) { scanTable(a, w, r) },
		More: []format{
			{"csv", func(w io.Writer) error { return scanCSV(w, r) }},
			{"html", func(w io.Writer) error { return page.HTML(w, r, interrupted) }},
			{"part", func(w io.Writer) error {
				part := archive.NewPart(known, nil)
				part.Partial = part.Partial || interrupted
				return encode(w, part, "")
			}},
			{"ocsf", func(w io.Writer) error { return encode(w, ocsf(r), "  ") }},
		},
	}
}

// short, length, thousands and actor write what the page writes too.
func short(t time.Time) string                       { return page.Time(t) }
func length(seconds float64) string                  { return page.Length(seconds) }
func thousands(n int64) string                       { return page.Thousands(n) }
func actor(f archive.Finding) (name, address string) { return page.Actor(f) }

func scanTable(a *app, w io.Writer, r archive.Report) {
	title := func(s string) { fmt.Fprintf(w, "%s\n", a.paint(w, bold, s)) }
	if len(r.Windows) > 0 {
		title("BLIND WINDOWS")
		t := newTable(w, "FROM", "TO", "LENGTH", "SURE", "ACCOUNT", "REGION", "TRAIL", "WHY")
		for _, win := range r.Windows {
			to := "open"
			if win.To != nil {
				to = short(*win.To)
			}
			t.row(short(win.From), to, length(win.Seconds), win.Sure, win.Account, win.Region, cmp.Or(win.Trail.Name, "(files)"), strings.Join(win.Why, "; "))
		}
		t.end()
		for _, win := range r.Windows {
			if len(win.Activity) == 0 {
				continue
			}
			fmt.Fprintln(w)
			title(fmt.Sprintf("WHO DID WHAT AROUND %s, %s %s", short(win.From), plain(win.Region), plain(cmp.Or(win.Trail.Name, "(files)"))))
			t := newTable(w, "PRINCIPAL", "CALLS", "WRITES", "ERRORS", "FROM", "TO", "TOP CALLS", "ADDRESSES")
			for _, p := range win.Activity {
				name := p.Name
				if p.Tampered {
					name = "! " + name
				}
				t.row(name, strconv.Itoa(p.Calls), strconv.Itoa(p.Writes), strconv.Itoa(p.Errors), short(p.First), short(p.Last),
					strings.Join(p.Names, " "), strings.Join(p.Sources, " "))
			}
			t.end()
		}
		fmt.Fprintln(w)
	}
	if len(r.Findings) > 0 {
		title("FINDINGS")
		t := newTable(w, "TIME", "SEVERITY", "RULE", "EVENT", "TRAIL", "REGION", "ACTOR", "ADDRESS", "OUTCOME")
		for _, f := range r.Findings {
			name, address := actor(f)
			t.row(short(f.EventTime), string(f.Severity), f.Rule, f.EventName, cmp.Or(f.Trail.Name, "-"), f.Record.Region, name, address, string(f.Outcome))
		}
		t.end()
		fmt.Fprintln(w)
	}
	if len(r.Damaged) > 0 {
		title("FILES THAT COULD NOT BE READ AS A WHOLE")
		t := newTable(w, "FILE", "WHAT", "WHERE")
		for _, d := range r.Damaged {
			for _, f := range d.Faults {
				t.row(d.File, f.Kind+": "+f.Text, f.Where)
			}
			if d.Unlisted > 0 {
				t.row(d.File, fmt.Sprintf("and %d more", d.Unlisted), "")
			}
		}
		t.end()
		fmt.Fprintln(w)
	}
	s := r.Summary
	fmt.Fprintf(w, "%d findings, %d incidents, %d blind windows, %d damaged files; %s records in %s files", len(r.Findings), len(r.Incidents),
		len(r.Windows), len(r.Damaged), thousands(s.Records), thousands(s.Files))
	if s.Earlier > 0 {
		fmt.Fprintf(w, "; %s older files left out", thousands(s.Earlier))
	}
	fmt.Fprintln(w)
}

// scanCSV is one table of findings and windows.
func scanCSV(w io.Writer, r archive.Report) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"kind", "time", "to", "seconds", "severity", "rule", "event_name", "event_id", "account", "region", "trail", "actor",
		"source_ip", "outcome", "certainty", "sure", "file", "text"}}
	for _, f := range r.Findings {
		name, address := actor(f)
		rows = append(rows, []string{"finding", stampOf(f.EventTime), "", "", string(f.Severity), f.Rule, f.EventName, f.EventID, f.Account, f.Record.Region,
			cmp.Or(f.Trail.ARN, f.Trail.Name), name, address, string(f.Outcome), "", "", f.File, f.Text})
	}
	for _, win := range r.Windows {
		to := ""
		if win.To != nil {
			to = stampOf(*win.To)
		}
		rows = append(rows, []string{"blind_window", stampOf(win.From), to, strconv.FormatFloat(win.Seconds, 'f', -1, 64), "", "", "", "", win.Account,
			win.Region, cmp.Or(win.Trail.ARN, win.Trail.Name), "", "", "", win.Certainty, win.Sure, "", strings.Join(win.Why, "; ")})
	}
	for _, d := range r.Damaged {
		for _, f := range d.Faults {
			rows = append(rows, []string{"damaged", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", d.File, f.Kind + ": " + f.Error()})
		}
	}
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// cell makes text safe in a spreadsheet, which would take some for formulas.
func cell(s string) string {
	s = plain(s)
	if s != "" && strings.ContainsRune("=+-@\t\r|%", rune(s[0])) && s != "-" {
		return "'" + s
	}
	return s
}

// ocsf is the findings as Detection Finding events of the Open Cybersecurity Schema Framework, 1.3.
func ocsf(r archive.Report) []any {
	all := []any{}
	severities := map[string]int{"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
	for _, f := range r.Findings {
		id := severities[string(f.Severity)]
		status, statusID := "Success", 1
		if f.Attempt {
			status, statusID = "Failure", 2
		}
		name, address := actor(f)
		endpoint := map[string]any{"svc_name": address} // AWS's own calls have a name where others have an address
		if _, err := netip.ParseAddr(address); err == nil {
			endpoint = map[string]any{"ip": address}
		}
		called := map[string]any{"operation": f.EventName, "service": map[string]any{"name": f.EventSource}}
		if f.RequestID != "" {
			called["request"] = map[string]any{"uid": f.RequestID}
		}
		if f.ErrorCode != "" {
			called["response"] = map[string]any{"error": f.ErrorCode}
		}
		all = append(all, map[string]any{
			"category_uid": 2, "category_name": "Findings", "class_uid": 2004, "class_name": "Detection Finding",
			"activity_id": 1, "activity_name": "Create", "type_uid": 200401,
			"time": f.EventTime.UnixMilli(), "time_dt": stampOf(f.EventTime),
			"severity_id": id, "severity": []string{"", "Informational", "Low", "Medium", "High", "Critical"}[id],
			"message": f.Text,
			"metadata": map[string]any{"version": "1.3.0", "uid": f.EventID, "profiles": []string{"cloud", "datetime"},
				"product": map[string]any{"name": "trailwarden", "vendor_name": "trailwarden", "version": buildInfo().Version}},
			"finding_info": map[string]any{"uid": f.EventID + "/" + f.Rule, "title": f.Title, "desc": f.Text, "types": append([]string{f.Rule}, f.Also...),
				"analytic": map[string]any{"uid": f.Rule, "name": f.Title, "type_id": 1, "type": "Rule"}, "attacks": attacks(f.Attack)},
			"cloud":     map[string]any{"provider": "AWS", "region": f.Record.Region, "account": map[string]any{"uid": f.Account, "type_id": 10, "type": "AWS Account"}},
			"resources": []any{map[string]any{"uid": cmp.Or(f.Trail.ARN, f.Trail.Name), "name": f.Trail.Name, "type": "AWS::CloudTrail::Trail", "region": f.Trail.Region}},
			"evidences": []any{map[string]any{
				"actor":        map[string]any{"user": map[string]any{"uid": name}},
				"api":          called,
				"src_endpoint": endpoint,
				"data":         map[string]any{"file": f.File, "where": f.Where, "event_status": status, "event_status_id": statusID},
			}},
			"status_id": 1, "status": "New",
		})
	}
	return all
}

func attacks(ids string) []any {
	all := []any{}
	for id := range strings.SplitSeq(ids, ", ") {
		technique, _, sub := strings.Cut(id, ".")
		if id == "" {
			continue
		}
		attack := map[string]any{"version": "15.1", "technique": map[string]any{"uid": technique}}
		if sub {
			attack["sub_technique"] = map[string]any{"uid": id}
		}
		all = append(all, attack)
	}
	return all
}
