package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func deployer() Deployer {
	return Deployer{Partition: "aws", Account: account, Region: region, Stack: "trailwarden", Name: "trailwarden", Bucket: "trailwarden-artifacts-" + account + "-" + region}
}

// Whatever the template may make, the deployer's policy lets be made; and it fits into one managed policy.
func TestDeployerMayMakeEveryType(t *testing.T) {
	var covered []string
	for _, d := range deeds {
		covered = append(covered, d.types...)
	}
	used := map[string]bool{}
	for id, r := range section(load(t, "trailwarden").Doc, "Resources") {
		kind, _ := r.(map[string]any)["Type"].(string)
		used[kind] = true
		if !slices.Contains(covered, kind) {
			t.Errorf("%s is a %s, which the deployer may not make", id, kind)
		}
	}
	for _, kind := range covered {
		if !used[kind] {
			t.Errorf("the deployer may make %s, which the template does not have", kind)
		}
	}
	policy, err := deployer().Policy()
	if err != nil {
		t.Fatal(err)
	}
	const most = 6144 // characters of a managed policy, white space not counted
	if n := len(strings.Join(strings.Fields(string(policy)), "")); n > most {
		t.Errorf("the deployer's policy has %d characters, IAM takes %d", n, most)
	}
	var document struct {
		Statement []struct {
			Sid              string
			Action, Resource []string
			Condition        map[string]any
		}
	}
	if err := json.Unmarshal(policy, &document); err != nil {
		t.Fatal(err)
	}
	for _, s := range document.Statement {
		for _, r := range s.Resource {
			if strings.ContainsAny(r, "{}") {
				t.Errorf("%s: resource %s was not filled in", s.Sid, r)
			}
			if r == "*" && s.Sid != "Look" {
				t.Errorf("%s is about everything", s.Sid)
			}
		}
		for _, a := range s.Action {
			if strings.HasSuffix(a, ":*") {
				t.Errorf("%s grants %s", s.Sid, a)
			}
			if gives := a == "iam:AttachRolePolicy" || a == "iam:PutRolePolicy" || a == "iam:CreateRole" || a == "iam:PassRole"; gives && s.Condition == nil {
				t.Errorf("%s grants %s without a condition", s.Sid, a)
			}
		}
	}
}

// The list that a person confirms holds what the roles are granted, and nothing that they are not.
func TestGrantsAreThoseOfTheStack(t *testing.T) {
	lines := func(parameters ...string) string {
		made, err := load(t, "trailwarden").Make(Stack{Account: account, Region: region, Parameters: artifact(parameters...)})
		if err != nil {
			t.Fatal(err)
		}
		list, err := made.Grants()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, g := range list {
			b.WriteString(g.Role + " " + g.Action + "\n")
		}
		return b.String()
	}
	usual, observe, restore := lines(), lines("Mode", "observe"), lines("RestoreTrailArns", "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main")
	for name, test := range map[string]struct {
		in   string
		line string
		want bool
	}{
		"start":                 {usual, "trailwarden-react cloudtrail:StartLogging\n", true},
		"no start in observe":   {observe, "cloudtrail:StartLogging", false},
		"no update as usual":    {usual, "cloudtrail:UpdateTrail", false},
		"update where restored": {restore, "trailwarden-restore cloudtrail:UpdateTrail\n", true},
		"no pass without roles": {restore, "iam:PassRole", false},
		"no key without keys":   {usual, "kms:", false},
	} {
		if got := strings.Contains(test.in, test.line); got != test.want {
			t.Errorf("%s: %s is listed: %t", name, strings.TrimSpace(test.line), got)
		}
	}
}
