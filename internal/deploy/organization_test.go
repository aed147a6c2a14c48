package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/sim/runtimeapi"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	managementAccount = "777788889999"
	baselineInZip     = "trailwarden.baseline.json"
)

// organized is an organization on moto, deployed with the commands of docs/operations.md: the central account, in which trailwarden runs,
// and a member of an organizational unit.
type organized struct {
	stack
	management, member, memberIAM, centralIAM, witness moto // IAM: in the Region in which IAM's events appear

	id, unit   string
	zip        string // folder with what is in the zip, as Lambda unpacks it
	dir, front string // where commands are typed, and the endpoint that they use
}

// moto 5.2.1 knows accounts of an organization by numbers that it draws itself.
func organize(t *testing.T, m moto) organized {
	t.Helper()
	o := organized{stack: stack{moto: m}, management: m.in(t, managementAccount, region)}
	call := func(op, body, pick string) string {
		t.Helper()
		answer := o.management.call(t, "organizations", "POST", "/", body, "X-Amz-Target", "AWSOrganizationsV20161128."+op, "Content-Type", "application/x-amz-json-1.1")
		found := regexp.MustCompile(`"` + pick + `": "(.*?)"`).FindSubmatch(answer)
		if found == nil {
			t.Fatalf("%s answers %s", op, answer)
		}
		return string(found[1])
	}
	o.id = regexp.MustCompile(`o-[a-z0-9]+`).FindString(call("CreateOrganization", `{"FeatureSet":"ALL"}`, "Id"))
	member := call("CreateAccount", `{"AccountName":"member","Email":"member@example.com"}`, "AccountId")
	root := call("ListRoots", `{}`, "Id")
	o.unit = call("CreateOrganizationalUnit", `{"ParentId":"`+root+`","Name":"workloads"}`, "Id")
	o.management.call(t, "organizations", "POST", "/", `{"AccountId":"`+member+`","SourceParentId":"`+root+`","DestinationParentId":"`+o.unit+`"}`,
		"X-Amz-Target", "AWSOrganizationsV20161128.MoveAccount", "Content-Type", "application/x-amz-json-1.1")
	o.member, o.memberIAM, o.centralIAM, o.witness = m.in(t, member, region), m.in(t, member, iamRegion), m.in(t, motoAccount, iamRegion), m.in(t, witnessAccount, region)
	return o
}

// commands are the blocks of commands in a chapter of docs/operations.md.
func commands(t *testing.T, chapter string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	ok(t)(page, err)
	_, text, found := strings.Cut(string(page), "\n"+chapter+"\n")
	if !found {
		t.Fatalf("docs/operations.md has no chapter %q", chapter)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	if !strings.HasPrefix(chapter, "## ") {
		text, _, _ = strings.Cut(text, "\n### ")
	}
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// types runs commands as an administrator of an account, and gives what they print.
func (o organized) types(t *testing.T, in moto, script string) string {
	t.Helper()
	as, err := in.admin.Credentials.Retrieve(t.Context())
	ok(t)(as, err)
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "PATH="+o.dir+":"+os.Getenv("PATH"), "HOME="+o.dir, "AWS_ENDPOINT_URL="+o.front, "AWS_PAGER=", "NO_PROXY=127.0.0.1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID="+as.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+as.SecretAccessKey, "AWS_SESSION_TOKEN="+as.SessionToken, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_DEFAULT_REGION="+region, "HOME_REGION="+region, "ORGANIZATION="+o.id, "CENTRAL="+motoAccount, "UNIT="+o.unit, "REGIONS="+region+" "+iamRegion)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v, in account %s:\n%s\n%s%s", err, in.account, script, out, &errs)
	}
	return string(out)
}

// follow types the commands that docs/operations.md has for an organization, and those for a witness.
func (o *organized) follow(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("NOT PROVEN HERE: that the commands of docs/operations.md deploy to an organization, for the AWS CLI is not installed")
	}
	o.dir, o.front = t.TempDir(), o.forwarded(t)
	(&newcomer{t: t}).build("", filepath.Join(o.dir, "trailwarden"), "../../cmd/trailwarden")
	blocks := commands(t, "### In an organization")
	if len(blocks) != 2 {
		t.Fatalf("docs/operations.md has %d blocks of commands for an organization, want one for each account", len(blocks))
	}
	o.types(t, o.moto, blocks[0])
	o.types(t, o.management, blocks[1])
	for _, block := range commands(t, "### In rings") {
		if strings.Contains(block, "witness") {
			if printed, want := o.types(t, o.witness, block), "arn:aws:events:"+region+":"+witnessAccount+":event-bus/trailwarden-witness"; !strings.HasSuffix(printed, want+"\n") {
				t.Errorf("what deploys the witness prints %q, want the bus %s", printed, want)
			}
		}
	}
	o.witness.rules(t, "trailwarden-witness", "trailwarden-heartbeat")
	bus := "arn:aws:events:" + region + ":" + motoAccount + ":event-bus/trailwarden"
	o.member.judgeable(t, "member-role", map[string]string{"CentralAccountId": motoAccount, "OrganizationId": o.id, "CentralBusArn": bus})
	for _, m := range []moto{o.member, o.memberIAM} { // which a stack set deploys to
		m.rules(t, "default", "trailwarden-member", "trailwarden-member-self")
	}
	o.centralIAM.rules(t, "default", "trailwarden-forward", "trailwarden-forward-self")
	o.rules(t, "trailwarden", "trailwarden-members", "trailwarden-members-self")
}

// pin has the baseline in the zip hold a trail.
func (o *organized) pin(t *testing.T, name string) {
	t.Helper()
	arn, err := trail.ParseARN(name)
	ok(t)(arn, err)
	pinned := baseline.File{Version: baseline.Version, Serial: 1, Trails: []baseline.Trail{{ARN: arn, Repair: trail.Groups(), Logging: true, Bucket: "audit-logs-" + arn.Account + "-" + arn.Region,
		GlobalEvents: true, EventSize: "Standard"}}}
	o.zip = t.TempDir()
	ok(t)(nil, os.WriteFile(filepath.Join(o.zip, baselineInZip), []byte(encode(t, pinned)), 0o600))
}

// rules sees that a bus has these rules, on, and no others.
func (m moto) rules(t *testing.T, bus string, want ...string) {
	t.Helper()
	out, err := eventbridge.NewFromConfig(m.admin).ListRules(t.Context(), &eventbridge.ListRulesInput{EventBusName: &bus})
	ok(t)(out, err)
	var got []string
	for _, r := range out.Rules {
		if strings.HasPrefix(*r.Name, "Events-Archive-") { // by which an archive is filled
			continue
		}
		got = append(got, *r.Name)
		if r.State != "ENABLED" {
			t.Errorf("%s in %s: rule %s is %s", m.account, m.region, *r.Name, r.State)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s in %s: bus %s has the rules %v, want %v", m.account, m.region, bus, got, want)
	}
}

// TestOrganizationOnMoto: what docs/operations.md says deploys to an organization; a StopLogging in a member comes by the member's
// rule to the central bus, by the rule there to the queue, and the built function starts the member's trail with the member's role,
// policies enforced. What happens in the Region of IAM's events comes by the forwarder. The sweep needs none of it.
func TestOrganizationOnMoto(t *testing.T) {
	t.Parallel()
	binary := lambdaBinary(t)
	o := organize(t, startMoto(t))
	o.stack = o.deployTemplate(t, binary, "OrganizationId", o.id, "MemberAccounts", o.member.account, "Baseline", baselineInZip)
	o.furnish(t)
	o.mapped(t, false)
	o.follow(t)
	ofMember := o.member.makeTrail(t)
	o.pin(t, ofMember)
	ofForwarder := o.centralIAM.makeTrail(t)
	react, _ := o.start(t, binary, "trailwarden-react", o.session(t, "trailwarden-react"), append(o.environment(t, "trailwarden-react"), "LAMBDA_TASK_ROOT="+o.zip))

	o.member.put(t, "my.app", "StopLogging", ofMember)
	o.member.put(t, "aws.cloudtrail", "GetTrailStatus", ofMember)
	o.centralIAM.put(t, "my.app", "StopLogging", ofForwarder)
	if got := o.received(t, o.queue); len(got) != 0 {
		t.Fatalf("%d events came that are forged or only read: %s", len(got), got)
	}
	for _, c := range []struct {
		name  string
		at    moto
		trail string
	}{{"member", o.member, ofMember}, {"Region of IAM's events", o.centralIAM, ofForwarder}} {
		stopLogging(t, c.at)
		c.at.put(t, "aws.cloudtrail", "StopLogging", c.trail)
		events := o.received(t, o.queue)
		if len(events) != 1 || !strings.Contains(events[0], c.at.region) {
			t.Fatalf("%s: %d events reached the central queue, want one: %s", c.name, len(events), events)
		}
		answer := o.enforced(t, react, batchFrom(t, c.at, events))
		if answer.Failed || !strings.Contains(string(answer.Body), `"batchItemFailures":[]`) {
			t.Errorf("%s: the function answers %s", c.name, answer.Body)
		}
		if !c.at.logging(t) {
			t.Errorf("%s: the trail does not log again", c.name)
		}
	}
	o.swept(t, binary)
	o.memberNeighbours(t)
	o.memberKilled(t, react, ofMember)
	o.removed(t)
}

// removed types what docs/operations.md says goes before an uninstall, and sees that nothing but evidence is left of it.
func (o organized) removed(t *testing.T) {
	t.Helper()
	blocks := slices.DeleteFunc(commands(t, "## Uninstall"), func(block string) bool { return !strings.Contains(block, "delete-stack-set") })
	if len(blocks) != 1 {
		t.Fatalf("docs/operations.md has %d blocks of commands that remove stack sets, want one", len(blocks))
	}
	management, central, found := strings.Cut(blocks[0], "# in the central account\n")
	if !found {
		t.Fatal("docs/operations.md does not say what goes in the central account before an uninstall")
	}
	o.types(t, o.management, management)
	o.types(t, o.moto, central)
	for _, c := range []struct {
		at   moto
		want []string
	}{
		// The role is the account's own from the beginning; moto 5.2.1 deletes no managed policy with a stack.
		{o.member, []string{"policy trailwarden-repair", "role OrganizationAccountAccessRole"}}, {o.memberIAM, nil}, {o.centralIAM, []string{"queue trailwarden-forward-dead-letters"}},
	} {
		if got := c.at.left(t); !slices.Equal(got, c.want) {
			t.Errorf("account %s, %s: what is there after all: %v, want %v", c.at.account, c.at.region, got, c.want)
		}
	}
	if got := o.left(t); !slices.Contains(got, "archive trailwarden") || slices.Contains(got, "bus trailwarden") || slices.Contains(got, "rule trailwarden-members") {
		t.Errorf("the central account, after the organization's stack has gone: %v", got)
	}
}

func stopLogging(t *testing.T, m moto) {
	t.Helper()
	ok(t)(cloudtrail.NewFromConfig(m.admin).StopLogging(t.Context(), &cloudtrail.StopLoggingInput{Name: aws.String("main")}))
}

// swept stops trails and says nothing: the sweep looks into member accounts by itself, at what is pinned.
func (o organized) swept(t *testing.T, binary string) {
	t.Helper()
	sweep, _ := o.start(t, binary, "trailwarden-sweep", o.session(t, "trailwarden-sweep"), append(o.environment(t, "trailwarden-sweep"), "LAMBDA_TASK_ROOT="+o.zip))
	look := func() { o.enforced(t, sweep, []byte(`{"sweep":true}`)) } // the answer says nothing here: it may not look at itself on moto
	look()                                                            // what is not pinned is started when it was seen logging
	for name, m := range map[string]moto{"member": o.member, "central account": o.moto} {
		stopLogging(t, m)
		look()
		if !m.logging(t) {
			t.Errorf("%s: the sweep left the trail stopped", name)
		}
	}
}

// memberNeighbours sees that the member's role may do nothing beside what it needs.
func (o organized) memberNeighbours(t *testing.T) {
	t.Helper()
	out, err := sts.NewFromConfig(o.admin).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + o.member.account + ":role/trailwarden-member"), RoleSessionName: aws.String("xx")})
	ok(t)(out, err)
	cfg := o.member.admin.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	ctx, trails, rules, main := t.Context(), cloudtrail.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg), aws.String("main")
	o.refused(t, "the member's role", trailCalls(ctx, cfg, "arn:aws:cloudtrail:"+region+":"+o.member.account+":trail/main", "audit-logs-"+o.member.account+"-"+region))
	o.refused(t, "the member's role", map[string]func() (any, error){
		"DisableRule": func() (any, error) {
			return rules.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: aws.String("trailwarden-member")})
		},
		"AssumeRole (the role that forwards)": func() (any, error) {
			return sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + o.member.account + ":role/trailwarden-forward"), RoleSessionName: aws.String("xx")})
		},
	})
	o.enforce(t, true)
	defer o.enforce(t, false)
	if _, err := trails.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: main}); err != nil {
		t.Errorf("the member's role may not read: %v", err)
	}
}

// memberKilled uses the member's own kill switch: there nothing is repaired, elsewhere everything is.
func (o organized) memberKilled(t *testing.T, react *runtimeapi.Server, ofMember string) {
	t.Helper()
	policy := map[string][]string{"RoleName": {"trailwarden-member"}, "PolicyArn": {"arn:aws:iam::" + o.member.account + ":policy/trailwarden-repair"}}
	o.member.query(t, "iam", "DetachRolePolicy", policy)
	stopLogging(t, o.member)
	o.member.put(t, "aws.cloudtrail", "StopLogging", ofMember)
	events := batchFrom(t, o.member, o.received(t, o.queue))
	o.enforced(t, react, events)
	if o.member.logging(t) {
		t.Error("the member's kill switch was used, and its trail was started")
	}
	o.stop(t)
	events = batch(t, o.received(t, o.queue))
	o.enforced(t, react, events)
	if !o.logging(t) {
		t.Error("the member's kill switch was used, and the central account's trail stays stopped")
	}
}
