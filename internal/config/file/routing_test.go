package file

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/config"
)

// TestRoutingFile: the example of the file is that of the environment, and what is wrong is shown where it stands.
func TestRoutingFile(t *testing.T) {
	var key config.Key
	for _, k := range config.Keys {
		if k.Name == "routing" {
			key = k
		}
	}
	want, problem := key.Parse(key.Example)
	if problem != nil {
		t.Fatal(problem)
	}
	text := "version: 1\nrouting:\n  " + strings.ReplaceAll(key.Lines, "\n", "\n  ")
	c, err := config.Load(Parse("x", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, c.Routing); diff != "" {
		t.Errorf("the lines are not the example (-want +got):\n%s", diff)
	}
	for _, test := range []struct {
		name, text string
		want       string
	}{
		{"channel", "routes:\n    - severity: high\n      channels: [slak]\n", "x:5:18: routing.routes[0].channels[0]: "},
		{"key", "routes:\n    - chanels: [sns]\n", "x:4:7: unknown key"},
		{"window", "maintenance:\n    - from: 2026-12-01T20:00:00Z\n      until: 2026-12-01T19:00:00Z\n      who: a\n      why: b\n", "x:5:7: routing.maintenance[0].until: the window ends before"},
		{"nobody", "maintenance:\n    - from: 2026-12-01T20:00:00Z\n      until: 2026-12-01T21:00:00Z\n      why: b\n", "the key \"who\" is missing"},
		{"no list", "routes: slack\n", "x:3:11: "},
	} {
		_, err := config.Load(Parse("x", []byte("version: 1\nrouting:\n  "+test.text)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}
