// Package secret keeps what must never be shown: tokens, passwords, webhook URLs. A Value prints as [redacted]
// wherever it gets: fmt, encoding/json, log/slog. A Ref is what configuration says of one: where it is kept, or, in
// the environment only, the secret itself.
package secret

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
)

const redacted = "[redacted]"

// Value is a secret. The zero Value is empty.
type Value struct {
	text *string // a pointer, since fmt prints unexported fields of others as they are
}

// New keeps a text.
func New(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{&text}
}

// Reveal is the text itself, for the one call that needs it.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// Empty says whether there is none.
func (v Value) Empty() bool { return v.text == nil }

// Equal compares in constant time.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(other.Reveal())) == 1
}

func (v Value) String() string {
	if v.Empty() {
		return ""
	}
	return redacted
}

func (v Value) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, v.String()) }
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.String()) }
func (v Value) LogValue() slog.Value         { return slog.StringValue(v.String()) }

// Kinds of places that a Ref names.
const (
	InFile           = "file"           // file:PATH, readable by its owner only
	InSecretsManager = "secretsmanager" // secretsmanager:ARN-or-name, with #MEMBER for a member of a JSON object
	InParameterStore = "ssm"            // ssm:NAME of a SecureString
)

// Ref says where a secret is. It prints as it was written, or as [redacted] when it is the secret itself.
type Ref struct {
	kind, place string
	value       Value
}

// Parse reads a Ref: "file:PATH", "secretsmanager:ARN", "ssm:NAME", or else the secret itself. Its error does not
// hold the text.
func Parse(text string) (Ref, error) {
	for _, kind := range []string{InFile, InSecretsManager, InParameterStore} {
		if place, ok := strings.CutPrefix(text, kind+":"); ok {
			if strings.TrimSpace(place) != place || place == "" {
				return Ref{}, fmt.Errorf("nothing fit to be a place follows %q", kind+":")
			}
			return Ref{kind: kind, place: place}, nil
		}
	}
	if strings.TrimSpace(text) != text {
		return Ref{}, errors.New("there are blanks around it")
	}
	return Ref{value: New(text)}, nil
}

// Literal is the Ref that is the secret itself.
func Literal(text string) Ref { return Ref{value: New(text)} }

// Here is the secret, where the Ref is the secret itself and no place.
func (r Ref) Here() (Value, bool) { return r.value, !r.value.Empty() }

// Empty says whether nothing is configured.
func (r Ref) Empty() bool { return r.kind == "" && r.value.Empty() }

// Equal says whether two name the same.
func (r Ref) Equal(other Ref) bool {
	return r.kind == other.kind && r.place == other.place && r.value.Equal(other.value)
}

func (r Ref) String() string {
	if r.kind == "" {
		return r.value.String()
	}
	return r.kind + ":" + r.place
}

func (r Ref) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, r.String()) }
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
func (r Ref) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }
func (r Ref) LogValue() slog.Value         { return slog.StringValue(r.String()) }

// Vault reads what AWS keeps: kind is InSecretsManager or InParameterStore, name the secret's or parameter's name or ARN.
type Vault interface {
	Secret(ctx context.Context, kind, name string) (string, error)
}

// Resolve reads the secret. A nil vault knows files only. An empty Ref gives an empty Value. No error holds the secret.
func (r Ref) Resolve(ctx context.Context, vault Vault) (Value, error) {
	switch r.kind {
	case "":
		return r.value, nil
	case InFile:
		return fromFile(r.place)
	}
	name, member, picked := strings.Cut(r.place, "#")
	if vault == nil {
		return Value{}, fmt.Errorf("read secret %s: this program cannot ask AWS for secrets", r)
	}
	text, err := vault.Secret(ctx, r.kind, name)
	if err != nil {
		return Value{}, fmt.Errorf("read secret %s: %w", r, err)
	}
	if picked {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &members) != nil || json.Unmarshal(members[member], &text) != nil {
			return Value{}, fmt.Errorf("read secret %s: it is no JSON object with a text of that name", r)
		}
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return Value{}, fmt.Errorf("read secret %s: it is empty", r)
	}
	return New(text), nil
}

// maxFile in bytes is far above any secret.
const maxFile = 64 << 10

// fromFile reads a file that nobody but its owner may read.
func fromFile(path string) (Value, error) {
	f, err := os.Open(path)
	if err != nil {
		return Value{}, fmt.Errorf("read secret: %w", err) // it names the file
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Value{}, fmt.Errorf("read secret: %w", err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return Value{}, fmt.Errorf("read secret: %s is not a regular file", path)
	case mode.Perm()&0o077 != 0:
		return Value{}, fmt.Errorf("read secret: %s may be read or written by others (mode %#o): run chmod 600 on it", path, mode.Perm()&fs.ModePerm)
	case info.Size() > maxFile:
		return Value{}, fmt.Errorf("read secret: %s has %d bytes: is it the right file?", path, info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return Value{}, fmt.Errorf("read secret: %w", err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return Value{}, fmt.Errorf("read secret: %s is empty", path)
	}
	return New(text), nil
}
