package main

import (
	"io"
	"net/http"
	"strings"
)

// scope is the part of a signature's credential that names key, Region and service.
func scope(authorization string) string {
	_, rest, _ := strings.Cut(authorization, "Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	return credential
}

// throttled is CloudTrail's answer to too many calls.
func throttled(r *http.Request) *http.Response {
	h := http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {"throttled"}}
	return &http.Response{StatusCode: http.StatusBadRequest, Header: h, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"__type":"ThrottlingException","message":"Rate exceeded"}`))}
}
