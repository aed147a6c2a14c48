package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/selfwatch"
)

// statements reads a policy document into its statements, each in one spelling, so that documents that mean the same are
// the same: AWS keeps them as they were written, and CloudFormation writes single values where the template has lists.
func statements(document any) (map[string]deploy.Statement, error) {
	if text, ok := document.(string); ok {
		if plain, err := url.PathUnescape(text); err == nil { // IAM hands documents out like that
			text = plain
		}
		document = nil
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			return nil, fmt.Errorf("read a policy: %w", err)
		}
	}
	whole, _ := document.(map[string]any)
	list, ok := whole["Statement"].([]any)
	if !ok {
		list = []any{whole["Statement"]}
	}
	read := deploy.Policy{Document: map[string]any{"Statement": list}}.Statements()
	all := map[string]deploy.Statement{}
	for i, s := range list {
		statement, ok := s.(map[string]any)
		if !ok {
			return nil, errors.New("read a policy: a statement is none")
		}
		all[selfwatch.Canonical(statement)] = read[i]
	}
	return all, nil
}

// differs says what a policy document has that was not deployed, and what it lacks; empty when it means the same.
func differs(want, got any) string {
	deployed, err := statements(want)
	if err != nil {
		return err.Error()
	}
	found, err := statements(got)
	if err != nil {
		return "can be read by nobody"
	}
	var parts []string
	for _, side := range []struct {
		says          string
		these, others map[string]deploy.Statement
	}{{"lacks ", deployed, found}, {"has, not deployed: ", found, deployed}} {
		var list []string
		for text, s := range side.these {
			if _, ok := side.others[text]; !ok {
				list = append(list, summary(s))
			}
		}
		slices.Sort(list)
		if len(list) > 0 {
			parts = append(parts, side.says+few(list))
		}
	}
	return strings.Join(parts, "; ")
}

// summary is a statement in a few words.
func summary(s deploy.Statement) string {
	text := s.Effect + " " + few(s.Actions)
	if s.Sid != "" {
		text = s.Sid + " (" + text + ")"
	}
	return text
}
