package sim

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const maxRequest = 16 << 20 // bytes of a request body

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
