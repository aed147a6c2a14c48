package teams

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// validate holds a payload against what the schema of Adaptive Cards 1.5 (http://adaptivecards.io/schemas/1.5.0/adaptive-card.json) says of the
// elements that we use: required members, types and enumerations, written down from it. Other elements and members are
// errors: among them TextBlock and FactSet, whose texts are Markdown.
func validate(doc []byte) error {
	if len(doc) > 28*1024/2 {
		return fmt.Errorf("%d bytes", len(doc))
	}
	var m struct {
		Type        string
		Attachments []struct {
			ContentType string
			ContentURL  json.RawMessage `json:"contentUrl"`
			Content     map[string]any
		}
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return err
	}
	if m.Type != "message" || len(m.Attachments) != 1 || m.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" ||
		string(m.Attachments[0].ContentURL) != "null" {
		return errors.New("not a message with one Adaptive Card")
	}
	c := m.Attachments[0].Content
	if c["type"] != "AdaptiveCard" || c["version"] != "1.5" {
		return fmt.Errorf("type %v, version %v", c["type"], c["version"])
	}
	return element15(c, "AdaptiveCard")
}

type member struct {
	required bool
	enum     []string // of a text
	list     []string // types of the elements of a list
	flag     bool
	object   bool
}

var (
	text     = member{}
	required = member{required: true}
	flag15   = member{flag: true}
	colours  = []string{"default", "emphasis", "good", "attention", "warning", "accent"}
	spacings = []string{"default", "none", "small", "medium", "large", "extraLarge", "padding"}
	sizes    = []string{"default", "small", "medium", "large", "extraLarge"}
	weights  = []string{"default", "lighter", "bolder"}
	fonts    = []string{"default", "monospace"}
)

// schema lists, for each type, the members that we use.
var schema = map[string]map[string]member{
	"AdaptiveCard": {"type": {required: true, enum: []string{"AdaptiveCard"}}, "version": required, "$schema": text, "fallbackText": text, "msteams": {object: true},
		"body": {list: []string{"Container", "RichTextBlock"}}, "actions": {list: []string{"Action.OpenUrl"}}},
	"Container": {"type": {required: true, enum: []string{"Container"}}, "items": {required: true, list: []string{"RichTextBlock"}}, "style": {enum: colours}, "bleed": flag15,
		"separator": flag15, "spacing": {enum: spacings}},
	"RichTextBlock":  {"type": {required: true, enum: []string{"RichTextBlock"}}, "inlines": {required: true, list: []string{"TextRun"}}, "separator": flag15, "spacing": {enum: spacings}},
	"TextRun":        {"type": {required: true, enum: []string{"TextRun"}}, "text": required, "size": {enum: sizes}, "weight": {enum: weights}, "fontType": {enum: fonts}, "isSubtle": flag15},
	"Action.OpenUrl": {"type": {required: true, enum: []string{"Action.OpenUrl"}}, "url": required, "title": text},
}

func element15(e map[string]any, kind string) error {
	members := schema[kind]
	for name, m := range members {
		if _, ok := e[name]; m.required && !ok {
			return fmt.Errorf("%s lacks %s", kind, name)
		}
	}
	for name, value := range e {
		m, ok := members[name]
		switch {
		case !ok:
			return fmt.Errorf("%s has %s", kind, name)
		case m.object:
			if w, ok := value.(map[string]any); !ok || len(w) != 1 || w["width"] != "Full" {
				return fmt.Errorf("%s.%s is %v", kind, name, value)
			}
		case m.flag:
			if _, ok := value.(bool); !ok {
				return fmt.Errorf("%s.%s is %T", kind, name, value)
			}
		case m.list != nil:
			list, ok := value.([]any)
			if !ok || len(list) == 0 {
				return fmt.Errorf("%s.%s is %T, or empty", kind, name, value)
			}
			for _, item := range list {
				inner, _ := item.(map[string]any)
				of, _ := inner["type"].(string)
				if !slices.Contains(m.list, of) {
					return fmt.Errorf("%s.%s holds a %q", kind, name, of)
				}
				if err := element15(inner, of); err != nil {
					return err
				}
			}
		default:
			s, ok := value.(string)
			if !ok || s == "" || m.enum != nil && !slices.ContainsFunc(m.enum, func(e string) bool { return strings.EqualFold(e, s) }) {
				return fmt.Errorf("%s.%s is %v", kind, name, value)
			}
			if name == "url" && !strings.HasPrefix(s, "https://") {
				return fmt.Errorf("%s.%s is %v", kind, name, value)
			}
			if strings.Contains(s, "{{") {
				return fmt.Errorf("%s.%s has a function of dates: %s", kind, name, s)
			}
		}
	}
	return nil
}
