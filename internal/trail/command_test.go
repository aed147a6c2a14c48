package trail

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCommand(t *testing.T) {
	const name = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"
	for _, test := range []struct {
		action Action
		want   string
	}{
		{Start(main), "aws cloudtrail start-logging --region eu-central-1 --name " + name},
		{
			Action{Op: UpdateTrail, Send: []Field{FieldPrefix, FieldTopic, FieldKey, FieldLogGroup, FieldMultiRegion, FieldGlobalEvents, FieldValidation},
				Set: Settings{Prefix: "-x y", LogGroup: "arn:g:*", MultiRegion: true, GlobalEvents: true}},
			"aws cloudtrail update-trail --region eu-central-1 --name " + name + " '--s3-key-prefix=-x y' --sns-topic-name '' --kms-key-id ''" +
				" --cloud-watch-logs-log-group-arn 'arn:g:*' --is-multi-region-trail --include-global-service-events --no-enable-log-file-validation",
		},
		{
			Action{Op: CreateTrail, Send: []Field{FieldBucket, FieldOrganization, FieldTags}, Set: Settings{Bucket: "logs", Tags: map[string]string{"b": "it's", "a": "$(id)"}}},
			`aws cloudtrail create-trail --region eu-central-1 --name main --s3-bucket-name logs --no-is-organization-trail --tags-list '[{"Key":"a","Value":"$(id)"},{"Key":"b","Value":"it'\''s"}]'`,
		},
		{
			Action{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: basic(all)}},
			`aws cloudtrail put-event-selectors --region eu-central-1 --trail-name ` + name + ` --event-selectors '[{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[]}]'`,
		},
		{
			Action{Op: PutEventSelectors, Send: []Field{FieldSelectors}, Set: Settings{Selectors: advanced([]FieldSelector{mgmt})}},
			`aws cloudtrail put-event-selectors --region eu-central-1 --trail-name ` + name + ` --advanced-event-selectors '[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]}]}]'`,
		},
		{
			Action{Op: PutInsightSelectors, Send: []Field{FieldInsights}},
			`aws cloudtrail put-insight-selectors --region eu-central-1 --trail-name ` + name + ` --insight-selectors '[]'`,
		},
		{
			Action{Op: PutEventConfiguration, Send: []Field{FieldAggregations, FieldContextKeys, FieldEventSize},
				Set: Settings{EventConfig: EventConfig{ContextKeys: []ContextKeys{{Type: "TagContext", Equals: []string{"team"}}}, MaxEventSize: "Large"}}},
			`aws cloudtrail put-event-configuration --region eu-central-1 --trail-name ` + name + ` --aggregation-configurations '[]' --context-key-selectors '[{"Type":"TagContext","Equals":["team"]}]' --max-event-size Large`,
		},
		{
			Action{Op: RemoveTags, Keys: []string{"a b", "c"}},
			`aws cloudtrail remove-tags --region eu-central-1 --resource-id ` + name + ` --tags-list '[{"Key":"a b"},{"Key":"c"}]'`,
		},
		{
			Action{Op: AddTags, Send: []Field{FieldTags}, Set: Settings{Tags: map[string]string{"a": ""}}},
			`aws cloudtrail add-tags --region eu-central-1 --resource-id ` + name + ` --tags-list '[{"Key":"a"}]'`,
		},
	} {
		test.action.Target = main
		if d := cmp.Diff(test.want, test.action.Command()); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.action.Op, d)
		}
	}
}

// TestQuotedIsOneWord asks a real shell, for any bytes that a value can hold.
func TestQuotedIsOneWord(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("NOT PROVEN HERE: that a shell reads the quoted commands as they are meant, for there is no sh")
	}
	var texts []string
	rapid.Check(t, func(rt *rapid.T) {
		texts = append(texts, rapid.StringOf(rapid.SampledFrom([]rune("a'\"\\$`(){}[];&|<>*?~#! \t\nü-="))).Draw(rt, "text"))
	})
	script := "printf '%s\\000'"
	for _, text := range texts {
		script += " " + quoted(text)
	}
	out, err := exec.Command("sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(texts, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestPermissions(t *testing.T) {
	role := Action{Op: UpdateTrail, Send: []Field{FieldLogGroup, FieldLogRole}, Set: Settings{LogGroup: "g", LogRole: "r"}}
	if got := role.Permissions(); !slices.Equal(got, []string{"cloudtrail:UpdateTrail", "iam:PassRole"}) {
		t.Errorf("a log role needs %v", got)
	}
	role.Set = Settings{}
	if got := role.Permissions(); !slices.Equal(got, []string{"cloudtrail:UpdateTrail"}) {
		t.Errorf("taking a log role away needs %v", got)
	}
	create := Action{Op: CreateTrail, Send: []Field{FieldBucket, FieldTags}}
	if got := create.Permissions(); !slices.Equal(got, []string{"cloudtrail:CreateTrail", "cloudtrail:AddTags"}) {
		t.Errorf("creation with tags needs %v", got)
	}
}
