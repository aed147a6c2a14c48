package deploy

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

var camel = regexp.MustCompile(`[a-z0-9][A-Z]`)

// snake is a parameter's name as a variable: NotificationEmail is notification_email.
func snake(name string) string {
	return strings.ToLower(camel.ReplaceAllStringFunc(name, func(s string) string { return s[:1] + "_" + s[1:] }))
}

// variable is a parameter's value as Terraform takes it.
func variable(declared map[string]any, text string) cty.Value {
	switch {
	case declared["Type"] == "CommaDelimitedList":
		list := []cty.Value{}
		for item := range strings.SplitSeq(text, ",") {
			if item != "" {
				list = append(list, cty.StringVal(item))
			}
		}
		return cty.TupleVal(list)
	case isSwitch(declared):
		return cty.BoolVal(text == "yes")
	}
	return cty.StringVal(text)
}

func isSwitch(declared map[string]any) bool {
	values, _ := declared["AllowedValues"].([]any)
	return slices.Contains(values, any("yes"))
}

// variables are parameters as the variables of a module.
func variables(t *testing.T, template string, parameters map[string]string) map[string]cty.Value {
	t.Helper()
	declared := section(load(t, template).Doc, "Parameters")
	out := map[string]cty.Value{}
	for name, text := range parameters {
		out[snake(name)] = variable(declared[name].(map[string]any), text)
	}
	return out
}

// inModule are parameters of organization.yaml that the module, which has all in one, knows by itself.
var inModule = []string{"QueueArn", "DeadLettersArn", "TopicArn"}

// TestTerraformMakesWhatTheTemplatesMake: resource by resource, property by property: the rules' patterns, the policies statement
// by statement, alarms, dashboard, environment, trust.
func TestTerraformMakesWhatTheTemplatesMake(t *testing.T) {
	place := Stack{Partition: "aws", Account: account, Region: region}
	elsewhere := Stack{Partition: "aws-us-gov", Account: account, Region: "us-gov-west-1"}
	organization := samples()["organization"]
	key := "arn:aws:kms:" + region + ":" + account + ":key/"
	member := samples()["member-role"]
	with := func(base map[string]string, more ...string) map[string]string {
		p := maps.Clone(base)
		for i := 0; i < len(more); i += 2 {
			p[more[i]] = more[i+1]
		}
		return p
	}
	restoring := []string{"RestoreTrailArns", mainARN + ",arn:aws:cloudtrail:us-east-1:" + account + ":trail/second", "RestoreLogRoleArns", "arn:aws:iam::" + account + ":role/logs"}
	for _, c := range []struct {
		name, module string
		place        Stack
		parameters   map[string]map[string]string // by template; the first one's are the module's variables
	}{
		{"as it begins", "", place, map[string]map[string]string{"trailwarden": artifact()}},
		{"nothing but watching", "", place, map[string]map[string]string{"trailwarden": artifact("Mode", "observe", "EnableAlarms", "no", "EnableDashboard", "no", "NotificationEmail", "",
			"RestoreTrailArns", mainARN)}},
		{"in China", "", Stack{Partition: "aws-cn", Account: account, Region: "cn-north-1"}, map[string]map[string]string{"trailwarden": artifact("Name", "guard", "Compat", "2017")}},
		{"organization, all accounts", "", place, map[string]map[string]string{"trailwarden": artifact("OrganizationId", "o-exampleorg1"), "organization": organization}},
		{"everything", "", place, map[string]map[string]string{
			"trailwarden": artifact(append(restoring, "OrganizationId", "o-exampleorg1", "MemberAccounts", "444455556666,777788889999",
				"HeartbeatBusArn", "arn:aws:events:eu-west-1:999999999999:event-bus/trailwarden-witness", "TopicKeyArn", key+"a", "LedgerKeyArn", key+"b", "LogKeyArn", key+"c",
				"ReactReservedConcurrency", "5", "SweepReservedConcurrency", "2", "Baseline", "trailwarden.baseline.json", "EmailFormat", "email-json", "TimeZone", "Europe/Berlin",
				"AlarmTopicArn", "arn:aws:sns:"+region+":"+account+":ops", "PermissionsBoundaryArn", "arn:aws:iam::"+account+":policy/limits", "SweepSchedule", "rate(5 minutes)",
				"MaximumConcurrency", "3", "LogRetentionDays", "30", "Release", "1.2.3")...),
			"organization": with(organization, "MemberAccounts", "444455556666,777788889999")}},
		{"configured", "", place, map[string]map[string]string{"trailwarden": artifact(options...)}},
		{"configured in GovCloud, buckets of others", "", elsewhere, map[string]map[string]string{"trailwarden": artifact("SecurityHub", "yes", "EvidenceBucket", "evidence",
			"EvidenceBucketOwner", "777788889999", "AnchorBucket", "anchors", "KeyArns", "arn:aws-us-gov:kms:us-gov-west-1:"+account+":key/a,arn:aws-us-gov:kms:us-gov-west-1:"+account+":key/b")}},
		{"member", "modules/member", place, map[string]map[string]string{"member-role": member, "member-rules": samples()["member-rules"]}},
		{"member that restores", "modules/member", place, map[string]map[string]string{
			"member-role": with(member, append(restoring, "PermissionsBoundaryArn", "arn:aws:iam::aws:policy/PowerUserAccess")...), "member-rules": samples()["member-rules"]}},
		{"member that only watches", "modules/member", place, map[string]map[string]string{"member-role": with(member, "Mode", "observe"), "member-rules": samples()["member-rules"]}},
		{"forwarder", "modules/forwarder", place, map[string]map[string]string{"forwarder": with(samples()["forwarder"], "PermissionsBoundaryArn", "arn:aws:iam::"+account+":policy/limits")}},
		{"member in GovCloud", "modules/member", elsewhere, map[string]map[string]string{"member-role": with(member, restoring...), "member-rules": samples()["member-rules"]}},
		{"forwarder in GovCloud", "modules/forwarder", elsewhere, map[string]map[string]string{"forwarder": samples()["forwarder"]}},
		{"witness in GovCloud", "modules/witness", elsewhere, map[string]map[string]string{"witness": samples()["witness"]}},
		{"witness", "modules/witness", place, map[string]map[string]string{"witness": with(samples()["witness"], "MinutesOfSilence", "7")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stacks []Made
			for template, parameters := range c.parameters {
				p := c.place
				p.Parameters = parameters
				stacks = append(stacks, mustMake(t, template, p))
			}
			main := modules[c.module][0]
			e, err := parseModule(t, c.module).evaluate(c.place, variables(t, main, c.parameters[main]))
			if err != nil {
				t.Fatal(err)
			}
			got, problems := asTemplate(e.made, true)
			for _, p := range problems {
				t.Error(p)
			}
			want := ofTemplates(stacks...)
			onlyTagsOfTemplates(t, want, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-templates +Terraform\n%s", diff)
			}
			sameOutputs(t, stacks, e.outputs())
		})
	}
}

// onlyTagsOfTemplates takes off tags where a template has none: Terraform tags everything, a stack's own tags do so for templates.
func onlyTagsOfTemplates(t *testing.T, want, got map[string]map[string]any) {
	t.Helper()
	for key, p := range got {
		if app, tagged := p["Tags"].(map[string]any); tagged && app["app"] == nil {
			t.Errorf("%s has no tag app", key)
		}
		if want[key]["Tags"] == nil {
			delete(p, "Tags")
		}
	}
}

func sameOutputs(t *testing.T, stacks []Made, got map[string]string) {
	t.Helper()
	for _, stack := range stacks {
		for name, value := range stack.Outputs {
			name := snake(name)
			if name == "bus_arn" && got["central_bus_arn"] != "" {
				name = "central_bus_arn"
			}
			if name == "rule_arn" && got["rule_arn"] == "" {
				continue // of organization.yaml, whose rule nobody else needs
			}
			if got[name] != value {
				t.Errorf("output %s is %q, the template's is %q", name, got[name], value)
			}
		}
	}
}

// TestTerraformFurtherRegions: what there is once in an account, and what a bus that forwards to itself must not have.
func TestTerraformFurtherRegions(t *testing.T) {
	place := Stack{Partition: "aws", Account: account, Region: region}
	given := variables(t, "member-role", samples()["member-role"])
	given["create_roles"] = cty.False
	e, err := parseModule(t, "modules/member").evaluate(place, given)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := asTemplate(e.made, true)
	place.Parameters = samples()["member-rules"]
	want := ofTemplates(mustMake(t, "member-rules", place))
	onlyTagsOfTemplates(t, want, got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with create_roles = false: -member-rules.yaml +Terraform\n%s", diff)
	}
	if home, err := parseModule(t, "modules/forwarder").evaluate(place, map[string]cty.Value{"home_region": cty.StringVal(region)}); err != nil || len(home.made) > 0 {
		t.Errorf("at home the forwarder makes %v (%v): a bus that forwards to itself never ends", home, err)
	}
}

// probes are texts that some parameter takes and others do not.
var probes = []string{
	"", "x", "a b", "yes", "no", "-2", "-1", "0", "1", "2", "5", "6", "30", "31", "60", "61", "400", "2017", "2018", "repair", "observe", "Observe", "email", "email-json", "sms",
	"security@example.com", "security@example", "a@b.c,d@e.f", "two words@example.com", "UTC", "Europe/Berlin", "Europe/Berlin;", "trailwarden.baseline.json", "../x",
	"rate(1 minute)", "rate(5 minutes)", "rate(0 minutes)", "rate(1 minutes)", "cron(* * * * ? *)", "trailwarden", "Trailwarden", "tw", "a-very-long-name-that-does-not-fit-at-all", "1.2.3",
	strings.Repeat("A", 43) + "=", strings.Repeat("A", 43), "111122223333", "11112222333", "eu-central-1", "us-gov-west-1", "Europe", "o-exampleorg1", "o-short", "my-bucket", "My_Bucket",
	"arn:aws:sns:eu-central-1:111122223333:ops", "arn:aws:sns:eu-central-1:1111:ops", "arn:aws-cn:kms:cn-north-1:111122223333:key/abc", "arn:aws:kms:eu-central-1:111122223333:alias/abc",
	"arn:aws:iam::aws:policy/PowerUserAccess", "arn:aws:iam::111122223333:policy/limits", "arn:aws:iam::111122223333:role/limits", "arn:aws:events:eu-west-1:999999999999:event-bus/w",
	"arn:aws:events:eu-west-1:999999999999:rule/w", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:a/b-??????", "arn:aws:ssm:eu-west-1:111122223333:parameter/a", "arn:aws:ssm:eu-west-1:111122223333:document/a",
	"arn:aws:cloudtrail:*:*:trail/main", "arn:aws:cloudtrail:eu-west-1:111122223333:eventdatastore/a", "arn:aws:iam::*:role/logs", "arn:aws:kms:eu-central-1:111122223333:key/abc",
}

// TestTerraformVariablesAreTheParameters: the same names, defaults and words, and the same values are refused.
func TestTerraformVariablesAreTheParameters(t *testing.T) {
	own := map[string][]string{"": {"keep_evidence", "tags"}, "modules/member": {"create_roles", "tags"}, "modules/forwarder": {"tags"}, "modules/witness": {"tags"}}
	for dir, templates := range modules {
		m := parseModule(t, dir)
		want := map[string]bool{}
		for _, name := range own[dir] {
			want[name] = true
		}
		for _, template := range templates {
			for name, p := range section(load(t, template).Doc, "Parameters") {
				if slices.Contains(inModule, name) {
					continue
				}
				declared := p.(map[string]any)
				want[snake(name)] = true
				block := m.blocks["var."+snake(name)]
				if block == nil {
					t.Errorf("%s has no variable %s", m.dir, snake(name))
					continue
				}
				if template != "organization" { // whose parameters are those of trailwarden.yaml again, with other defaults
					sameVerdicts(t, m, snake(name), declared)
				}
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), m.names("var")); diff != "" {
			t.Errorf("%s: variables (-parameters +Terraform)\n%s", m.dir, diff)
		}
		for _, name := range m.names("var") {
			body := m.blocks["var."+name].Body.Attributes
			if body["type"] == nil || body["description"] == nil || body["nullable"] == nil {
				t.Errorf("%s: variable %s has no type, no description, or may be null", m.dir, name)
			}
		}
		for _, name := range m.names("output") {
			if m.blocks["output."+name].Body.Attributes["description"] == nil {
				t.Errorf("%s: output %s is not described", m.dir, name)
			}
		}
	}
}

func sameVerdicts(t *testing.T, m tfModule, name string, declared map[string]any) {
	t.Helper()
	block := m.blocks["var."+name]
	preset, has := declared["Default"]
	switch attribute := block.Body.Attributes["default"]; {
	case has != (attribute != nil):
		t.Errorf("%s: %s has a default in one of both only", m.dir, name)
	case has:
		want := simplest(plainValue(variable(declared, fmt.Sprint(preset))))
		if got := simplest(plainValue((&evaluation{module: m}).value(attribute.Expr, nil))); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: the default of %s is %v, the template's is %v", m.dir, name, got, want)
		}
	}
	if isSwitch(declared) {
		return // it has a type there
	}
	for _, probe := range probes {
		if declared["Type"] == "Number" && !regexp.MustCompile(`^-?[0-9]+$`).MatchString(probe) {
			continue
		}
		want := forbids(declared, probe) == "" && within(declared, probe)
		if got := takes(m, name, variable(declared, probe)); got != want {
			t.Errorf("%s: %s = %q is taken: %v; the template's: %v", m.dir, name, probe, got, want)
		}
	}
}

// within holds a number against its bounds, which CloudFormation looks at itself.
func within(declared map[string]any, text string) bool {
	var n, bound int
	fmt.Sscan(text, &n)
	if low := declared["MinValue"]; low != nil {
		fmt.Sscan(fmt.Sprint(low), &bound)
		if n < bound {
			return false
		}
	}
	if high := declared["MaxValue"]; high != nil {
		fmt.Sscan(fmt.Sprint(high), &bound)
		return n <= bound
	}
	return true
}

// takes says whether a variable takes a value: of its type, and within its conditions.
func takes(m tfModule, name string, v cty.Value) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	e := &evaluation{module: m, given: map[string]cty.Value{name: v}, known: map[string]cty.Value{}}
	e.at("var." + name)
	return len(e.failed) == 0
}

// takenOut is what the README's command takes out of the state before all is destroyed.
func takenOut(t *testing.T) *regexp.Regexp {
	t.Helper()
	readme, err := os.ReadFile("../../deploy/terraform/README.md")
	ok(t)(readme, err)
	found := regexp.MustCompile(`terraform state list \| grep -E '(.*)' \|`).FindSubmatch(readme)
	if found == nil {
		t.Fatal("the README does not say what to take out of the state")
	}
	return regexp.MustCompile(string(found[1]))
}

// TestTerraformKeepsEvidence: what templates retain is left behind, or among what the README takes out of the state; nothing else is.
func TestTerraformKeepsEvidence(t *testing.T) {
	taken := takenOut(t)
	for dir, templates := range modules {
		want, got := map[string]bool{}, map[string]bool{}
		for _, template := range templates {
			for _, r := range made(t, template, samples()[template]).Resources {
				if r.Deletion == "Retain" {
					want[r.Type+" "+last(r.Properties[namings[r.Type].property])] = true
				}
			}
		}
		given := variables(t, templates[0], samples()[templates[0]])
		if dir == "" {
			given["organization_id"] = cty.StringVal("o-exampleorg1")
		}
		e, err := parseModule(t, dir).evaluate(Stack{Partition: "aws", Account: account, Region: region}, given)
		ok(t)(e, err)
		for _, r := range e.made {
			if taken.MatchString(r.Type+"."+r.Name) || r.Values["skip_destroy"] == true {
				got[tfNames[r.Type][0]+" "+last(r.Values[tfNames[r.Type][1]])] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: evidence that stays (-templates +Terraform)\n%s", dir, diff)
		}
	}
}
