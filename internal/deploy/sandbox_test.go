package deploy

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/trailwarden/trailwarden/internal/sim"
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

// sandboxShims stand before sleep, date and the AWS CLI, so that hours of waiting take a minute: ten times what would be waited for is added to a
// number of seconds in $CLOCK, which is what the simulated AWS goes by, too. A poll that finds nothing waits twice as long as the one before, up to 80 seconds.
var sandboxShims = map[string]string{
	"sleep": `#!/bin/bash
echo $(($(cat "$CLOCK") + $1 * 10)) >"$CLOCK"
`,
	"date": `#!/bin/bash
[ "$1" = +%s ] || exec /bin/date "$@"
echo $(($(/bin/date +%s) + $(cat "$CLOCK")))
`,
	"aws": `#!/bin/bash
set -- --endpoint-url "$AWS_ENDPOINT_URL" "$@" # the first AWS CLI takes none from the environment for SQS
[[ " $* " = *" receive-message "* ]] || exec "$AWS" "$@"
args=()
for a in "$@"; do args+=("${a/#10/1}"); done
out=$("$AWS" "${args[@]}") || exit
if [ -n "$out" ]; then
  echo 10 >"$CLOCK.next"
  echo "$out"
else
  next=$(cat "$CLOCK.next")
  echo $(($(cat "$CLOCK") + next)) >"$CLOCK"
  echo $((next < 80 ? next * 2 : next)) >"$CLOCK.next"
fi
`,
}

// TestSandboxAcceptanceOnSim runs the script on a simulated AWS with the real AWS CLI: it finds out what is built into the simulation, and leaves nothing behind.
func TestSandboxAcceptanceOnSim(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the acceptance script runs; the AWS CLI starts sixty times")
	}
	cli, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("NOT PROVEN HERE: that the acceptance script runs, for the AWS CLI is not installed")
	}
	t.Parallel()
	dir := t.TempDir()
	clock := filepath.Join(dir, "clock")
	ok(t)(nil, os.WriteFile(clock, []byte("0\n"), 0o600))
	ok(t)(nil, os.WriteFile(clock+".next", []byte("10\n"), 0o600))
	for name, text := range sandboxShims {
		ok(t)(nil, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	var last time.Duration
	world := sim.New(sim.Options{DefaultAccount: account, Clock: func() time.Time {
		text, err := os.ReadFile(clock)
		if seconds, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil { // else it is being written
			last = max(last, time.Duration(seconds)*time.Second)
		}
		return time.Now().Add(last)
	}})
	server := httptest.NewServer(world)
	defer server.Close()
	stop := time.NewTicker(20 * time.Millisecond) // the clock jumps: World.Run would sleep on
	defer stop.Stop()
	go func() {
		for range stop.C {
			world.Deliver()
		}
	}()
	cmd := exec.CommandContext(t.Context(), "bash", "../../deploy/sandbox-acceptance.sh", "--account", account, "--region", region, "--rounds", "1")
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CLOCK="+clock, "AWS="+cli, "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_SESSION_TOKEN=", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	report := string(out)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, report, &errs)
	}
	for _, want := range []string{
		`\| AddTags in the queue, round 1 \| [0-9]+ s \|`, `\| StopLogging of the trail \(the only one: yes\) \| [0-9]+ s \|`, `\| AddTags after the only trail has stopped \| never \|`,
		`\| StartLogging of the stopped, only trail \| [0-9]+ s \|`, `\| trails in the Region, with ours \| 1 \|`, `\| the sixth trail of a Region \| \(MaximumNumberOfTrailsExceededException\) \|`,
	} {
		if !regexp.MustCompile(want).MatchString(report) {
			t.Errorf("the report does not say %s", want)
		}
	}
	if same := regexp.MustCompile(`requestID of the record \| (\S+) and (\S+) \|`).FindStringSubmatch(report); same == nil || same[1] != same[2] || len(same[1]) != 36 {
		t.Errorf("the report on request ids says %v", same)
	}
	if strings.Contains(errs.String(), "STILL THERE") {
		t.Errorf("something was not removed:\n%s", &errs)
	}
	who := world.Account(account).User("admin")
	cfg := (&site{world: world}).as(who)
	trails, err := cloudtrail.NewFromConfig(cfg).DescribeTrails(t.Context(), &cloudtrail.DescribeTrailsInput{})
	ok(t)(trails, err)
	buckets, err := s3.NewFromConfig(cfg).ListBuckets(t.Context(), &s3.ListBucketsInput{})
	ok(t)(buckets, err)
	queues, err := sqs.NewFromConfig(cfg).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	ok(t)(queues, err)
	rules, err := eventbridge.NewFromConfig(cfg).ListRules(t.Context(), &eventbridge.ListRulesInput{NamePrefix: aws.String("tw-acceptance")})
	ok(t)(rules, err)
	if left := fmt.Sprint(len(trails.TrailList), len(buckets.Buckets), len(queues.QueueUrls), len(rules.Rules)); left != "0 0 0 0" {
		t.Errorf("trails, buckets, queues and rules that stay: %s", left)
	}
	if t.Failed() {
		t.Logf("%s\n%s", report, &errs)
	}
}

// Interrupted while it waits, the script removes what it has made by then.
func TestSandboxAcceptanceInterrupted(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("NOT PROVEN HERE: that the acceptance script cleans up when it is interrupted, for bash is not installed")
	}
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	for name, text := range map[string]string{
		"sleep": "#!/bin/bash\nkill -INT $PPID\n",
		"aws": `#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  *get-caller-identity*) echo ` + account + ` ;;
  *create-queue*) echo https://sqs.invalid/queue ;;
esac
`,
	} {
		ok(t)(nil, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "../../deploy/sandbox-acceptance.sh", "--account", account)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CALLS="+calls)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("it ends with %v:\n%s", err, out)
	}
	made, err := os.ReadFile(calls)
	ok(t)(made, err)
	for _, pair := range [][2]string{{"create-trail", "delete-trail"}, {"put-rule", "delete-rule"}, {"create-queue", "delete-queue"}, {"create-bucket", "delete-bucket"}} {
		if strings.Count(string(made), pair[0]+" ") != 1 || strings.Count(string(made), pair[1]+" ") != 1 {
			t.Errorf("not one %s and one %s:\n%s", pair[0], pair[1], made)
		}
	}
}
