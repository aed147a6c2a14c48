package sim

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// keepsVersions says whether nothing in the bucket is overwritten. Versions that it had none for before are forgotten here.
func (x *bucket) keepsVersions() bool { return x.lock || x.versioned }

// versioning is what an object has in a bucket that keeps versions.
type versioning struct {
	id     string
	marker bool      // a delete marker: it hides what is older
	mode   string    // COMPLIANCE, GOVERNANCE or ""
	until  time.Time // retained until
}

func (v versioning) headers() map[string]string {
	h := map[string]string{}
	if v.id != "" {
		h["X-Amz-Version-Id"] = v.id
	}
	if v.mode != "" {
		h["X-Amz-Object-Lock-Mode"], h["X-Amz-Object-Lock-Retain-Until-Date"] = v.mode, v.until.Format("2006-01-02T15:04:05Z")
	}
	return h
}

// lockObject gives an object its version, and reads the retention that the request asks for.
func (x *bucket) lockObject(c *call, o *object) error {
	mode, until := c.request.Header.Get("X-Amz-Object-Lock-Mode"), c.request.Header.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if x.keepsVersions() {
		o.id = c.world.token(32)
	}
	if mode == "" && until == "" {
		return nil
	}
	if !x.lock {
		return fail("InvalidRequest", "Bucket is missing Object Lock Configuration")
	}
	at, err := time.Parse(time.RFC3339Nano, until)
	switch {
	case err != nil || mode != "COMPLIANCE" && mode != "GOVERNANCE":
		return fail("InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
	case !at.After(c.at):
		return fail("InvalidArgument", "The retain until date must be in the future!")
	}
	if h := c.request.Header; h.Get("Content-Md5") == "" && h.Get("X-Amz-Sdk-Checksum-Algorithm") == "" {
		return fail("InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")
	}
	o.mode, o.until = mode, at.UTC()
	return nil
}

// version finds a version, or the current object for "".
func (x *bucket) version(key, id string) (object, error) {
	if id == "" || id == "null" && !x.keepsVersions() {
		if o, ok := x.objects[key]; ok {
			return o, nil
		}
		return object{}, fail("NoSuchKey", "The specified key does not exist.").status(http.StatusNotFound)
	}
	for _, o := range x.versions[key] {
		if o.id == id && o.marker {
			return object{}, fail("MethodNotAllowed", "The specified method is not allowed against this resource.").status(http.StatusMethodNotAllowed)
		}
		if o.id == id {
			return o, nil
		}
	}
	return object{}, fail("NoSuchVersion", "The specified version does not exist.").status(http.StatusNotFound)
}

// deleteVersion removes a version that nothing retains. Without a version, a bucket that keeps versions gets a delete marker.
func (x *bucket) deleteVersion(c *call, key, id string) (any, error) {
	switch {
	case !x.keepsVersions():
		delete(x.objects, key)
		return answer{status: http.StatusNoContent}, nil
	case id == "":
		o := object{modified: c.at, versioning: versioning{id: c.world.token(32), marker: true}}
		x.versions[key] = append(x.versions[key], o)
		delete(x.objects, key)
		return answer{status: http.StatusNoContent, header: map[string]string{"X-Amz-Version-Id": o.id, "X-Amz-Delete-Marker": "true"}}, nil
	}
	n := slices.IndexFunc(x.versions[key], func(o object) bool { return o.id == id })
	if n < 0 {
		return answer{status: http.StatusNoContent}, nil
	}
	o := x.versions[key][n]
	bypass := o.mode == "GOVERNANCE" && strings.EqualFold(c.request.Header.Get("X-Amz-Bypass-Governance-Retention"), "true")
	if o.mode != "" && c.at.Before(o.until) && !bypass {
		return nil, fail("AccessDenied", "Access Denied because object protected by object lock.").status(http.StatusForbidden)
	}
	left := slices.Delete(slices.Clone(x.versions[key]), n, n+1)
	x.versions[key] = left
	delete(x.objects, key)
	if len(left) == 0 {
		delete(x.versions, key)
	} else if last := left[len(left)-1]; !last.marker {
		x.objects[key] = last
	}
	return answer{status: http.StatusNoContent, header: map[string]string{"X-Amz-Version-Id": id}}, nil
}

// listVersions lists all versions and delete markers under a prefix, the newest of a key first; in one page.
func (b *buckets) listVersions(c *call, x *bucket, _ string) (any, error) {
	type version struct {
		XMLName      xml.Name
		Key          string
		VersionId    string
		IsLatest     bool
		LastModified string
		ETag         string `xml:",omitempty"`
		Size         int
	}
	q := c.request.URL.Query()
	out := struct {
		XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
		Name, Prefix string
		IsTruncated  bool
		Versions     []version
	}{Name: x.name, Prefix: q.Get("prefix")}
	for _, key := range slices.Sorted(maps.Keys(x.versions)) {
		if !strings.HasPrefix(key, out.Prefix) || key <= q.Get("key-marker") {
			continue
		}
		all := x.versions[key]
		for n := len(all) - 1; n >= 0; n-- {
			o := all[n]
			kind := map[bool]string{true: "DeleteMarker", false: "Version"}[o.marker]
			out.Versions = append(out.Versions, version{xml.Name{Local: kind}, key, o.id, n == len(all)-1, o.modified.Format("2006-01-02T15:04:05.000Z"), o.etag, len(o.content)})
		}
	}
	return out, nil
}
