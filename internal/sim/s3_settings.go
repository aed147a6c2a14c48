package sim

import (
	"encoding/xml"
	"net/http"
)

// settingOperations are those of subresources that a bucket keeps as they are put. Versioning alone has an effect here.
func settingOperations(b *buckets) []operation {
	var list []operation
	for _, s := range bucketSettings {
		list = append(list,
			operation{"Put" + s.operation, writes, b.on("s3:Put"+s.action, s.put)},
			operation{"Get" + s.operation, reads, b.on("s3:Get"+s.action, s.get)})
	}
	return list
}

// bucketSetting is one of them: its operation without Get and Put, its IAM action likewise, and the code of the error where none was put.
type bucketSetting struct{ query, operation, action, missing string }

var bucketSettings = []bucketSetting{
	{"versioning", "BucketVersioning", "BucketVersioning", ""},
	{"publicAccessBlock", "PublicAccessBlock", "BucketPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"},
	{"encryption", "BucketEncryption", "EncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"},
}

func (s bucketSetting) put(c *call, x *bucket, _ string) (any, error) {
	if s.query == "versioning" {
		var in struct{ Status string }
		if xml.Unmarshal(c.body, &in) != nil || in.Status != "Enabled" {
			return nil, fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
		}
		x.versioned = true
	}
	if x.settings == nil {
		x.settings = map[string][]byte{}
	}
	x.settings[s.query] = c.body
	return answer{status: http.StatusOK}, nil
}

func (s bucketSetting) get(c *call, x *bucket, _ string) (any, error) {
	body, ok := x.settings[s.query]
	if !ok && s.missing != "" {
		return nil, fail(s.missing, "The configuration was not found").status(http.StatusNotFound)
	} else if !ok {
		body = []byte(`<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`)
	}
	return answer{status: http.StatusOK, header: map[string]string{"Content-Type": "application/xml"}, body: body}, nil
}
