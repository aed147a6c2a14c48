package sim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxRequest = 16 << 20 // bytes of a request body

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
	w.begin(c, scope.accessKey)
	if c.region == "" {
		c.region = "us-east-1"
	}
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
	if !slices.Contains(w.opts.Regions, c.region) {
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
}

// perform runs the operation, or what stands in its way, and records the call.
func (w *World) perform(c *call, fault *Fault) (answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.touch()
	c.at = w.now()
	w.trails.catchUp()
	covered := w.trails.cover(c.account, c.region)
	out, err := w.attempt(c, fault)
	var failed *apiError
	if err != nil {
		failed = asAPIError(err)
	}
	w.record(c, out, failed, covered)
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

// scope is what a SigV4 signature says without being verified.
type scope struct{ accessKey, region, service string }

// scopeOf reads "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …", or the same of a presigned URL.
func scopeOf(r *http.Request) (scope, bool) {
	credential := r.URL.Query().Get("X-Amz-Credential")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(after, ",")
	}
	part := strings.Split(strings.TrimSpace(credential), "/")
	if len(part) != 5 || part[0] == "" {
		return scope{}, false
	}
	return scope{accessKey: part[0], region: part[2], service: part[3]}, true
}

// serviceFor finds the service by the signature's scope, else by the target, else S3.
func (w *World) serviceFor(name string, r *http.Request, body []byte) *service {
	target := r.Header.Get("X-Amz-Target")
	var fallback *service
	for _, s := range w.services {
		if s.name == name {
			return s
		}
		for _, t := range s.targets {
			if strings.HasPrefix(target, t+".") {
				return s
			}
		}
		if s.protocol == rest && name == "" {
			fallback = s
		}
	}
	if target == "" && fallback != nil && !bytes.Contains(body, []byte("Action=")) {
		return fallback
	}
	// Nobody offers it: speak JSON to clients that name a target, else query XML.
	p := query
	if target != "" {
		p = json11
	}
	return &service{name: cmp.Or(name, "this service"), protocol: p, route: func(*http.Request) string { return "" }}
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

// readBody reads the body, unwrapping the aws-chunked framing with which clients send checksums after the content.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxRequest {
		return nil, fmt.Errorf("more than %d bytes", maxRequest)
	}
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return b, nil
	}
	var content []byte
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 31)
		if !ok || err != nil || uint64(len(rest)) < n {
			return nil, fmt.Errorf("broken aws-chunked body near %q", hex.EncodeToString(line[:min(len(line), 16)]))
		}
		if n == 0 {
			return content, nil
		}
		content = append(content, rest[:n]...)
		b = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
}

func sourceIP(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
