package sim

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
)

// newOrganizations offers what a member asks of its organization.
func newOrganizations(w *World) *service {
	return &service{
		name: "organizations", source: "organizations.amazonaws.com", protocol: json11, targets: []string{"AWSOrganizationsV20161128"},
		operations: []operation{
			jsonOp("DescribeOrganization", reads, w.describeOrganization),
			jsonOp("ListDelegatedAdministrators", reads, w.listDelegates),
		},
	}
}

func (w *World) describeOrganization(c *call, _ *struct{}) (any, error) {
	o := w.organizationOf(c.account)
	if o == nil {
		return nil, fail("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	}
	features := "ALL"
	if o.billingOnly {
		features = "CONSOLIDATED_BILLING"
	}
	type organization struct{ Id, Arn, FeatureSet, MasterAccountId, MasterAccountArn string }
	arn := "arn:" + partitionOf(c.region) + ":organizations::" + o.Management
	return struct{ Organization organization }{organization{
		o.ID, arn + ":organization/" + o.ID, features, o.Management, arn + ":account/" + o.ID + "/" + o.Management,
	}}, nil
}

type delegatesInput struct{ ServicePrincipal, NextToken string }

// listDelegates answers the management account and delegated administrators; other members are refused.
func (w *World) listDelegates(c *call, in *delegatesInput) (any, error) {
	o := w.organizationOf(c.account)
	switch {
	case o == nil:
		return nil, fail("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
	case !o.manages(c.account):
		return nil, fail("AccessDeniedException", "You don't have permissions to access this resource.")
	}
	type delegate struct{ Id, Status string }
	out := struct{ DelegatedAdministrators []delegate }{[]delegate{}}
	for _, id := range slices.Sorted(slices.Values(o.delegates)) {
		if in.ServicePrincipal == "" || in.ServicePrincipal == "cloudtrail.amazonaws.com" {
			out.DelegatedAdministrators = append(out.DelegatedAdministrators, delegate{id, "ACTIVE"})
		}
	}
	return out, nil
}

// newEC2 offers the list of an account's enabled Regions, and nothing else of EC2.
func newEC2(w *World) *service {
	return &service{
		name: "ec2", source: "ec2.amazonaws.com", protocol: query, namespace: "http://ec2.amazonaws.com/doc/2016-11-15/", denial: "UnauthorizedOperation",
		operations: []operation{queryOp("DescribeRegions", reads, w.describeRegions)},
	}
}

// describeRegions answers in EC2's own form, which has no Result element.
func (w *World) describeRegions(c *call, _ url.Values) (any, error) {
	type region struct {
		Name   string `xml:"regionName"`
		Host   string `xml:"regionEndpoint"`
		Status string `xml:"optInStatus"`
	}
	doc := struct {
		XMLName   xml.Name `xml:"DescribeRegionsResponse"`
		NS        string   `xml:"xmlns,attr"`
		RequestID string   `xml:"requestId"`
		Regions   []region `xml:"regionInfo>item"`
	}{NS: c.service.namespace, RequestID: c.id}
	for _, name := range slices.Sorted(slices.Values(w.accountLocked(c.account).regions)) {
		doc.Regions = append(doc.Regions, region{name, "ec2." + name + ".amazonaws.com", "opt-in-not-required"})
	}
	body, err := xml.Marshal(doc)
	return answer{status: http.StatusOK, header: map[string]string{"Content-Type": "text/xml;charset=UTF-8"}, body: body}, err
}
