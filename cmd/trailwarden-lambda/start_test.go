package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLittleIsMadeAtStart: what packages make of themselves before main begins is bounded, for a cold start waits for it. It is counted
// in bytes, which are the same on every machine. The SDK's clients of DynamoDB, EventBridge and SSM alone made 2.4 MB.
func TestLittleIsMadeAtStart(t *testing.T) {
	const most = 600 << 10
	cmd := exec.Command(buildBinary(t))
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1", "AWS_REGION=", "AWS_DEFAULT_REGION=") // without a Region it ends at once
	said, _ := cmd.CombinedOutput()
	total, lines := 0, regexp.MustCompile(`(?m)^init (\S+) @.*, (\d+) bytes,`).FindAllStringSubmatch(string(said), -1)
	var large []string
	for _, l := range lines {
		bytes, err := strconv.Atoi(l[2])
		if err != nil {
			t.Fatal(err)
		}
		if total += bytes; bytes > 50<<10 {
			large = append(large, l[1]+" "+l[2])
		}
	}
	if len(lines) < 10 {
		t.Fatalf("the trace was not understood:\n%s", said)
	}
	if total > most {
		t.Errorf("packages make %d bytes of themselves, and may make %d: have tables and expressions made when they are first used. The largest:\n%s",
			total, most, strings.Join(large, "\n"))
	}
}
