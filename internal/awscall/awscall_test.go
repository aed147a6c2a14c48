package awscall

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
)

// service answers one request after the other; the last answer stays.
type service struct {
	answers []func(http.ResponseWriter, *http.Request, []byte)
	signed  string // Authorization of the last request
}

func (s *service) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.signed = r.Header.Get("Authorization")
	w := httptest.NewRecorder()
	s.answers[0](w, r, body)
	s.answers = s.answers[min(1, len(s.answers)-1):]
	return w.Result(), nil
}

// says is an answer.
func says(status int, header, body string) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func caller(answers ...func(http.ResponseWriter, *http.Request, []byte)) (Caller, *service) {
	s := &service{answers: answers}
	return Caller{Agent: "trailwarden/test", Config: aws.Config{
		Region: "eu-central-1", HTTPClient: s, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "token"),
	}}, s
}

// TestShapes: what is asked for arrives as the services document it, and the answer is read.
func TestShapes(t *testing.T) {
	type seen struct{ Method, URI, Type, Target, Agent, Token, Body string }
	echo := func(answer func(seen) string) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, r *http.Request, body []byte) {
			h := r.Header
			io.WriteString(w, answer(seen{r.Method, r.URL.RequestURI(), h.Get("Content-Type"), h.Get("X-Amz-Target"), h.Get("User-Agent"), h.Get("X-Amz-Security-Token"), string(body)}))
		}
	}
	asJSON := echo(func(s seen) string { b, _ := json.Marshal(s); return string(b) })
	for name, c := range map[string]struct {
		call func(Caller, *seen) error
		want seen
	}{
		"JSON 1.1": {func(c Caller, out *seen) error {
			return c.JSON(t.Context(), EventBridge, "", "AWSEvents.DescribeRule", map[string]string{"Name": "x"}, out)
		}, seen{"POST", "/", "application/x-amz-json-1.1", "AWSEvents.DescribeRule", "", "", `{"Name":"x"}`}},
		"JSON 1.0": {func(c Caller, out *seen) error {
			return c.JSON(t.Context(), SQS, "", "AmazonSQS.GetQueueAttributes", struct{}{}, out)
		}, seen{"POST", "/", "application/x-amz-json-1.0", "AmazonSQS.GetQueueAttributes", "", "", `{}`}},
		"REST": {func(c Caller, out *seen) error {
			return c.REST(t.Context(), Lambda, "", http.MethodGet, "/2015-03-31/functions/a%3Ab?x=1", nil, out)
		}, seen{"GET", "/2015-03-31/functions/a%3Ab?x=1", "", "", "", "", ""}},
		"REST with a body": {func(c Caller, out *seen) error {
			return c.REST(t.Context(), SecurityHub, "", http.MethodPost, "/findings/import", []int{1}, out)
		}, seen{"POST", "/findings/import", "application/json", "", "", "", "[1]"}},
	} {
		ask, _ := caller(asJSON)
		var got seen
		err := c.call(ask, &got)
		c.want.Agent, c.want.Token = "trailwarden/test", "token"
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	ask, _ := caller(echo(func(s seen) string { return "<A><R><Body>" + url.QueryEscape(s.Body) + "</Body></R></A>" }))
	var out struct {
		Body string `xml:"R>Body"`
	}
	if err := ask.Query(t.Context(), IAM, "", url.Values{"Action": {"GetRole"}, "RoleName": {"x y"}}, &out); err != nil || out.Body != "Action%3DGetRole%26RoleName%3Dx%2By" {
		t.Errorf("query: %v, %q", err, out.Body)
	}
}

// TestRefusals: AWS's code and words are found in each of their shapes.
func TestRefusals(t *testing.T) {
	type heard struct {
		Code, Message string
		Status        int
		Guessed       bool
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, []byte)
		want   heard
	}{
		"JSON":                {says(400, "", `{"__type":"com.amazonaws.ssm#ParameterNotFound","message":"none"}`), heard{"ParameterNotFound", "none", 400, false}},
		"JSON, capital":       {says(400, "", `{"__type":"AccessDeniedException","Message":"no"}`), heard{"AccessDeniedException", "no", 400, false}},
		"REST":                {says(401, "X-Amzn-Errortype: InvalidAccessException:http://internal.amazon.com/x", `{"Message":"no hub"}`), heard{"InvalidAccessException", "no hub", 401, false}},
		"REST by its body":    {says(404, "", `{"code":"ResourceNotFoundException","message":"none"}`), heard{"ResourceNotFoundException", "none", 404, false}},
		"query":               {says(403, "", `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`), heard{"AccessDenied", "no", 403, false}},
		"EC2":                 {says(403, "", `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>`), heard{"UnauthorizedOperation", "no", 403, false}},
		"S3":                  {says(404, "", "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"), heard{"NoSuchKey", "none", 404, false}},
		"a header alone":      {says(400, "X-Amzn-Errortype: ThrottlingException", ""), heard{"ThrottlingException", "", 400, false}},
		"nothing, forbidden":  {says(403, "", ""), heard{"AccessDenied", "HTTP status 403", 403, true}},
		"nothing, not found":  {says(404, "", ""), heard{"NotFound", "HTTP status 404", 404, true}},
		"something between":   {says(503, "", "\x00<html>proxy"), heard{"ServiceUnavailable", "HTTP status 503", 503, true}},
		"JSON of a stranger":  {says(502, "", `{"code":7,"oh":"dear"}`), heard{"BadGateway", "HTTP status 502", 502, true}},
		"redirected, unasked": {says(307, "Location: http://evil.invalid/", ""), heard{"TemporaryRedirect", "HTTP status 307", 307, true}},
	} {
		ask, _ := caller(c.answer)
		err := ask.JSON(t.Context(), SSM, "", "AmazonSSM.GetParameter", struct{}{}, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, heard{e.Code, e.Message, e.Status, e.Guessed}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != c.want.Code {
			t.Errorf("%s: no API error: %v", name, err)
		}
	}
}

// TestNoAnswer: what is no answer of AWS is no API error, and says what is wrong.
func TestNoAnswer(t *testing.T) {
	hangs, stop := context.WithCancel(t.Context())
	stop()
	ask, _ := caller(says(200, "", "{}"))
	err := ask.JSON(hangs, SSM, "", "x", struct{}{}, nil)
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); !ok || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	ask, _ = caller(says(200, "", strings.Repeat(" ", most+1)))
	if err := ask.JSON(t.Context(), SSM, "", "x", struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("too long: %v", err)
	}
	ask, _ = caller(says(200, "", "{"))
	if err := ask.JSON(t.Context(), SSM, "", "x", struct{}{}, &struct{}{}); err == nil || !strings.Contains(err.Error(), "read the answer") {
		t.Errorf("cut off: %v", err)
	}
	ask.Config.Credentials = nil
	if err := ask.JSON(t.Context(), SSM, "", "x", struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("nobody: %v", err)
	}
}

// TestRetries: passing trouble costs time and no call; what will not pass costs no time.
func TestRetries(t *testing.T) {
	throttled, denied, broken, fine := says(400, "", `{"__type":"ThrottlingException"}`), says(400, "", `{"__type":"AccessDeniedException"}`), says(503, "", ""), says(200, "", "{}")
	type answers = []func(http.ResponseWriter, *http.Request, []byte)
	for name, c := range map[string]struct {
		answers answers
		code    string
		waits   bool
	}{
		"throttled once": {answers{throttled, fine}, "", true},
		"broken twice":   {answers{broken, broken, fine}, "", true},
		"broken":         {answers{broken, broken, broken, fine}, "ServiceUnavailable", true},
		"denied":         {answers{denied, fine}, "AccessDeniedException", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ask, _ := caller(c.answers...)
				ask.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second })
				began, code := time.Now(), ""
				err := ask.JSON(t.Context(), SSM, "", "x", struct{}{}, nil)
				if e, ok := errors.AsType[*Error](err); ok {
					code = e.Code
				}
				if took := time.Since(began); code != c.code || took > 0 != c.waits || took > 2*time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

// TestGivesUp: nobody is kept waiting for another try.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask, _ := caller(says(503, "", ""))
		ask.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Hour, nil })
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := ask.JSON(ctx, SSM, "", "x", struct{}{}, nil); err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestWrongClock: a machine whose clock is hours off is understood all the same.
func TestWrongClock(t *testing.T) {
	theirs := time.Now().Add(-5 * time.Hour).UTC()
	strict := func(w http.ResponseWriter, r *http.Request, _ []byte) {
		w.Header().Set("Date", theirs.Format(http.TimeFormat))
		if at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date")); err != nil || at.Sub(theirs).Abs() > 5*time.Minute {
			says(403, "", `{"__type":"InvalidSignatureException","message":"Signature expired"}`)(w, r, nil)
		}
	}
	ask, s := caller(strict)
	if err := ask.JSON(t.Context(), SSM, "", "x", struct{}{}, nil); err != nil || !strings.Contains(s.signed, theirs.Format("/20060102/")) {
		t.Errorf("%v, signed %s", err, s.signed)
	}
}
