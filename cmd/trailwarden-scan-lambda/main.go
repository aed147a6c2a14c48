// Command trailwarden-scan-lambda is the scanner of log archives as an AWS Lambda function (runtime
// provided.al2023), for a Distributed Map of Step Functions: many workers scan a list of objects each, and one
// merges what they found. deploy/scan has the template.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/s3store"
)

var version = "dev"

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", "trailwarden-scan", "version", version)
	s, err := build(context.Background(), os.Getenv)
	if err != nil {
		log.Error("nothing can be scanned", "error", err.Error())
		os.Exit(1)
	}
	s.log = log
	lambda.Start(s.invoke)
}

// scanner is one Lambda instance.
type scanner struct {
	store   store
	logs    string // the bucket of the log files: no event can name another
	results string // the bucket that results are written to, below runs/
	workers int
	ahead   *archive.Ahead
	log     *slog.Logger
}

// store is S3, as far as a scanner needs it.
type store interface {
	archive.Store
	archive.Ranges
	Write(ctx context.Context, bucket, key, contentType string, data []byte) error
}

// build reads the environment.
func build(ctx context.Context, environ func(string) string) (*scanner, error) {
	s := &scanner{logs: environ("TRAILWARDEN_SCAN_LOGS"), results: environ("TRAILWARDEN_SCAN_RESULTS"), workers: 16, ahead: archive.NewAhead(6, 4<<20)}
	if s.logs == "" || s.results == "" {
		return nil, errors.New("set TRAILWARDEN_SCAN_LOGS and TRAILWARDEN_SCAN_RESULTS to names of buckets")
	}
	if text := environ("TRAILWARDEN_SCAN_WORKERS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 256 {
			return nil, fmt.Errorf("TRAILWARDEN_SCAN_WORKERS is %q: use a number from 1 to 256", text)
		}
		s.workers = n
	}
	if megabytes, err := strconv.ParseInt(environ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64); err == nil {
		debug.SetMemoryLimit(megabytes << 20 * 3 / 4)
	}
	var err error
	s.store, err = s3store.Open(ctx, cloud.Options{Region: environ("AWS_REGION")}, s.workers)
	return s, err
}

// invoke handles one event: what ItemBatcher makes of a list of objects, or the order to merge.
func (s *scanner) invoke(ctx context.Context, payload json.RawMessage) (any, error) {
	var event struct {
		batch
		Merge *merge `json:"merge"`
	}
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	switch {
	case event.Merge != nil && event.Items == nil:
		return s.merge(ctx, *event.Merge)
	case event.Merge == nil && event.Items != nil:
		return s.scan(ctx, event.batch)
	}
	return nil, errors.New(`decode event: it is neither {"BatchInput":…,"Items":[…]} nor {"merge":…}`)
}

var jobForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// place is where the results of a job are.
func place(job string) (string, error) {
	if !jobForm.MatchString(job) {
		return "", fmt.Errorf("job %q: use an execution name of letters, digits, - and _", job)
	}
	return "runs/" + job + "/", nil
}
