package deploy

import (
	"fmt"
	"slices"
	"strings"
)

// PermissionsPage is docs/permissions.md.
func PermissionsPage() string {
	var b strings.Builder
	b.WriteString(permissionsIntro)
	for _, r := range RoleTexts {
		fmt.Fprintf(&b, "\n## trailwarden-%s\n\n%s\n\n| action | on | for | why |\n|---|---|---|---|\n", r.Role, r.Text)
		for _, p := range Permissions {
			if slices.Contains(p.Roles, r.Role) {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Action, p.On, p.Feature, p.Why)
			}
		}
	}
	b.WriteString(permissionsDenied)
	for _, d := range Denials {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(d.Actions, ", ", "`, `"), d.Why)
	}
	b.WriteString(permissionsSilent)
	for _, p := range Permissions {
		if p.Silent != "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", p.Action, p.Silent)
		}
	}
	return b.String()
}

const permissionsIntro = `# Permissions

Made from the table in internal/deploy/permissions.go (` + "`go test ./internal/deploy -update`" + `). The policies in deploy/cloudformation
are held against the same table by a test, and so are the calls that are made when the product runs on a simulated AWS under
these very policies: what is called is granted, and what is granted is called or explained below.

- **Two functions, two roles.** Both may read trails and start stopped ones. Nothing else that changes a trail is within their reach.
- **Restoring is a role of its own**, which is not there at all until ` + "`RestoreTrailArns`" + ` names trails, by ARN. Each use is narrowed
  by a session policy to the one trail that is being put back.
- **The kill switch** is the managed policy ` + "`trailwarden-repair`" + `, which holds StartLogging and the way to the restore role, and
  nothing else. Detached, every repair in the account stops, and watching and telling go on. One command does it:

  ` + "```sh\n  for role in trailwarden-react trailwarden-sweep; do aws iam detach-role-policy --role-name $role --policy-arn \"$(aws cloudformation describe-stacks --stack-name trailwarden --query \"Stacks[0].Outputs[?OutputKey=='RepairPolicyArn'].OutputValue\" --output text)\"; done\n  ```" + `

  The sweep sees it, and the rule on trailwarden itself reports it to people straight away, past the functions, where IAM's events
  reach it: they appear in us-east-1 (aws-cn: cn-north-1, aws-us-gov: us-gov-west-1), so deploy forwarder.yaml there unless that is the
  home Region. ` + "`attach-role-policy`" + ` in the same loop switches repairs on again. A session of the restore role that is under way
  lasts a minute at most. Each member account has a switch of its own, the policy of this name on ` + "`trailwarden-member`" + `; mode observe ends
  repairs in all of them.
- **A permissions boundary**, ` + "`trailwarden-boundary`" + `, caps every role at the actions on this page, whatever somebody attaches to it.
  ` + "`PermissionsBoundaryArn`" + ` puts your organization's in its place.
- **Mode observe** leaves ` + "`trailwarden-repair`" + ` out: then no role here can change anything but its own ledger.

deploy/iam has the policies as JSON, for those who write roles in another way (options.json has what parameters add, a statement for each,
as an example); deploy/scp has samples of service control policies that
keep everybody else from stopping trails and from changing trailwarden. They do not bind an organization's management account.

What IAM cannot say: CloudTrail has no condition keys for the arguments of UpdateTrail and PutEventSelectors, so a role that may put a
trail back may also narrow it. The code is the guard there (no plan lowers coverage: decisions/011), and the reason for the second role.
`

const permissionsDenied = `
## Never

Denied explicitly to the two functions, whatever else is attached to their roles. trailwarden-restore and trailwarden-member are denied
` + "`cloudtrail:StopLogging` and `cloudtrail:DeleteTrail`" + `.

| action | because |
|---|---|
`

const permissionsSilent = `
## Granted, and not seen in the tests

| action | because |
|---|---|
`
