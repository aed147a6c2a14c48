package event

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The real records are read where the project keeps them, beside this repository, or where
// TRAILWARDEN_EVENTS says. A few of them are copied into testdata for whoever has only the repository.
const copied = "testdata/real"

func realEvents(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("TRAILWARDEN_EVENTS")
	if dir == "" {
		dir = "../../../shared/events"
	} else if _, err := os.Stat(filepath.Join(dir, "MANIFEST.json")); err != nil {
		t.Fatalf("TRAILWARDEN_EVENTS: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "MANIFEST.json")); err != nil {
		t.Logf("ONLY THE COPIED RECORDS WERE READ: %s is not there (set TRAILWARDEN_EVENTS to read them all)", dir)
		return copied
	}
	return dir
}

type manifest struct {
	Files []struct {
		File, Source, Licence, Kind string
		Records                     int
	} `json:"files"`
}

func readManifest(t testing.TB, dir string) manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "MANIFEST.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// fact is what is known of a record without Decode.
type fact struct {
	ID, Name, Source, Region, Time, Trail string
	Caller, ErrorCode                     string
	Carried                               string // the record, compact
}

// factsOf reads a file of real records with nothing but encoding/json.
func factsOf(t testing.TB, data []byte) []fact {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var records []any
	switch {
	case doc["Records"] != nil:
		records = doc["Records"].([]any)
	case doc["detail"] != nil:
		records = []any{doc["detail"]}
	default:
		records = []any{doc}
	}
	var facts []fact
	for _, r := range records {
		facts = append(facts, factOf(r.(map[string]any)))
	}
	return facts
}

func factOf(r map[string]any) fact {
	text := func(m map[string]any, key string) string { s, _ := m[key].(string); return s }
	caller, _ := r["userIdentity"].(map[string]any)
	whole, _ := json.Marshal(r)
	f := fact{
		ID: text(r, "eventID"), Name: text(r, "eventName"), Source: text(r, "eventSource"), Region: text(r, "awsRegion"),
		Time: text(r, "eventTime"), Caller: text(caller, "arn"), ErrorCode: text(r, "errorCode"), Carried: string(whole),
	}
	if p, ok := r["requestParameters"].(map[string]any); ok && f.Source == "cloudtrail.amazonaws.com" {
		if f.Trail = text(p, "name"); f.Trail == "" {
			f.Trail = text(p, "trailName")
		}
	} else if f.Source == "cloudtrail.amazonaws.com" {
		_, after, _ := strings.Cut(text(r, "errorMessage"), "on resource: ")
		f.Trail, _, _ = strings.Cut(after, " because")
	}
	return f
}

func factOfRecord(t testing.TB, r Record) fact {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(r.Raw, &whole); err != nil {
		t.Fatalf("Raw is no JSON: %v", err)
	}
	again, _ := json.Marshal(whole)
	f := fact{
		ID: r.ID, Name: r.Name, Source: r.Source, Region: r.Region, Trail: r.Trail, Caller: r.Actor.ARN,
		ErrorCode: r.ErrorCode, Carried: string(again), Time: "...",
	}
	if !r.Time.IsZero() {
		f.Time = r.Time.Format("2006-01-02T15:04:05Z")
	}
	return f
}

func TestRealRecords(t *testing.T) {
	dir := realEvents(t)
	total := 0
	for _, file := range readManifest(t, dir).Files {
		t.Run(file.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, file.File))
			if err != nil {
				t.Fatal(err)
			}
			records, bads := Decode(data)
			for _, b := range bads {
				t.Errorf("bad: %v", b)
			}
			if len(records) != file.Records {
				t.Fatalf("%d records, the manifest says %d", len(records), file.Records)
			}
			var got []fact
			for _, r := range records {
				got = append(got, factOfRecord(t, r))
			}
			if diff := cmp.Diff(factsOf(t, data), got); diff != "" {
				t.Errorf("against encoding/json (-want +got):\n%s", diff)
			}
			total += len(records)
		})
	}
	t.Logf("%d records", total)
}

// What the copied files say never changes.
func TestTrailsOfCopiedRecords(t *testing.T) {
	got := map[string]int{}
	for _, file := range readManifest(t, copied).Files {
		data, err := os.ReadFile(filepath.Join(copied, file.File))
		if err != nil {
			t.Fatal(err)
		}
		records, _ := Decode(data)
		for _, r := range records {
			if r.Trail != "" {
				got[r.Name+" "+r.Trail]++
			}
			if hint := r.ErrorCode == "AccessDenied" && r.Trail != ""; hint != r.TrailIsHint {
				t.Errorf("%s of %s: TrailIsHint is %t", r.Name, r.Trail, r.TrailIsHint)
			}
		}
	}
	want := map[string]int{
		"CreateTrail stratus-red-team-ctes-trail-qyxyekjbtk": 1, "PutEventSelectors stratus-red-team-ctes-trail-qyxyekjbtk": 1,
		"StartLogging stratus-red-team-ctes-trail-qyxyekjbtk": 1, "GetEventSelectors stratus-red-team-ctlr-trail-zqfsvooxqj": 1,
		"StopLogging stratus-red-team-ct-stop-trail-buykxbqejv": 1, "StopLogging stratus-red-team-ct-stop-trail-qzbgnfqisx": 2,
		"StopLogging arn:aws:cloudtrail:us-east-1:192374575148:trail/TrailDiscover": 1,
		"StopLogging ...": 1, "UpdateTrail ...": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("trails that were named, by call (-want +got):\n%s", diff)
	}
}

// The copies are part of the repository: each must be named in NOTICE with where it comes from and
// under what licence.
func TestCopiedRecordsHaveTheirNotice(t *testing.T) {
	notice, err := os.ReadFile(filepath.Join(copied, "NOTICE"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range readManifest(t, copied).Files {
		_, entry, found := strings.Cut(string(notice), f.File+"\n")
		entry, _, _ = strings.Cut(entry, "\n\n")
		if !found || !strings.Contains(entry, "licence "+f.Licence) || !strings.Contains(entry, "commit ") {
			t.Errorf("NOTICE does not say where %s comes from", f.File)
		}
	}
}
