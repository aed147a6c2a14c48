package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Stack says where a template is to go and with what parameters.
type Stack struct {
	Partition, Account, Region, Name string // partition defaults to aws
	Parameters                       map[string]string
}

// Resource is one that a stack would have, with its properties worked out.
type Resource struct {
	ID, Type   string // ID within the template
	Deletion   string // DeletionPolicy, "Delete" when the template says nothing
	Properties map[string]any
}

// Made is what a template makes of a stack.
type Made struct {
	Resources map[string]Resource // by ID, those only whose condition holds
	Outputs   map[string]string
}

// Make works out parameters, conditions and functions, as CloudFormation would. Values that only AWS knows, such as
// the URL of a queue, stand there as text in the shape that they will have.
func (t Template) Make(s Stack) (Made, error) {
	m := maker{template: t, stack: s, parameters: map[string]any{}}
	m.stack.Partition = cmp.Or(s.Partition, "aws")
	m.stack.Name = cmp.Or(s.Name, "trailwarden")
	if err := m.take(); err != nil {
		return Made{}, fmt.Errorf("parameters of %s: %w", t.Name, err)
	}
	if err := m.obey(); err != nil {
		return Made{}, fmt.Errorf("parameters of %s: %w", t.Name, err)
	}
	made := Made{Resources: map[string]Resource{}, Outputs: map[string]string{}}
	for id, r := range section(t.Doc, "Resources") {
		r, _ := r.(map[string]any)
		if name, ok := r["Condition"].(string); ok && !m.condition(name) {
			continue
		}
		properties, _ := m.value(r["Properties"]).(map[string]any)
		kind, _ := r["Type"].(string)
		deletion, _ := r["DeletionPolicy"].(string)
		made.Resources[id] = Resource{ID: id, Type: kind, Deletion: cmp.Or(deletion, "Delete"), Properties: properties}
	}
	for name, o := range section(t.Doc, "Outputs") {
		o, _ := o.(map[string]any)
		if c, ok := o["Condition"].(string); ok && !m.condition(c) {
			continue
		}
		made.Outputs[name] = fmt.Sprint(m.value(o["Value"]))
	}
	if m.failed != nil {
		return Made{}, fmt.Errorf("make %s: %w", t.Name, m.failed)
	}
	return made, nil
}

type maker struct {
	template   Template
	stack      Stack
	parameters map[string]any // string or, for a list, []any
	failed     error          // the first thing that could not be worked out
}

func section(doc map[string]any, name string) map[string]any {
	s, _ := doc[name].(map[string]any)
	return s
}

// take reads the parameters and holds them against what the template allows; all problems at once.
func (m *maker) take() error {
	declared := section(m.template.Doc, "Parameters")
	var problems []error
	for name := range m.stack.Parameters {
		if declared[name] == nil {
			problems = append(problems, fmt.Errorf("there is no parameter %s", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		p, _ := declared[name].(map[string]any)
		text, given := m.stack.Parameters[name]
		if !given {
			preset, has := p["Default"]
			if !has {
				problems = append(problems, fmt.Errorf("%s is missing: %v", name, p["Description"]))
				continue
			}
			text = fmt.Sprint(preset)
		}
		m.parameters[name] = text
		values := []any{text}
		if p["Type"] == "CommaDelimitedList" {
			values = values[:0]
			for item := range strings.SplitSeq(text, ",") {
				values = append(values, strings.TrimSpace(item))
			}
			m.parameters[name] = values
		}
		for _, value := range values {
			if why := forbids(p, fmt.Sprint(value)); why != "" {
				problems = append(problems, fmt.Errorf("%s: %q is not %s", name, value, why))
			}
		}
	}
	return errors.Join(problems...)
}

// obey holds the parameters against each other, by the template's rules.
func (m *maker) obey() error {
	var problems []error
	rules := section(m.template.Doc, "Rules")
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		assertions, _ := section(rules, name)["Assertions"].([]any)
		for _, a := range assertions {
			a, _ := a.(map[string]any)
			if condition, _ := a["Assert"].(map[string]any); !m.holds(condition) {
				problems = append(problems, fmt.Errorf("%v", a["AssertDescription"]))
			}
		}
	}
	return errors.Join(problems...)
}

// forbids says what a parameter, or an item of a list, should be; empty when the text is that.
func forbids(p map[string]any, text string) string {
	if values, ok := p["AllowedValues"].([]any); ok && !slices.ContainsFunc(values, func(v any) bool { return fmt.Sprint(v) == text }) {
		return fmt.Sprintf("one of %v", values)
	}
	if pattern, ok := p["AllowedPattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(text) {
		want, _ := p["ConstraintDescription"].(string)
		return cmp.Or(want, "what fits "+pattern)
	}
	if _, ok := p["MinLength"]; ok && text == "" {
		return "to be empty"
	}
	return ""
}

func (m *maker) fail(format string, args ...any) any {
	if m.failed == nil {
		m.failed = fmt.Errorf(format, args...)
	}
	return nil
}

// nothing is AWS::NoValue: the property, or the item, is not there.
type nothing struct{}

// value works out functions, from the inside out.
func (m *maker) value(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, item := range v {
			if got := m.value(item); got != (nothing{}) {
				list = append(list, got)
			}
		}
		return list
	case map[string]any:
		if name, args, ok := call(v); ok {
			return m.call(name, args)
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			if got := m.value(item); got != (nothing{}) {
				out[key] = got
			}
		}
		return out
	}
	return v
}

// call tells a function from an ordinary mapping.
func call(v map[string]any) (name string, args any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for name, args := range v {
		if name == "Ref" || strings.HasPrefix(name, "Fn::") {
			return name, args, true
		}
	}
	return "", nil, false
}

func (m *maker) call(name string, args any) any {
	list, _ := args.([]any)
	switch {
	case name == "Ref":
		return m.ref(fmt.Sprint(args))
	case name == "Fn::GetAtt" && len(list) == 2:
		return m.attribute(fmt.Sprint(list[0]), fmt.Sprint(list[1]))
	case name == "Fn::If" && len(list) == 3:
		if m.condition(fmt.Sprint(list[0])) {
			return m.value(list[1])
		}
		return m.value(list[2])
	case name == "Fn::Join" && len(list) == 2:
		var parts []string
		items, _ := m.value(list[1]).([]any)
		for _, item := range items {
			parts = append(parts, fmt.Sprint(item))
		}
		return strings.Join(parts, fmt.Sprint(list[0]))
	case name == "Fn::Sub":
		own := map[string]any{}
		text, ok := args.(string)
		if !ok && len(list) == 2 {
			text, _ = list[0].(string)
			own, _ = list[1].(map[string]any)
		}
		return m.substitute(text, own)
	}
	return m.fail("function %s is not known here", name)
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9:.]+)\}`)

func (m *maker) substitute(text string, own map[string]any) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if v, ok := own[name]; ok {
			return fmt.Sprint(m.value(v))
		}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			return fmt.Sprint(m.attribute(resource, attribute))
		}
		return fmt.Sprint(m.ref(name))
	})
}

// condition works out a named condition.
func (m *maker) condition(name string) bool {
	c, ok := section(m.template.Doc, "Conditions")[name].(map[string]any)
	if !ok {
		m.fail("there is no condition %s", name)
		return false
	}
	return m.holds(c)
}

func (m *maker) holds(c map[string]any) bool {
	if name, ok := c["Condition"].(string); ok {
		return m.condition(name)
	}
	part := func(v any) bool { c, _ := v.(map[string]any); return m.holds(c) }
	for name, args := range c {
		list, _ := args.([]any)
		switch {
		case name == "Fn::Equals" && len(list) == 2:
			return fmt.Sprint(m.value(list[0])) == fmt.Sprint(m.value(list[1]))
		case name == "Fn::Not" && len(list) == 1:
			return !part(list[0])
		case name == "Fn::And":
			return !slices.ContainsFunc(list, func(v any) bool { return !part(v) })
		case name == "Fn::Or":
			return slices.ContainsFunc(list, part)
		case name == "Fn::Contains" && len(list) == 2:
			items, _ := m.value(list[0]).([]any)
			return slices.Contains(items, m.value(list[1]))
		}
		m.fail("condition with %s is not known here", name)
	}
	return false
}
