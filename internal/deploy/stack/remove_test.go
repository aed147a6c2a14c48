package stack

import (
	"net/http"
	"testing"
)

// standing is a stack of a CloudFormation that may not, or need not, be told to delete it.
type standing struct {
	protected, refuses bool
	looks              int // until it is gone
}

func (x *standing) RoundTrip(r *http.Request) (*http.Response, error) {
	form, err := formOf(r)
	if err != nil {
		return nil, err
	}
	op, members := form.Get("Action"), ""
	switch op {
	case "UpdateTerminationProtection":
		x.protected = form.Get("EnableTerminationProtection") == "true"
	case "DescribeStacks":
		is := "DELETE_IN_PROGRESS"
		if x.looks--; x.looks < 0 {
			is = "DELETE_COMPLETE"
		}
		members = "<Stacks><member><StackId>id</StackId><StackStatus>" + is + "</StackStatus></member></Stacks>"
	case "DeleteStack":
		if x.refuses {
			return answer(r, http.StatusForbidden, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"), nil
		}
	}
	return result(r, op, members), nil
}

func TestDelete(t *testing.T) {
	for name, test := range map[string]struct {
		view      View
		aws       standing
		fails     bool
		protected bool // afterwards
	}{
		"protected":         {View{ID: "id", Status: "CREATE_COMPLETE", Protected: true}, standing{protected: true, looks: 2}, false, false},
		"refused":           {View{ID: "id", Status: "CREATE_COMPLETE", Protected: true}, standing{protected: true, refuses: true}, true, true},
		"on its way out":    {View{ID: "id", Status: "DELETE_IN_PROGRESS", Protected: true}, standing{protected: true, refuses: true, looks: 2}, false, true},
		"never was so safe": {View{ID: "id", Status: "CREATE_COMPLETE"}, standing{refuses: true}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := over(&test.aws)
			if err := d.Delete(t.Context(), test.view); (err != nil) != test.fails {
				t.Errorf("it ends with %v", err)
			}
			if test.aws.protected != test.protected {
				t.Errorf("protected afterwards: %t", test.aws.protected)
			}
		})
	}
}
