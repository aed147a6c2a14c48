package notify

import (
	"net/url"
	"strings"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// consoleHost is the console of a Region; empty for partitions whose console is not public.
func consoleHost(partition, region string) string {
	switch partition {
	case "aws":
		return region + ".console.aws.amazon.com"
	case "aws-cn":
		return region + ".console.amazonaws.cn"
	case "aws-us-gov":
		return region + ".console.amazonaws-us-gov.com"
	case "aws-eusc":
		return region + ".console.amazonaws-eusc.eu"
	}
	return ""
}

var (
	idForm        = Lazily(`^inc-[0-9a-f]{16}$`)
	accountForm   = Lazily(`^[0-9]{12}$`)
	regionForm    = Lazily(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}[a-z]?$`)
	eventIDForm   = Lazily(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	principalForm = Lazily(`^arn:([a-z-]+):(?:iam|sts)::([0-9]{12}):(user|role|assumed-role)/([A-Za-z0-9+=,.@_/-]+)$`)
)

// link is a place to look at.
type link struct{ name, url string }

// links leads to the trail, the event and the principal in the console. They are made of checked parts.
func links(inc incident.Incident) []link {
	if inc.Trail.Check() != nil {
		return nil
	}
	region := inc.Trail.Region
	host := consoleHost(inc.Trail.Partition, region)
	if host == "" {
		return nil
	}
	trails := "https://" + host + "/cloudtrailv2/home?region=" + region + "#/"
	out := []link{{"Trail", trails + "trails/" + inc.Trail.ARN}}
	if inc.Gone() {
		out = []link{{"Trails", trails + "trails"}}
	}
	if r := inc.Record; r != nil && eventIDForm().MatchString(r.EventID) && r.Region == region {
		out = append(out, link{"Event", trails + "events/" + r.EventID})
	}
	if fragment := principalPage(inc); fragment != "" {
		out = append(out, link{"Principal", "https://" + host + "/iam/home#/" + fragment})
	}
	return out
}

// principalPage is the IAM console's page about the user, or the role behind the session, when they belong to
// the trail's account: the reader is logged in to one account.
func principalPage(inc incident.Incident) string {
	if inc.Actor == nil {
		return ""
	}
	arn := inc.Actor.ARN
	if inc.Actor.Issuer != "" {
		arn = inc.Actor.Issuer
	}
	m := principalForm().FindStringSubmatch(arn)
	if m == nil || len(arn) > 512 || m[1] != inc.Trail.Partition || m[2] != inc.Trail.Account {
		return ""
	}
	kind, path := m[3], strings.Split(m[4], "/")
	name := path[len(path)-1]
	if kind == "assumed-role" {
		kind, name = "role", path[0]
	}
	if name == "" {
		return ""
	}
	return kind + "s/details/" + url.PathEscape(name)
}
