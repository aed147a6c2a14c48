package sim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// protocol is how a service speaks over HTTP.
type protocol int

const (
	json11 protocol = iota // AWS JSON 1.1
	json10                 // AWS JSON 1.0
	query                  // form in, XML out
	rest                   // REST-XML, as S3
)

func (p protocol) json() bool { return p == json11 || p == json10 }

// An answer is an HTTP response.
type answer struct {
	status int
	header map[string]string
	body   []byte
}

// apiError is an error of an API, as its client is told of it.
type apiError struct {
	code, message string
	http          int    // status; 0: 400
	inRecord      string // errorCode in the CloudTrail record, where it is another than code
	hideRequest   bool   // requestParameters of the record are null
	typ           string // JSON: __type, where it is another than code
	header        map[string]string
	members       map[string]any // JSON: further members of the error
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// fail makes an API error with status 400.
func fail(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

func (e *apiError) status(http int) *apiError { e.http = http; return e }

func (e *apiError) statusCode() int {
	if e.http == 0 {
		return http.StatusBadRequest
	}
	return e.http
}

func (e *apiError) recordCode() string {
	if e.inRecord != "" {
		return e.inRecord
	}
	return e.code
}

// operationName finds out which operation a request asks for, and reads the form of a query request.
func (s *service) operationName(r *http.Request, body []byte) (string, url.Values, error) {
	switch s.protocol {
	case query:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", nil, fail("MalformedQueryString", "%s", err)
		}
		for k, v := range r.URL.Query() {
			if !form.Has(k) {
				form[k] = v
			}
		}
		return form.Get("Action"), form, nil
	case rest:
		return s.route(r), nil, nil
	}
	target := r.Header.Get("X-Amz-Target")
	dot := strings.LastIndexByte(target, '.')
	if dot < 0 {
		return target, nil, nil
	}
	for _, t := range s.targets {
		if target[:dot] == t {
			return target[dot+1:], nil, nil
		}
	}
	return target, nil, nil
}

// unknownOperation is the error for a call that this world does not offer; it names the call.
func (s *service) unknownOperation(name string, r *http.Request) *apiError {
	switch s.protocol {
	case query:
		return fail("InvalidAction", "Could not find operation %s of %s in this simulated AWS", name, s.name)
	case rest:
		return fail("NotImplemented", "%s %s is not part of this simulated AWS", r.Method, r.URL.RequestURI()).status(http.StatusNotImplemented)
	}
	return fail("UnknownOperationException", "%s of %s is not part of this simulated AWS", name, s.name)
}

// encode turns what an operation returned into a response.
func (s *service) encode(operation, requestID string, out any) (answer, error) {
	if a, ok := out.(answer); ok {
		return a, nil
	}
	switch s.protocol {
	case json11, json10:
		if out == nil {
			out = struct{}{}
		}
		body, err := marshal(out)
		return answer{status: http.StatusOK, header: map[string]string{"Content-Type": s.jsonType()}, body: body}, err
	case query:
		var b bytes.Buffer
		enc := xml.NewEncoder(&b)
		start := xml.StartElement{Name: xml.Name{Local: operation + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: s.namespace}}}
		err := enc.EncodeToken(start)
		if err == nil && out != nil {
			err = enc.EncodeElement(out, xml.StartElement{Name: xml.Name{Local: operation + "Result"}})
		}
		if err == nil {
			err = enc.EncodeElement(struct{ RequestId string }{requestID}, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}})
		}
		if err == nil {
			err = enc.EncodeToken(start.End())
		}
		if err == nil {
			err = enc.Flush()
		}
		return answer{status: http.StatusOK, header: map[string]string{"Content-Type": "text/xml"}, body: b.Bytes()}, err
	}
	if out == nil {
		return answer{status: http.StatusOK}, nil
	}
	body, err := xml.Marshal(out)
	return answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/xml"}, body: append([]byte(xml.Header), body...)}, err
}

// encodeError turns an error of the API into a response.
func (s *service) encodeError(requestID string, e *apiError) answer {
	a := answer{status: e.statusCode(), header: map[string]string{}}
	for k, v := range e.header {
		a.header[k] = v
	}
	switch s.protocol {
	case json11, json10:
		typ := e.typ
		if typ == "" {
			typ = e.code
		}
		a.header["Content-Type"] = s.jsonType()
		body := map[string]any{"__type": typ, "message": e.message}
		maps.Copy(body, e.members)
		a.body, _ = marshal(body)
	case query:
		kind := "Sender"
		if a.status >= 500 {
			kind = "Receiver"
		}
		type fault struct{ Type, Code, Message string }
		a.header["Content-Type"] = "text/xml"
		a.body, _ = xml.Marshal(struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			NS        string   `xml:"xmlns,attr"`
			Error     fault
			RequestId string
		}{NS: s.namespace, Error: fault{kind, e.code, e.message}, RequestId: requestID})
	case rest:
		a.header["Content-Type"] = "application/xml"
		a.body, _ = xml.Marshal(struct {
			XMLName                          xml.Name `xml:"Error"`
			Code, Message, RequestId, HostId string
		}{Code: e.code, Message: e.message, RequestId: requestID, HostId: "simulated"})
	}
	return a
}

func (s *service) jsonType() string {
	if s.protocol == json10 {
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// marshal is json.Marshal without escaping of <, > and &.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// epoch is a time in JSON protocols: seconds since 1970 with milliseconds.
type epoch time.Time

// epochOf makes an epoch for an optional member; the zero time is absent.
func epochOf(t time.Time) *epoch {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}

func (e epoch) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.3f", float64(time.Time(e).UnixMilli())/1000), nil
}

func (e *epoch) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	whole, part := math.Modf(seconds)
	*e = epoch(time.Unix(int64(whole), int64(math.Round(part*1e3))*1e6).UTC())
	return nil
}

// timestamp is a time as CloudTrail records show it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// lowerCamel renames all members of a decoded JSON document the way CloudTrail does: S3BucketName -> s3BucketName.
func lowerCamel(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[lowerFirst(k)] = lowerCamel(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = lowerCamel(x)
		}
		return out
	}
	return v
}

func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToLower(r)) + s[n:]
}
