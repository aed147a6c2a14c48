package s3store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// last keeps the last request.
type last struct{ request *http.Request }

func (l *last) Do(r *http.Request) (*http.Response, error) {
	l.request = r
	return sends(whole)(r)
}

// TestQuickAsks: without the SDK's layers the same object is asked for at the same place, signed for the same Region and
// with the same credentials, wherever that is; and where it is another kind of asking, the SDK does it.
func TestQuickAsks(t *testing.T) {
	endpoint := func(url string) func(*s3.Options) {
		return func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &url, true }
	}
	for _, c := range []struct {
		name, bucket, region string
		set                  func(*s3.Options)
		sdkOnly              bool
	}{
		{name: "a Region", bucket: "logs", region: "eu-central-1"},
		{name: "the first Region", bucket: "logs", region: "us-east-1"},
		{name: "China", bucket: "logs", region: "cn-north-1"},
		{name: "dots in the name", bucket: "logs.example.com", region: "eu-central-1"},
		{name: "FIPS", bucket: "logs", region: "us-west-2", set: func(o *s3.Options) { o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled }},
		{name: "dual stack", bucket: "logs", region: "us-west-2", set: func(o *s3.Options) { o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled }},
		{name: "accelerated", bucket: "logs", region: "us-west-2", set: func(o *s3.Options) { o.UseAccelerate = true }},
		{name: "another S3", bucket: "logs", region: "eu-central-1", set: endpoint("http://127.0.0.1:9000")},
		{name: "another S3 at a path", bucket: "logs", region: "eu-central-1", set: endpoint("http://127.0.0.1:9000/s3")},
		{name: "another S3 at an odd path", bucket: "logs", region: "eu-central-1", set: endpoint("http://127.0.0.1:9000/s3 store"), sdkOnly: true},
		{name: "an access point", bucket: "arn:aws:s3:eu-west-1:111122223333:accesspoint/mine", region: "eu-west-1"},
		{name: "an access point of several Regions", bucket: "arn:aws:s3::111122223333:accesspoint/mine.mrap", region: "eu-west-1", sdkOnly: true},
		{name: "a directory bucket", bucket: "logs--euc1-az1--x-s3", region: "eu-central-1", sdkOnly: true},
		{name: "no credentials", bucket: "logs", region: "eu-central-1", set: func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} }, sdkOnly: true},
	} {
		for _, key := range []string{"AWSLogs/1/x.json.gz", "a b/é+%2F?#&=~_-.!'()*", "//twice/../here/", ":"} {
			seen := &last{}
			client := s3.New(s3.Options{Region: c.region, HTTPClient: seen, Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "token")}, func(o *s3.Options) {
				if c.set != nil {
					c.set(o)
				}
			})
			q := newQuick(t.Context(), client, c.bucket)
			if c.sdkOnly || q == nil {
				if !c.sdkOnly || q != nil {
					t.Errorf("%s: the SDK has to ask: %t, want %t", c.name, q == nil, c.sdkOnly)
				}
				continue
			}
			if _, err := (&bucket{name: c.bucket, client: client}).get(t.Context(), key, 0, ""); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			want := seen.request
			if _, ok := q.get(context.Background(), key, 0, ""); !ok {
				t.Fatalf("%s: not asked", c.name)
			}
			got := seen.request
			if got.URL.Scheme != want.URL.Scheme || got.URL.Host != want.URL.Host || got.URL.EscapedPath() != want.URL.EscapedPath() {
				t.Errorf("%s: asks %s, the SDK %s", c.name, got.URL, want.URL)
			}
			for who, r := range map[string]*http.Request{"quick": got, "SDK": want} {
				if scope, err := signedFor(r, "secret"); err != nil || !strings.HasSuffix(scope, "/s3/aws4_request") || r.Header.Get("X-Amz-Security-Token") != "token" {
					t.Errorf("%s %s: %s %v", c.name, who, scope, err)
				}
			}
			a, _ := signedFor(got, "secret")
			b, _ := signedFor(want, "secret")
			if a != b {
				t.Errorf("%s: signed for %s, by the SDK for %s", c.name, a, b)
			}
			if got.Header.Get("Accept-Encoding") != "identity" {
				t.Errorf("%s: the transport may unpack the object", c.name)
			}
		}
	}
}

// signedFor checks a signature as AWS documents it, and gives its scope.
func signedFor(r *http.Request, secret string) (string, error) {
	fields := map[string]string{}
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "", fmt.Errorf("it is signed with %q", r.Header.Get("Authorization"))
	}
	for field := range strings.SplitSeq(rest, ", ") {
		name, value, _ := strings.Cut(field, "=")
		fields[name] = value
	}
	_, scope, _ := strings.Cut(fields["Credential"], "/")
	headers := ""
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.URL.Host
		}
		headers += name + ":" + strings.TrimSpace(value) + "\n"
	}
	query := strings.Split(r.URL.RawQuery, "&")
	slices.Sort(query)
	canonical := sha256.Sum256([]byte(r.Method + "\n" + r.URL.EscapedPath() + "\n" + strings.Join(query, "&") + "\n" + headers + "\n" +
		fields["SignedHeaders"] + "\n" + r.Header.Get("X-Amz-Content-Sha256")))
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+hex.EncodeToString(canonical[:])))
	if want != fields["Signature"] {
		return scope, fmt.Errorf("the signature is %s, want %s", fields["Signature"], want)
	}
	return scope, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
