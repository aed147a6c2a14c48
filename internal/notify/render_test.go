package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
)

var update = flag.Bool("update", false, "write what is compared: testdata/*.golden and schemas/*.json")

// TestGolden renders every sample in every form. Read the files as somebody who was just woken up.
func TestGolden(t *testing.T) {
	all := samples()
	outcomes := map[incident.Outcome]bool{}
	for name, inc := range all {
		outcomes[inc.Outcome] = true
		t.Run(name, func(t *testing.T) {
			machine, err := Machine(inc, 128<<10)
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, machine, "", "  "); err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf("Subject: %s\n\n%s\n---- sms\n%s\n", Subject(inc), Prose(inc, berlin), Short(inc))
			golden(t, name+".golden", []byte(text))
			if name != "hostile" {
				golden(t, name+".json.golden", append(pretty.Bytes(), '\n'))
			}
		})
	}
	for _, o := range incident.Outcomes {
		if !outcomes[o] {
			t.Errorf("no sample has the outcome %q", o)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-file +now); run go test -update and read it:\n%s", path, diff)
	}
}
