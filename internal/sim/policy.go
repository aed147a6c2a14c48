package sim

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// policy is a resource policy (of a bucket, topic or queue), parsed. An operator or an effect that this evaluation does not
// know is an error when the policy is put, so that evaluating is never a guess.
type policy struct{ statements []statement }

type statement struct {
	allow                  bool
	principals             []principalPattern
	actions, resources     []string
	notPrincipal           bool
	notAction, notResource bool
	conditions             []condition
}

type principalPattern struct{ kind, value string } // kind AWS, Service, …; "*" for anybody

type condition struct {
	operator string // without IfExists
	ifExists bool
	key      string // lower case
	values   []string
}

// policyRequest is what a policy is asked.
type policyRequest struct {
	service          string // principal: cloudtrail.amazonaws.com; "" for a principal with an ARN
	arn, account     string // principal
	action, resource string
	context          map[string]string // condition keys in lower case
}

type verdict int

const (
	neutral verdict = iota // no statement fits
	allowed
	refused // explicitly
)

// parsePolicy reads a policy document.
func parsePolicy(document string) (policy, error) {
	var doc struct {
		Version   string
		Statement oneOrMany[struct {
			Effect                  string
			Principal, NotPrincipal principals
			Action, NotAction       oneOrMany[string]
			Resource, NotResource   oneOrMany[string]
			Condition               map[string]map[string]oneOrMany[any]
			Sid                     string
		}]
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return policy{}, fmt.Errorf("parse policy: %w", err)
	}
	var p policy
	for i, s := range doc.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" {
			return policy{}, fmt.Errorf("statement %d: effect %q", i, s.Effect)
		}
		if (s.Principal == nil) == (s.NotPrincipal == nil) || (s.Action == nil) == (s.NotAction == nil) || (s.Resource == nil) == (s.NotResource == nil) {
			return policy{}, fmt.Errorf("statement %d needs one each of Principal, Action and Resource, or their Not form", i)
		}
		st := statement{
			allow: s.Effect == "Allow", principals: append(s.Principal, s.NotPrincipal...), notPrincipal: s.NotPrincipal != nil,
			actions: append(s.Action, s.NotAction...), notAction: s.NotAction != nil,
			resources: append(s.Resource, s.NotResource...), notResource: s.NotResource != nil,
		}
		for operator, keys := range s.Condition {
			c := condition{operator: strings.TrimSuffix(operator, "IfExists"), ifExists: strings.HasSuffix(operator, "IfExists")}
			if !slices.Contains(knownOperators(), c.operator) {
				return policy{}, fmt.Errorf("statement %d: condition operator %q", i, operator)
			}
			for key, values := range keys {
				c.key, c.values = strings.ToLower(key), nil
				for _, v := range values {
					c.values = append(c.values, fmt.Sprint(v))
				}
				st.conditions = append(st.conditions, c)
			}
		}
		p.statements = append(p.statements, st)
	}
	return p, nil
}

func knownOperators() []string {
	return []string{
		"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Bool", "Null",
		"IpAddress", "NotIpAddress",
	}
}

// judge evaluates the policy: an explicit Deny wins.
func (p policy) judge(q policyRequest) verdict {
	v := neutral
	for _, s := range p.statements {
		if !s.fits(q) {
			continue
		}
		if !s.allow {
			return refused
		}
		v = allowed
	}
	return v
}

func (s statement) fits(q policyRequest) bool {
	who := slices.ContainsFunc(s.principals, func(p principalPattern) bool { return p.fits(q) })
	what := slices.ContainsFunc(s.actions, func(a string) bool { return matchGlob(strings.ToLower(a), strings.ToLower(q.action)) })
	which := slices.ContainsFunc(s.resources, func(r string) bool { return matchGlob(r, q.resource) })
	if who == s.notPrincipal || what == s.notAction || which == s.notResource {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(q.context) })
}

func (p principalPattern) fits(q policyRequest) bool {
	switch p.kind {
	case "*":
		return true
	case "Service":
		return p.value == q.service
	case "AWS":
		if q.arn == "" {
			return p.value == "*"
		}
		return p.value == "*" || p.value == q.arn || p.value == q.account || strings.HasSuffix(p.value, ":iam::"+q.account+":root")
	}
	return false
}

// holds evaluates one condition. A key that the request does not have fails every operator but the negated ones.
func (c condition) holds(context map[string]string) bool {
	got, present := context[c.key]
	if c.operator == "Null" {
		return slices.Contains(c.values, fmt.Sprint(!present))
	}
	negated := strings.Contains(c.operator, "Not")
	if !present {
		return c.ifExists || negated
	}
	match := func(want string) bool { return want == got }
	switch c.operator {
	case "StringLike", "StringNotLike", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		match = func(want string) bool { return matchGlob(want, got) }
	case "IpAddress", "NotIpAddress":
		match = func(want string) bool { return inNetwork(want, got) }
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "Bool":
		match = func(want string) bool { return strings.EqualFold(want, got) }
	}
	return slices.ContainsFunc(c.values, match) != negated
}

func inNetwork(network, address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	if one, err := netip.ParseAddr(network); err == nil {
		return one == a
	}
	p, err := netip.ParsePrefix(network)
	return err == nil && p.Contains(a)
}

// oneOrMany reads "x" and ["x"] alike.
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		list := []T{}
		err := json.Unmarshal(b, &list)
		*o = list
		return err
	}
	var one T
	err := json.Unmarshal(b, &one)
	*o = []T{one}
	return err
}

// principals reads "*" and {"AWS": …, "Service": …}.
type principals []principalPattern

func (p *principals) UnmarshalJSON(b []byte) error {
	var all string
	if json.Unmarshal(b, &all) == nil {
		if all != "*" {
			return fmt.Errorf("principal %q", all)
		}
		*p = principals{{kind: "*"}}
		return nil
	}
	var kinds map[string]oneOrMany[string]
	if err := json.Unmarshal(b, &kinds); err != nil {
		return err
	}
	*p = principals{}
	for kind, values := range kinds {
		for _, v := range values {
			*p = append(*p, principalPattern{kind, v})
		}
	}
	return nil
}
