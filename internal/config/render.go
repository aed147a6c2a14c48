package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// YAML is the configuration as a commented file. Keys that were set stand in it as they are; the
// others stand commented out, with an example. What it gives parses to the same configuration.
func YAML(c Config) []byte {
	var b strings.Builder
	b.WriteString(`# trailwarden's configuration. Take away the "#" before a key to set it.
# A flag wins over the environment, and the environment over this file.
# For help in your editor: trailwarden config schema --out trailwarden.schema.json
# yaml-language-server: $schema=trailwarden.schema.json
`)
	live := func(k Key) bool {
		if ref, ok := k.at(&c).(*secret.Ref); ok {
			if _, here := ref.Here(); here {
				return false // a secret stays in the environment
			}
		}
		return k.Required || c.Origins[k.Name].Source != Default
	}
	var open []string // sections that the line before stands in
	for _, k := range Keys {
		path := strings.Split(k.Name, ".")
		sections, name := path[:len(path)-1], path[len(path)-1]
		indent := strings.Repeat("  ", len(sections))
		b.WriteString("\n")
		fmt.Fprintf(&b, "# %s\n", k.Doc)
		if env := k.Env(); len(env) > 0 {
			fmt.Fprintf(&b, "# Environment: %s.", strings.Join(env, " or "))
			if k.Flag != "" {
				fmt.Fprintf(&b, " Flag: --%s.", k.Flag)
			}
			b.WriteString("\n")
		}
		for i := range sections {
			if i < len(open) && open[i] == sections[i] {
				continue
			}
			prefix := strings.Join(sections[:i+1], ".") + "."
			used := slices.ContainsFunc(Keys, func(k Key) bool { return strings.HasPrefix(k.Name, prefix) && live(k) })
			fmt.Fprintf(&b, "%s%s%s:\n", mark(used), strings.Repeat("  ", i), sections[i])
			open = nil
		}
		open = sections
		value := k.Of(c)
		if !live(k) && k.Example != "" {
			value, _ = k.Parse(k.Example)
			if ref, ok := value.(secret.Ref); ok {
				value = ref.String()
			}
		}
		switch {
		case k.Kind() == Section && !live(k):
			fmt.Fprintf(&b, "#%s:\n#  %s\n", name, strings.ReplaceAll(k.Lines, "\n", "\n#  "))
		case k.Kind() == Section:
			fmt.Fprintf(&b, "%s: %s\n", name, value) // JSON is YAML
		default:
			fmt.Fprintf(&b, "%s%s%s: %s\n", mark(live(k)), indent, name, Print(value))
		}
	}
	return []byte(b.String())
}

func mark(live bool) string {
	if live {
		return ""
	}
	return "#"
}

// Markdown is the table of keys for the README.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| key | environment | flag | default | what it says |\n|---|---|---|---|---|\n")
	for _, k := range Keys {
		env, flag, value := "", "", ""
		for i, name := range k.Env() {
			if i > 0 {
				env += ", "
			}
			env += "`" + name + "`"
		}
		if k.Flag != "" {
			flag = "`--" + k.Flag + "`"
		}
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, env, flag, value, strings.ReplaceAll(k.Doc, "|", `\|`))
	}
	return b.String()
}

// Print is a key's value (string, bool, int or []string) as YAML writes it in one line.
func Print(value any) string {
	switch v := value.(type) {
	case string:
		return scalar(v)
	case []string:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = scalar(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	}
	return ""
}

// plain is a text that every YAML reader takes for a text, but for the few words in scalar.
const plain = `^[A-Za-z][A-Za-z0-9._/+-]*(:[A-Za-z0-9._/+-]+)*$`

func scalar(s string) string {
	words := []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
	if regexp.MustCompile(plain).MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("config: quote text: " + err.Error()) // a string always marshals
	}
	return string(quoted)
}
