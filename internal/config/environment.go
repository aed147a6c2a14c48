package config

import (
	"slices"
	"strings"
)

// Env is the layer of the environment, given as os.Environ gives it. An empty variable counts as not
// set. A variable that begins with TRAILWARDEN_ and is no key is a problem: a misspelt key would
// otherwise be ignored in silence.
func Env(environ []string) Layer {
	set := map[string]string{}
	for _, line := range environ {
		if name, text, ok := strings.Cut(line, "="); ok && text != "" {
			set[name] = text
		}
	}
	var l Layer
	known := slices.Clone(Unkeyed)
	for _, k := range Keys {
		known = append(known, k.Env()...)
		for _, name := range k.Env() {
			if text, ok := set[name]; ok {
				l.add(k, text, Origin{Environment, name})
				break
			}
		}
	}
	var unknown []string
	for name := range set {
		if strings.HasPrefix(name, "TRAILWARDEN_") && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		hint := "take it away, or see `trailwarden config init` for the names"
		if near := Nearest(name, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		l.Problems = append(l.Problems, Problem{
			Where: Origin{Environment, name}.String(), Message: "no such variable", Hint: hint,
		})
	}
	return l
}

// Flags is the layer of the flags that were given, by their names without dashes.
func Flags(given map[string]string) Layer {
	var l Layer
	for _, k := range Keys {
		if text, ok := given[k.Flag]; ok && k.Flag != "" {
			l.add(k, text, Origin{Flag, "--" + k.Flag})
		}
	}
	return l
}

func (l *Layer) add(k Key, text string, o Origin) {
	data, problem := k.Parse(text)
	if problem != nil {
		problem.Where = o.String()
		l.Problems = append(l.Problems, *problem)
		return
	}
	l.Values = append(l.Values, Value{Key: k, Data: data, Origin: o})
}
