package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// shape writes windows as lines, for tables.
func shape(all []Window) []string {
	var lines []string
	for _, w := range all {
		to := "open"
		if w.To != nil {
			to = w.To.UTC().Format("15:04")
		}
		lines = append(lines, fmt.Sprintf("%s %s %s-%s %s %s", w.Region, w.Trail.Name, w.From.UTC().Format("15:04"), to, w.Certainty, w.Sure))
	}
	return lines
}

func TestStops(t *testing.T) {
	denied := `"errorCode":"AccessDenied"`
	for _, c := range []struct {
		name    string
		records []string
		want    []string
	}{
		{"stop, start", []string{call("1", "StopLogging", at(0)), call("2", "StartLogging", at(10))}, []string{"eu-central-1 main 12:00-12:10 from_records high"}},
		{"in any order", []string{call("2", "StartLogging", at(10)), call("1", "StopLogging", at(0))}, []string{"eu-central-1 main 12:00-12:10 from_records high"}},
		{"stopped twice", []string{call("1", "StopLogging", at(0)), call("2", "StopLogging", at(5)), call("3", "StartLogging", at(9))}, []string{"eu-central-1 main 12:00-12:09 from_records high"}},
		{"deleted, made again, started", []string{call("1", "DeleteTrail", at(0)), call("2", "CreateTrail", at(3)), call("3", "StartLogging", at(4))}, []string{"eu-central-1 main 12:00-12:04 from_records high"}},
		{"never started", []string{call("1", "StopLogging", at(0)), call("2", "AddTags", at(30))}, []string{"eu-central-1 main 12:00-open from_records high"}},
		{"refused", []string{call("1", "StopLogging", at(0), denied), call("2", "StartLogging", at(10))}, nil},
		{"start refused", []string{call("1", "StopLogging", at(0)), call("2", "StartLogging", at(1), denied), call("3", "StartLogging", at(2))}, []string{"eu-central-1 main 12:00-12:02 from_records high"}},
		{"two trails", []string{call("1", "StopLogging", at(0)), strings.ReplaceAll(call("2", "StartLogging", at(1)), "main", "other"), call("3", "StartLogging", at(2))}, []string{"eu-central-1 main 12:00-12:02 from_records high"}},
		{"one trail by two names", []string{call("1", "StopLogging", at(0)),
			strings.ReplaceAll(call("2", "StartLogging", at(1)), `"main"`, `"arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"`)}, []string{"eu-central-1 main 12:00-12:01 from_records high"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := NewReport(scanned(t, tree{{"a.json", []byte(logText(c.records...))}}), Query{})
			if d := cmp.Diff(c.want, shape(report.Windows)); d != "" {
				t.Error(d)
			}
		})
	}
}

// delivered is a Region's log files, every five minutes from noon on, but for some minutes.
func delivered(region string, minutes int, missing func(minute int) bool) tree {
	var files tree
	for m := 0; m < minutes; m += 5 {
		if !missing(m) {
			files = append(files, memory{logName(region, at(m)), []byte(logText(call(fmt.Sprint(region, m), "s3.amazonaws.com:GetObject", at(m))))})
		}
	}
	return files
}

func between(from, to int) func(int) bool { return func(m int) bool { return m > from && m < to } }
func never(int) bool                      { return false }

func digests(hours int, missing func(hour int) bool) tree {
	var files tree
	for h := range hours {
		if !missing(h) {
			files = append(files, memory{digestName("main", at(60*h)), []byte(`{"digestStartTime":"x","logFiles":[]}`)})
		}
	}
	return files
}

// TestGaps: how sure a gap in the files is depends on what else tells of it.
func TestGaps(t *testing.T) {
	hole := between(300, 390)
	for _, c := range []struct {
		name  string
		files tree
		want  []string
	}{
		{"none", delivered("eu-central-1", 600, never), nil},
		{"one Region", delivered("eu-central-1", 600, hole), []string{"eu-central-1  17:00-18:30 from_files low"}},
		{"another Region delivers", slices.Concat(delivered("eu-central-1", 600, hole), delivered("us-east-1", 600, never)),
			[]string{"eu-central-1  17:00-18:30 from_files low"}},
		{"all Regions", slices.Concat(delivered("eu-central-1", 600, hole), delivered("us-east-1", 600, hole)),
			[]string{"eu-central-1  17:00-18:30 from_files medium", "us-east-1  17:00-18:30 from_files medium"}},
		{"digests say that it was quiet", slices.Concat(delivered("eu-central-1", 600, hole), digests(10, func(int) bool { return false })), nil},
		{"digests are missing too", slices.Concat(delivered("eu-central-1", 600, hole), digests(10, func(h int) bool { return h == 6 })),
			[]string{"eu-central-1  17:00-18:30 from_files high", "eu-central-1 main 17:00-18:00 from_files medium"}},
		{"records tell of it", append(delivered("eu-central-1", 600, hole), memory{"x.json", []byte(logText(call("1", "StopLogging", at(303)), call("2", "StartLogging", at(388))))}),
			[]string{"eu-central-1  17:00-18:30 from_files high", "eu-central-1 main 17:03-18:28 from_records high"}},
		{"a Region with a longer pause", delivered("eu-central-1", 1500, func(m int) bool { return m%30 != 0 || m == 600 || m == 630 }), nil},
		{"a quiet Region", delivered("eu-central-1", 3000, func(m int) bool { return m%150 != 0 }), nil},
		{"too few files to tell", delivered("eu-central-1", 600, func(m int) bool { return m > 20 && m < 590 }), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := NewReport(scanned(t, c.files), Query{})
			if d := cmp.Diff(c.want, shape(report.Windows)); d != "" {
				t.Errorf("%s\n%+v", d, report.Windows)
			}
		})
	}
}

func TestIncidents(t *testing.T) {
	report := NewReport(scanned(t, tree{{"a.json", []byte(logText(
		call("1", "UpdateTrail", at(0)), call("2", "StopLogging", at(5)), call("3", "AddTags", at(300)), call("4", "StartLogging", at(600)),
		call("5", "DeleteTrail", at(2000), `"errorCode":"AccessDenied"`),
		strings.ReplaceAll(call("6", "StopLogging", at(3)), `"main"`, `"other"`)))}}), Query{})
	type line struct {
		events  []string
		outcome incident.Outcome
		blind   bool
	}
	var got []line
	for _, i := range report.Incidents {
		got = append(got, line{i.Events, i.Outcome, i.Blind != nil})
	}
	want := []line{{[]string{"1", "2", "3", "4"}, incident.Restored, true}, {[]string{"6"}, incident.Open, true}, {[]string{"5"}, incident.Attempted, false}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(line{})); d != "" {
		t.Error(d)
	}
	if id := report.Incidents[0].ID; id != incident.ID("arn:aws:cloudtrail:eu-central-1:111122223333:trail/main", "1") {
		t.Errorf("the guard would have called this incident by another name than %s", id)
	}
}

// TestQuery: every filter leaves out what it should, and windows are found in all there is.
func TestQuery(t *testing.T) {
	all := scanned(t, tree{{"a.json", []byte(logText(call("1", "StopLogging", at(0)), call("2", "StartLogging", at(100)),
		strings.ReplaceAll(strings.ReplaceAll(call("3", "AddTags", at(50)), "mallory", "alice"), "eu-central-1", "us-east-1")))}})
	for _, c := range []struct {
		name    string
		query   Query
		events  string
		windows int
	}{
		{"all", Query{}, "1 3 2", 1},
		{"from", Query{From: at(50)}, "3 2", 1},
		{"to", Query{To: at(50)}, "1", 1},
		{"after it", Query{From: at(101)}, "", 0},
		{"account", Query{Accounts: []string{"999988887777"}}, "", 0},
		{"Region", Query{Regions: []string{"us-east-1"}}, "3", 0},
		{"principal", Query{Principals: []string{"USER/alice"}}, "3", 1},
		{"address", Query{Principals: []string{"203.0.113.7"}}, "1 3 2", 1},
		{"rule", Query{Rules: []string{"trail.stop"}}, "1", 1},
		{"family", Query{Rules: []string{"trail.tags"}}, "3", 1},
		{"severity", Query{Severity: incident.High}, "1", 1},
	} {
		report := NewReport(all, c.query)
		var events []string
		for _, f := range report.Findings {
			events = append(events, f.EventID)
		}
		if got := strings.Join(events, " "); got != c.events || len(report.Windows) != c.windows {
			t.Errorf("%s: findings %q, %d windows", c.name, got, len(report.Windows))
		}
	}
}

// TestActivity: who did what in the hours around a window; copies count once.
func TestActivity(t *testing.T) {
	files := tree{
		{logName("eu-central-1", at(-90)), []byte(logText(call("old", "s3.amazonaws.com:DeleteBucket", at(-91))))},
		{logName("eu-central-1", at(0)), []byte(logText(call("stop", "StopLogging", at(0)), call("b", "s3.amazonaws.com:PutObject", at(-5)), call("c", "s3.amazonaws.com:GetObject", at(-6), `"readOnly":true`)))},
		{logName("eu-central-1", at(5)), []byte(logText(call("b", "s3.amazonaws.com:PutObject", at(-5))))},
		{"other.json", []byte(logText(strings.ReplaceAll(call("d", "iam.amazonaws.com:CreateUser", at(20), `"errorCode":"AccessDenied"`), "mallory", "alice")))},
		{logName("eu-central-1", at(15)), []byte(logText(call("start", "StartLogging", at(10))))},
	}
	report := NewReport(scanned(t, files), Query{})
	if err := (Scan{Workers: 2}).Activity(t.Context(), files, &report); err != nil {
		t.Fatal(err)
	}
	want := []Principal{
		{Name: "arn:aws:iam::111122223333:user/mallory", Calls: 4, Writes: 3, First: at(-6), Last: at(10), Sources: []string{"203.0.113.7"},
			Names: []string{"PutObject", "StartLogging", "StopLogging", "GetObject"}, Tampered: true},
		{Name: "arn:aws:iam::111122223333:user/alice", Calls: 1, Writes: 1, Errors: 1, First: at(20), Last: at(20), Sources: []string{"203.0.113.7"}, Names: []string{"CreateUser"}},
	}
	if d := cmp.Diff(want, report.Windows[0].Activity); d != "" {
		t.Error(d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Scan{}).Activity(ctx, files, &report); err == nil {
		t.Error("it was ended, and says nothing of it")
	}
}
