package sim

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// awsCLI runs the real AWS CLI against a URL, with any keys, and returns its JSON answer, or what it said when it failed.
type awsCLI struct{ program, url, home string }

func findAWSCLI(t *testing.T, url string) awsCLI {
	t.Helper()
	program, err := exec.LookPath("aws")
	if err == nil {
		err = exec.Command(program, "--version").Run()
	}
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that the real AWS CLI works on the simulated AWS, for there is no working aws on this machine (%v)", err)
	}
	return awsCLI{program, url, t.TempDir()}
}

func (a awsCLI) run(t *testing.T, args ...string) (map[string]any, string) {
	t.Helper()
	cmd := exec.Command(a.program, append([]string{"--endpoint-url", a.url, "--region", home, "--output", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=", "AWS_PAGER=",
		"AWS_CONFIG_FILE="+filepath.Join(a.home, "config"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(a.home, "credentials"), "AWS_EC2_METADATA_DISABLED=true")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, errs.String()
	}
	answer := map[string]any{}
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
			t.Fatalf("aws %v: %v in %s", args, err, &out)
		}
	}
	return answer, ""
}

func TestRealAWSCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the real AWS CLI works on the simulated AWS; it takes seconds")
	}
	w := New(Options{})
	server := httptest.NewServer(w)
	defer server.Close()
	aws := findAWSCLI(t, server.URL)
	ok := func(args ...string) map[string]any {
		t.Helper()
		answer, failure := aws.run(t, args...)
		if failure != "" {
			t.Fatalf("aws %v: %s", args, failure)
		}
		return answer
	}
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(CloudTrailBucketPolicy("logs", mainARN)), 0o600); err != nil {
		t.Fatal(err)
	}
	if who := ok("sts", "get-caller-identity"); who["Arn"] != "arn:aws:iam::111122223333:user/cli" {
		t.Errorf("caller %v", who)
	}
	ok("s3api", "create-bucket", "--bucket", "logs", "--create-bucket-configuration", "LocationConstraint="+home)
	ok("s3api", "put-bucket-policy", "--bucket", "logs", "--policy", "file://"+policy)
	ok("cloudtrail", "create-trail", "--name", "main", "--s3-bucket-name", "logs", "--is-multi-region-trail", "--tags-list", "Key=owner,Value=security")
	logging := func() any { return ok("cloudtrail", "get-trail-status", "--name", mainARN)["IsLogging"] }
	ok("cloudtrail", "start-logging", "--name", "main")
	if logging() != true {
		t.Error("not logging after start-logging")
	}
	ok("cloudtrail", "stop-logging", "--name", mainARN)
	if logging() != false {
		t.Error("logging after stop-logging")
	}
	list, _ := ok("cloudtrail", "describe-trails")["trailList"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["TrailARN"] != mainARN {
		t.Errorf("describe-trails: %v", list)
	}
	events, _ := ok("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=StopLogging")["Events"].([]any)
	if len(events) != 1 {
		t.Errorf("lookup-events: %v", events)
	}
	if _, failure := aws.run(t, "cloudtrail", "stop-logging", "--name", "absent"); !bytes.Contains([]byte(failure), []byte("(TrailNotFoundException)")) {
		t.Errorf("stopping an absent trail: %s", failure)
	}
}
