package deploy

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The acceptance script removes all that it makes, and its dry run calls nothing.
func TestSandboxAcceptance(t *testing.T) {
	const script = "../../deploy/sandbox-acceptance.sh"
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("NOT PROVEN HERE: that the acceptance script runs, for bash is not installed")
	}
	cmd := exec.Command(bash, script, "--dry-run")
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	names := func(call string) []string {
		var list []string
		for _, m := range regexp.MustCompile(`would run: aws --region \S+ `+call+` (\S+)`).FindAllStringSubmatch(string(out), -1) {
			list = append(list, m[1])
		}
		slices.Sort(list)
		return list
	}
	for _, pair := range [][2]string{
		{"cloudtrail create-trail --name", "cloudtrail delete-trail --name"}, {"s3api create-bucket --bucket", "s3api delete-bucket --bucket"},
		{"events put-rule --name", "events delete-rule --name"},
	} {
		made, removed := names(pair[0]), names(pair[1])
		if len(made) == 0 || !slices.Equal(made, removed) {
			t.Errorf("%s %v, and %s %v", pair[0], made, pair[1], removed)
		}
	}
	if !strings.Contains(string(out), "sqs delete-queue") || strings.Contains(string(out), "STILL THERE") {
		t.Errorf("the queue stays:\n%s", out)
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("NOT PROVEN HERE: that the acceptance script is sound, for shellcheck is not installed")
	}
	if out, err := exec.Command("shellcheck", script).CombinedOutput(); err != nil {
		t.Errorf("shellcheck:\n%s", out)
	}
}
