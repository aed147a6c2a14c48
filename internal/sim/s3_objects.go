package sim

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// object is a small S3 object, without versions.
type object struct {
	content     []byte
	contentType string
	etag        string
	modified    time.Time
}

func (b *buckets) putObject(c *call, x *bucket, key string) (any, error) {
	sum := md5.Sum(c.body)
	o := object{content: c.body, contentType: c.request.Header.Get("Content-Type"), etag: `"` + hex.EncodeToString(sum[:]) + `"`, modified: c.at}
	if c.request.Header.Get("If-None-Match") == "*" {
		if _, ok := x.objects[key]; ok {
			return nil, fail("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").status(http.StatusPreconditionFailed)
		}
	}
	x.objects[key] = o
	return answer{status: http.StatusOK, header: map[string]string{"ETag": o.etag}}, nil
}

// getObject also serves HeadObject: the body of its answer is not sent.
func (b *buckets) getObject(c *call, x *bucket, key string) (any, error) {
	o, ok := x.objects[key]
	if !ok {
		return nil, fail("NoSuchKey", "The specified key does not exist.").status(http.StatusNotFound)
	}
	return answer{status: http.StatusOK, body: o.content, header: map[string]string{
		"ETag": o.etag, "Content-Type": o.contentType, "Last-Modified": o.modified.Format(http.TimeFormat),
	}}, nil
}

func (b *buckets) deleteObject(c *call, x *bucket, key string) (any, error) {
	delete(x.objects, key)
	return answer{status: http.StatusNoContent}, nil
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
