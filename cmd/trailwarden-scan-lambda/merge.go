package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/archive/page"
	"github.com/trailwarden/trailwarden/internal/logfile"
)

// merge is the order to merge what the workers of a job found.
type merge struct {
	Job string  `json:"job"`
	Map mapping `json:"map"`
}

// mapping is what the Distributed Map says of itself: where it wrote what became of its children, or why it failed.
type mapping struct {
	ResultWriterDetails struct{ Bucket, Key string }
	Error, Cause        string
}

// merged is the answer: where the report is, and what is in it.
type merged struct {
	Report   string `json:"report"` // s3://…/report.html; report.json, findings.jsonl and merged.json are beside it
	Files    int64  `json:"files"`
	Records  int64  `json:"records"`
	Findings int    `json:"findings"`
	Windows  int    `json:"blind_windows"`
	Damaged  int    `json:"damaged"`     // files that could not be read as a whole; not those of Left
	Left     int    `json:"not_scanned"` // files that no worker came to
}

// merge reads the results of all workers, however many, and writes the report.
func (s *scanner) merge(ctx context.Context, m merge) (merged, error) {
	where, err := place(m.Job)
	if err != nil {
		return merged{}, err
	}
	known, parts, err := s.gather(ctx, where+"parts/")
	if err != nil {
		return merged{}, err
	}
	known = known.Merge(archive.LeftOut(s.lost(ctx, where, m.Map, parts)))
	report := archive.NewReport(known, archive.Query{})
	if err := s.publish(ctx, where, known, report); err != nil {
		return merged{}, err
	}
	answer := merged{Report: "s3://" + s.results + "/" + where + "report.html", Files: known.Files, Records: known.Records,
		Findings: len(report.Findings), Windows: len(report.Windows)}
	for _, d := range known.Damaged {
		if len(d.Faults) > 0 && d.Faults[0].Kind == archive.NotScanned {
			answer.Left++
		} else {
			answer.Damaged++
		}
	}
	s.log.Info("merged", "job", m.Job, "answer", answer)
	return answer, nil
}

// gather merges the results below a prefix; which there were is told by their keys.
func (s *scanner) gather(ctx context.Context, prefix string) (archive.Result, map[string]bool, error) {
	keys := map[string]bool{}
	var all archive.Merging
	var mu sync.Mutex
	var workers sync.WaitGroup
	todo := make(chan string)
	for range s.workers {
		workers.Go(func() {
			for key := range todo {
				part, err := s.part(ctx, key)
				known := part.Result()
				if err != nil {
					known = archive.Result{Damaged: []archive.Damage{{File: "s3://" + s.results + "/" + key,
						Faults: []logfile.Fault{{Kind: archive.NotScanned, Text: "the result of a worker cannot be read: " + err.Error()}}}}}
				}
				mu.Lock()
				all.Add(known)
				mu.Unlock()
			}
		})
	}
	err := s.store.List(ctx, s.results, prefix, func(o archive.Object) error {
		keys[o.Key] = true
		select {
		case todo <- o.Key:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(todo)
	workers.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return archive.Result{}, nil, fmt.Errorf("merge results: %w", err)
	}
	return all.Result(), keys, nil
}

// lost names the objects of batches that no worker wrote a result of: the Distributed Map lists their inputs.
func (s *scanner) lost(ctx context.Context, where string, m mapping, parts map[string]bool) []archive.Left {
	unknown := func(of, why string) []archive.Left {
		return []archive.Left{{File: of, Why: why + ": which objects were not scanned is unknown"}}
	}
	if m.Error != "" {
		return unknown("Distributed Map", clip(m.Error+": "+m.Cause))
	}
	manifest := m.ResultWriterDetails.Key
	var list struct {
		ResultFiles map[string][]struct{ Key string }
	}
	text, err := s.below(ctx, where, m.ResultWriterDetails.Bucket, manifest)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return unknown("Distributed Map", "its result "+manifest+" cannot be read: "+err.Error())
	}
	var left []archive.Left
	for _, status := range []string{"FAILED", "PENDING"} {
		for _, f := range list.ResultFiles[status] {
			var children []struct{ ExecutionArn, Input, Error, Cause string }
			text, err := s.below(ctx, where, s.results, f.Key)
			if err == nil {
				err = json.Unmarshal(text, &children)
			}
			if err != nil {
				left = append(left, unknown("Distributed Map", "its list "+f.Key+" cannot be read: "+err.Error())...)
				continue
			}
			for _, c := range children {
				left = append(left, s.lostBatch(c.ExecutionArn, c.Input, clip(strings.Trim(c.Error+": "+c.Cause, ": ")), parts)...)
			}
		}
	}
	return left
}

// lostBatch names the objects of one batch, unless an attempt at it wrote a result: that one names what it left.
func (s *scanner) lostBatch(arn, input, why string, parts map[string]bool) []archive.Left {
	var b batch
	err := json.Unmarshal([]byte(input), &b)
	var key string
	if err == nil {
		key, err = b.part()
	}
	objects, wrong := b.objects(s.logs)
	if err = errors.Join(err, wrong); err != nil {
		return []archive.Left{{File: arn, Why: "a batch failed, and its list of objects cannot be read: " + err.Error()}}
	}
	if parts[key] {
		return nil
	}
	if why == "" {
		why = "it never began"
	}
	var left []archive.Left
	for _, o := range objects {
		left = append(left, archive.Left{File: archive.Bucket{Name: s.logs}.NameOf(o), Why: "its worker failed: " + why})
	}
	return left
}

// below reads an object of the job's own.
func (s *scanner) below(ctx context.Context, where, bucket, key string) ([]byte, error) {
	if bucket != s.results || !strings.HasPrefix(key, where) {
		return nil, fmt.Errorf("s3://%s/%s is not of this job", bucket, key)
	}
	return s.read(ctx, key)
}

// publish writes the report, and what merging it with others needs.
func (s *scanner) publish(ctx context.Context, where string, known archive.Result, report archive.Report) error {
	unfinished := known.Unfinished()
	var html, document, lines, part bytes.Buffer
	if err := page.HTML(&html, report, unfinished); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	if err := page.Encode(&document, page.NewDocument(report, unfinished), "  "); err != nil {
		return err
	}
	for _, line := range page.Lines(report) {
		if err := page.Encode(&lines, line, ""); err != nil {
			return err
		}
	}
	if err := page.Encode(&part, archive.NewPart(known, nil), ""); err != nil {
		return err
	}
	for _, f := range []struct {
		name, contentType string
		data              []byte
	}{
		{"merged.json", "application/json", part.Bytes()},
		{"report.json", "application/json", document.Bytes()},
		{"findings.jsonl", "application/x-ndjson", lines.Bytes()},
		{"report.html", "text/html; charset=utf-8", html.Bytes()},
	} {
		if err := s.store.Write(ctx, s.results, where+f.name, f.contentType, f.data); err != nil {
			return err
		}
	}
	return nil
}

// clip shortens a text that others wrote.
func clip(s string) string {
	s = page.Plain(s)
	if r := []rune(s); len(r) > 300 {
		return string(r[:300]) + "…"
	}
	return s
}
