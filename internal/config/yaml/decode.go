package yaml

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/config"
)

// Places says where values stand, by their paths: "trails[0].tags". A key has the place of its name, an
// item of a list and the value of a key of a map that of the value.
type Places map[string]config.Place

// Decode reads the body into the struct that v points to, by its json tags, and notes every problem: unknown and
// repeated keys, wrong types, keys that are missing (all but those with
// omitempty or yaml:"optional"). Only strings, booleans,
// whole numbers, times, texts that unmarshal themselves, and structs, lists and maps of these are taken. A list
// tagged yaml:"digits" may hold unquoted numbers, as account ids are. An empty list or map becomes nil.
func (d *Document) Decode(body ast.Node, v any) Places {
	r := reader{d, Places{}}
	r.object(body, nil, "", reflect.ValueOf(v).Elem())
	return r.places
}

type reader struct {
	*Document
	places Places
}

func (r reader) object(node ast.Node, key *token.Token, path string, v reflect.Value) {
	pairs, ok := Mapping(node)
	if !ok && node != nil { // an empty file has no body, and lacks its keys
		r.wrong(node, key, path, "keys with values", "the keys here are "+strings.Join(names(v.Type()), ", "))
		return
	}
	known := names(v.Type())
	seen := map[string]*token.Token{}
	for _, pair := range pairs {
		at := pair.Key.GetToken()
		name, ok := r.name(pair, seen)
		if !ok {
			continue
		}
		i := slices.Index(known, name)
		if i < 0 {
			r.Problem(at, "", fmt.Sprintf("unknown key %q", Printable(join(path, name))), config.Suggest(name, "the keys here are ", known))
			continue
		}
		field := fields(v.Type())[i]
		r.places[join(path, name)] = r.place(at)
		r.value(pair.Value, at, join(path, name), v.FieldByIndex(field.Index), field.Tag.Get("yaml") == "digits")
	}
	for i, field := range fields(v.Type()) {
		optional := strings.Contains(field.Tag.Get("json"), ",omitempty") || field.Tag.Get("yaml") == "optional"
		if optional || seen[known[i]] != nil {
			continue
		}
		var at *token.Token
		if len(pairs) > 0 && path != "" {
			at = pairs[0].Key.GetToken()
		}
		r.Problem(at, path, fmt.Sprintf("the key %q is missing", known[i]), fmt.Sprintf("write %q", known[i]+": "+example(field.Type)))
	}
}

// name is the name of a pair's key, if it can be one and is the first of that name.
func (r reader) name(pair *ast.MappingValueNode, seen map[string]*token.Token) (string, bool) {
	at := pair.Key.GetToken()
	key, ok := pair.Key.(*ast.StringNode)
	if !ok {
		r.Problem(at, "", "this cannot be the name of a key", "put it in quotes")
		return "", false
	}
	if first := seen[key.Value]; first != nil {
		r.Problem(at, Printable(key.Value), fmt.Sprintf("set twice, first in line %d", first.Position.Line), "keep one of the two")
		return "", false
	}
	seen[key.Value] = at
	return key.Value, true
}

func (r reader) value(node ast.Node, key *token.Token, path string, v reflect.Value, digits bool) {
	if IsNull(node) {
		r.Problem(key, path, "has no value", fmt.Sprintf("write %s if it is to be empty", example(v.Type())))
		return
	}
	if _, text := v.Addr().Interface().(encoding.TextUnmarshaler); text {
		r.text(node, key, path, v, digits)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.object(node, key, path, v)
	case reflect.Slice:
		list, ok := node.(*ast.SequenceNode)
		if !ok {
			r.wrong(node, key, path, "a list", "write it in brackets, or one item a line, each after a dash")
			return
		}
		for i, item := range list.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			one := reflect.New(v.Type().Elem()).Elem()
			if !IsNull(item) {
				r.places[at] = r.place(Start(item))
			}
			r.value(item, key, at, one, digits)
			v.Set(reflect.Append(v, one))
		}
	case reflect.Map:
		r.table(node, key, path, v)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			r.wrong(node, key, path, "true or false", `write "true" or "false", without quotes`)
			return
		}
		v.SetBool(b.Value)
	case reflect.Int:
		_, whole := node.(*ast.IntegerNode)
		n, err := strconv.Atoi(node.GetToken().Value)
		if !whole || err != nil {
			r.wrong(node, key, path, "a whole number", "write it in digits, without quotes")
			return
		}
		v.SetInt(int64(n))
	case reflect.String:
		r.text(node, key, path, v, digits)
	default:
		panic("yaml: decode " + v.Type().String()) // a struct of ours has a field that no file can hold
	}
}

// table reads a map of texts.
func (r reader) table(node ast.Node, key *token.Token, path string, v reflect.Value) {
	pairs, ok := Mapping(node)
	if !ok {
		r.wrong(node, key, path, "keys with values", "write {} if there are none")
		return
	}
	seen := map[string]*token.Token{}
	for _, pair := range pairs {
		name, ok := r.name(pair, seen)
		if !ok {
			continue
		}
		at := join(path, name)
		r.places[at] = r.place(pair.Key.GetToken())
		one := reflect.New(v.Type().Elem()).Elem()
		r.value(pair.Value, pair.Key.GetToken(), at, one, false)
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(reflect.ValueOf(name), one)
	}
}

func (r reader) text(node ast.Node, key *token.Token, path string, v reflect.Value, digits bool) {
	var s string
	switch n := node.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode:
		// As it was written: 012345678901 is an account id, and no octal number.
		if !digits {
			r.wrong(node, key, path, "text", "put it in quotes")
			return
		}
		s = n.GetToken().Value
	case *ast.BoolNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		r.wrong(node, key, path, "text", "put it in quotes")
		return
	default:
		r.wrong(node, key, path, "text", "write one text, in quotes if need be")
		return
	}
	switch to := v.Addr().Interface().(type) {
	case *time.Time:
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			r.Problem(node.GetToken(), path, fmt.Sprintf("%s is not a time", short(s)), "write it in UTC, such as 2026-12-31T18:00:00Z")
			return
		}
		*to = t.UTC()
	case encoding.TextUnmarshaler:
		if err := to.UnmarshalText([]byte(s)); err != nil {
			r.Problem(node.GetToken(), path, Printable(err.Error()), "write it as AWS prints it")
		}
	default:
		v.SetString(s)
	}
}

func (r reader) wrong(node ast.Node, key *token.Token, path, want, hint string) {
	at := key
	if node != nil {
		at = Start(node)
	}
	r.Problem(at, path, "wants "+want+", and this is "+Kind(node), hint)
}

func (r reader) place(at *token.Token) config.Place {
	return config.Place{Line: min(at.Position.Line, len(r.lines)), Column: at.Position.Column}
}

// fields lists a struct's fields that a file has, in their order; those of embedded structs stand in their place.
func fields(t reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for _, f := range reflect.VisibleFields(t) {
		if tag := f.Tag.Get("json"); f.IsExported() && !f.Anonymous && tag != "-" {
			out = append(out, f)
		}
	}
	return out
}

func names(t reflect.Type) []string {
	var out []string
	for _, f := range fields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// example is what a value of a type looks like.
func example(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "2026-12-31T18:00:00Z"
	case t.Kind() == reflect.Slice:
		return "[]"
	case t.Kind() == reflect.Map:
		return "{}"
	case t.Kind() == reflect.Bool:
		return "false"
	case t.Kind() == reflect.Int:
		return "1"
	case t.Kind() == reflect.String:
		return `""`
	}
	return "…"
}

func short(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return strconv.Quote(string(runes[:60])) + "…"
	}
	return strconv.Quote(s)
}
