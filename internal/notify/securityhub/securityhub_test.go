package securityhub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

const (
	account   = "123456789012"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func config(client aws.HTTPClient) aws.Config {
	return aws.Config{Region: "eu-west-1", HTTPClient: client, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", secretKey, notifytest.CanaryToken)}
}

// open opens a channel on a hub. Its clock goes on by a minute with every look.
func open(t *testing.T, answers ...answer) (*Channel, *hub) {
	t.Helper()
	h := &hub{t: t, answers: answers}
	now := time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC)
	c, err := Open(config(h), account, "1.0.0", func() time.Time { now = now.Add(time.Minute); return now })
	if err != nil {
		t.Fatal(err)
	}
	return c, h
}

// TestLife: one finding goes through the incident's life, and Security Hub shows at each step how it stands.
func TestLife(t *testing.T) {
	c, h := open(t)
	type standing struct{ Stage, RecordState, Workflow, Note string }
	got := map[string]standing{}
	for _, sample := range notifytest.Life()[:7] {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
		if len(h.kept) != 1 {
			t.Fatalf("%s makes %d findings of one incident", sample.Name, len(h.kept))
		}
		for _, f := range h.kept {
			got[sample.Name] = standing{f.Product["trailwarden/stage"], f.RecordState, f.Workflow, f.Note}
		}
	}
	const note = "Taken on by ada@example.com: mallory's key is disabled; looking at what else she did"
	want := map[string]standing{
		"opened":       {"opened", "ACTIVE", "NEW", ""},
		"repaired":     {"repaired", "ACTIVE", "NEW", ""},
		"evidence":     {"evidence", "ACTIVE", "NEW", ""},
		"again":        {"again", "ACTIVE", "NEW", ""},
		"escalated":    {"escalated", "ACTIVE", "NEW", ""},
		"acknowledged": {"acknowledged", "ACTIVE", "NOTIFIED", note},
		"confirmed":    {"confirmed", "ARCHIVED", "RESOLVED", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The same incident, tampered with once more, is new to people.
	if err := c.Notify(t.Context(), notifytest.Life()[3].Incident); err != nil {
		t.Fatal(err)
	}
	for _, f := range h.kept {
		if f.RecordState != "ACTIVE" || f.Workflow != "NEW" {
			t.Errorf("tampered with after the end of its life: %+v", f)
		}
	}
}

func TestGolden(t *testing.T) {
	for _, sample := range notifytest.Life() {
		c, h := open(t)
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatal(err)
		}
		rendered, err := c.Render(sample.Incident)
		if err != nil {
			t.Fatal(err)
		}
		strip := func(doc []byte) map[string]any {
			var v map[string]any
			if err := json.Unmarshal(doc, &v); err != nil {
				t.Fatal(err)
			}
			delete(v, "UpdatedAt")
			return v
		}
		if diff := cmp.Diff(strip(h.last), strip(rendered)); diff != "" {
			t.Errorf("%s: what is rendered is not what is sent:\n%s", sample.Name, diff)
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, rendered, "", "  "); err != nil {
			t.Fatal(err)
		}
		compare(t, sample.Name+".golden", append(pretty.Bytes(), '\n'))
	}
}

// TestHostile: whatever a record holds, Security Hub takes the finding, and it brings no secret along.
func TestHostile(t *testing.T) {
	c, h := open(t)
	for name, inc := range notifytest.HostileIncidents() {
		if err := c.Notify(t.Context(), inc); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := notifytest.JSON(h.last); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignTrail: a trail of another account is a finding of ours, since Security Hub takes no other.
func TestForeignTrail(t *testing.T) {
	c, h := open(t)
	inc := notifytest.Repaired()
	inc.Trail = incident.TrailRef{ARN: "arn:aws:cloudtrail:us-east-1:999988887777:trail/theirs", Name: "theirs", Account: "999988887777", Region: "us-east-1", Partition: "aws"}
	if err := c.Notify(t.Context(), inc); err != nil {
		t.Fatal(err)
	}
	var f struct {
		Resources     []struct{ Id string }
		ProductFields map[string]string
	}
	if err := json.Unmarshal(h.last, &f); err != nil {
		t.Fatal(err)
	}
	if f.Resources[0].Id != inc.Trail.ARN || f.ProductFields["trailwarden/trail_account"] != "999988887777" {
		t.Errorf("%+v", f)
	}
}

// TestFailures: each failure says what to do, whether another try is of use, and no secret.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer    answer
		permanent bool
		says      string
	}{
		"not enabled": {answer{status: 401, code: "InvalidAccessException", message: "Account 123456789012 is not subscribed to AWS Security Hub"}, true, "enable it"},
		"not allowed": {answer{status: 403, code: "AccessDeniedException", message: "User: x is not authorized to perform: securityhub:BatchImportFindings"}, true, "allow securityhub:BatchImportFindings"},
		"bad input":   {answer{status: 400, code: "InvalidInputException", message: "Invalid parameter"}, true, "Invalid parameter"},
		"limit":       {answer{status: 429, code: "LimitExceededException", message: "Too many"}, false, "quotas"},
		"throttled":   {answer{status: 429, code: "TooManyRequestsException", message: "Rate exceeded"}, false, "Rate exceeded"},
		"in trouble":  {answer{status: 500, code: "InternalException", message: "sorry"}, false, "sorry"},
		"expired":     {answer{status: 403, code: "ExpiredTokenException", message: "expired"}, false, "log in again"},
		"wrong key":   {answer{status: 403, code: "InvalidSignatureException", message: "x-amz-security-token:" + notifytest.CanaryToken + "\n"}, false, "clock"},

		"finding refused":    {answer{finding: true, code: "InvalidInput", message: "Finding does not adhere to ASFF: data.Title"}, true, "data.Title"},
		"finding in trouble": {answer{finding: true, code: "InternalFailure", message: "sorry"}, false, "sorry"},
		"counted by nobody":  {answer{status: 200, raw: `{"FailedCount":0,"SuccessCount":1,"FailedFindings":[{"Id":"x","ErrorCode":"InvalidInput","ErrorMessage":"data.Id"}]}`}, true, "data.Id"},
		"no reason":          {answer{status: 200, raw: `{"FailedCount":1,"SuccessCount":0}`}, false, "does not say why"},
		"garbage":            {answer{status: 503, raw: "\x00\x1b[2J <html>"}, false, "503"},
		"unknown code":       {answer{status: 418, code: "SomethingNew", message: "new\u009b31m\u202e"}, false, "SomethingNew"},
		"never answers":      {answer{hang: true}, false, "no answer within 8s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				channel, _ := open(t, c.answer, c.answer, c.answer, c.answer)
				began := time.Now()
				err := channel.Notify(t.Context(), notifytest.Repaired())
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took > Timeout {
					t.Errorf("it took %v", took)
				}
				text := err.Error()
				if notify.IsPermanent(err) != c.permanent || !strings.Contains(text, c.says) || !strings.Contains(text, "123456789012/eu-west-1") {
					t.Errorf("permanent %v, want %v, saying %q: %s", notify.IsPermanent(err), c.permanent, c.says, text)
				}
				if err := errors.Join(notifytest.Visible(text, false), notifytest.NoSecrets(text, secretKey)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestNotYetThere: Security Hub has not caught up with its own import: the update is tried again later.
func TestNotYetThere(t *testing.T) {
	c, _ := open(t, answer{status: 200, raw: `{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}`})
	confirmed := notifytest.Life()[6].Incident
	err := c.Notify(t.Context(), confirmed)
	if err == nil || notify.IsPermanent(err) || !strings.Contains(err.Error(), "FindingNotFound") {
		t.Fatalf("%v", err)
	}
	if err := c.Notify(t.Context(), confirmed); err != nil {
		t.Error(err)
	}
}

// TestGivenUp: the caller's giving up is no fault of Security Hub.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := open(t, answer{hang: true}, answer{hang: true})
		ctx, giveUp := context.WithCancel(t.Context())
		giveUp()
		if err := c.Notify(ctx, notifytest.Repaired()); !errors.Is(err, context.Canceled) || notify.IsPermanent(err) {
			t.Errorf("%v", err)
		}
	})
}

func TestOpen(t *testing.T) {
	if _, err := Open(config(nil), "12345", "", time.Now); err == nil {
		t.Error("no account id is taken for one")
	}
	cfg := config(nil)
	cfg.Region = ""
	if _, err := Open(cfg, account, "", time.Now); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a Region: %v", err)
	}
}

// TestPartitions: the product's ARN is of the partition that the Region is in.
func TestPartitions(t *testing.T) {
	for region, want := range map[string]string{"eu-west-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"} {
		c := &Channel{Account: account, Region: region}
		if got := c.product(notifytest.Repaired()); !strings.HasPrefix(got, "arn:"+want+":securityhub:"+region+":") {
			t.Errorf("%s: %s", region, got)
		}
	}
}

func compare(t *testing.T, name string, got []byte) {
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

// FuzzFinding: whatever a record holds, the finding is one that Security Hub takes, and gives no secret away.
func FuzzFinding(f *testing.F) {
	for _, text := range notifytest.Hostile {
		f.Add(text[:min(len(text), 2000)], byte(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, outcome byte) {
		canary := notifytest.CanaryKey + " " + notifytest.CanaryToken + " "
		c, h := open(t)
		for _, inc := range []incident.Incident{
			notifytest.Filled(canary + text), notifytest.Believable(text+" "+canary, incident.Outcomes[int(outcome)%len(incident.Outcomes)]),
		} {
			inc.Stage = incident.StageOpened
			if err := c.Notify(t.Context(), inc); err != nil {
				t.Fatal(err)
			}
			if err := notifytest.JSON(h.last); err != nil {
				t.Error(err)
			}
		}
	})
}
