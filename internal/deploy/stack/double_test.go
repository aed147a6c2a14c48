package stack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// over is a Deployer whose AWS a test plays, and that waits for nothing.
func over(double http.RoundTripper) *Deployer {
	return &Deployer{Name: "trailwarden", Pause: func(context.Context, time.Duration) error { return nil },
		Config: aws.Config{Region: "eu-central-1", HTTPClient: &http.Client{Transport: double}, BaseEndpoint: aws.String("http://aws.invalid"), Credentials: credentials.NewStaticCredentialsProvider("x", "y", "")}}
}

// formOf is what a call of CloudFormation asks.
func formOf(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return url.ParseQuery(string(body))
}

// result is the answer to a call that went well.
func result(r *http.Request, op, members string) *http.Response {
	return answer(r, http.StatusOK, fmt.Sprintf("<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", op, members))
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}
}
