package source

import (
	"encoding/json"
	"net/url"
)

// Object is a log file that S3 says is new.
type Object struct {
	Bucket, Key string
	Size        int64
}

// Notice reads what S3 tells of new objects: its own notification, the same in an envelope of SNS, or an EventBridge event of
// S3. It is false for everything else. A test notification names no object.
func Notice(body []byte) (objects []Object, ok bool) {
	var m struct {
		Type, Message string // of SNS
		Event         string // of S3's test
		Records       []struct {
			EventSource string `json:"eventSource"`
			S3          struct {
				Bucket struct{ Name string }
				Object struct {
					Key  string
					Size int64
				}
			}
		}
		Source string `json:"source"`
		Detail struct {
			Bucket struct{ Name string }
			Object struct {
				Key  string
				Size int64
			}
		} `json:"detail"`
	}
	if json.Unmarshal(body, &m) != nil {
		return nil, false
	}
	switch {
	case m.Type == "Notification" && m.Message != "":
		return Notice([]byte(m.Message))
	case m.Event == "s3:TestEvent":
		return nil, true
	case m.Source == "aws.s3" && m.Detail.Bucket.Name != "" && m.Detail.Object.Key != "":
		return []Object{{m.Detail.Bucket.Name, m.Detail.Object.Key, m.Detail.Object.Size}}, true
	case len(m.Records) == 0:
		return nil, false
	}
	for _, r := range m.Records {
		key, err := url.QueryUnescape(r.S3.Object.Key) // S3 writes keys as in a query, in its own notifications only
		if r.EventSource != "aws:s3" || r.S3.Bucket.Name == "" || key == "" || err != nil {
			return nil, false
		}
		objects = append(objects, Object{r.S3.Bucket.Name, key, r.S3.Object.Size})
	}
	return objects, true
}
