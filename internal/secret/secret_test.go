package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const canary = "xoxb-canary-123456789"

// Whatever prints a secret, alone or deep within something else, prints none of it.
func TestNothingPrintsIt(t *testing.T) {
	type inner struct {
		Shown  Value
		hidden Value
		ref    Ref
	}
	v, r := New(canary), Literal(canary)
	all := []any{v, &v, r, &r, inner{v, v, r}, &inner{v, v, r}, map[string]Value{"a": v}, []Ref{r}, errors.Join(fmt.Errorf("call with %v %s", v, r))}
	var printed strings.Builder
	for _, x := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
			fmt.Fprintf(&printed, verb+"\n", x)
		}
		doc, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(doc)
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", x)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", x, slog.Any("v", v))
		printed.Write(log.Bytes())
	}
	if text := printed.String(); strings.Contains(text, "canary") || strings.Contains(text, fmt.Sprintf("%x", "canary")) {
		t.Errorf("printed:\n%s", text)
	}
	if !strings.Contains(printed.String(), redacted) {
		t.Error("nothing says that something was left out")
	}
	if v.Reveal() != canary {
		t.Error("the secret is lost")
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	vault := vault{
		"secretsmanager arn:aws:secretsmanager:eu-west-1:111122223333:secret:slack-AbCdEf": canary + "\n",
		"secretsmanager object":  `{"token":"` + canary + `","number":5}`,
		"ssm /trailwarden/slack": canary,
		"ssm empty":              "\n",
	}
	for _, c := range []struct {
		ref, want, wrong string
	}{
		{canary, canary, ""},
		{"", "", ""},
		{file("good", canary+"\n", 0o600), canary, ""},
		{file("readonly", canary, 0o400), canary, ""},
		{file("group", canary, 0o640), "", "chmod 600"},
		{file("world", canary, 0o604), "", "chmod 600"},
		{file("empty", "\n", 0o600), "", "is empty"},
		{file("large", strings.Repeat("x", maxFile+1), 0o600), "", "right file"},
		{"file:" + dir, "", "not a regular file"},
		{"file:" + dir + "/none", "", "no such file"},
		{"secretsmanager:arn:aws:secretsmanager:eu-west-1:111122223333:secret:slack-AbCdEf", canary, ""},
		{"secretsmanager:object#token", canary, ""},
		{"secretsmanager:object#number", "", "no JSON object"},
		{"secretsmanager:object#none", "", "no JSON object"},
		{"ssm:/trailwarden/slack", canary, ""},
		{"ssm:empty", "", "is empty"},
		{"ssm:none", "", "ParameterNotFound"},
	} {
		r, err := Parse(c.ref)
		if err != nil {
			t.Errorf("%s: %v", c.ref, err)
			continue
		}
		got, err := r.Resolve(context.Background(), vault)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: error %v, want one with %q", c.ref, err, c.wrong)
			}
			continue
		}
		if err != nil || got.Reveal() != c.want {
			t.Errorf("%s: %q, %v; want %q", c.ref, got.Reveal(), err, c.want)
		}
	}
	for _, bad := range []string{"file:", "ssm: x", " " + canary, canary + "\n"} {
		if _, err := Parse(bad); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if r, _ := Parse("ssm:x"); true {
		if _, err := r.Resolve(context.Background(), nil); err == nil {
			t.Error("without a vault a parameter was read")
		}
	}
}

type vault map[string]string

func (v vault) Secret(_ context.Context, kind, name string) (string, error) {
	text, ok := v[kind+" "+name]
	if !ok {
		return "", errors.New("ParameterNotFound")
	}
	return text, nil
}
