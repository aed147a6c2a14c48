// Package awscall makes signed calls of services of which so few calls are needed that the SDK's clients would be dead
// weight: each of them makes tables and expressions when a process starts, which a cold start waits for, and is up to
// megabytes of the Lambda function. Credentials, signatures, retries and error codes are the SDK's own, and so is
// where a service is: endpoints by settings, FIPS, dual-stack and all partitions (a test holds them against the SDK).
//
//	c := awscall.Caller{Config: cfg, Agent: "trailwarden/1.0"}
//	err := c.JSON(ctx, awscall.EventBridge, "", "AWSEvents.DescribeRule", in, &out) // JSON 1.1 or 1.0
//	err := c.REST(ctx, awscall.Lambda, "", http.MethodGet, "/2015-03-31/functions/x", nil, &out)
//	err := c.Query(ctx, awscall.IAM, "", url.Values{"Action": {"GetRole"}, …}, &out)
//
// A refusal is an *Error, which is a smithy.APIError; no answer is a *smithyhttp.RequestSendError, as with the SDK.
package awscall

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Caller makes calls with the credentials of Config, by its HTTP client. It is safe for use by several goroutines.
type Caller struct {
	Config  aws.Config
	Agent   string      // the user agent: "trailwarden/1.0"
	Retryer aws.Retryer // nil tries once
}

// Request is one call.
type Request struct {
	Service Service
	Region  string // "" for that of Config. A service of which a partition has one gets the Region that it is signed for
	Method  string
	Path    string // escaped, with its query; without the bucket
	Bucket  string // of S3
	Header  http.Header
	Body    []byte
	Most    int64 // bytes of the answer; 0 for 1 MB
}

// Answer is one of class 2xx, whole.
type Answer struct {
	Header http.Header
	Body   []byte
}

// most is the longest answer where a request says nothing: a page of a list.
const most = 1 << 20

// skew is how far the clock may be off before AWS takes a signature for an old one: it allows five minutes.
const skew = 4 * time.Minute

// Do makes the call, as often as the Retryer says. How long it may take says ctx.
func (c Caller) Do(ctx context.Context, r Request) (Answer, error) {
	retryer := c.Retryer
	if retryer == nil {
		retryer = aws.NopRetryer{}
	}
	done := retryer.GetInitialToken()
	for try := 1; ; try++ {
		a, err := c.once(ctx, r)
		_ = done(err)
		if err == nil || ctx.Err() != nil || try == retryer.MaxAttempts() || !retryer.IsErrorRetryable(err) {
			return a, err
		}
		token, refused := retryer.GetRetryToken(ctx, err)
		pause, undelayed := retryer.RetryDelay(try, err)
		if refused != nil || undelayed != nil {
			return a, err
		}
		done = token
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return a, err
		case <-wait.C:
		}
	}
}

// once makes the call once; twice when the answer says that our clock is wrong.
func (c Caller) once(ctx context.Context, r Request) (Answer, error) {
	a, err := c.send(ctx, r, time.Now())
	refused, ok := errors.AsType[*Error](err)
	if !ok || refused.Status/100 != 4 {
		return a, err
	}
	if theirs, unread := http.ParseTime(refused.Header.Get("Date")); unread == nil && time.Until(theirs).Abs() > skew {
		return c.send(ctx, r, theirs)
	}
	return a, err
}

func (c Caller) send(ctx context.Context, r Request, now time.Time) (Answer, error) {
	if r.Region == "" {
		r.Region = c.Config.Region
	}
	address, signed, err := c.place(ctx, r)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, err
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	req.Header.Set("User-Agent", c.Agent)
	if err := c.sign(ctx, req, r, signed, now); err != nil {
		return Answer{}, fmt.Errorf("sign request: %w", err)
	}
	res, err := c.client().Do(req)
	if err != nil {
		return Answer{}, &smithyhttp.RequestSendError{Err: err}
	}
	defer res.Body.Close()
	limit := r.Most
	if limit == 0 {
		limit = most
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return Answer{}, &smithyhttp.RequestSendError{Err: err}
	case res.StatusCode/100 != 2:
		return Answer{}, refusal(res, body[:min(len(body), most)])
	case int64(len(body)) > limit:
		return Answer{}, fmt.Errorf("the answer has more than %d bytes", limit)
	}
	return Answer{res.Header, body}, nil
}

func (c Caller) sign(ctx context.Context, req *http.Request, r Request, region string, now time.Time) error {
	if c.Config.Credentials == nil {
		return errors.New("no credentials")
	}
	creds, err := c.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(r.Body)
	hash := hex.EncodeToString(sum[:])
	if r.Service == S3 {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = r.Service == S3 })
	return signer.SignHTTP(ctx, creds, req, hash, string(r.Service), region, now)
}

// client is Config's, else one that follows no redirection: a signature is for one host.
func (c Caller) client() aws.HTTPClient {
	if c.Config.HTTPClient != nil {
		return c.Config.HTTPClient
	}
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
