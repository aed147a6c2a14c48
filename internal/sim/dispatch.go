package sim

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// ServeHTTP answers one AWS request. A request that a fault leaves hanging ends with the client's connection.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	a, err := w.answer(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the caller has gone: close the connection without an answer
	}
	for k, v := range a.header {
		rw.Header().Set(k, v)
	}
	rw.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	rw.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		rw.Write(a.body)
	}
}

// Transport serves requests in process, without sockets, whatever host they name. It honours the context of the request.
func (w *World) Transport() http.RoundTripper { return w.TransportFrom("198.51.100.23") }

// TransportFrom is Transport for a client at this address: it becomes sourceIPAddress of the records.
func (w *World) TransportFrom(ip string) http.RoundTripper { return transport{w, ip} }

type transport struct {
	world *World
	ip    string
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	in := r.Clone(r.Context())
	in.RemoteAddr = t.ip
	in.Host = cmp.Or(r.Host, r.URL.Host)
	a, err := t.world.answer(in)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for k, v := range a.header {
		header.Set(k, v)
	}
	if r.Method == http.MethodHead {
		a.body = nil
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: r,
	}, nil
}

// answer takes a request through the world: who calls, which operation, faults, effect, record, response.
// An error means that there is no response at all: the caller has gone.
func (w *World) answer(r *http.Request) (answer, error) {
	if err := r.Context().Err(); err != nil {
		return answer{}, err
	}
	body, err := readBody(r)
	if err != nil {
		return answer{}, fmt.Errorf("read request: %w", err)
	}
	scope, signed := scopeOf(r)
	s := w.serviceFor(scope.service, r, body)
	c := &call{world: w, ctx: r.Context(), request: r, body: body, service: s, region: scope.region}
	if c.region == "" {
		c.region = "us-east-1"
	}
	w.begin(c, scope.accessKey)
	refuse := func(e *apiError) (answer, error) { return finish(c, s.encodeError(c.id, e)), nil }
	name, form, err := s.operationName(r, body)
	c.form = form
	if err != nil {
		return refuse(asAPIError(err))
	}
	c.op.name = name
	if !signed {
		return refuse(s.notSigned())
	}
	if !c.enabled {
		return refuse(s.unknownToken())
	}
	op, ok := s.operation(name)
	if !ok {
		return refuse(s.unknownOperation(name, r))
	}
	c.op = op
	c.params = c.requestParameters()

	fault := w.faultFor(c)
	if fault != nil && fault.Delay > 0 {
		if err := w.delay(c.ctx, fault.Delay); err != nil {
			return answer{}, err
		}
	}
	if fault != nil && fault.Hang && !fault.After {
		w.mu.Lock()
		w.note(c, "", true)
		w.mu.Unlock()
		return hang(c.ctx)
	}
	a, err := w.perform(c, fault)
	if err != nil {
		return refuse(asAPIError(err))
	}
	if fault != nil && fault.After {
		switch {
		case fault.Hang:
			return hang(c.ctx)
		case fault.Code != "":
			return refuse(fault.error())
		}
	}
	if fault != nil && fault.Body != nil {
		a = answer{status: cmp.Or(fault.Status, a.status, http.StatusOK), header: a.header, body: fault.Body}
	}
	return finish(c, a), nil
}

// begin draws the request id and finds the caller.
func (w *World) begin(c *call, accessKey string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.id = w.uuid()
	c.at = w.now()
	c.caller = w.callerOf(accessKey)
	c.account = c.caller.account
	c.enabled = slices.Contains(w.accountLocked(c.account).regions, c.region)
}

// perform runs the operation, or what stands in its way, and records the call.
func (w *World) perform(c *call, fault *Fault) (answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.touch()
	c.at = w.now()
	if c.op.effect == writes && c.service.name != "cloudtrail" {
		w.trails.catchUpAll() // deliveries until now went by the old state of bucket, key and topic
	}
	c.recipient, c.covered = c.account, w.trails.cover(c.account, c.region)
	out, err := w.attempt(c, fault)
	var failed *apiError
	if err != nil {
		failed = asAPIError(err)
	}
	w.record(c, out, failed)
	w.note(c, codeOf(failed), fault != nil && fault.Hang)
	if failed != nil {
		return answer{}, failed
	}
	return c.service.encode(c.op.name, c.id, out)
}

func (w *World) attempt(c *call, fault *Fault) (any, error) {
	if fault != nil && fault.Code != "" && !fault.After {
		return nil, fault.error()
	}
	if err := w.takeQuota(c); err != nil {
		return nil, err
	}
	if err := w.denied(c); err != nil {
		return nil, err
	}
	return c.op.run(c)
}

// finish puts the headers on that every answer has.
func finish(c *call, a answer) answer {
	if a.header == nil {
		a.header = map[string]string{}
	}
	a.header["X-Amzn-Requestid"] = c.id
	if c.service.protocol == rest {
		a.header["X-Amz-Request-Id"] = c.id
	}
	if c.service.name == "dynamodb" {
		a.header["X-Amz-Crc32"] = strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10) // its clients hold answers against it
	}
	a.header["Date"] = c.at.Format(http.TimeFormat)
	return a
}

// delay keeps a call waiting; on a simulated clock the waiting moves the clock.
func (w *World) delay(ctx context.Context, d time.Duration) error {
	if w.opts.Clock == nil {
		w.mu.Lock()
		w.moveTo(w.now().Add(d))
		w.mu.Unlock()
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func hang(ctx context.Context) (answer, error) {
	<-ctx.Done()
	return answer{}, ctx.Err()
}

func codeOf(e *apiError) string {
	if e == nil {
		return ""
	}
	return e.code
}

func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return fail("InternalFailure", "%s", err).status(http.StatusInternalServerError)
}

func (s *service) notSigned() *apiError {
	switch s.protocol {
	case rest:
		return fail("AccessDenied", "Access Denied").status(http.StatusForbidden)
	case query:
		return fail("MissingAuthenticationToken", "Request is missing Authentication Token").status(http.StatusForbidden)
	}
	return fail("MissingAuthenticationTokenException", "Missing Authentication Token")
}

// unknownToken is what a Region answers that the account has not opted into.
func (s *service) unknownToken() *apiError {
	switch s.protocol {
	case rest:
		return fail("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").status(http.StatusForbidden)
	case query:
		return fail("InvalidClientTokenId", "The security token included in the request is invalid.").status(http.StatusForbidden)
	}
	return fail("UnrecognizedClientException", "The security token included in the request is invalid.")
}
