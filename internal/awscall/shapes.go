package awscall

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
)

// JSON calls an operation of a service that speaks JSON 1.1 or 1.0, such as "AWSEvents.PutEvents". out may be nil.
func (c Caller) JSON(ctx context.Context, s Service, region, target string, in, out any) error {
	version := "1.1"
	switch s {
	case DynamoDB, SQS:
		version = "1.0"
	}
	return c.encoded(ctx, Request{
		Service: s, Region: region, Method: http.MethodPost, Path: "/",
		Header: http.Header{"Content-Type": {"application/x-amz-json-" + version}, "X-Amz-Target": {target}},
	}, in, out)
}

// REST calls an operation of a service that speaks REST with JSON. in and out may be nil.
func (c Caller) REST(ctx context.Context, s Service, region, method, path string, in, out any) error {
	r := Request{Service: s, Region: region, Method: method, Path: path}
	if in != nil {
		r.Header = http.Header{"Content-Type": {"application/json"}}
	}
	return c.encoded(ctx, r, in, out)
}

func (c Caller) encoded(ctx context.Context, r Request, in, out any) error {
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r.Body = body
	}
	return c.decoded(ctx, r, out, json.Unmarshal)
}

// Query calls an operation of a service that takes a form and answers in XML. The form holds its Action and Version; out may be nil.
func (c Caller) Query(ctx context.Context, s Service, region string, form url.Values, out any) error {
	return c.decoded(ctx, Request{
		Service: s, Region: region, Method: http.MethodPost, Path: "/", Body: []byte(form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	}, out, xml.Unmarshal)
}

func (c Caller) decoded(ctx context.Context, r Request, out any, decode func([]byte, any) error) error {
	a, err := c.Do(ctx, r)
	if err != nil || out == nil {
		return err
	}
	if err := decode(a.Body, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
