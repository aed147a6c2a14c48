package sim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

const (
	keyUUID  = "0a1b2c3d-0000-4000-8000-000000000001"
	otherKey = "0a1b2c3d-0000-4000-8000-000000000002"
)

// kms makes a call of the KMS API as the wire has it, and returns the answer and the error code.
func (s *site) kms(t *testing.T, op, body string) (map[string]any, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx(t), http.MethodPost, "http://kms.sim.invalid/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	who, err := s.config.Credentials.Retrieve(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+who.AccessKeyID+"/20260105/"+s.config.Region+"/kms/aws4_request, SignedHeaders=host, Signature=00")
	req.Header.Set("X-Amz-Target", "TrentService."+op)
	resp, err := s.Transport().RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%s answered %s", op, text)
	}
	code, _ := answer["__type"].(string)
	return answer, code
}

func (s *site) useKey(t *testing.T, key string) error {
	_, err := s.trail.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), KmsKeyId: &key})
	return err
}

// However the key is named, the trail answers its full ARN, and keeps it when the alias moves on.
func TestTrailKeyByAnyName(t *testing.T) {
	arn := "arn:aws:kms:eu-central-1:111122223333:key/" + keyUUID
	tests := []struct{ name, want string }{
		{keyUUID, ""},
		{arn, ""},
		{"alias/logs", ""},
		{"arn:aws:kms:eu-central-1:111122223333:alias/logs", ""},
		{"alias/none", "KmsKeyNotFoundException"},
		{"arn:aws:kms:us-east-1:111122223333:alias/logs", "KmsKeyNotFoundException"}, // its key is not in the bucket's Region
		{"arn:aws:kms:eu-central-1:111122223333:alias/none", "KmsKeyNotFoundException"},
		{"arn:aws:sns:eu-central-1:111122223333:alias/logs", "InvalidKmsKeyIdException"},
		{"logs", "InvalidKmsKeyIdException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			a := s.Account(account)
			a.Alias(home, "alias/logs", a.Key(home, keyUUID))
			a.Alias(away, "alias/logs", a.Key(away, keyUUID))
			s.stopped(t)
			wantCode(t, tt.want, s.useKey(t, tt.name))
			_, err := s.trail.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("second"), S3BucketName: aws.String("logs"), KmsKeyId: &tt.name})
			wantCode(t, tt.want, err)
			if tt.want != "" {
				return
			}
			a.Alias(home, "alias/logs", a.Key(home, otherKey))
			if got := aws.ToString(s.get(t).KmsKeyId); got != arn {
				t.Errorf("the trail has key %s, want %s", got, arn)
			}
		})
	}
}

func TestLifeOfAKey(t *testing.T) {
	s := newSite(t, Options{})
	arn := s.Account(account).Key(home, keyUUID)
	s.stopped(t)
	wantCode(t, "", s.useKey(t, arn))
	s.start(t)
	s.Advance(time.Hour)
	id := `{"KeyId":"` + keyUUID + `"}`
	steps := []struct {
		op, body, code  string
		state, delivery string // afterwards
		save            string
	}{
		{"DisableKey", id, "", "Disabled", "KMS.DisabledException", "KmsException"},
		{"EnableKey", `{"KeyId":"` + arn + `"}`, "", "Enabled", "", ""},
		{"CancelKeyDeletion", id, "KMSInvalidStateException", "Enabled", "", ""},
		{"ScheduleKeyDeletion", `{"KeyId":"` + arn + `","PendingWindowInDays":6}`, "ValidationException", "Enabled", "", ""},
		{"ScheduleKeyDeletion", `{"KeyId":"` + arn + `","PendingWindowInDays":7}`, "", "PendingDeletion", "KMS.KMSInvalidStateException", "KmsException"},
		{"EnableKey", id, "KMSInvalidStateException", "PendingDeletion", "KMS.KMSInvalidStateException", "KmsException"},
		{"CancelKeyDeletion", id, "", "Disabled", "KMS.DisabledException", "KmsException"},
		{"EnableKey", id, "", "Enabled", "", ""},
		{"DisableKey", `{"KeyId":"` + otherKey + `"}`, "NotFoundException", "Enabled", "", ""},
	}
	for i, step := range steps {
		_, code := s.kms(t, step.op, step.body)
		if code != step.code {
			t.Errorf("step %d, %s: %q, want %q", i, step.op, code, step.code)
		}
		s.Advance(time.Hour)
		answer, _ := s.kms(t, "DescribeKey", id)
		data, _ := answer["KeyMetadata"].(map[string]any)
		if data["KeyState"] != step.state || data["Enabled"] != (step.state == "Enabled") || data["Arn"] != arn || (data["DeletionDate"] != nil) != (step.state == "PendingDeletion") {
			t.Errorf("step %d, %s: key is %v", i, step.op, data)
		}
		if got := aws.ToString(s.status(t).LatestDeliveryError); got != step.delivery {
			t.Errorf("step %d, %s: LatestDeliveryError %q, want %q", i, step.op, got, step.delivery)
		}
		s.stop(t)
		s.start(t) // always works
		wantCode(t, step.save, s.useKey(t, arn))
	}
	s.kms(t, "ScheduleKeyDeletion", id)
	s.Advance(31 * 24 * time.Hour)
	if _, code := s.kms(t, "CancelKeyDeletion", id); code != "NotFoundException" {
		t.Errorf("cancelling the deletion of a deleted key: %q", code)
	}
	if got := aws.ToString(s.status(t).LatestDeliveryError); got != "KMS.NotFoundException" {
		t.Errorf("LatestDeliveryError %q after the key is gone", got)
	}
	wantCode(t, "KmsKeyNotFoundException", s.useKey(t, arn))
}

func TestAliases(t *testing.T) {
	s := newSite(t, Options{})
	arn := s.Account(account).Key(home, keyUUID)
	s.Account(account).Key(home, otherKey)
	steps := []struct{ op, body, code string }{
		{"CreateAlias", `{"AliasName":"alias/logs","TargetKeyId":"` + keyUUID + `"}`, ""},
		{"CreateAlias", `{"AliasName":"alias/logs","TargetKeyId":"` + keyUUID + `"}`, "AlreadyExistsException"},
		{"CreateAlias", `{"AliasName":"alias/aws/mine","TargetKeyId":"` + keyUUID + `"}`, "InvalidAliasNameException"},
		{"CreateAlias", `{"AliasName":"logs","TargetKeyId":"` + keyUUID + `"}`, "InvalidAliasNameException"},
		{"CreateAlias", `{"AliasName":"alias/none","TargetKeyId":"0a1b2c3d-0000-4000-8000-00000000ffff"}`, "NotFoundException"},
		{"UpdateAlias", `{"AliasName":"alias/none","TargetKeyId":"` + keyUUID + `"}`, "NotFoundException"},
		{"DescribeKey", `{"KeyId":"alias/logs"}`, ""},
		{"UpdateAlias", `{"AliasName":"alias/logs","TargetKeyId":"` + otherKey + `"}`, ""},
		{"DisableKey", `{"KeyId":"alias/logs"}`, "InvalidArnException"},
	}
	for i, step := range steps {
		if _, code := s.kms(t, step.op, step.body); code != step.code {
			t.Errorf("step %d, %s %s: %q, want %q", i, step.op, step.body, code, step.code)
		}
	}
	list := func(s *site, body string) (targets []string) {
		answer, code := s.kms(t, "ListAliases", body)
		if code != "" {
			t.Fatal(code)
		}
		all, _ := answer["Aliases"].([]any)
		for _, x := range all {
			targets = append(targets, x.(map[string]any)["TargetKeyId"].(string))
		}
		return targets
	}
	if got := list(s, "{}"); len(got) != 1 || got[0] != otherKey {
		t.Errorf("aliases point to %v", got)
	}
	if got := list(s, `{"KeyId":"`+arn+`"}`); len(got) != 0 {
		t.Errorf("aliases of the first key point to %v", got)
	}
	if got := list(s.in(away, account), "{}"); len(got) != 0 {
		t.Errorf("aliases of another Region: %v", got)
	}
	if _, code := s.as(strangerID).kms(t, "DisableKey", `{"KeyId":"`+arn+`"}`); code != "AccessDeniedException" {
		t.Errorf("a stranger disables the key: %q", code)
	}
}

// A change of a key is a record that rules of the default bus can match.
func TestKeyChangesAreRecorded(t *testing.T) {
	s := newSite(t, Options{})
	arn := s.Account(account).Key(home, keyUUID)
	s.logging(t)
	s.kms(t, "DisableKey", `{"KeyId":"`+arn+`"}`)
	records := s.Records()
	last := records[len(records)-1]
	if last.Name != "DisableKey" || last.Source != "kms.amazonaws.com" || !last.Bus || !bytes.Contains(last.Raw, []byte(`"requestParameters":{"keyId":"`+arn+`"}`)) {
		t.Errorf("record %s", last.Raw)
	}
}

func TestAWSCLIUsesKMS(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the real AWS CLI reads the answers of KMS; it takes seconds")
	}
	w := New(Options{})
	arn := w.Account(account).Key(home, keyUUID)
	server := httptest.NewServer(w)
	defer server.Close()
	cli := findAWSCLI(t, server.URL)
	if answer, failure := cli.run(t, "kms", "schedule-key-deletion", "--key-id", keyUUID, "--pending-window-in-days", "7"); answer["KeyState"] != "PendingDeletion" {
		t.Errorf("schedule-key-deletion: %v %s", answer, failure)
	}
	if answer, failure := cli.run(t, "kms", "cancel-key-deletion", "--key-id", arn); answer["KeyId"] != arn {
		t.Errorf("cancel-key-deletion: %v %s", answer, failure)
	}
	answer, failure := cli.run(t, "kms", "describe-key", "--key-id", arn)
	if data, _ := answer["KeyMetadata"].(map[string]any); data["KeyState"] != "Disabled" {
		t.Errorf("describe-key: %v %s", answer, failure)
	}
	if _, failure := cli.run(t, "kms", "enable-key", "--key-id", otherKey); !strings.Contains(failure, "(NotFoundException)") {
		t.Errorf("enable-key of an absent key: %s", failure)
	}
}

// The policy of a key decides whether CloudTrail can be told to use it, and whether what it uses goes on working.
func TestKeyPolicyAndTheTrail(t *testing.T) {
	s := newSite(t, Options{})
	s.logging(t)
	answer, code := s.kms(t, "CreateKey", "{}")
	if code != "" {
		t.Fatal(code)
	}
	arn := answer["KeyMetadata"].(map[string]any)["Arn"].(string)
	wantCode(t, "InsufficientEncryptionPolicyException", s.useKey(t, arn))
	put := func(policy string) string {
		body, err := json.Marshal(map[string]string{"KeyId": arn, "PolicyName": "default", "Policy": policy})
		if err != nil {
			t.Fatal(err)
		}
		_, code := s.kms(t, "PutKeyPolicy", string(body))
		return code
	}
	own := CloudTrailKeyPolicy(account, mainARN)
	steps := []struct{ policy, code, save, delivery string }{
		{own, "", "", ""},
		{keyPolicy(account), "", "InsufficientEncryptionPolicyException", "KMS.AccessDeniedException"},
		{"{", "MalformedPolicyDocumentException", "InsufficientEncryptionPolicyException", "KMS.AccessDeniedException"},
		{CloudTrailKeyPolicy(account, mainARN+"2"), "", "InsufficientEncryptionPolicyException", "KMS.AccessDeniedException"},
		{own, "", "", ""},
	}
	for i, step := range steps {
		if code := put(step.policy); code != step.code {
			t.Errorf("step %d: PutKeyPolicy answers %q, want %q", i, code, step.code)
		}
		wantCode(t, step.save, s.useKey(t, arn))
		_, err := s.trail.PutInsightSelectors(ctx(t), &cloudtrail.PutInsightSelectorsInput{TrailName: aws.String("main"), InsightSelectors: []types.InsightSelector{{InsightType: "ApiErrorRateInsight"}}})
		wantCode(t, step.save, err)
		s.Advance(time.Hour)
		if got := aws.ToString(s.status(t).LatestDeliveryError); got != step.delivery {
			t.Errorf("step %d: LatestDeliveryError %q, want %q", i, got, step.delivery)
		}
	}
	if answer, _ := s.kms(t, "GetKeyPolicy", `{"KeyId":"`+arn+`"}`); answer["Policy"] != own {
		t.Errorf("GetKeyPolicy answers %v", answer)
	}
}
