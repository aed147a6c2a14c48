package yaml

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Encode writes a struct by its json tags, in the order of its fields and maps by their keys: one value a line, so that a
// change is a line. A field with omitempty is left out when it is empty.
func Encode(v any) []byte {
	var w writer
	w.object(reflect.ValueOf(v), 0)
	return []byte(w.String())
}

type writer struct{ strings.Builder }

func (w *writer) object(v reflect.Value, depth int) {
	for _, f := range fields(v.Type()) {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := v.FieldByIndex(f.Index)
		if rest == "omitempty" && empty(value) {
			continue
		}
		w.WriteString(strings.Repeat("  ", depth) + name + ":")
		w.value(value, depth)
	}
}

// value writes what stands behind a colon, and ends the line.
func (w *writer) value(v reflect.Value, depth int) {
	if s, ok := text(v); ok {
		w.WriteString(" " + s + "\n")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		w.WriteString("\n")
		w.object(v, depth+1)
	case reflect.Map:
		w.WriteString("\n")
		keys := slices.Sorted(maps.Keys(v.Interface().(map[string]string)))
		for _, key := range keys {
			w.WriteString(strings.Repeat("  ", depth+1) + scalar(key) + ":")
			w.value(v.MapIndex(reflect.ValueOf(key)), depth+1)
		}
	case reflect.Slice:
		w.WriteString("\n")
		for i := range v.Len() {
			w.item(v.Index(i), depth+1)
		}
	}
}

// item writes an item of a list: the first line of its text stands behind the dash.
func (w *writer) item(v reflect.Value, depth int) {
	indent := strings.Repeat("  ", depth)
	if s, ok := text(v); ok {
		w.WriteString(indent + "- " + s + "\n")
		return
	}
	var inner writer
	inner.object(v, depth+1)
	w.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
}

// text is a value that stands on one line.
func text(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339), true
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil {
			panic("yaml: encode: " + err.Error()) // ours never fail
		}
		return scalar(string(b)), true
	}
	switch v.Kind() {
	case reflect.String:
		return scalar(v.String()), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	case reflect.Int:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Slice:
		return "[]", v.Len() == 0
	case reflect.Map:
		return "{}", v.Len() == 0
	case reflect.Struct:
		// A struct of which nothing is written would be a key without a value.
		var w writer
		w.object(v, 0)
		return "{}", w.Len() == 0
	}
	panic("yaml: encode " + v.Type().String()) // a struct of ours has a field that no file can hold
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}

// plain is a text that every YAML reader takes for a text, but for the words that some take for something else.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._/*+=-]*((:+| )[A-Za-z0-9._/*+=-]+)*$`)

var words = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}

func scalar(s string) string {
	if plain.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
