package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// kind is the kind of a JSON value, worded for error messages.
type kind string

const (
	object kind = "an object"
	array  kind = "a list"
	text   kind = "a string"
	digits kind = "a number"
	truth  kind = "true or false"
	null   kind = "null"
)

// value is a scalar of an event.
type value struct {
	kind kind
	text string // of a string; of the others their JSON form, such as "true" or "3e2"
	num  number // of a number
}

// node is any JSON value. Objects keep their order and their duplicate keys: two members of one
// name are two values to the matcher, as they are to event-ruler.
type node struct {
	value
	names []string // of the members of an object
	items []node   // members of an object or elements of a list
}

func decode(data []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := decodeNode(dec, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, fmt.Errorf("read JSON: more after the first value at byte %d", dec.InputOffset())
	}
	return n, nil
}

func decodeNode(dec *json.Decoder, depth int) (node, error) {
	if depth > MaxDepth {
		return node{}, fmt.Errorf("read JSON: more than %d levels at byte %d", MaxDepth, dec.InputOffset())
	}
	tok, err := dec.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return node{}, fmt.Errorf("read JSON at byte %d: %w", dec.InputOffset(), err)
	}
	switch tok := tok.(type) {
	case string:
		return node{value: value{kind: text, text: tok}}, nil
	case json.Number:
		return node{value: value{kind: digits, text: tok.String(), num: parseNumber(tok.String())}}, nil
	case bool:
		return node{value: value{kind: truth, text: fmt.Sprint(tok)}}, nil
	case nil:
		return node{value: value{kind: null, text: "null"}}, nil
	}
	n := node{value: value{kind: array}}
	if tok == json.Delim('{') {
		n.kind = object
	}
	for dec.More() {
		if n.kind == object {
			name, err := dec.Token()
			if err != nil {
				return node{}, fmt.Errorf("read JSON at byte %d: %w", dec.InputOffset(), err)
			}
			n.names = append(n.names, name.(string)) // Token has checked that it is one
		}
		item, err := decodeNode(dec, depth+1)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	if _, err := dec.Token(); err != nil {
		return node{}, fmt.Errorf("read JSON at byte %d: %w", dec.InputOffset(), err)
	}
	return n, nil
}
