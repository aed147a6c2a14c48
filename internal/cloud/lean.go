package cloud

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// lean is a signed request to a service of which so few calls are needed that the SDK's client would be dead weight in
// the Lambda function: S3's alone is several megabytes.
type lean struct {
	service, region string
	method, path    string
	bucket          string // S3: part of the host name where that is possible
	header          http.Header
	body            string
}

// leanAnswer is an answer of class 2xx.
type leanAnswer struct {
	header http.Header
	body   []byte
}

// answerMost bounds an answer: the longest that is asked for is a page of a list.
const answerMost = 1 << 20

// ask makes the request once. An answer that is no success is a smithy.APIError, so that it is classified like the SDK's.
func (c *Client) ask(ctx context.Context, q lean) (leanAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, q.method, q.url(c.Config.BaseEndpoint), strings.NewReader(q.body))
	if err != nil {
		return leanAnswer{}, err
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "trailwarden/"+c.Version)
	if c.Config.Credentials == nil {
		return leanAnswer{}, errors.New("no credentials")
	}
	creds, err := c.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return leanAnswer{}, fmt.Errorf("sign request: %w", err)
	}
	sum := sha256.Sum256([]byte(q.body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = q.service == "s3" })
	if err := signer.SignHTTP(ctx, creds, req, hash, q.service, q.region, time.Now()); err != nil {
		return leanAnswer{}, fmt.Errorf("sign request: %w", err)
	}
	var client interface {
		Do(*http.Request) (*http.Response, error)
	} = c.Config.HTTPClient
	if client == nil {
		client = awshttp.NewBuildableClient()
	}
	res, err := client.Do(req)
	if err != nil {
		return leanAnswer{}, &smithyhttp.RequestSendError{Err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMost))
	if err != nil {
		return leanAnswer{}, &smithyhttp.RequestSendError{Err: err}
	}
	if res.StatusCode/100 != 2 {
		return leanAnswer{header: res.Header}, &refusal{
			GenericAPIError: smithy.GenericAPIError{Code: codeOf(res.StatusCode, body), Message: http.StatusText(res.StatusCode)},
			status:          res.StatusCode, header: res.Header,
		}
	}
	return leanAnswer{res.Header, body}, nil
}

// refusal is an answer that is no success.
type refusal struct {
	smithy.GenericAPIError
	status int
	header http.Header
}

// HTTPStatusCode lets it be classified where its code is unknown.
func (r *refusal) HTTPStatusCode() int { return r.status }

// codeOf finds the error code in an answer: JSON's __type, the Code of XML, and for answers without a body what the status
// stands for.
func codeOf(status int, body []byte) string {
	var j struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(body, &j) == nil && j.Type != "" {
		return j.Type[strings.LastIndexByte(j.Type, '#')+1:]
	}
	if codes := texts(body, "Code"); len(codes) > 0 {
		return codes[0]
	}
	switch status {
	case http.StatusForbidden:
		return "AccessDenied"
	case http.StatusNotFound:
		return "NotFound"
	}
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

// texts lists what stands in the elements of a name in an XML document.
func texts(document []byte, name string) []string {
	var out []string
	inside := false
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if err != nil {
			return out
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name.Local == name
		case xml.CharData:
			if inside {
				out = append(out, string(t))
			}
			inside = false
		case xml.EndElement:
			inside = false
		}
	}
}

// url is where the request goes: another AWS where one is configured, else the service's own endpoint.
func (q lean) url(base *string) string {
	if base != nil && *base != "" {
		return strings.TrimSuffix(*base, "/") + "/" + join(q.bucket, q.path)
	}
	host := q.service + "." + q.region + "." + suffixOf(q.region)
	if q.bucket != "" && !strings.Contains(q.bucket, ".") {
		return "https://" + q.bucket + "." + host + "/" + q.path
	}
	return "https://" + host + "/" + join(q.bucket, q.path) // a certificate for *.s3… does not fit a name with dots
}

func join(bucket, path string) string {
	if bucket == "" {
		return path
	}
	return strings.TrimSuffix(bucket+"/"+path, "/")
}

func suffixOf(region string) string {
	switch trail.PartitionOf(region) {
	case "aws-cn":
		return "amazonaws.com.cn"
	case "aws-iso":
		return "c2s.ic.gov"
	case "aws-iso-b":
		return "sc2s.sgov.gov"
	case "aws-iso-e":
		return "cloud.adc-e.uk"
	case "aws-iso-f":
		return "csp.hci.ic.gov"
	case "aws-eusc":
		return "amazonaws.eu"
	}
	return "amazonaws.com"
}

// globalRegion is where the global services of a Region's partition answer.
func globalRegion(region string) string {
	switch trail.PartitionOf(region) {
	case "aws-cn":
		return "cn-northwest-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	}
	return "us-east-1"
}

// jsonCall is a call of a service that speaks JSON 1.1.
func (c *Client) jsonCall(ctx context.Context, service, region, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	a, err := c.ask(ctx, lean{
		service: service, region: region, method: http.MethodPost, body: string(body),
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}},
	})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
