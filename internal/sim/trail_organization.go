package sim

// sharedWith says whether a caller of this account may name, by its ARN, a trail of another account: a trail of the whole
// organization by everybody in it, a trail that does not exist (any more) by a delegated administrator.
func (t *trails) sharedWith(account, owner, arn string) bool {
	o := t.world.organizationOf(account)
	if o == nil || o.Management != owner {
		return false
	}
	if x := t.byARN[arn]; x != nil {
		return x.organization
	}
	return o.manages(account)
}

// ownerOfNew is the account that a new trail will belong to: the management account, if it is for the organization.
func (t *trails) ownerOfNew(c *call, organization bool) string {
	if o := t.world.organizationOf(c.account); organization && o != nil && o.manages(c.account) {
		return o.Management
	}
	return c.account
}

// onBehalf prepares a change of a trail that belongs to another account, the management account. The record goes there.
func (t *trails) onBehalf(c *call, owner string) error {
	if owner == c.account {
		return nil
	}
	o := t.world.organizationOf(c.account)
	if o == nil || !o.manages(c.account) {
		return notManagement()
	}
	c.recipient, c.covered = owner, t.cover(owner, c.region)
	if o.roleGone {
		return fail("NoManagementAccountSLRExistsException", "The management account does not have a service-linked role for CloudTrail.")
	}
	return nil
}

func notManagement() error {
	return fail("NotOrganizationMasterAccountException", "Your account is not the management account of the organization or a delegated administrator of CloudTrail.")
}

// checkOrganization checks what a trail for the whole organization needs: who calls, what is enabled, what the caller may do.
func (t *trails) checkOrganization(c *call) error {
	o := t.world.organizationOf(c.account)
	switch {
	case o == nil:
		return fail("OrganizationsNotInUseException", "Your account is not a member of an organization.")
	case !o.manages(c.account):
		return notManagement()
	case o.billingOnly:
		return fail("OrganizationNotInAllFeaturesModeException", "All features must be enabled in the organization.")
	case !o.trusted:
		return fail("CloudTrailAccessNotEnabledException", "Trusted access for CloudTrail is not enabled in the organization.")
	}
	needs := []string{"organizations:DescribeOrganization", "organizations:ListAWSServiceAccessForOrganization"}
	if o.roleGone && c.account == o.Management {
		needs = append(needs, "iam:CreateServiceLinkedRole")
	}
	for _, action := range needs {
		if t.world.denies(c.caller.arn, action) {
			return fail("InsufficientDependencyServiceAccessPermissionException", "User: %s is not authorized to perform: %s", c.caller.arn, action)
		}
	}
	if c.account == o.Management {
		o.roleGone = false // CloudTrail makes its role where it is missing
	}
	return nil
}

// convert checks a change of a trail from one account to the organization or back. Only the management account can do that.
func (t *trails) convert(c *call, x *trail, organization bool) error {
	if organization {
		if err := t.checkOrganization(c); err != nil {
			return err
		}
	}
	if o := t.world.organizationOf(c.account); organization != x.organization && o != nil && o.Management != c.account {
		return notManagement()
	}
	return nil
}

// endOrganization makes the trails of a management account single-account trails. Called with the lock held.
func (t *trails) endOrganization(management string) {
	for _, x := range t.sorted(management) {
		if x.organization {
			t.catchUp(x)
			x.organization = false
			t.changedAt(t.world.now(), x.arn)
		}
	}
}

// organizationID is the folder of an organization trail's log files; "" for other trails.
func (t *trails) organizationID(x *trail) string {
	if o := t.world.organizationOf(x.account); x.organization && o != nil {
		return o.ID
	}
	return ""
}
