package selfwatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// How the template makes the functions. Its tests hold it against this.
const (
	Runtime = "provided.al2023"
	Timeout = 60  // seconds
	Memory  = 256 // MB; with less it is slow to start
)

// functions sees whether both functions are as deployed, each by itself and against the other.
func (l *look) functions(ctx context.Context, e Expect) {
	var environments []map[string]string
	for _, f := range []Function{e.React, e.Sweep} {
		c, err := l.configuration(ctx, f.Name)
		if codeOf(err) == "ResourceNotFoundException" {
			l.find("lambda.deleted", incident.Critical, f.Name, "one of trailwarden's two functions is gone", f.Name, "nothing", ask)
			continue
		}
		if err != nil {
			l.fail(err, f.Name, "lambda.deleted", "lambda.code", "lambda.config")
			l.hide(e.React.Name, "lambda.config") // where the two are held against each other
			continue
		}
		if at, err := time.Parse("2006-01-02T15:04:05.999-0700", c.LastModified); err == nil && at.After(l.changed) {
			l.changed = at
		}
		l.function(f, c, e.CodeSHA256)
		environments = append(environments, c.Environment.Variables)
		limit, err := l.concurrency(ctx, f.Name)
		switch {
		case err != nil:
			l.fail(err, f.Name, "lambda.throttled")
		case limit != nil && *limit == 0:
			l.find("lambda.throttled", incident.Critical, f.Name, "the function's concurrency was set to 0: it runs no more", "none, or more than 0", "0",
				"aws lambda delete-function-concurrency --function-name "+f.Name)
		}
	}
	if len(environments) == 2 {
		l.environments(e, environments[0], environments[1])
	}
}

// function holds one function's configuration against what was deployed.
func (l *look) function(f Function, c configuration, code string) {
	changed := func(what, want, got, mend string) {
		if want == got {
			return
		}
		if strings.HasPrefix(mend, "--") {
			mend = "aws lambda update-function-configuration --function-name " + f.Name + " " + mend
		}
		l.find("lambda.config", incident.Critical, f.Name, "the function's "+what+" is not what was deployed", what+" "+want, what+" "+got, mend)
	}
	if c.CodeSha256 != code {
		l.find("lambda.code", incident.Critical, f.Name, "other code runs than was deployed: it may repair nothing and say that all is well", code, c.CodeSha256, ask)
	}
	changed("role", f.Role, c.Role, "--role "+f.Role)
	changed("runtime", Runtime, c.Runtime, "--runtime "+Runtime)
	// A layer or a file system brings code that the hash does not cover; in a network it may reach nobody.
	changed("layers", "0", fmt.Sprint(len(c.Layers)), "--layers []")
	changed("file systems", "0", fmt.Sprint(len(c.FileSystemConfigs)), "--file-system-configs []")
	changed("subnets", "0", fmt.Sprint(len(c.VpcConfig.SubnetIds)), "--vpc-config SubnetIds=[],SecurityGroupIds=[]")
	if c.Timeout != 0 && c.Timeout < Timeout {
		changed("timeout", fmt.Sprint(Timeout), fmt.Sprint(c.Timeout), fmt.Sprintf("--timeout %d", Timeout))
	}
	if c.MemorySize != 0 && c.MemorySize < Memory {
		changed("memory", fmt.Sprint(Memory), fmt.Sprint(c.MemorySize), fmt.Sprintf("--memory-size %d", Memory))
	}
	if c.State != "" && c.State != "Active" && c.State != "Pending" {
		changed("state", "Active", c.State, ask)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment.Variables)) {
		// Such as AWS_LAMBDA_EXEC_WRAPPER, HTTPS_PROXY, AWS_ENDPOINT_URL, which send it elsewhere.
		if !strings.HasPrefix(name, "TRAILWARDEN_") && name != "SNSARN" {
			changed("environment", "without "+name, "with "+name, ask)
		}
	}
}

// environments holds the two functions' environments against each other: they were deployed alike. Older templates gave one of them
// alone what to expect. Values are not told, as somebody may have put a secret there.
func (l *look) environments(e Expect, react, sweep map[string]string) {
	names := slices.Collect(maps.Keys(react))
	names = slices.AppendSeq(names, maps.Keys(sweep))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		older := name == Variable && e.Schedule == nil && (react[name] == "" || sweep[name] == "")
		if older || react[name] == sweep[name] {
			continue
		}
		l.find("lambda.config", incident.Critical, e.React.Name, fmt.Sprintf("%s is not the same for %s and %s: one of them was changed", name, e.React.Name, e.Sweep.Name),
			name+" the same", name+" different", ask)
	}
}

// mapping sees whether the queue reaches the function, with every event, at once, and event by event.
func (l *look) mapping(ctx context.Context, e Expect) {
	mappings, err := l.mappings(ctx, e.React.Name, e.Queue)
	if err != nil {
		l.fail(err, e.Queue, "lambda.mapping-")
		return
	}
	if len(mappings) == 0 {
		l.find("lambda.mapping-deleted", incident.Critical, e.Queue, "events no longer reach the function: its mapping to the queue is gone", "a mapping", "none",
			fmt.Sprintf("aws lambda create-event-source-mapping --function-name %s --event-source-arn %s --batch-size 10 --function-response-types ReportBatchItemFailures",
				e.React.Name, e.Queue))
		return
	}
	on := slices.IndexFunc(mappings, func(m mapping) bool {
		return m.State == "Enabled" || m.State == "Updating" || m.State == "Enabling" || m.State == "Creating"
	})
	changed := func(m mapping, text, want, got, mend string) {
		l.find("lambda.mapping-changed", incident.Critical, e.Queue, text, want, got, "aws lambda update-event-source-mapping --uuid "+m.UUID+" "+mend)
	}
	if on < 0 {
		changed(mappings[0], "events no longer reach the function: its mapping to the queue is off", "on", "off", "--enabled")
		return
	}
	m := mappings[on]
	if n := len(m.FilterCriteria.Filters); n > 0 {
		changed(m, "events are left out on their way to the function: its mapping to the queue has a filter, and what does not pass is deleted", "no filter", fmt.Sprintf("%d filters", n), "--filter-criteria '{}'")
	}
	if !slices.Contains(m.FunctionResponseTypes, "ReportBatchItemFailures") {
		changed(m, "events that could not be handled do not come again: its mapping to the queue takes no answer", "ReportBatchItemFailures", "without", "--function-response-types ReportBatchItemFailures")
	}
	if s := m.MaximumBatchingWindowInSeconds; s > 0 {
		changed(m, "events are held back on their way to the function: its mapping to the queue collects them", "no batching window", fmt.Sprintf("%d seconds", s), "--maximum-batching-window-in-seconds 0")
	}
}
