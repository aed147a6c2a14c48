package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/archive/page"
)

// shelf is two buckets in memory.
type shelf struct {
	mu      sync.Mutex
	objects map[string][]byte // by bucket/key
	denied  string            // a key that may not be read
}

func (s *shelf) List(_ context.Context, bucket, prefix string, yield func(archive.Object) error) error {
	s.mu.Lock()
	keys := slices.Sorted(maps.Keys(s.objects))
	s.mu.Unlock()
	for _, name := range keys {
		if key, ok := strings.CutPrefix(name, bucket+"/"); ok && strings.HasPrefix(key, prefix) {
			if err := yield(archive.Object{Key: key, Size: int64(len(s.objects[name]))}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) Read(ctx context.Context, bucket, key string) (archive.Content, error) {
	r, err := s.ReadRange(ctx, bucket, key, "", 0, 1<<40)
	return archive.Content{ReadCloser: r.ReadCloser, Size: r.Total}, err
}

func (s *shelf) ReadRange(ctx context.Context, bucket, key, _ string, from, to int64) (archive.Range, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.objects[bucket+"/"+key]
	switch {
	case ctx.Err() != nil:
		return archive.Range{}, ctx.Err()
	case !ok:
		return archive.Range{}, fmt.Errorf("read %s: %w", key, fs.ErrNotExist)
	case key == s.denied:
		return archive.Range{}, errors.New("access denied")
	}
	return archive.Range{ReadCloser: io.NopCloser(bytes.NewReader(data[from:min(to, int64(len(data)))])), ETag: "e", Total: int64(len(data))}, nil
}

func (s *shelf) Write(_ context.Context, bucket, key, _ string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[bucket+"/"+key] = data
	return nil
}

// logs is a bucket of public records, and of generated files as a trail delivers them: copies, a stop, a damaged file.
func logs(t testing.TB) *shelf {
	t.Helper()
	s := &shelf{objects: map[string][]byte{"logs/AWSLogs/readme.txt": []byte("no log")}}
	for _, root := range []string{"../../internal/event/testdata/real", "../../../shared/events"} {
		if _, err := os.Stat(root); err != nil {
			t.Logf("NOT PROVEN HERE: for the records of %s: %v", root, err)
			continue
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			s.objects["logs/AWSLogs/"+strings.Trim(path, "./")] = data
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for i := range 40 {
		at := begin.Add(time.Duration(i) * 5 * time.Minute)
		name := map[int]string{7: "StopLogging", 8: "StopLogging", 21: "StartLogging", 30: "DeleteTrail"}[i]
		text := fmt.Sprintf(`{"Records":[{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory"},"eventTime":%q,`+
			`"eventSource":"cloudtrail.amazonaws.com","eventName":%q,"awsRegion":"eu-central-1","requestParameters":{"name":"main"},"eventID":"id-%s","recipientAccountId":"111122223333"}]}`,
			begin.Add(time.Duration(i-i%2)*5*time.Minute).Format(time.RFC3339), max(name, "AddTags"), max(name, fmt.Sprint(i)))
		if i == 12 {
			text = text[:100]
		}
		if i > 15 && i < 20 {
			continue
		}
		s.objects[fmt.Sprintf("logs/AWSLogs/111122223333/CloudTrail/eu-central-1/111122223333_CloudTrail_eu-central-1_%s_%016x.json.gz", at.Format("20060102T1504Z"), i)] = packed(text)
		if i%12 == 0 {
			s.objects[fmt.Sprintf("logs/AWSLogs/111122223333/CloudTrail-Digest/111122223333_CloudTrail-Digest_eu-central-1_main_eu-central-1_%s.json.gz", at.Format("20060102T150405Z"))] =
				packed(`{"digestStartTime":"x"}`)
		}
	}
	return s
}

func packed(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func newScanner(s *shelf) *scanner {
	return &scanner{store: s, logs: "logs", results: "results", workers: 2, ahead: archive.NewAhead(1, 1000), log: slog.New(slog.DiscardHandler)}
}

func (s *shelf) items() []item {
	var all []item
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if key, ok := strings.CutPrefix(name, "logs/"); ok {
			all = append(all, item{Key: key, Size: text(fmt.Sprint(len(s.objects[name])))})
		}
	}
	return all
}

func (s *shelf) document(t require, key string, into any) {
	if err := json.Unmarshal(s.objects["results/"+key], into); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
}

type require interface{ Fatalf(string, ...any) }

// TestAnySplit: whatever the split into batches, their order, how many attempts each takes and whether one is made
// twice, the report is that of one process over the prefix; so is that of jobs that are merged with each other.
func TestAnySplit(t *testing.T) {
	world := logs(t)
	one, err := archive.Scan{Workers: 2}.Run(t.Context(), archive.Bucket{Store: world, Name: "logs", Prefix: "AWSLogs/"})
	if err != nil {
		t.Fatal(err)
	}
	if len(one.Findings) < 40 || len(one.Damaged) < 1 || len(one.Streams) < 2 || len(one.Chains) < 1 {
		t.Fatalf("the sample is too plain: %d findings, %d damaged, %d streams, %d chains", len(one.Findings), len(one.Damaged), len(one.Streams), len(one.Chains))
	}
	want := archive.NewReport(one, archive.Query{})
	items := world.items()
	numbers := make([]int, len(items)) // shorter to print than what they stand for
	for i := range numbers {
		numbers[i] = i
	}
	rapid.Check(t, func(t *rapid.T) {
		s := &shelf{objects: maps.Clone(world.objects)}
		w := newScanner(s)
		var rest []item
		for _, i := range rapid.Permutation(numbers).Draw(t, "order") {
			rest = append(rest, items[i])
		}
		jobs := []string{"first", "second"}[:rapid.IntRange(1, 2).Draw(t, "jobs")]
		for len(rest) > 0 {
			n := min(len(rest), rapid.IntRange(1, len(items)).Draw(t, "batch"))
			b := batch{Items: rest[:n]}
			b.BatchInput.Job = rapid.SampledFrom(jobs).Draw(t, "job")
			rest = rest[n:]
			for again := true; again; {
				ctx, cancel := context.WithCancel(context.Background())
				left := rapid.IntRange(-1, n).Draw(t, "files until the time is over; -1: never")
				if left >= 0 {
					w.store = ending{s, &left, cancel}
				} else {
					w.store = s
				}
				answer, err := w.scan(ctx, b)
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				again = answer.Left > 0 || rapid.IntRange(0, 3).Draw(t, "once more") == 0
			}
		}
		w.store = s
		var all archive.Result
		for _, job := range jobs {
			s.objects["results/runs/"+job+"/map/m/manifest.json"] = []byte(`{"ResultFiles":{"FAILED":[],"PENDING":[],"SUCCEEDED":[{"Key":"x"}]}}`)
			order := merge{Job: job}
			order.Map.ResultWriterDetails.Bucket, order.Map.ResultWriterDetails.Key = "results", "runs/"+job+"/map/m/manifest.json"
			if _, err := w.merge(context.Background(), order); err != nil {
				t.Fatal(err)
			}
			var part archive.Part
			s.document(t, "runs/"+job+"/merged.json", &part)
			all = all.Merge(part.Result())
		}
		if d := cmp.Diff(one, all, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("(-one process +workers)\n%s", d)
		}
		if len(jobs) == 1 {
			var got page.Document
			s.document(t, "runs/first/report.json", &got)
			if d := cmp.Diff(page.NewDocument(want, false), got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(archive.Report{}, "Deliveries")); d != "" {
				t.Fatalf("(-one process +workers)\n%s", d)
			}
		}
	})
}

// ending ends the time of a worker after a number of files.
type ending struct {
	*shelf
	left   *int
	cancel context.CancelFunc
}

func (e ending) Read(ctx context.Context, bucket, key string) (archive.Content, error) {
	return ended(e, bucket, func() (archive.Content, error) { return e.shelf.Read(ctx, bucket, key) })
}

func (e ending) ReadRange(ctx context.Context, bucket, key, etag string, from, to int64) (archive.Range, error) {
	return ended(e, bucket, func() (archive.Range, error) { return e.shelf.ReadRange(ctx, bucket, key, etag, from, to) })
}

func ended[T any](e ending, bucket string, read func() (T, error)) (T, error) {
	if bucket == "logs" {
		e.mu.Lock()
		if *e.left--; *e.left < 0 {
			e.cancel()
		}
		e.mu.Unlock()
	}
	return read()
}

// TestBadObjects: what a worker cannot read is named in its result, and costs nothing else.
func TestBadObjects(t *testing.T) {
	world := logs(t)
	items := append(world.items(), item{Key: "AWSLogs/gone.json", Size: "10"})
	world.denied = items[3].Key
	b := batch{Items: items}
	b.BatchInput.Job = "job"
	answer, err := newScanner(world).scan(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var part archive.Part
	world.document(t, answer.Part, &part)
	var named []string
	for _, d := range part.Known.Damaged {
		named = append(named, d.File+" "+d.Faults[0].Kind)
	}
	for _, want := range []string{"s3://logs/AWSLogs/gone.json unreadable", "s3://logs/" + world.denied + " unreadable"} {
		if !slices.Contains(named, want) {
			t.Errorf("%s is not named in %q", want, named)
		}
	}
	if answer.Left != 0 || answer.Findings < 40 {
		t.Errorf("%+v", answer)
	}
}

// TestLostBatches: what no worker came to is named in the report: from the list of failed children, or, where there is
// none, as unknown.
func TestLostBatches(t *testing.T) {
	world := logs(t)
	w := newScanner(world)
	items := world.items()
	batches := [3]batch{{Items: items[:10]}, {Items: items[10:20]}, {Items: items[20:]}}
	for i := range batches {
		batches[i].BatchInput.Job = "job"
	}
	for _, b := range batches[1:] {
		if _, err := w.scan(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	child := func(b batch) map[string]string {
		list := []map[string]any{}
		for _, i := range b.Items {
			list = append(list, map[string]any{"Key": i.Key, "Size": 10, "Etag": "x"})
		}
		input, _ := json.Marshal(map[string]any{"BatchInput": map[string]string{"job": "job", "since": ""}, "Items": list})
		return map[string]string{"ExecutionArn": "arn:aws:states:eu-central-1:111122223333:execution:x/y:1", "Input": string(input), "Status": "FAILED", "Error": "Lambda.Unknown", "Cause": "killed"}
	}
	// The second batch failed after it wrote its result: nothing of it is lost.
	failed, _ := json.Marshal([]any{child(batches[0]), child(batches[1]), map[string]string{"ExecutionArn": "arn:of-a-child", "Input": "{}"}})
	world.objects["results/runs/job/map/m/FAILED_0.json"] = failed
	world.objects["results/runs/job/map/m/manifest.json"] = []byte(`{"DestinationBucket":"results","ResultFiles":{"FAILED":[{"Key":"runs/job/map/m/FAILED_0.json","Size":1}],"PENDING":[],"SUCCEEDED":[]}}`)
	order := merge{Job: "job"}
	order.Map.ResultWriterDetails.Bucket, order.Map.ResultWriterDetails.Key = "results", "runs/job/map/m/manifest.json"
	answer, err := w.merge(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	var got page.Document
	world.document(t, "runs/job/report.json", &got)
	var named []string
	for _, d := range got.Damaged {
		if d.Faults[0].Kind == archive.NotScanned {
			named = append(named, d.File)
		}
	}
	want := []string{"arn:of-a-child"}
	for _, i := range items[:10] {
		if archive.MayHoldLogs(i.Key) {
			want = append(want, "s3://logs/"+i.Key)
		}
	}
	slices.Sort(want)
	if d := cmp.Diff(want, named); d != "" || !got.Partial || !got.Interrupted || answer.Left != len(want) {
		t.Errorf("partial %t, interrupted %t, answer %+v, named (-want +got):\n%s", got.Partial, got.Interrupted, answer, d)
	}
	if !bytes.Contains(world.objects["results/runs/job/report.html"], []byte("did not come to its end")) {
		t.Error("the page says nothing of it")
	}
	for name, m := range map[string]mapping{
		"the map failed": {Error: "States.ItemReaderFailed", Cause: "access denied"},
		"no list":        {},
		"another's list": {ResultWriterDetails: struct{ Bucket, Key string }{"results", "runs/other/map/manifest.json"}},
	} {
		if answer, err := w.merge(t.Context(), merge{Job: "job", Map: m}); err != nil || answer.Left != 1 {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
	}
}

// TestEvents: what cannot be meant is refused.
func TestEvents(t *testing.T) {
	for event, want := range map[string]string{
		`{}`: "neither",
		`{"BatchInput":{"job":"../x"},"Items":[]}`:                                   "execution name",
		`{"BatchInput":{"job":"x","since":"yesterday"},"Items":[]}`:                  "since",
		`{"BatchInput":{"job":"x"},"Items":[{"Key":"a.json","Bucket":"elsewhere"}]}`: "is not of bucket",
		`{"merge":{"job":"x"},"Items":[]}`:                                           "neither",
		`{"merge":{"job":""}}`:                                                       "execution name",
	} {
		if _, err := newScanner(logs(t)).invoke(t.Context(), json.RawMessage(event)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", event, err, want)
		}
	}
}

// TestInventoryRows: rows of an inventory are strings; only the newest versions of CloudTrail's files are read, and keys
// that are still encoded are found.
func TestInventoryRows(t *testing.T) {
	s := &shelf{objects: map[string][]byte{}}
	name := "111122223333_CloudTrail_eu-central-1_20260102T1200Z_0000000000000000.json.gz"
	s.objects["logs/of=us/"+name] = packed(`{"Records":[]}`)
	w := newScanner(s)
	out, err := w.invoke(t.Context(), json.RawMessage(fmt.Sprintf(`{"BatchInput":{"job":"x"},"Items":[
		{"Bucket":"logs","Key":"of%%3Dus/%[1]s","Size":"35","IsLatest":"true","IsDeleteMarker":"false"},
		{"Bucket":"logs","Key":"old/%[1]s","Size":"35","IsLatest":"false","IsDeleteMarker":"false"},
		{"Bucket":"logs","Key":"gone/%[1]s","Size":"","IsLatest":"true","IsDeleteMarker":"true"},
		{"Bucket":"logs","Key":"other.json.gz","Size":"35","IsLatest":"true","IsDeleteMarker":"false"}]}`, name)))
	if answer, ok := out.(scanned); err != nil || !ok || answer.Files != 1 || answer.Damaged != 0 || answer.Left != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}
