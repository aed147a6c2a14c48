package doctor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const policies = "arn:aws:iam::" + account + ":policy/trailwarden-"

// What is as deployed is well; each thing that was changed is found, and the command that mends it is said.
func TestExamine(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Deployment, *answers)
		check  string
		status Status
		text   string // a part of it
		mend   string // a part of it
	}{
		"as deployed":      {func(*Deployment, *answers) {}, "", OK, "", ""},
		"other code":       {func(_ *Deployment, x *answers) { x.code = "other" }, "functions", Wrong, "trailwarden-react", "aws lambda update-function-code --function-name trailwarden-react --s3-bucket zips --s3-key k --s3-object-version v"},
		"target removed":   {func(_ *Deployment, x *answers) { x.target = false }, "target", Wrong, "hands nothing to the queue", "aws events put-targets --rule trailwarden-watch"},
		"rule off":         {func(_ *Deployment, x *answers) { x.rules["trailwarden-watch"]["State"] = "DISABLED" }, "rule", Wrong, "the rule is off", "aws events enable-rule --name trailwarden-watch"},
		"rule gone":        {func(_ *Deployment, x *answers) { delete(x.rules, "trailwarden-watch") }, "rule", Wrong, "the rule is gone", "trailwarden deploy --update --revert-drift"},
		"rule on itself":   {func(_ *Deployment, x *answers) { x.rules["trailwarden-self"]["State"] = "DISABLED" }, "rule trailwarden-self", Wrong, "it is off", "aws events enable-rule --name trailwarden-self"},
		"its pattern":      {func(_ *Deployment, x *answers) { x.rules["trailwarden-self"]["EventPattern"] = `{"source":["x"]}` }, "rule trailwarden-self", Wrong, "pattern", "--revert-drift"},
		"its rule is gone": {func(_ *Deployment, x *answers) { delete(x.rules, "trailwarden-self") }, "rule trailwarden-self", Wrong, "gone", "--revert-drift"},
		"timer off":        {func(_ *Deployment, x *answers) { x.schedule["State"] = "DISABLED" }, "timer", Wrong, "state DISABLED", "aws scheduler update-schedule"},
		"timer slower":     {func(_ *Deployment, x *answers) { x.schedule["ScheduleExpression"] = "rate(1440 minutes)" }, "timer", Wrong, "rate(1440 minutes)", "aws scheduler update-schedule"},
		"no sweep":         {func(_ *Deployment, x *answers) { x.swept = time.Time{} }, "sweep", Wrong, "nobody looks at the trails", "aws logs tail"},
		"sweep is late":    {func(d *Deployment, x *answers) { x.swept = d.Now.Add(-20 * time.Minute) }, "sweep", Wrong, "20 minutes ago", "aws logs tail"},
		"no sweep yet": {func(d *Deployment, x *answers) {
			x.swept, d.Now = time.Time{}, d.View.Made.Add(time.Minute)
		}, "sweep", Waiting, "none is counted yet", "look again"},
		"events wait":   {func(_ *Deployment, x *answers) { x.queue["ApproximateNumberOfMessages"] = "101" }, "waiting events", Wrong, "101 events wait", "aws logs tail --since 1h /aws/lambda/trailwarden-react"},
		"dead letters":  {func(_ *Deployment, x *answers) { x.queue["ApproximateNumberOfMessages"] = "1" }, "dead letters", Wrong, "1 event could not be handled", "aws sqs start-message-move-task --source-arn arn:aws:sqs:eu-central-1:111122223333:trailwarden-dead-letters"},
		"not encrypted": {func(_ *Deployment, x *answers) { x.queue["SqsManagedSseEnabled"] = "false" }, "dead letters", Wrong, "encrypted", "SqsManagedSseEnabled=true"},
		"open to all": {func(_ *Deployment, x *answers) {
			x.queue["Policy"] = `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}}`
		}, "dead letters", Wrong, "Allow sqs:*", "--revert-drift"},
		"queue forgets": {func(_ *Deployment, x *answers) { x.queue["MessageRetentionPeriod"] = "60" }, "queue", Wrong, "forgets", "aws sqs set-queue-attributes"},
		"queue gone":    {func(_ *Deployment, x *answers) { x.queueGone = true }, "queue", Wrong, "gone", "trailwarden deploy --update --revert-drift"},
		"topic open":    {func(_ *Deployment, x *answers) { x.topic["Policy"] = `{"Statement":[]}` }, "topic", Wrong, "lacks AlarmsTell", "--revert-drift"},
		"topic's key":   {func(_ *Deployment, x *answers) { x.topic["KmsMasterKeyId"] = "arn:aws:kms:x" }, "topic", Wrong, "its key is arn:aws:kms:x", "--revert-drift"},
		"nobody told":   {func(_ *Deployment, x *answers) { x.members = "" }, "who is told", Wrong, "nobody is told", "aws sns subscribe --topic-arn arn:aws:sns:eu-central-1:111122223333:trailwarden --protocol email --notification-endpoint security@example.com"},
		"not confirmed": {func(_ *Deployment, x *answers) {
			x.members = strings.Replace(x.members, "arn:aws:sns:x", "PendingConfirmation", 1)
		}, "who is told", Waiting, "has not confirmed", "Confirm subscription"},
		"a hostile address": {func(_ *Deployment, x *answers) {
			x.members += "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Protocol>https</Protocol><Endpoint>https://x/;rm $(y)'</Endpoint></member>"
		}, "who is told", Waiting, "https://x/;rm $(y)'", `--protocol https --notification-endpoint 'https://x/;rm $(y)'\'''`},
		"alarm deleted": {func(_ *Deployment, x *answers) {
			x.alarms = strings.Replace(x.alarms, x.alarm("trailwarden-no-heartbeat", "OK", true), "", 1)
		}, "alarms", Wrong, "was deleted", "--revert-drift"},
		"alarm muted": {func(_ *Deployment, x *answers) { x.set("trailwarden-no-heartbeat", "OK", false) }, "alarms", Wrong, "tells nobody", "aws cloudwatch enable-alarm-actions --alarm-names trailwarden-no-heartbeat"},
		"alarm dulled": {func(_ *Deployment, x *answers) {
			x.alarms = strings.Replace(x.alarms, "<TreatMissingData>breaching", "<TreatMissingData>notBreaching", 1)
		}, "alarms", Wrong, "TreatMissingData is notBreaching, deployed was breaching", "--revert-drift"},
		"alarm elsewhere": {func(_ *Deployment, x *answers) {
			x.alarms = strings.Replace(x.alarms, "<member>arn:aws:sns:eu-central-1:111122223333:trailwarden</member>", "<member>arn:aws:sns:eu-central-1:111122223333:other</member>", 1)
		}, "alarms", Wrong, "does not tell trailwarden any more", "--revert-drift"},
		"alarm sounds": {func(_ *Deployment, x *answers) { x.set("trailwarden-no-heartbeat", "ALARM", true) }, "alarms", Wrong, "no-heartbeat sounds", "docs/operations.md"},
		"alarm sounds, just begun": {func(d *Deployment, x *answers) {
			x.set("trailwarden-no-heartbeat", "ALARM", true)
			d.Now = d.View.Made.Add(time.Minute)
		}, "alarms", Waiting, "as it may", "look again"},
		"ledger bare":    {func(_ *Deployment, x *answers) { x.table["DeletionProtectionEnabled"] = false }, "ledger's protection", Wrong, "against deletion", "aws dynamodb update-table --deletion-protection-enabled --table-name trailwarden"},
		"ledger's past":  {func(_ *Deployment, x *answers) { x.backups = "DISABLED" }, "ledger's protection", Wrong, "earlier time", "aws dynamodb update-continuous-backups"},
		"no concurrency": {func(_ *Deployment, x *answers) { x.free = 3 }, "Lambda concurrency", Wrong, "3 executions", "--sweep-reserved-concurrency"},
		"not protected":  {func(d *Deployment, _ *answers) { d.View.Protected = false }, "stack", Wrong, "deletion", "aws cloudformation update-termination-protection --enable-termination-protection --stack-name trailwarden"},
		"half deleted":   {func(d *Deployment, _ *answers) { d.View.Status = "DELETE_FAILED" }, "stack", Wrong, "DELETE_FAILED", "trailwarden destroy"},
		"of another name": {func(d *Deployment, x *answers) {
			d.Name, x.swept = "two", time.Time{}
			delete(x.rules, "trailwarden-watch")
		}, "rule", Wrong, "gone", "--stack-name two"},
		"may not read":      {func(_ *Deployment, x *answers) { x.refused = "DescribeAlarms" }, "alarms", Unknown, "DescribeAlarms: AccessDenied", "--print-policy"},
		"may not read rule": {func(_ *Deployment, x *answers) { x.refused = "DescribeRule" }, "rule", Unknown, "DescribeRule", "--print-policy"},

		// What the roles may do.
		"kill switch": {func(_ *Deployment, x *answers) {
			x.attached["trailwarden-sweep"] = without(x.attached["trailwarden-sweep"], policies+"repair")
		}, "repairs", Wrong, "switched off", "trailwarden deploy --repair on"},
		"watching taken away": {func(_ *Deployment, x *answers) {
			x.attached["trailwarden-react"] = without(x.attached["trailwarden-react"], policies+"watch")
		}, "permissions", Wrong, "trailwarden-watch was taken from trailwarden-react", "aws iam attach-role-policy --role-name trailwarden-react --policy-arn " + policies + "watch"},
		"more than deployed": {func(_ *Deployment, x *answers) {
			x.attached["trailwarden-react"] = append(x.attached["trailwarden-react"], "arn:aws:iam::aws:policy/AdministratorAccess")
		}, "permissions", Wrong, "was not deployed: arn:aws:iam::aws:policy/AdministratorAccess", "aws iam detach-role-policy --role-name trailwarden-react --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"},
		"a hostile policy": {func(_ *Deployment, x *answers) {
			x.attached["trailwarden-react"] = append(x.attached["trailwarden-react"], "arn:aws:iam::111122223333:policy/$(reboot)/x")
		}, "permissions", Wrong, "$(reboot)", "--policy-arn 'arn:aws:iam::111122223333:policy/$(reboot)/x'"},
		"its own policy": {func(_ *Deployment, x *answers) { x.inline["trailwarden-sweep"]["more"] = object{} }, "permissions", Wrong, "of its own that was not deployed: more", "aws iam delete-role-policy --role-name trailwarden-sweep --policy-name more"},
		"inline changed": {func(_ *Deployment, x *answers) {
			x.inline["trailwarden-timer"]["invoke"] = object{"Statement": object{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*"}}
		}, "permissions", Wrong, "invoke of trailwarden-timer was changed: it lacks StartTheSweep", "--revert-drift"},
		"inline gone": {func(_ *Deployment, x *answers) { delete(x.inline["trailwarden-react"], "queue-and-log") }, "permissions", Wrong, "queue-and-log was taken out", "--revert-drift"},
		"a new version": {func(_ *Deployment, x *answers) {
			x.documents[policies+"repair"] = append(x.documents[policies+"repair"], object{"Statement": []any{}})
		}, "permissions", Wrong, "trailwarden-repair was changed: it lacks", "aws iam set-default-policy-version --policy-arn " + policies + "repair --version-id v1"},
		"no denial any more": {func(_ *Deployment, x *answers) {
			x.documents[policies+"watch"] = []any{object{"Statement": []any{object{"Effect": "Allow", "Action": "*", "Resource": "*"}}}}
		}, "permissions", Wrong, "has, not deployed: Allow *", "--revert-drift"},
		"policy gone":  {func(_ *Deployment, x *answers) { delete(x.documents, policies+"boundary") }, "permissions", Wrong, "trailwarden-boundary is gone", "--revert-drift"},
		"role gone":    {func(_ *Deployment, x *answers) { delete(x.trust, "trailwarden-timer") }, "permissions", Wrong, "the role trailwarden-timer is gone", "--revert-drift"},
		"no boundary":  {func(_ *Deployment, x *answers) { x.boundary["trailwarden-restore"] = "" }, "permissions", Wrong, "boundary of trailwarden-restore is none", "aws iam put-role-permissions-boundary --role-name trailwarden-restore --permissions-boundary " + policies + "boundary"},
		"open to root": {func(_ *Deployment, x *answers) { x.trust["trailwarden-restore"] = object{"Statement": []any{}} }, "permissions", Wrong, "who may become trailwarden-restore was changed", "--revert-drift"},
		"SCP": {func(_ *Deployment, x *answers) { x.denied["cloudtrail:StartLogging"] = byOrganization }, "permissions", Wrong,
			"trailwarden-react may not cloudtrail:StartLogging: a service control policy", "ask whoever keeps"},
		"another boundary":     {func(_ *Deployment, x *answers) { x.denied["dynamodb:PutItem"] = byBoundary }, "permissions", Wrong, "dynamodb:PutItem: its boundary denies it", "docs/permissions.md"},
		"no simulation":        {func(_ *Deployment, x *answers) { x.denied = nil }, "permissions", OK, "iam:SimulatePrincipalPolicy", ""},
		"may not compare":      {func(_ *Deployment, x *answers) { x.refused = "GetRole" }, "permissions", Unknown, "GetRole: AccessDenied", "--print-policy"},
		"template is not read": {func(d *Deployment, _ *answers) { d.Made.Resources = nil }, "permissions", Unknown, "nothing to hold them against", "--print-policy"},
	} {
		t.Run(name, func(t *testing.T) {
			d, x := deployed(t)
			test.change(&d, x)
			found := test.check == ""
			all := d.Examine(t.Context())
			for _, c := range all {
				if c.Status != OK && c.Mend == "" {
					t.Errorf("%s is %s, and nothing says how to mend it", c.Name, c.Status)
				}
				if c.Status == OK && c.Mend != "" {
					t.Errorf("%s is well, and is to be mended: %s", c.Name, c.Mend)
				}
				if c.Name == test.check && c.Status == test.status && strings.Contains(c.Text, test.text) && strings.Contains(c.Mend, test.mend) {
					found = true
				} else if c.Status != OK && test.check == "" {
					t.Errorf("%s is %s: %s", c.Name, c.Status, c.Text)
				}
			}
			if !found {
				t.Errorf("not found: %s %s with %q, to be mended with %q, but %s", test.check, test.status, test.text, test.mend, cmp.Diff([]Check{}, all))
			}
		})
	}
}

// What is simulated is what is granted, each on a resource of its kind.
func TestSimulated(t *testing.T) {
	d, x := deployed(t)
	d.Examine(t.Context())
	asked := "\n" + strings.Join(x.simulated, "\n") + "\n"
	for _, want := range []string{"cloudtrail:StartLogging arn:aws:cloudtrail:eu-central-1:111122223333:trail/any", "cloudtrail:ListTrails ", "sns:Publish arn:aws:sns:eu-central-1:111122223333:trailwarden",
		"cloudtrail:UpdateTrail arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"} {
		if !strings.Contains(asked, "\n"+want+"\n") {
			t.Errorf("not asked: %s, but %s", want, asked)
		}
	}
}

// A service that never answers costs no more than its own checks, and no more than a bounded time.
func TestOneServiceIsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, x := deployed(t)
		x.dead = "DescribeAlarms"
		began := time.Now()
		for _, c := range d.Examine(t.Context()) {
			if dead := c.Name == "alarms"; dead != (c.Status == Unknown) {
				t.Errorf("%s is %s: %s", c.Name, c.Status, c.Text)
			} else if dead && !strings.Contains(c.Text, "DescribeAlarms: no answer in time") {
				t.Errorf("it says %q", c.Text)
			}
		}
		if took := time.Since(began); took > patience {
			t.Errorf("it took %s", took)
		}
	})
}

func TestRoleOf(t *testing.T) {
	for in, want := range map[string]string{
		"arn:aws:sts::111122223333:assumed-role/daemon/i-1": "arn:aws:iam::111122223333:role/daemon",
		"arn:aws:iam::111122223333:user/alice":              "arn:aws:iam::111122223333:user/alice",
	} {
		if got := RoleOf(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
