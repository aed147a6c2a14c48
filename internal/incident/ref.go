package incident

import (
	"github.com/trailwarden/trailwarden/internal/event"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// RefOfRecord names the trail that a record is about as far as the record tells.
func RefOfRecord(r event.Record) TrailRef { return RefOfName(r.Trail, r.Region, r.Account) }

// RefOfName names the trail of a name or ARN that was typed, in a Region and account. Where that is no
// trail that can exist, as in anonymised records, ARN and Partition are empty and Name is what was typed.
func RefOfName(typed, region, account string) TrailRef {
	if typed != "" {
		if a, err := trail.Resolve(typed, region, account); err == nil {
			return RefOf(a)
		}
	}
	return TrailRef{Name: typed, Account: account, Region: region}
}
