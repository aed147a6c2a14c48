package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. Where it and the parser differ,
// the parser is the stricter one: a schema cannot say what time zones there are.
func Schema() []byte {
	root := section("trailwarden's configuration file, trailwarden.yaml.")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "trailwarden.yaml"
	var required []string
	for _, k := range Keys {
		at := root
		path := strings.Split(k.Name, ".")
		for _, name := range path[:len(path)-1] {
			inner, ok := properties(at)[name].(map[string]any)
			if !ok {
				inner = section("")
				properties(at)[name] = inner
			}
			at = inner
		}
		properties(at)[path[len(path)-1]] = k.schema()
		if k.Required {
			required = append(required, k.Name) // a required key stands at the top
		}
	}
	root["required"] = required

	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic("config: encode schema: " + err.Error()) // maps of strings, numbers and lists
	}
	return out.Bytes()
}

func section(description string) map[string]any {
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": map[string]any{}}
	if description != "" {
		s["description"] = description
	}
	return s
}

func properties(section map[string]any) map[string]any {
	return section["properties"].(map[string]any)
}

func (k Key) schema() map[string]any {
	s := map[string]any{"description": k.Doc}
	one := s // where the rules for one text go
	switch k.Kind() {
	case Section:
		return routingSchema(k.Doc)
	case Bool:
		s["type"] = "boolean"
		return s
	case Number:
		s["type"] = "integer"
	case List:
		one = map[string]any{"type": "string"}
		s["type"], s["items"] = "array", one
	default:
		s["type"] = "string"
	}
	if k.Kind() == Secret {
		one["pattern"] = "^(file|secretsmanager|ssm):\\S"
	}
	if k.Digits {
		one["type"] = []string{"string", "integer"}
	}
	if k.Form != "" {
		one["pattern"] = k.Form
	}
	if k.Values != nil {
		var allowed []any
		for _, text := range k.Values {
			n, err := strconv.Atoi(text)
			if k.Kind() != Number {
				allowed = append(allowed, text)
			}
			if err == nil && (k.Kind() == Number || k.Digits) {
				allowed = append(allowed, n)
			}
		}
		one["enum"] = allowed
	}
	return s
}

// routingSchema is the schema of the section of routes.
func routingSchema(doc string) map[string]any {
	text := map[string]any{"type": "string"}
	span := map[string]any{"type": "string", "pattern": `^[0-9][0-9a-zµ.]*$`}
	names := map[string]any{"type": "array", "items": map[string]any{"type": "string", "enum": Channels}}
	match := func(more map[string]any, required ...string) map[string]any {
		all := map[string]any{
			"severity": map[string]any{"type": "string", "enum": severities},
			"accounts": map[string]any{"type": "array", "items": map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]{12}$`}},
			"regions":  map[string]any{"type": "array", "items": text}, "trail": text, "rule": text,
			"drill":    map[string]any{"type": "string", "enum": drills},
			"channels": names,
		}
		maps.Copy(all, more)
		return map[string]any{"type": "array", "items": map[string]any{
			"type": "object", "additionalProperties": false, "properties": all, "required": required,
		}}
	}
	at := map[string]any{"type": "string", "format": "date-time"}
	s := section(doc)
	s["properties"] = map[string]any{
		"group_wait": span, "group_interval": span, "repeat_interval": span,
		"routes":      match(map[string]any{"continue": map[string]any{"type": "boolean"}, "group_wait": span, "group_interval": span, "repeat_interval": span}, "channels"),
		"escalation":  match(map[string]any{"after": span}, "after", "channels"),
		"maintenance": match(map[string]any{"from": at, "until": at, "who": text, "why": text}, "from", "until", "who", "why"),
	}
	return s
}
