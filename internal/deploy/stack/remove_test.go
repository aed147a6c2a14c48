package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// standing is a stack of a CloudFormation that may not, or need not, be told to delete it.
type standing struct {
	protected, refuses bool
	looks              int // until it is gone
}

func (x *standing) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	status, op, result := 200, form.Get("Action"), ""
	switch op {
	case "UpdateTerminationProtection":
		x.protected = form.Get("EnableTerminationProtection") == "true"
	case "DescribeStacks":
		is := "DELETE_IN_PROGRESS"
		if x.looks--; x.looks < 0 {
			is = "DELETE_COMPLETE"
		}
		result = "<Stacks><member><StackId>id</StackId><StackStatus>" + is + "</StackStatus></member></Stacks>"
	case "DeleteStack":
		if x.refuses {
			status = 403
		}
	}
	answer := fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", op, result)
	if status != 200 {
		answer = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(answer))}, nil
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
			d := &Deployer{Name: "trailwarden", Pause: func(context.Context, time.Duration) error { return nil },
				Config: aws.Config{Region: "eu-central-1", HTTPClient: &http.Client{Transport: &test.aws}, BaseEndpoint: aws.String("http://aws.invalid"), Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}}
			if err := d.Delete(t.Context(), test.view); (err != nil) != test.fails {
				t.Errorf("it ends with %v", err)
			}
			if test.aws.protected != test.protected {
				t.Errorf("protected afterwards: %t", test.aws.protected)
			}
		})
	}
}
