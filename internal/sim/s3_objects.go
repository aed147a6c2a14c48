package sim

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a small S3 object, or one version of it in a bucket with Object Lock.
type object struct {
	content     []byte
	contentType string
	etag        string
	modified    time.Time
	versioning
}

func (b *buckets) putObject(c *call, x *bucket, key string) (any, error) {
	sum := md5.Sum(c.body)
	o := object{content: c.body, contentType: c.request.Header.Get("Content-Type"), etag: `"` + hex.EncodeToString(sum[:]) + `"`, modified: c.at}
	if c.request.Header.Get("If-None-Match") == "*" {
		if _, ok := x.objects[key]; ok {
			return nil, fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").status(http.StatusPreconditionFailed)
		}
	}
	header := map[string]string{"ETag": o.etag}
	if err := x.lockObject(c, &o); err != nil {
		return nil, err
	}
	if x.keepsVersions() {
		x.versions[key] = append(x.versions[key], o)
		header["X-Amz-Version-Id"] = o.id
	}
	x.objects[key] = o
	return answer{status: http.StatusOK, header: header}, nil
}

// getObject also serves HeadObject: the body of its answer is not sent.
func (b *buckets) getObject(c *call, x *bucket, key string) (any, error) {
	o, err := x.version(key, c.request.URL.Query().Get("versionId"))
	if err != nil {
		return nil, err
	}
	header := map[string]string{"ETag": o.etag, "Content-Type": o.contentType, "Last-Modified": o.modified.Format(http.TimeFormat), "Accept-Ranges": "bytes"}
	maps.Copy(header, o.headers())
	if tag := c.request.Header.Get("If-Match"); tag != "" && tag != o.etag {
		return nil, fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").status(http.StatusPreconditionFailed)
	}
	from, to, ok := byteRange(c.request.Header.Get("Range"), len(o.content))
	switch {
	case !ok:
		return answer{status: http.StatusOK, body: o.content, header: header}, nil
	case from >= to:
		return nil, fail("InvalidRange", "The requested range is not satisfiable").status(http.StatusRequestedRangeNotSatisfiable)
	}
	header["Content-Range"] = fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(o.content))
	return answer{status: http.StatusPartialContent, body: o.content[from:to], header: header}, nil
}

// byteRange reads "bytes=FROM-LAST", "bytes=FROM-" and "bytes=-COUNT"; it is false for what S3 ignores.
func byteRange(text string, size int) (from, to int, ok bool) {
	text, ok = strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(text, "-")
	if !ok || !dash || first+last == "" {
		return 0, 0, false
	}
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	switch {
	case first == "" && errB == nil:
		return max(0, size-b), size, true
	case errA == nil && last == "":
		return a, size, true
	case errA == nil && errB == nil && a <= b:
		return a, min(b+1, size), true
	}
	return 0, 0, false
}

func (b *buckets) deleteObject(c *call, x *bucket, key string) (any, error) {
	return x.deleteVersion(c, key, c.request.URL.Query().Get("versionId"))
}

const objectsPerPage = 1000

func (b *buckets) listObjects(c *call, x *bucket, _ string) (any, error) {
	type content struct {
		Key, LastModified, ETag string
		Size                    int
		StorageClass            string
	}
	q := c.request.URL.Query()
	limit := objectsPerPage
	if text := q.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fail("InvalidArgument", "max-keys is not a number of keys: %s", text)
		}
		limit = min(n, objectsPerPage)
	}
	if q.Get("delimiter") != "" {
		return nil, fail("NotImplemented", "Listing by delimiter is not part of this simulated AWS").status(http.StatusNotImplemented)
	}
	out := struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name, Prefix          string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}{Name: x.name, Prefix: q.Get("prefix"), MaxKeys: limit}
	after := max(q.Get("start-after"), q.Get("continuation-token"))
	for _, key := range slices.Sorted(maps.Keys(x.objects)) {
		if !strings.HasPrefix(key, out.Prefix) || key <= after {
			continue
		}
		if len(out.Contents) == limit {
			out.IsTruncated = true
			if limit > 0 {
				out.NextContinuationToken = out.Contents[limit-1].Key
			}
			break
		}
		o := x.objects[key]
		out.Contents = append(out.Contents, content{key, o.modified.Format("2006-01-02T15:04:05.000Z"), o.etag, len(o.content), "STANDARD"})
	}
	out.KeyCount = len(out.Contents)
	return out, nil
}
