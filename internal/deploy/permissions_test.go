package deploy

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/permissions.md, docs/cost.md and deploy/iam/*.json")

// everything is the stack with every switch on: the most that is ever granted.
func everything(t *testing.T) Made {
	t.Helper()
	return made(t, "trailwarden", artifact(append([]string{"RestoreTrailArns", mainARN, "RestoreLogRoleArns", "arn:aws:iam::" + account + ":role/trail-logs",
		"OrganizationId", "o-exampleorg1", "MemberAccounts", "444455556666", "HeartbeatBusArn", "arn:aws:events:eu-west-1:999999999999:event-bus/trailwarden-witness",
		"TopicKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/topic", "LedgerKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/ledger"}, options...)...))
}

// options are the parameters of what the functions may be configured with.
var options = []string{
	"Config", "trailwarden.config.json", "SecurityHub", "yes",
	"SecretArns", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:slack-AbCdEf,arn:aws:ssm:eu-central-1:111122223333:parameter/trailwarden/pagerduty",
	"KeyArns", "arn:aws:kms:eu-central-1:111122223333:key/secrets",
	"EventBusArn", "arn:aws:events:eu-central-1:111122223333:event-bus/security", "ChatTopicArn", "arn:aws:sns:eu-central-1:111122223333:chat",
	"EvidenceBucket", "trailwarden-evidence", "AnchorBucket", "trailwarden-anchors", "AnchorBucketOwner", "999999999999",
}

// granted are the actions that each role of the templates may call, by the end of the role's name.
func granted(t *testing.T) map[string][]string {
	t.Helper()
	restoring := samples()["member-role"]
	restoring["RestoreTrailArns"], restoring["RestoreLogRoleArns"] = "arn:aws:cloudtrail:*:*:trail/main", "arn:aws:iam::"+account+":role/trail-logs"
	sets := map[string]map[string]bool{}
	for _, stack := range []Made{everything(t), made(t, "forwarder", samples()["forwarder"]), made(t, "member-role", restoring)} {
		for _, id := range stack.Roles() {
			name := strings.Split(stack.Resources[id].Properties["RoleName"].(string), "-")[1]
			if sets[name] == nil {
				sets[name] = map[string]bool{}
			}
			policies, err := stack.Policies(id)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range policies {
				for _, s := range p.Statements() {
					for _, action := range s.Actions {
						if s.Effect == "Allow" {
							sets[name][action] = true
						}
					}
				}
			}
		}
	}
	out := map[string][]string{}
	for name, set := range sets {
		out[name] = slices.Sorted(maps.Keys(set))
	}
	return out
}

// TestGrantsAreTheTable: a permission in a template that nobody explained is found, and so is an explanation without one.
func TestGrantsAreTheTable(t *testing.T) {
	want := map[string][]string{}
	for _, p := range Permissions {
		for _, role := range p.Roles {
			want[role] = append(want[role], p.Action)
		}
	}
	for role := range want {
		slices.Sort(want[role])
	}
	if diff := cmp.Diff(want, granted(t)); diff != "" {
		t.Errorf("actions by role (-table +templates)\n%s", diff)
	}
}

// TestLeastPrivilege: no action with a wildcard, no resource that is everything but where the call knows none, and each
// call that changes a trail has a statement of its own.
func TestLeastPrivilege(t *testing.T) {
	unbound := []string{"cloudtrail:ListTrails", "cloudtrail:LookupEvents", "lambda:ListEventSourceMappings", "ec2:DescribeRegions", "organizations:DescribeOrganization", "organizations:ListDelegatedAdministrators"}
	for name, stack := range map[string]Made{"trailwarden": everything(t), "member-role": made(t, "member-role", samples()["member-role"]), "forwarder": made(t, "forwarder", samples()["forwarder"])} {
		for _, id := range stack.Roles() {
			policies, err := stack.Policies(id)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range policies {
				for _, s := range p.Statements() {
					if s.Effect != "Allow" {
						continue
					}
					for _, action := range s.Actions {
						if strings.Contains(action, "*") {
							t.Errorf("%s: %s of %s grants %s", name, s.Sid, id, action)
						}
						if slices.Contains(s.Resource, "*") && !slices.Contains(unbound, action) {
							t.Errorf("%s: %s of %s grants %s on everything", name, s.Sid, id, action)
						}
					}
				}
			}
		}
	}
}

// TestOptionsGrantWhatTheyName: each parameter adds its own statements to the roles that use it, on what it names and nothing beside; without
// parameters none of them is there.
func TestOptionsGrantWhatTheyName(t *testing.T) {
	statements := func(parameters ...string) map[string]map[string]string {
		stack, out := made(t, "trailwarden", artifact(parameters...)), map[string]map[string]string{}
		for _, id := range []string{"ReactRole", "SweepRole"} {
			policies, err := stack.Policies(id)
			if err != nil {
				t.Fatal(err)
			}
			out[id] = map[string]string{}
			for _, p := range policies {
				for _, s := range p.Statements() {
					text := s.Effect + " " + strings.Join(s.Actions, ",") + " on " + strings.Join(s.Resource, ",")
					if s.Condition != nil {
						text += " if " + encode(t, s.Condition)
					}
					out[id][s.Sid] = text
				}
			}
		}
		return out
	}
	before := statements()
	const secrets = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:slack-AbCdEf,arn:aws:ssm:eu-west-1:111122223333:parameter/trailwarden/pagerduty"
	const topic = "arn:aws:sns:eu-central-1:111122223333:"
	for _, c := range []struct {
		parameters  []string
		both, sweep map[string]string // statements by Sid
	}{
		{parameters: []string{"Config", "trailwarden.config.json"}},
		{parameters: []string{"SecretArns", secrets}, both: map[string]string{"ReadSecrets": "Allow secretsmanager:GetSecretValue,ssm:GetParameter on " + secrets}},
		{parameters: []string{"KeyArns", "arn:aws:kms:eu-central-1:111122223333:key/a"}, both: map[string]string{
			"DecryptWithKeys": `Allow kms:Decrypt on arn:aws:kms:eu-central-1:111122223333:key/a if {"StringLike":{"kms:ViaService":["secretsmanager.*","ssm.*","s3.*","sns.*"]}}`,
			"EncryptWithKeys": `Allow kms:GenerateDataKey on arn:aws:kms:eu-central-1:111122223333:key/a if {"StringLike":{"kms:ViaService":["s3.*","sns.*"]}}`}},
		{parameters: []string{"EventBusArn", "arn:aws:events:eu-west-1:444455556666:event-bus/security"},
			both: map[string]string{"PutIncidentsOnBus": "Allow events:PutEvents,events:DescribeEventBus on arn:aws:events:eu-west-1:444455556666:event-bus/security"}},
		{parameters: []string{"SecurityHub", "yes"},
			both: map[string]string{"TellSecurityHub": "Allow securityhub:BatchImportFindings,securityhub:BatchUpdateFindings,securityhub:DescribeHub on " +
				"arn:aws:securityhub:eu-central-1:111122223333:product/111122223333/default,arn:aws:securityhub:eu-central-1:111122223333:hub/default"}},
		{parameters: []string{"ChatTopicArn", topic + "chat"}, both: map[string]string{"TellChat": "Allow sns:Publish,sns:GetTopicAttributes,sns:ListSubscriptionsByTopic on " + topic + "chat"}},
		{parameters: []string{"EvidenceBucket", "evidence"}, both: map[string]string{"KeepEvidence": "Allow s3:PutObject,s3:GetObject on arn:aws:s3:::evidence/evidence/*"}},
		{parameters: []string{"AnchorBucket", "anchors"}, sweep: map[string]string{"AnchorLedger": "Allow s3:PutObject,s3:PutObjectRetention on arn:aws:s3:::anchors/trailwarden/anchors/*"}},
	} {
		want := map[string]map[string]string{}
		for id, has := range before {
			want[id] = maps.Clone(has)
			maps.Copy(want[id], c.both)
		}
		maps.Copy(want["SweepRole"], c.sweep)
		if diff := cmp.Diff(want, statements(c.parameters...)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c.parameters, diff)
		}
	}
}

// TestPoliciesFit: with every switch on, and several secrets and keys, each managed policy is one that IAM takes: 6,144 characters.
func TestPoliciesFit(t *testing.T) {
	list := func(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	stack := made(t, "trailwarden", artifact(append(slices.Clone(options), "RestoreTrailArns", mainARN, "OrganizationId", "o-exampleorg1", "MemberAccounts", "444455556666",
		"TopicKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-123456789012", "LedgerKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-12345678901a",
		"SecretArns", list(10, "arn:aws:secretsmanager:eu-central-1:111122223333:secret:trailwarden/slack-token-??????"),
		"KeyArns", list(3, "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-12345678901b"))...))
	for id, r := range stack.Resources {
		if r.Type == "AWS::IAM::ManagedPolicy" {
			if n := len(encode(t, r.Properties["PolicyDocument"])); n > 6144 {
				t.Errorf("%s has %d characters", id, n)
			}
		}
	}
}

// TestBoundary: the boundary holds what the roles need, and nothing beyond the table.
func TestBoundary(t *testing.T) {
	stack := everything(t)
	var capped []string
	for _, id := range stack.Roles() {
		boundary, ok := stack.Boundary(id)
		if !ok {
			t.Fatalf("%s has no boundary", id)
		}
		capped = nil
		for _, s := range boundary.Statements() {
			capped = append(capped, s.Actions...)
		}
	}
	slices.Sort(capped)
	var table []string
	for _, p := range Permissions {
		table = append(table, p.Action)
	}
	slices.Sort(table)
	if diff := cmp.Diff(table, capped); diff != "" {
		t.Errorf("actions (-table +boundary)\n%s", diff)
	}
}

func TestDenialsAreTheTable(t *testing.T) {
	var want, got []string
	for _, d := range Denials {
		want = append(want, strings.Split(d.Actions, ", ")...)
	}
	watch, ok := everything(t).managed("arn:aws:iam::" + account + ":policy/trailwarden-watch")
	if !ok {
		t.Fatal("there is no policy trailwarden-watch")
	}
	for _, s := range watch.Statements() {
		if s.Effect == "Deny" && s.Sid == "NeverForget" {
			if diff := cmp.Diff(map[string]any{"ForAnyValue:StringLike": map[string]any{"dynamodb:LeadingKeys": []any{"entries/*", "incident/*", "heads", "blob*"}}}, s.Condition); diff != "" {
				t.Errorf("what is never deleted from the ledger (-want +got)\n%s", diff)
			}
		} else if s.Effect == "Deny" {
			if !slices.Equal(s.Resource, []string{"*"}) || s.Condition != nil {
				t.Errorf("%s does not deny on everything", s.Sid)
			}
			got = append(got, s.Actions...)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is never done (-table +template)\n%s", diff)
	}
}

// TestKillSwitch: what the policy holds, all of it, is what repairs; what is left when it is detached reads and tells.
func TestKillSwitch(t *testing.T) {
	stack := everything(t)
	repair, ok := stack.managed("arn:aws:iam::" + account + ":policy/trailwarden-repair")
	if !ok {
		t.Fatal("there is no policy trailwarden-repair")
	}
	var holds []string
	for _, s := range repair.Statements() {
		holds = append(holds, s.Effect+" "+strings.Join(s.Actions, ",")+" on "+strings.Join(s.Resource, ","))
	}
	if diff := cmp.Diff([]string{
		"Allow cloudtrail:StartLogging on arn:aws:cloudtrail:*:111122223333:trail/*",
		"Allow sts:AssumeRole on arn:aws:iam::111122223333:role/trailwarden-restore",
	}, holds); diff != "" {
		t.Errorf("the kill switch holds (-want +got)\n%s", diff)
	}
	for _, role := range []string{"ReactRole", "SweepRole"} {
		policies, err := stack.Policies(role)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range policies {
			if p.Name == repair.Name {
				continue
			}
			for _, s := range p.Statements() {
				for _, a := range s.Actions {
					if s.Effect == "Allow" && strings.HasPrefix(a, "cloudtrail:") && !strings.Contains(a, ":Get") && !strings.Contains(a, ":List") && a != "cloudtrail:LookupEvents" {
						t.Errorf("%s keeps %s when the kill switch is used", role, a)
					}
				}
			}
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is old: go test ./internal/deploy -update (-file +now)\n%s", path, diff)
	}
}

// sweepStatements are the statements of the sweep's policies, as they are, by Sid.
func sweepStatements(t *testing.T, parameters ...string) (list []any, sids map[string]bool) {
	t.Helper()
	policies, err := made(t, "trailwarden", artifact(parameters...)).Policies("SweepRole")
	if err != nil {
		t.Fatal(err)
	}
	sids = map[string]bool{}
	for _, p := range policies {
		for _, s := range p.Document["Statement"].([]any) {
			list = append(list, s)
			sids[s.(map[string]any)["Sid"].(string)] = true
		}
	}
	return list, sids
}

func TestPermissionsPage(t *testing.T) { golden(t, "../../docs/permissions.md", PermissionsPage()) }

// TestPolicyFiles: deploy/iam has the policies of the template, for the account 111122223333.
func TestPolicyFiles(t *testing.T) {
	stack := made(t, "trailwarden", artifact("RestoreTrailArns", mainARN, "RestoreLogRoleArns", "arn:aws:iam::"+account+":role/trail-logs"))
	for _, name := range []string{"watch", "self", "repair", "boundary"} {
		p, ok := stack.managed("arn:aws:iam::" + account + ":policy/trailwarden-" + name)
		if !ok {
			t.Fatalf("there is no policy %s", name)
		}
		golden(t, "../../deploy/iam/"+name+".json", indented(t, p.Document))
	}
	policies, err := stack.Policies("RestoreRole")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../deploy/iam/restore.json", indented(t, policies[0].Document))
	configured, _ := sweepStatements(t, options...)
	_, before := sweepStatements(t)
	configured = slices.DeleteFunc(configured, func(s any) bool { return before[s.(map[string]any)["Sid"].(string)] })
	golden(t, "../../deploy/iam/options.json", indented(t, map[string]any{"Version": "2012-10-17", "Statement": configured}))
}

// TestServiceControlPolicies: they fit, and leave trailwarden and the break-glass role their way.
func TestServiceControlPolicies(t *testing.T) {
	for _, name := range []string{"protect-trails", "protect-trailwarden"} {
		text, err := os.ReadFile("../../deploy/scp/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		compact, _ := json.Marshal(document)
		if len(compact) > 5120 {
			t.Errorf("%s has %d characters, AWS takes 5120", name, len(compact))
		}
		for _, s := range (Policy{Document: document}).Statements() {
			exempt := many(at(t, s.Condition, "ArnNotLike", "aws:PrincipalArn"))
			if s.Effect != "Deny" || !slices.Contains(exempt, "arn:*:iam::*:role/break-glass") {
				t.Errorf("%s: %s leaves no way for break-glass", name, s.Sid)
			}
			for _, p := range Permissions {
				if slices.Contains(s.Actions, p.Action) && slices.Contains(p.Roles, "restore") && !slices.Contains(exempt, "arn:*:iam::*:role/trailwarden-restore") {
					t.Errorf("%s: %s forbids trailwarden's own %s", name, s.Sid, p.Action)
				}
				if slices.Contains(s.Actions, p.Action) && !slices.Contains(p.Roles, "restore") {
					t.Errorf("%s: %s forbids trailwarden's own %s", name, s.Sid, p.Action)
				}
			}
		}
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b) + "\n"
}
