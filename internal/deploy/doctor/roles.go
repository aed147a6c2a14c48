package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// permissions holds what the roles may do against the template: attached policies and what stands in them, policies of the roles' own,
// boundary, and who may become them. A session is narrower than its role. What an organization denies on top only IAM knows: it
// is asked where the caller may.
func (e *exam) permissions(ctx context.Context) {
	const name = "permissions"
	if len(e.Made.Resources) == 0 {
		e.add(name, Unknown, "the stack's template could not be read, so that there is nothing to hold them against",
			"use credentials that may call cloudformation:GetTemplate: `trailwarden deploy --print-policy`")
		return
	}
	r := roles{exam: e, api: iam.NewFromConfig(e.Config, func(o *iam.Options) { o.Retryer = retryer() })}
	before := len(e.checks)
	for _, id := range e.Made.Roles() {
		if err := r.role(ctx, id); err != nil {
			e.unread(name, err)
			return
		}
	}
	for _, id := range slices.Sorted(maps.Keys(e.Made.Resources)) {
		if p := e.Made.Resources[id]; p.Type == "AWS::IAM::ManagedPolicy" {
			if err := r.managed(ctx, p.Properties); err != nil {
				e.unread(name, err)
				return
			}
		}
	}
	asked := r.simulate(ctx)
	if len(e.checks) == before {
		text := fmt.Sprintf("the %s may do what was deployed, and no more", count(len(e.Made.Roles()), "role"))
		if !asked {
			text += "; what the organization denies was not asked (iam:SimulatePrincipalPolicy)"
		}
		e.add(name, OK, text, "")
	}
}

// roles looks at IAM.
type roles struct {
	*exam
	api *iam.Client
}

// arn is that of a role or policy of the stack, by its name: they have no path.
func (r roles) arn(kind, name string) string {
	account, _, _ := strings.Cut(r.View.Outputs["ReactRoleArn"], ":role/")
	return account + ":" + kind + "/" + name
}

func (r roles) wrong(text, mend string) { r.add("permissions", Wrong, text, mend) }

func (r roles) role(ctx context.Context, id string) error {
	p := r.properties(id)
	role := fmt.Sprint(p["RoleName"])
	out, err := r.api.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	if says(err, goneCodes) {
		r.wrong("the role "+role+" is gone", r.revert())
		return nil
	}
	if err != nil {
		return err
	}
	if diff := differs(p["AssumeRolePolicyDocument"], aws.ToString(out.Role.AssumeRolePolicyDocument)); diff != "" {
		r.wrong("who may become "+role+" was changed: "+diff, r.revert())
	}
	bound, limit := fmt.Sprint(p["PermissionsBoundary"]), ""
	if out.Role.PermissionsBoundary != nil {
		limit = aws.ToString(out.Role.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if limit != bound && p["PermissionsBoundary"] != nil {
		r.wrong(fmt.Sprintf("the boundary of %s is %s, deployed was %s", role, cmp.Or(limit, "none"), bound), "aws iam put-role-permissions-boundary --role-name "+Quote(role)+" --permissions-boundary "+Quote(bound))
	}
	if err := r.attached(ctx, role, p); err != nil {
		return err
	}
	return r.inline(ctx, role, p)
}

// attached compares the managed policies of a role. The one that repairs is the kill switch, which is looked at as such.
func (r roles) attached(ctx context.Context, role string, p map[string]any) error {
	want := map[string]bool{}
	list, _ := p["ManagedPolicyArns"].([]any)
	for _, arn := range list {
		want[fmt.Sprint(arn)] = true
	}
	got := map[string]bool{}
	pages := iam.NewListAttachedRolePoliciesPaginator(r.api, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, a := range page.AttachedPolicies {
			got[aws.ToString(a.PolicyArn)] = true
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(want)) {
		if !got[arn] && arn != r.View.Outputs["RepairPolicyArn"] {
			r.wrong(fmt.Sprintf("the policy %s was taken from %s", lastOf(arn, "/"), role), "aws iam attach-role-policy --role-name "+Quote(role)+" --policy-arn "+Quote(arn))
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(got)) {
		if !want[arn] {
			r.wrong(fmt.Sprintf("%s has a policy that was not deployed: %s", role, arn), "aws iam detach-role-policy --role-name "+Quote(role)+" --policy-arn "+Quote(arn))
		}
	}
	return nil
}

// inline compares the policies that stand in the role itself.
func (r roles) inline(ctx context.Context, role string, p map[string]any) error {
	want := map[string]any{}
	list, _ := p["Policies"].([]any)
	for _, one := range list {
		one, _ := one.(map[string]any)
		want[fmt.Sprint(one["PolicyName"])] = one["PolicyDocument"]
	}
	var names []string
	pages := iam.NewListRolePoliciesPaginator(r.api, &iam.ListRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		names = append(names, page.PolicyNames...)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Contains(names, name) {
			r.wrong(fmt.Sprintf("the policy %s was taken out of %s", name, role), r.revert())
			continue
		}
		out, err := r.api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err != nil {
			return err
		}
		if diff := differs(want[name], aws.ToString(out.PolicyDocument)); diff != "" {
			r.wrong(fmt.Sprintf("the policy %s of %s was changed: it %s", name, role, diff), r.revert())
		}
	}
	for _, name := range names {
		if _, ok := want[name]; !ok {
			r.wrong(fmt.Sprintf("%s has a policy of its own that was not deployed: %s", role, name), "aws iam delete-role-policy --role-name "+Quote(role)+" --policy-name "+Quote(name))
		}
	}
	return nil
}

// managed compares what stands in a policy of the stack. IAM keeps up to five versions: mostly the deployed one is still there.
func (r roles) managed(ctx context.Context, p map[string]any) error {
	policy := fmt.Sprint(p["ManagedPolicyName"])
	arn := r.arn("policy", policy)
	out, err := r.api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if says(err, goneCodes) {
		r.wrong("the policy "+policy+" is gone", r.revert())
		return nil
	}
	if err != nil {
		return err
	}
	current := aws.ToString(out.Policy.DefaultVersionId)
	read := func(version string) (string, error) {
		out, err := r.api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: &version})
		if err != nil {
			return "", err
		}
		return differs(p["PolicyDocument"], aws.ToString(out.PolicyVersion.Document)), nil
	}
	diff, err := read(current)
	if err != nil || diff == "" {
		return err
	}
	mend := r.revert()
	if list, err := r.api.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn}); err == nil {
		for _, v := range list.Versions {
			if other, err := read(aws.ToString(v.VersionId)); err == nil && other == "" {
				mend = "aws iam set-default-policy-version --policy-arn " + Quote(arn) + " --version-id " + Quote(aws.ToString(v.VersionId))
			}
		}
	}
	r.wrong("the policy "+policy+" was changed: it "+diff, mend)
	return nil
}

// simulate asks IAM whether the roles could make the calls that the template grants them; false when the caller may not ask, or
// IAM does not answer. Grants with a condition are left out: whether it holds is known when the call is made.
func (r roles) simulate(ctx context.Context) bool {
	for _, id := range r.Made.Roles() {
		policies, err := r.Made.Policies(id)
		if err != nil {
			return false
		}
		arn := r.arn("role", fmt.Sprint(r.properties(id)["RoleName"]))
		denied := map[string][]string{} // by what denies them
		for _, p := range policies {
			for _, s := range p.Statements() {
				if s.Effect != "Allow" || len(s.Condition) > 0 {
					continue
				}
				in := &iam.SimulatePrincipalPolicyInput{PolicySourceArn: &arn, ActionNames: s.Actions}
				for _, resource := range s.Resource {
					if resource != "*" {
						in.ResourceArns = append(in.ResourceArns, r.concrete(resource))
					}
				}
				out, err := r.api.SimulatePrincipalPolicy(ctx, in)
				if err != nil {
					return false
				}
				for _, v := range out.EvaluationResults {
					if v.EvalDecision != types.PolicyEvaluationDecisionTypeAllowed && !r.off(v) {
						denied[denier(v)] = append(denied[denier(v)], aws.ToString(v.EvalActionName))
					}
				}
			}
		}
		for _, by := range slices.Sorted(maps.Keys(denied)) {
			slices.Sort(denied[by])
			r.wrong(fmt.Sprintf("%s may not %s: %s", lastOf(arn, "/"), few(slices.Compact(denied[by])), by), deniers[by])
		}
	}
	return true
}

// off says whether a call is denied because repairs are switched off, which is told as such.
func (r roles) off(v types.EvaluationResult) bool {
	return aws.ToString(v.EvalActionName) == "cloudtrail:StartLogging" && denier(v) == byPolicies
}

const byOrganization, byBoundary, byPolicies = "a service control policy of the organization denies it", "its boundary denies it", "its policies do not allow it"

// deniers are whoever denies a call, and what can be done about it.
var deniers = map[string]string{
	byOrganization: "ask whoever keeps the organization's policies to spare this role (deploy/iam has samples)",
	byBoundary:     "let the boundary allow it: docs/permissions.md lists what trailwarden needs",
	byPolicies:     "look at its policies: docs/permissions.md lists what trailwarden needs",
}

func denier(v types.EvaluationResult) string {
	switch {
	case v.OrganizationsDecisionDetail != nil && !v.OrganizationsDecisionDetail.AllowedByOrganizations:
		return byOrganization
	case v.PermissionsBoundaryDecisionDetail != nil && !v.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary:
		return byBoundary
	}
	return byPolicies
}

// concrete makes one resource of a pattern of them.
func (r roles) concrete(pattern string) string {
	part := strings.Split(pattern, ":")
	if len(part) > 3 && part[3] == "*" {
		part[3] = r.Config.Region
	}
	return strings.ReplaceAll(strings.Join(part, ":"), "*", "any")
}
