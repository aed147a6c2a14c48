package stack

import (
	"net/http"
	"testing"
)

// formation is a CloudFormation that finds drift only when it is asked to look for it.
type formation struct{ looked bool }

func (x *formation) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodPut { // the template, on its way to the bucket
		status := map[string]int{http.MethodGet: 404, http.MethodPut: 200}[r.Method]
		return &http.Response{StatusCode: status, Header: http.Header{"X-Amz-Version-Id": {"1"}}, Request: r, Body: http.NoBody}, nil
	}
	form, err := formOf(r)
	if err != nil {
		return nil, err
	}
	op, members := form.Get("Action"), ""
	switch op {
	case "CreateChangeSet":
		x.looked = form.Get("DeploymentMode") == "REVERT_DRIFT"
		members = "<Id>set</Id><StackId>stack</StackId>"
	case "DescribeChangeSet":
		members = "<Status>FAILED</Status><StatusReason>The submitted information didn't contain changes.</StatusReason>"
		if x.looked {
			members = "<Status>CREATE_COMPLETE</Status><Changes><member><ResourceChange><Action>Modify</Action><LogicalResourceId>WatchRule</LogicalResourceId><ResourceType>AWS::Events::Rule</ResourceType></ResourceChange></member></Changes>"
		}
	}
	return result(r, op, members), nil
}

// Deploying the same again changes nothing, whatever somebody did to the resources; asked to revert, CloudFormation puts them back.
func TestProposeReverts(t *testing.T) {
	for _, revert := range []bool{false, true} {
		d := over(&formation{})
		set, err := d.Propose(t.Context(), Proposal{Template: "t", Revert: revert, Parameters: map[string]string{"ArtifactBucket": "zips", "ArtifactKey": "trailwarden/v1/x.zip"}})
		if err != nil {
			t.Fatal(err)
		}
		if set.Empty == revert || (len(set.Changes) == 1) != revert {
			t.Errorf("revert %t: %+v", revert, set)
		}
	}
}
