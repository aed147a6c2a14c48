package selfwatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// functions sees whether both functions are as deployed, each by itself and against the other.
func (l *look) functions(ctx context.Context, e Expect) {
	var environments []map[string]string
	for _, f := range []Function{e.React, e.Sweep} {
		c, err := l.configuration(ctx, f.Name)
		if codeOf(err) == "ResourceNotFoundException" {
			l.find("lambda.deleted", incident.Critical, f.Name, "one of trailwarden's two functions is gone", f.Name, "nothing", redeploy)
			continue
		}
		if err != nil {
			l.fail(err)
			continue
		}
		l.function(f, c, e.CodeSHA256)
		environments = append(environments, c.Environment.Variables)
		limit, err := l.concurrency(ctx, f.Name)
		switch {
		case err != nil:
			l.fail(err)
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
	changed := func(what, want, got string) {
		if want != got {
			l.find("lambda.config", incident.Critical, f.Name, "the function's "+what+" is not what was deployed", want, got, redeploy)
		}
	}
	if c.CodeSha256 != code {
		l.find("lambda.code", incident.Critical, f.Name, "other code runs than was deployed: it may repair nothing and say that all is well", code, c.CodeSha256, redeploy)
	}
	changed("role", f.Role, c.Role)
	changed("runtime", "provided.al2023", c.Runtime)
	// A layer or a file system brings code that the hash does not cover.
	changed("list of layers", "0", fmt.Sprint(len(c.Layers)))
	changed("list of file systems", "0", fmt.Sprint(len(c.FileSystemConfigs)))
	if c.State != "" && c.State != "Active" && c.State != "Pending" {
		changed("state", "Active", c.State)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment.Variables)) {
		// Such as AWS_LAMBDA_EXEC_WRAPPER, HTTPS_PROXY, AWS_ENDPOINT_URL, which send it elsewhere.
		if !strings.HasPrefix(name, "TRAILWARDEN_") && name != "SNSARN" {
			changed("environment", "without "+name, "with "+name)
		}
	}
}

// environments holds the two functions' environments against each other: they were deployed alike, but for what the sweep is to
// expect. Values are not told, as somebody may have put a secret there.
func (l *look) environments(e Expect, react, sweep map[string]string) {
	names := slices.Collect(maps.Keys(react))
	names = slices.AppendSeq(names, maps.Keys(sweep))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if name == Variable || react[name] == sweep[name] {
			continue
		}
		l.find("lambda.config", incident.Critical, e.React.Name, fmt.Sprintf("%s is not the same for %s and %s: one of them was changed", name, e.React.Name, e.Sweep.Name),
			"the same", "different", redeploy)
	}
}
