package notifytest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible checks that a text holds nothing that a terminal or a reader's eye is deceived by. Newlines pass where they
// are the channel's own.
func Visible(text string, newlines bool) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("not UTF-8: %.100q", text)
	}
	for i, r := range text {
		if r == '\n' && newlines {
			continue
		}
		if unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point) ||
			unicode.Is(unicode.Zs, r) && r != ' ' {
			return fmt.Errorf("holds %U at byte %d: %q", r, i, text[max(0, i-20):min(len(text), i+20)])
		}
	}
	return nil
}

// NoSecrets checks that neither the canaries nor the given secrets, nor much of one, stand in a text.
func NoSecrets(text string, secrets ...string) error {
	for _, s := range append([]string{CanaryKey, CanaryToken[:60]}, secrets...) {
		if s != "" && strings.Contains(text, s) {
			return fmt.Errorf("holds a secret: %.300q", text)
		}
	}
	return nil
}

// Texts visits every text of a JSON document with its path, such as "blocks.0.text.text". Names of members are visited too.
func Texts(doc []byte, visit func(path, text string)) error {
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	walk("", v, visit)
	return nil
}

func walk(path string, v any, visit func(path, text string)) {
	switch v := v.(type) {
	case string:
		visit(strings.TrimPrefix(path, "."), v)
	case []any:
		for i, item := range v {
			walk(fmt.Sprintf("%s.%d", path, i), item, visit)
		}
	case map[string]any:
		for name, item := range v {
			visit(strings.TrimPrefix(path+"."+name, "."), name)
			walk(path+"."+name, item, visit)
		}
	}
}

// JSON checks a document's every text with Visible and NoSecrets, and that every link in it leads to the AWS console:
// a text may not even look like one, since some clients make links of texts.
func JSON(doc []byte, secrets ...string) error {
	var bad error
	err := Texts(doc, func(path, text string) {
		err := Visible(text, true)
		if err == nil {
			err = NoSecrets(text, secrets...)
		}
		if err == nil && strings.Contains(text, "://") && !OurLink(text) {
			err = fmt.Errorf("links to a place that is not ours: %.200q", text)
		}
		if err != nil && bad == nil {
			bad = fmt.Errorf("%s %w", path, err)
		}
	})
	if err != nil {
		return err
	}
	return bad
}

var console = regexp.MustCompile(`^https://[a-z0-9-]+\.console\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com|amazonaws-eusc\.eu)/[A-Za-z0-9/?=#:%@,.+_-]*$`)

// OurLink says whether a text is a link to the AWS console and nothing else.
func OurLink(text string) bool { return console.MatchString(text) }

// Mrkdwn checks a text in Slack's mrkdwn: every & begins one of the three entities, and no < begins a mention or link.
func Mrkdwn(text string) error {
	if strings.ContainsAny(text, "<>") {
		return fmt.Errorf("holds an unescaped angle bracket: %.200q", text)
	}
	rest := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(text)
	if strings.Contains(rest, "&") {
		return fmt.Errorf("holds an unescaped &: %.200q", text)
	}
	return nil
}
