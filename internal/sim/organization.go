package sim

import (
	"slices"
	"strings"
)

const delegatesPerOrganization = 3

// An Organization is one organization of AWS Organizations. Its methods are what its management account would do there; they
// leave no records.
type Organization struct {
	ID         string // o-…
	Management string // account id

	world       *World
	members     []string // without the management account
	delegates   []string // delegated administrators of CloudTrail
	trusted     bool     // CloudTrail may see the organization
	billingOnly bool     // not all features
	roleGone    bool     // the service-linked role of CloudTrail is not in the management account
}

// Organization makes an organization with all features and trusted access for CloudTrail. An account that was in another
// organization leaves it.
func (w *World) Organization(management string, members ...string) *Organization {
	a := w.Account(management)
	o := &Organization{ID: "o-" + strings.ToLower(a.fingerprint(10, "organization", management)), Management: management, world: w, trusted: true}
	w.mu.Lock()
	for _, id := range append([]string{management}, members...) {
		w.leave(id)
	}
	w.organizations = append(w.organizations, o)
	w.mu.Unlock()
	for _, m := range members {
		o.Add(m)
	}
	return o
}

// Add takes an account into the organization.
func (o *Organization) Add(account string) {
	o.world.Account(account)
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	if o.has(account) {
		return
	}
	o.world.leave(account)
	o.members = append(o.members, account)
}

// Leave takes a member account out of the organization: it no longer sees organization trails. When the management account
// leaves, the organization ends.
func (o *Organization) Leave(account string) {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	if o.has(account) {
		o.world.leave(account)
	}
}

// Delegate registers a member as delegated administrator of CloudTrail and says whether that was possible: three at most.
func (o *Organization) Delegate(account string) bool {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	if len(o.delegates) == delegatesPerOrganization || !slices.Contains(o.members, account) || slices.Contains(o.delegates, account) {
		return false
	}
	o.delegates = append(o.delegates, account)
	return true
}

// Undelegate takes the registration as delegated administrator back.
func (o *Organization) Undelegate(account string) {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	o.delegates = without(o.delegates, account)
}

// TrustedAccess lets CloudTrail into the organization or shuts it out. Shutting it out makes every organization trail one of
// the management account alone; letting it in again does not undo that.
func (o *Organization) TrustedAccess(on bool) {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	if o.trusted = on; !on {
		o.world.trails.endOrganization(o.Management)
	}
}

// AllFeatures false leaves consolidated billing only.
func (o *Organization) AllFeatures(on bool) {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	o.billingOnly = !on
}

// ServiceLinkedRole says whether CloudTrail's service-linked role exists in the management account. A call of the management
// account that needs it makes it again.
func (o *Organization) ServiceLinkedRole(exists bool) {
	o.world.mu.Lock()
	defer o.world.mu.Unlock()
	o.roleGone = !exists
}

func (o *Organization) has(account string) bool {
	return account == o.Management || slices.Contains(o.members, account)
}

// manages says whether an account may change organization trails.
func (o *Organization) manages(account string) bool {
	return account == o.Management || slices.Contains(o.delegates, account)
}

// organizationOf is the organization that an account is in, nil without. Called with the lock held.
func (w *World) organizationOf(account string) *Organization {
	for _, o := range w.organizations {
		if o.has(account) {
			return o
		}
	}
	return nil
}

// leave takes an account out of whatever organization it is in. Called with the lock held.
func (w *World) leave(account string) {
	o := w.organizationOf(account)
	switch {
	case o == nil:
	case account == o.Management:
		w.trails.endOrganization(account)
		w.organizations = without(w.organizations, o)
	default:
		o.members, o.delegates = without(o.members, account), without(o.delegates, account)
	}
}
