package file

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/yaml"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// section holds the pairs under a prefix ("" or "sns.") against the keys that begin with it.
func (d *document) section(prefix string, pairs []*ast.MappingValueNode, seen map[string]*token.Token) {
	for _, pair := range pairs {
		at := pair.Key.GetToken()
		name := prefix + at.Value
		if _, isName := pair.Key.(*ast.StringNode); !isName {
			d.Problem(at, "", "this cannot be the name of a key", "see `trailwarden config init` for the keys")
			continue
		}
		if strings.Contains(at.Value, ".") {
			d.unknown(at, name) // the dots of a key's name are sections in the file
			continue
		}
		if first := seen[name]; first != nil {
			d.Problem(at, name, fmt.Sprintf("set twice, first in line %d", first.Position.Line), "keep one of the two")
			continue
		}
		seen[name] = at
		if k, known := config.KeyNamed(name); known {
			d.value(k, pair)
			continue
		}
		if !slices.ContainsFunc(config.Keys, func(k config.Key) bool { return strings.HasPrefix(k.Name, name+".") }) {
			d.unknown(at, name)
			continue
		}
		inner, ok := yaml.Mapping(pair.Value)
		if !ok && strings.HasPrefix(name, "notify.") { // perhaps a secret
			d.Unseen(at, name, "wants keys below it", "indent them by two spaces: "+below(name))
			continue
		}
		if !ok || len(inner) == 0 {
			d.Problem(at, name, "wants keys below it, and this is "+yaml.Kind(pair.Value), "indent them by two spaces: "+below(name))
			continue
		}
		d.section(name+".", inner, seen)
	}
}

func (d *document) unknown(at *token.Token, name string) {
	d.Problem(at, "", fmt.Sprintf("unknown key %q", yaml.Printable(name)), suggestion(name))
}

// value reads the value of a key, or notes what is wrong with it.
func (d *document) value(k config.Key, pair *ast.MappingValueNode) {
	node := pair.Value
	at := node.GetToken()
	wrong := func(node ast.Node, want, hint string) {
		d.Problem(yaml.Start(node), k.Name, "wants "+want+", and this is "+yaml.Kind(node), hint)
	}
	if yaml.IsNull(node) {
		d.Problem(pair.Key.GetToken(), k.Name, "has no value", "give it one, or take the line away")
		return
	}
	var data any
	switch k.Kind() {
	case config.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			wrong(node, "true or false", `write "true" or "false", without quotes`)
			return
		}
		data = b.Value
	case config.Number:
		_, ok := node.(*ast.IntegerNode)
		if !ok {
			wrong(node, "a whole number", k.Hint)
			return
		}
		n, problem := k.Parse(at.Value)
		if problem != nil {
			d.Problem(at, k.Name, problem.Message, problem.Hint)
			return
		}
		data = n
	case config.List:
		list, ok := node.(*ast.SequenceNode)
		if !ok {
			wrong(node, "a list", "write it in brackets, or one item a line, each after a dash")
			return
		}
		items, good := []string(nil), true
		for _, item := range list.Values {
			s, ok := d.text(k, item, wrong)
			items, good = append(items, s), good && ok
		}
		if !good {
			return
		}
		data = items
	case config.Secret:
		ref, ok := d.secret(k, node, wrong)
		if !ok {
			return
		}
		data = ref
	case config.Section:
		r, ok := d.routing(pair)
		if !ok {
			return
		}
		data = r
	default:
		s, ok := d.text(k, node, wrong)
		if !ok {
			return
		}
		data = s
	}
	d.layer.Values = append(d.layer.Values, config.Value{
		Key: k, Data: data,
		Origin: config.Origin{Source: config.File, Name: fmt.Sprintf("%s:%d:%d", d.Name, at.Position.Line, at.Position.Column)},
	})
}

// secret reads where a secret is kept. One that stands in the file itself is refused, and not shown.
func (d *document) secret(k config.Key, node ast.Node, wrong func(ast.Node, string, string)) (secret.Ref, bool) {
	text, ok := node.(*ast.StringNode)
	if !ok {
		wrong(node, "file:PATH, secretsmanager:ARN or ssm:NAME", "write one of them, in quotes")
		return secret.Ref{}, false
	}
	ref, err := secret.Parse(text.Value)
	if _, here := ref.Here(); err != nil || here || ref.Empty() {
		d.Unseen(node.GetToken(), k.Name, "a secret does not belong into this file",
			"set "+k.Env()[0]+", or write file:PATH, secretsmanager:ARN or ssm:NAME")
		return secret.Ref{}, false
	}
	return ref, true
}

// routing reads the section of routes. Its problems have the places of what they are about.
func (d *document) routing(pair *ast.MappingValueNode) (*config.Routing, bool) {
	if _, ok := yaml.Mapping(pair.Value); !ok {
		d.Problem(yaml.Start(pair.Value), "routing", "wants keys below it, and this is "+yaml.Kind(pair.Value), "see `trailwarden config init` for an example")
		return nil, false
	}
	r, before := &config.Routing{}, len(d.Problems())
	places := d.Decode(pair.Value, r)
	if len(d.Problems()) > before {
		return nil, false
	}
	for _, f := range r.Faults() {
		at, known := places[f.Path]
		if !known { // a key that is missing is wrong where its item begins
			at = places[f.Path[:strings.LastIndexByte("."+f.Path, '.')]]
		}
		d.ProblemAt(at, "routing."+f.Path, f.Message, f.Hint)
	}
	return r, len(d.Problems()) == before
}

// text reads one text: the value of a key, or an item of its list.
func (d *document) text(k config.Key, node ast.Node, wrong func(ast.Node, string, string)) (string, bool) {
	at := node.GetToken()
	var s string
	switch n := node.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode:
		// As it was written: 012345678901 is an account id, and no octal number.
		if !k.Digits {
			wrong(node, "text", "put it in quotes")
			return "", false
		}
		s = at.Value
	case *ast.BoolNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		wrong(node, "text", "put it in quotes")
		return "", false
	default:
		wrong(node, "text", "write "+k.Want)
		return "", false
	}
	if problem := k.Verify(s); problem != nil {
		d.Problem(at, k.Name, problem.Message, problem.Hint)
		return "", false
	}
	return s, true
}

// suggestion is the hint for a key that does not exist.
func suggestion(name string) string {
	var known []string
	typed := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	for _, k := range config.Keys {
		last := k.Name[strings.LastIndexByte(k.Name, '.')+1:]
		// Its own name at the wrong place or with a dot, its beginning, or the name of its variable.
		if typed == last || len(typed) > 2 && strings.HasPrefix(last, typed) || slices.Contains(k.Env(), strings.ToUpper(name)) {
			return "did you mean " + place(k.Name)
		}
		known = append(known, k.Name)
		if section, _, ok := strings.Cut(k.Name, "."); ok {
			known = append(known, section, last)
		}
	}
	near := config.Nearest(name, known)
	if near == "" {
		return "see `trailwarden config init` for the keys"
	}
	for _, k := range config.Keys {
		if strings.HasSuffix(k.Name, "."+near) {
			near = k.Name
		}
	}
	return "did you mean " + place(near)
}

// place names a key, and where its line goes when it is within a section.
func place(name string) string {
	if section, last, ok := strings.Cut(name, "."); ok {
		return fmt.Sprintf("%q? It is written as %q, with %q indented below it", name, section+":", last+":")
	}
	return fmt.Sprintf("%q?", name)
}

// below shows a section with its first key.
func below(section string) string {
	for _, k := range config.Keys {
		if rest, ok := strings.CutPrefix(k.Name, section+"."); ok {
			return fmt.Sprintf("%q, then %q", section+":", "  "+rest+": …")
		}
	}
	return section
}
