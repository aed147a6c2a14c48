package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// maxJSON in bytes is far above any configuration.
const maxJSON = 1 << 20

// ReadJSON is JSON of a file on disk; name is what it is called in messages.
func ReadJSON(path, name string) Layer {
	document, err := readLimited(path)
	if err != nil {
		return Layer{Problems: Problems{{Where: "file " + name, Message: err.Error(), Hint: "deploy the zip again: trailwarden deploy --update"}}}
	}
	return JSON(name, document)
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	document, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err == nil && len(document) > maxJSON {
		err = fmt.Errorf("it is longer than %d bytes", maxJSON)
	}
	return document, err
}

// JSON is the layer of a configuration as JSON: one object, keys by their names in the table ("notify.slack.channel"), routing as an
// object. `trailwarden deploy` puts it into the zip of the Lambda function, which carries no parser of YAML. What comes before a mistake
// that ends the reading still counts, as everything does that is good beside what is not.
func JSON(name string, document []byte) Layer {
	r := jsonReader{origin: Origin{File, name}}
	d := json.NewDecoder(bytes.NewReader(document))
	if err := r.object(d); err != nil {
		r.problem("", "it cannot be read as JSON: "+err.Error(), "let `trailwarden deploy` write it")
	}
	for _, k := range Keys {
		if k.Required && !r.seen[k.Name] {
			r.problem("", fmt.Sprintf("the key %q is missing", k.Name), "let `trailwarden deploy` write it")
		}
	}
	return r.layer
}

type jsonReader struct {
	origin Origin
	layer  Layer
	seen   map[string]bool
}

func (r *jsonReader) problem(key, message, hint string) {
	r.layer.Problems = append(r.layer.Problems, Problem{Where: r.origin.String(), Key: key, Message: message, Hint: hint})
}

// object reads key by key, so that none is hidden by another of its name.
func (r *jsonReader) object(d *json.Decoder) error {
	r.seen = map[string]bool{}
	if start, err := d.Token(); err != nil {
		return err
	} else if start != json.Delim('{') {
		return errors.New("it is no object")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if r.seen[name] {
			r.problem(name, "set twice", "keep one of the two")
			continue
		}
		r.seen[name] = true
		r.value(name, value)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// value reads the value of one key.
func (r *jsonReader) value(name string, value json.RawMessage) {
	k, known := KeyNamed(name)
	if !known {
		var names []string
		for _, k := range Keys {
			names = append(names, k.Name)
		}
		hint := "see docs/configuration.md for the keys"
		if near := Nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.problem("", "unknown key "+quoted(name), hint)
		return
	}
	data, problem := k.fromJSON(value)
	if problem != nil {
		r.problem(cmp.Or(problem.Key, k.Name), problem.Message, problem.Hint)
		return
	}
	r.layer.Values = append(r.layer.Values, Value{Key: k, Data: data, Origin: r.origin})
}

// fromJSON reads the key's value. No problem holds a secret.
func (k Key) fromJSON(value json.RawMessage) (any, *Problem) {
	wrong := func(want string) (any, *Problem) {
		return nil, &Problem{Message: "wants " + want + ", and this is something else", Hint: cmp.Or(k.Hint, `write true or false, without quotes`)}
	}
	switch kind := k.Kind(); kind {
	case Section:
		if value[0] != '{' {
			return wrong("an object")
		}
		return k.Parse(string(value))
	case Bool, Number:
		if value[0] == '"' || value[0] == 'n' {
			return wrong(string(kind))
		}
		return k.Parse(string(value))
	case List:
		var list []string
		if json.Unmarshal(value, &list) != nil || value[0] != '[' {
			return wrong("a list of texts")
		}
		for _, item := range list {
			if problem := k.Verify(item); problem != nil {
				return nil, problem
			}
		}
		return list, nil
	}
	var text string
	if json.Unmarshal(value, &text) != nil || value[0] != '"' {
		return wrong("a text")
	}
	if k.Kind() != Secret {
		return text, k.Verify(text)
	}
	ref, err := secret.Parse(text)
	if _, here := ref.Here(); err != nil || here || ref.Empty() {
		return nil, &Problem{Message: "a secret does not belong into this file", Hint: "write where it is kept: secretsmanager:NAME or ssm:NAME"}
	}
	return ref, nil
}
