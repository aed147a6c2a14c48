package deploy

import (
	"fmt"
	"maps"
	"slices"
)

// Policy is an identity policy of a role, worked out.
type Policy struct {
	Name     string         // as IAM shows it
	Document map[string]any // Version, Statement
}

// Statement is one statement of a policy.
type Statement struct {
	Sid, Effect       string
	Actions, Resource []string
	Condition         map[string]any
}

// Roles lists the IDs of the roles that are made.
func (m Made) Roles() []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(m.Resources)) {
		if m.Resources[id].Type == "AWS::IAM::Role" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Policies are what is attached to a role and what stands in it, without its boundary. A policy that the template does
// not make itself is an error.
func (m Made) Policies(role string) ([]Policy, error) {
	r, ok := m.Resources[role]
	if !ok || r.Type != "AWS::IAM::Role" {
		return nil, fmt.Errorf("policies of %s: it is no role of this stack", role)
	}
	var out []Policy
	attached, _ := r.Properties["ManagedPolicyArns"].([]any)
	for _, arn := range attached {
		p, ok := m.managed(fmt.Sprint(arn))
		if !ok {
			return nil, fmt.Errorf("policies of %s: %v is not made here", role, arn)
		}
		out = append(out, p)
	}
	inline, _ := r.Properties["Policies"].([]any)
	for _, p := range inline {
		p, _ := p.(map[string]any)
		document, _ := p["PolicyDocument"].(map[string]any)
		out = append(out, Policy{fmt.Sprint(p["PolicyName"]), document})
	}
	return out, nil
}

// Boundary is the permissions boundary of a role, where the template makes it.
func (m Made) Boundary(role string) (Policy, bool) {
	return m.managed(fmt.Sprint(m.Resources[role].Properties["PermissionsBoundary"]))
}

func (m Made) managed(arn string) (Policy, bool) {
	for _, r := range m.Resources {
		name, _ := r.Properties["ManagedPolicyName"].(string)
		if r.Type == "AWS::IAM::ManagedPolicy" && len(arn) > len(name) && arn[len(arn)-len(name)-1:] == "/"+name {
			document, _ := r.Properties["PolicyDocument"].(map[string]any)
			return Policy{name, document}, true
		}
	}
	return Policy{}, false
}

// Statements reads the policy's statements.
func (p Policy) Statements() []Statement {
	var out []Statement
	list, _ := p.Document["Statement"].([]any)
	for _, s := range list {
		s, _ := s.(map[string]any)
		condition, _ := s["Condition"].(map[string]any)
		sid, _ := s["Sid"].(string)
		out = append(out, Statement{sid, fmt.Sprint(s["Effect"]), many(s["Action"]), many(s["Resource"]), condition})
	}
	return out
}

// many reads "x" and ["x"] alike.
func many(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, item := range v {
			out = append(out, fmt.Sprint(item))
		}
	}
	return out
}
