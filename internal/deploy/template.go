// Package deploy is how trailwarden gets into an AWS account: the templates as data, what each would make with given
// parameters, and why each permission is asked for. The templates themselves are in deploy/cloudformation.
package deploy

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/trailwarden/trailwarden/deploy"
)

// Templates lists the templates, the one for a single account first.
var Templates = []string{"trailwarden", "forwarder", "organization", "member-role", "member-rules", "witness"}

// Template is a CloudFormation template, parsed. Short forms of functions are written out: !Ref X is {"Ref": "X"}.
type Template struct {
	Name string // without .yaml
	Text string
	Doc  map[string]any // maps, lists, strings, bool, int64 and float64
}

// Load parses one of Templates.
func Load(name string) (Template, error) {
	text, err := deploy.Files.ReadFile("cloudformation/" + name + ".yaml")
	if err != nil {
		return Template{}, fmt.Errorf("load template: %w", err)
	}
	return parse(name, text)
}

// Parse parses the text of a template, YAML or JSON, such as CloudFormation has it of a stack.
func Parse(name, text string) (Template, error) { return parse(name, []byte(text)) }

func parse(name string, text []byte) (Template, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Template{}, fmt.Errorf("parse template %s: %w", name, err)
	}
	if len(file.Docs) != 1 {
		return Template{}, fmt.Errorf("parse template %s: %d documents, want one", name, len(file.Docs))
	}
	v, err := plain(file.Docs[0].Body)
	if err != nil {
		return Template{}, fmt.Errorf("parse template %s: %w", name, err)
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return Template{}, fmt.Errorf("parse template %s: it is no mapping", name)
	}
	return Template{Name: name, Text: string(text), Doc: doc}, nil
}

// plain makes Go values of YAML. What a template does not need is an error, never a guess.
func plain(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		m := make(map[string]any, len(n.Values))
		for _, pair := range n.Values {
			if err := put(m, pair); err != nil {
				return nil, err
			}
		}
		return m, nil
	case *ast.MappingValueNode:
		m := make(map[string]any, 1)
		return m, put(m, n)
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for _, item := range n.Values {
			v, err := plain(item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case *ast.TagNode:
		return function(n)
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return v, nil
		case uint64:
			return int64(v), nil
		}
	case *ast.FloatNode:
		return n.Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	}
	return nil, fmt.Errorf("%s: nothing that a template of ours has", n.GetPath())
}

func put(m map[string]any, pair *ast.MappingValueNode) error {
	key := pair.Key.GetToken().Value
	if _, twice := m[key]; twice {
		return fmt.Errorf("%s: %q is there twice", pair.GetPath(), key)
	}
	v, err := plain(pair.Value)
	m[key] = v
	return err
}

// function writes out a short form: !Sub x is {"Fn::Sub": x}.
func function(n *ast.TagNode) (any, error) {
	v, err := plain(n.Value)
	if err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(n.Start.Value, "!")
	switch name {
	case "Ref", "Condition":
	case "GetAtt":
		text, ok := v.(string)
		resource, attribute, cut := strings.Cut(text, ".")
		if !ok || !cut {
			return nil, fmt.Errorf("%s: GetAtt names no attribute", n.GetPath())
		}
		name, v = "Fn::GetAtt", []any{resource, attribute}
	default:
		name = "Fn::" + name
	}
	return map[string]any{name: v}, nil
}
