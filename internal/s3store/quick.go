package s3store

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

// quick asks a bucket for objects in a third of the time that the SDK takes for it: by the SDK's client,
// credentials and signer, at the place that the SDK would ask, but without its forty steps. It knows the good
// answer only. After any other one the SDK is to ask again.
type quick struct {
	client      aws.HTTPClient
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	base        url.URL // of the bucket; its path ends in a slash
	region      string  // to sign for
}

// newQuick finds out where and how the SDK asks. It is nil for buckets that are asked in another way: with
// sessions, over several Regions, without credentials.
func newQuick(ctx context.Context, client *s3.Client, bucket string) *quick {
	const sample = "sample"
	signed, err := s3.NewPresignClient(client).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(sample)})
	if err != nil {
		return nil
	}
	base, err := url.Parse(signed.URL)
	if err != nil {
		return nil
	}
	query := base.Query()
	scope := strings.Split(query.Get("X-Amz-Credential"), "/") // key/date/region/service/aws4_request
	if query.Get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" || len(scope) != 5 || scope[3] != "s3" || query.Has("X-Amz-S3session-Token") {
		return nil
	}
	o := client.Options()
	q := &quick{client: o.HTTPClient, credentials: o.Credentials, region: scope[2],
		signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })}
	path, found := strings.CutSuffix(base.EscapedPath(), sample)
	if !found || path != base.Path[:len(base.Path)-len(sample)] {
		return nil
	}
	q.base = url.URL{Scheme: base.Scheme, Host: base.Host, Path: path}
	return q
}

// get asks for an object from byte at on. It is false when the SDK has to ask.
func (q *quick) get(ctx context.Context, key string, at int64, etag string) (answer, bool) {
	if q == nil {
		return answer{}, false
	}
	const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of an empty body
	u := q.base
	u.RawPath = u.Path + httpbinding.EscapePath(key, false)
	u.Path += key
	req := (&http.Request{Method: http.MethodGet, URL: &u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"User-Agent":           {"trailwarden"},
		"Accept-Encoding":      {"identity"}, // as it was stored, not unpacked on the way
		"X-Amz-Content-Sha256": {nothing},
	}}).WithContext(ctx)
	want := http.StatusOK
	if at > 0 {
		req.Header["Range"], req.Header["If-Match"] = []string{fmt.Sprintf("bytes=%d-", at)}, []string{etag}
		want = http.StatusPartialContent
	}
	who, err := q.credentials.Retrieve(ctx)
	if err != nil || q.signer.SignHTTP(ctx, who, req, nothing, "s3", q.region, time.Now()) != nil {
		return answer{}, false
	}
	res, err := q.client.Do(req)
	if err != nil {
		return answer{}, false
	}
	if res.StatusCode != want {
		res.Body.Close()
		return answer{}, false
	}
	got := answer{body: res.Body, size: res.ContentLength, part: res.Header.Get("Content-Range"), etag: res.Header.Get("ETag")}
	for name, values := range res.Header {
		if meta, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			if got.metadata == nil {
				got.metadata = map[string]string{}
			}
			got.metadata[strings.ToLower(meta)] = strings.Join(values, ",")
		}
	}
	return got, true
}
