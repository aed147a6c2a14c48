package trail

import (
	"slices"
	"strings"
)

// Requirement is a statement about accounts and Regions, whatever their trails are called: each is to be
// covered by at least one logging trail that has everything that is asked for.
type Requirement struct {
	Name     string
	Accounts []string // 12-digit account ids
	Regions  []string
	// Management is the organization's management account when all Accounts are in that organization: its
	// organization trails then cover them all. Empty: an organization trail counts for its owner only.
	Management string

	Read, Write  bool   // all management events that read, that write
	Global       bool   // events of global services
	Validated    bool   // log-file validation
	Bucket       string // where log files go; empty is anywhere
	MultiRegion  bool
	Organization bool
}

// Unmet is a requirement that an account does not meet in some Regions.
type Unmet struct {
	Requirement string
	Account     string
	Regions     []string
	Text        string // sentences: what is missing, trail by trail
}

// Judge holds requirements against the states of all trails. What was not read does not count as covered.
func Judge(requirements []Requirement, states []State) []Unmet {
	var out []Unmet
	for _, r := range requirements {
		for _, account := range r.Accounts {
			first := len(out)
			for _, region := range r.Regions {
				text, met := r.met(account, region, states)
				if met {
					continue
				}
				same := slices.IndexFunc(out[first:], func(u Unmet) bool { return u.Text == text })
				if same < 0 {
					out = append(out, Unmet{Requirement: r.Name, Account: account, Text: text})
					same = len(out) - 1 - first
				}
				out[first+same].Regions = append(out[first+same].Regions, region)
			}
		}
	}
	return out
}

// met tells whether one trail covers a place, or what each trail that reaches it lacks.
func (r Requirement) met(account, region string, states []State) (text string, met bool) {
	var lacking []string
	for _, s := range states {
		c := CoverageOf(s)
		if !c.Trail || !r.reaches(c, account, region) {
			continue
		}
		missing := r.missing(c)
		if len(missing) == 0 {
			return "", true
		}
		lacking = append(lacking, "The trail "+s.ARN.String()+" "+strings.Join(missing, ", and ")+".")
	}
	if len(lacking) == 0 {
		return "No trail reaches this place.", false
	}
	return strings.Join(sorted(lacking), " "), false
}

func (r Requirement) reaches(c Coverage, account, region string) bool {
	byOrganization := c.Organization && c.Account == r.Management
	return (c.Account == account || byOrganization) && (c.AllRegions || c.Home == region)
}

// missing says what a trail lacks, as what can follow "the trail".
func (r Requirement) missing(c Coverage) []string {
	var out []string
	lacks := func(wanted, has bool, text string) {
		if wanted && !has {
			out = append(out, text)
		}
	}
	lacks(true, c.Logging, "is not logging")
	lacks(r.Read, c.Read.All(), "does not record all read-only management events")
	lacks(r.Write, c.Write.All(), "does not record all management events that change something")
	lacks(r.Global, c.Global, "does not record events of global services")
	lacks(r.Validated, c.Validation, "does not validate its log files")
	lacks(r.Bucket != "", c.Bucket == r.Bucket, "delivers to the bucket "+or(c.Bucket, "(not read)")+" instead of "+r.Bucket)
	lacks(r.MultiRegion, c.AllRegions, "is there for one Region only")
	lacks(r.Organization, c.Organization, "is there for one account only")
	return out
}
