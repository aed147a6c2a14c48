package guard

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Surroundings is what the guard asks of AWS besides the trail itself.
type Surroundings interface {
	// Caller is the account of the credentials, and how it stands in its organization.
	Caller(ctx context.Context) (trail.Caller, error)
	// BucketOwner says whether a bucket belongs to an account.
	BucketOwner(ctx context.Context, bucket, account string) (trail.Ownership, error)
	// Trails lists the trails that the account of a knows in some Regions.
	Trails(ctx context.Context, a trail.ARN, regions ...string) ([]trail.ARN, error)
	// History reads records of calls in a Region from the Event history of the account of a, as AWS wrote them.
	History(ctx context.Context, a trail.ARN, region string, calls []string, since time.Time) ([][]byte, error)
}

// aside bounds each question about the surroundings: none is worth a repair's time.
const aside = 5 * time.Second

// towards is the guard as it stands towards a trail: as it is for trails of the accounts that it guards. A trail of the
// organization is repaired from outside of the management account only by a delegated administrator whose own baseline pins
// it; anybody else in the organization looks, and tells. False means that the trail is none of our business.
func (g *Guard) towards(ctx context.Context, a trail.ARN, swept bool) (*Guard, bool) {
	if slices.Contains(g.Accounts, a.Account) {
		return g, true
	}
	if g.Around == nil {
		return nil, false
	}
	bounded, cancel := context.WithTimeout(ctx, aside)
	defer cancel()
	caller, err := g.Around.Caller(bounded)
	if err != nil {
		caller.Unknown = "How this account stands in its organization could not be found out: " + err.Error() + "."
	}
	pinned := false
	if g.Baseline != nil {
		_, pinned = g.Baseline(a)
	}
	organization := caller.Management == a.Account
	if !organization && !pinned && !swept {
		return nil, false
	}
	own := *g
	own.standing = caller
	if !organization || !pinned || !caller.Delegated {
		own.elsewhere = fmt.Sprintf("the trail is the organization's and belongs to account %s: it is repaired by the deployment there, and never from account %s", a.Account, caller.Account)
		if caller.Unknown != "" {
			own.elsewhere += ". " + caller.Unknown
		}
	}
	return &own, true
}

// caller is who reads and repairs a trail.
func (g *Guard) caller(a trail.ARN) trail.Caller {
	if g.standing.Account != "" {
		return g.standing
	}
	return trail.Caller{Account: a.Account} // only trails of the credentials' own account are guarded
}

// addressed sends an incident about a trail that is repaired elsewhere to where that is.
func (g *Guard) addressed(inc *incident.Incident, a trail.ARN) {
	if g.elsewhere == "" || inc.Outcome == incident.Confirmed {
		return
	}
	inc.Reason = g.elsewhere
	inc.NextSteps = append([]incident.Step{{
		Text: "Tell whoever runs trailwarden in the organization's management account, " + a.Account + ": only there, or by a delegated administrator that pins the trail, it can be repaired.",
	}}, inc.NextSteps...)
}

// unseen is the incident of a pinned trail of the organization that this account is no longer shown.
func (w *work) unseen(err error) []incident.Incident {
	if err == nil || !w.pinned || w.guard.elsewhere == "" || trail.ClassOf(err) != trail.ClassWrongPlace {
		return nil
	}
	inc := w.begin([]incident.Finding{{
		Rule: "trail.delete", Title: "Organization trail no longer seen", Severity: incident.Critical, Attack: "T1562.008",
		Text: "Found by reading the account: the organization's trail is not shown to it any more; it was deleted or made another account's alone, or this account has left the organization",
	}}, "unseen", time.Time{})
	inc.Partial = true
	return []incident.Incident{inc}
}
