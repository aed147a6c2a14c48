package sim

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

func newS3(w *World) *service {
	b := &buckets{world: w, byName: map[string]*bucket{}}
	w.buckets = b
	return &service{
		name: "s3", source: "s3.amazonaws.com", protocol: rest, route: routeS3, params: paramsS3,
		resource: func(c *call) string {
			name, key := pathOf(c.request)
			return bucketARN(c.region, name, key)
		},
		operations: append([]operation{
			{"ListBuckets", reads, b.list},
			{"CreateBucket", writes, b.create},
			{"HeadBucket", reads, b.on("s3:ListBucket", b.head)},
			{"DeleteBucket", writes, b.on("s3:DeleteBucket", b.delete)},
			{"GetBucketLocation", reads, b.on("s3:GetBucketLocation", b.location)},
			{"PutBucketPolicy", writes, b.on("s3:PutBucketPolicy", b.putPolicy)},
			{"GetBucketPolicy", reads, b.on("s3:GetBucketPolicy", b.getPolicy)},
			{"DeleteBucketPolicy", writes, b.on("s3:DeleteBucketPolicy", b.deletePolicy)},
			{"ListObjectsV2", dataReads, b.on("s3:ListBucket", b.listObjects)},
			{"ListObjectVersions", dataReads, b.on("s3:ListBucketVersions", b.listVersions)},
			{"PutObject", dataWrites, b.on("s3:PutObject", b.putObject)},
			{"GetObject", dataReads, b.on("s3:GetObject", b.getObject)},
			{"HeadObject", dataReads, b.on("s3:GetObject", b.getObject)},
			{"DeleteObject", dataWrites, b.on("s3:DeleteObject", b.deleteObject)},
		}, settingOperations(b)...),
	}
}

// buckets are all S3 buckets of the world: their names are one namespace.
type buckets struct {
	world  *World
	byName map[string]*bucket
}

type bucket struct {
	name, account, region string
	made                  time.Time
	policyText            string // "" without
	policy                policy
	objects               map[string]object
	lock                  bool                // Object Lock, and with it versions: set when the bucket is made
	versioned             bool                // versions without Object Lock
	versions              map[string][]object // of a bucket that keeps them: all, the oldest first
	settings              map[string][]byte   // as they were put, by name in the query
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// routeS3 tells the operation from method, path and subresource. Buckets are in the path, never in the host name.
func routeS3(r *http.Request) string {
	name, key := pathOf(r)
	q := r.URL.Query()
	what := map[bool]string{true: "Object", false: "Bucket"}[key != ""]
	switch {
	case name == "":
		return map[string]string{http.MethodGet: "ListBuckets"}[r.Method]
	case key == "" && q.Has("policy"):
		return map[string]string{http.MethodGet: "GetBucketPolicy", http.MethodPut: "PutBucketPolicy", http.MethodDelete: "DeleteBucketPolicy"}[r.Method]
	case key == "" && q.Has("location") && r.Method == http.MethodGet:
		return "GetBucketLocation"
	case key == "" && q.Has("versions") && r.Method == http.MethodGet:
		return "ListObjectVersions"
	case key == "" && q.Get("list-type") == "2" && r.Method == http.MethodGet:
		return "ListObjectsV2"
	}
	for _, s := range bucketSettings {
		if key == "" && q.Has(s.query) {
			return map[string]string{http.MethodGet: "Get" + s.operation, http.MethodPut: "Put" + s.operation}[r.Method]
		}
	}
	for sub := range q {
		if sub != "x-id" && sub != "versionId" && !strings.HasPrefix(sub, "X-Amz-") {
			return "" // some other subresource
		}
	}
	switch r.Method {
	case http.MethodHead:
		return "Head" + what
	case http.MethodDelete:
		return "Delete" + what
	case http.MethodPut:
		return map[bool]string{true: "PutObject", false: "CreateBucket"}[key != ""]
	case http.MethodGet:
		return map[bool]string{true: "GetObject", false: ""}[key != ""]
	}
	return ""
}

func pathOf(r *http.Request) (bucket, key string) {
	bucket, key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return bucket, key
}

// paramsS3 shows bucket, key and subresources, and a policy as an object, as S3's records do.
func paramsS3(c *call) any {
	name, key := pathOf(c.request)
	m := map[string]any{"Host": c.request.Host}
	if name != "" {
		m["bucketName"] = name
	}
	if key != "" {
		m["key"] = key
	}
	for k, v := range c.request.URL.Query() {
		if k != "x-id" && !strings.HasPrefix(k, "X-Amz-") {
			m[k] = v[0]
		}
	}
	if c.op.name == "PutBucketPolicy" {
		var doc any
		if json.Unmarshal(c.body, &doc) == nil {
			m["bucketPolicy"] = doc
		}
	}
	return m
}

func bucketARN(region, name, key string) string {
	arn := "arn:" + partitionOf(region) + ":s3:::" + name
	if key != "" {
		arn += "/" + key
	}
	return arn
}

// on wraps an operation on an existing bucket: it must be there, in this Region, belong to whom the caller expects, and let him.
func (b *buckets) on(action string, run func(*call, *bucket, string) (any, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		name, key := pathOf(c.request)
		c.resources = append(c.resources, recordResource{"AWS::S3::Bucket", name})
		x := b.byName[name]
		if x == nil {
			return nil, noSuchBucket()
		}
		if x.region != c.region {
			e := fail("PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint: it is in %s.", x.region).status(http.StatusMovedPermanently)
			e.header = map[string]string{"X-Amz-Bucket-Region": x.region}
			return nil, e
		}
		if owner := c.request.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != x.account {
			return nil, accessDenied()
		}
		if !x.lets(c, action, key) {
			return nil, accessDenied()
		}
		return run(c, x, key)
	}
}

// lets: the owner's principals may do what the policy does not refuse, others what it allows. The owner's root can always
// read and replace the policy.
func (x *bucket) lets(c *call, action, key string) bool {
	own := c.account == x.account
	if own && c.caller.kind == root && strings.HasSuffix(action, "BucketPolicy") {
		return true
	}
	switch x.policy.judge(policyRequest{
		arn: c.caller.arn, account: c.account, action: action, resource: bucketARN(x.region, x.name, key),
		context: map[string]string{"aws:principalaccount": c.account, "aws:principalarn": c.caller.arn, "aws:securetransport": "true", "aws:sourceip": sourceIP(c.request)},
	}) {
	case refused:
		return false
	case allowed:
		return true
	}
	return own
}

// letsCloudTrailWrite says whether the policy lets CloudTrail read the ACL and write this trail's log files of a Region.
// Those of an organization's trail lie below the organization's id; "" for others.
func (x *bucket) letsCloudTrailWrite(t *trail, region, organization string) bool {
	prefix := t.prefix
	if prefix != "" {
		prefix += "/"
	}
	prefix += "AWSLogs/"
	if organization != "" {
		prefix += organization + "/"
	}
	ask := func(action, key string) bool {
		return x.policy.judge(policyRequest{
			service: "cloudtrail.amazonaws.com", action: action, resource: bucketARN(x.region, x.name, key),
			context: map[string]string{
				"aws:sourcearn": t.arn, "aws:sourceaccount": t.account, "s3:x-amz-acl": "bucket-owner-full-control",
				"aws:securetransport": "true", "aws:principalisawsservice": "true", "aws:principalservicename": "cloudtrail.amazonaws.com",
			},
		}) == allowed
	}
	return ask("s3:GetBucketAcl", "") && ask("s3:PutObject", prefix+t.account+"/CloudTrail/"+region+"/log.json.gz")
}

func noSuchBucket() error {
	return fail("NoSuchBucket", "The specified bucket does not exist").status(http.StatusNotFound)
}

func accessDenied() error { return fail("AccessDenied", "Access Denied").status(http.StatusForbidden) }

func (b *buckets) list(c *call) (any, error) {
	type one struct{ Name, CreationDate string }
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
		Owner   struct{ ID, DisplayName string }
		Buckets []one `xml:"Buckets>Bucket"`
	}{}
	out.Owner.ID = c.account
	for _, x := range b.byName {
		if x.account == c.account {
			out.Buckets = append(out.Buckets, one{x.name, timestamp(x.made)})
		}
	}
	slices.SortFunc(out.Buckets, func(a, b one) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (b *buckets) create(c *call) (any, error) {
	name, _ := pathOf(c.request)
	c.resources = append(c.resources, recordResource{"AWS::S3::Bucket", name})
	var in struct{ LocationConstraint string }
	if len(c.body) > 0 && xml.Unmarshal(c.body, &in) != nil {
		return nil, fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	if !bucketName.MatchString(name) || dottedQuad.MatchString(name) {
		return nil, fail("InvalidBucketName", "The specified bucket is not valid.")
	}
	if region := cmp.Or(in.LocationConstraint, "us-east-1"); region != c.region {
		return nil, fail("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", cmp.Or(in.LocationConstraint, "unspecified"))
	}
	if x := b.byName[name]; x != nil && x.account != c.account {
		return nil, fail("BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system.").status(http.StatusConflict)
	} else if x != nil && (x.region != "us-east-1" || c.region != "us-east-1") {
		return nil, fail("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.").status(http.StatusConflict)
	} else if x == nil {
		b.byName[name] = &bucket{name: name, account: c.account, region: c.region, made: c.at, objects: map[string]object{}, versions: map[string][]object{},
			lock: strings.EqualFold(c.request.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true")}
	}
	return answer{status: http.StatusOK, header: map[string]string{"Location": "/" + name}}, nil
}

func (b *buckets) head(c *call, x *bucket, _ string) (any, error) {
	return answer{status: http.StatusOK, header: map[string]string{"X-Amz-Bucket-Region": x.region}}, nil
}

func (b *buckets) delete(c *call, x *bucket, _ string) (any, error) {
	if len(x.objects)+len(x.versions) > 0 {
		return nil, fail("BucketNotEmpty", "The bucket you tried to delete is not empty").status(http.StatusConflict)
	}
	delete(b.byName, x.name)
	return answer{status: http.StatusNoContent}, nil
}

func (b *buckets) location(c *call, x *bucket, _ string) (any, error) {
	out := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
		Region  string   `xml:",chardata"`
	}{}
	if x.region != "us-east-1" {
		out.Region = x.region
	}
	return out, nil
}

func (b *buckets) putPolicy(c *call, x *bucket, _ string) (any, error) {
	p, err := parsePolicy(string(c.body))
	if err != nil {
		return nil, fail("MalformedPolicy", "%s", err)
	}
	x.policy, x.policyText = p, string(c.body)
	return answer{status: http.StatusNoContent}, nil
}

func (b *buckets) getPolicy(c *call, x *bucket, _ string) (any, error) {
	if x.policyText == "" {
		return nil, fail("NoSuchBucketPolicy", "The bucket policy does not exist").status(http.StatusNotFound)
	}
	return answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/json"}, body: []byte(x.policyText)}, nil
}

func (b *buckets) deletePolicy(c *call, x *bucket, _ string) (any, error) {
	x.policy, x.policyText = policy{}, ""
	return answer{status: http.StatusNoContent}, nil
}
