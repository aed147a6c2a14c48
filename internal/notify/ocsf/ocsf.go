// Package ocsf writes an incident as events of the Open Cybersecurity Schema Framework, version 1.6: one Detection
// Finding (class 2004), and one Remediation Activity (class 7001) for each repair call that was made. Security Hub,
// Security Lake and most SIEMs read them.
//
// Shapes are those of github.com/ocsf/ocsf-schema at 1.6; required members and enumerations are written down in
// testdata/required.json and held against what is written.
package ocsf

import (
	"regexp"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Version is the version of the schema.
const Version = "1.6.0"

// Limit is how many bytes one event has at most.
const Limit = 200 << 10

// Base is what every event has.
type Base struct {
	ActivityID   int      `json:"activity_id"`
	ActivityName string   `json:"activity_name"`
	CategoryUID  int      `json:"category_uid"`
	CategoryName string   `json:"category_name"`
	ClassUID     int      `json:"class_uid"`
	ClassName    string   `json:"class_name"`
	TypeUID      int      `json:"type_uid"`
	TypeName     string   `json:"type_name"`
	SeverityID   int      `json:"severity_id"`
	Severity     string   `json:"severity"`
	StatusID     int      `json:"status_id"`
	Status       string   `json:"status"`
	StatusDetail string   `json:"status_detail,omitempty"`
	Time         int64    `json:"time"` // milliseconds since 1970, as all times here
	StartTime    int64    `json:"start_time,omitempty"`
	EndTime      int64    `json:"end_time,omitempty"`
	Message      string   `json:"message"`
	Metadata     Metadata `json:"metadata"`
	Cloud        Cloud    `json:"cloud"`
}

// Metadata says who wrote the event.
type Metadata struct {
	Version  string   `json:"version"`
	UID      string   `json:"uid"` // the same however often the event is sent
	Product  Product  `json:"product"`
	Profiles []string `json:"profiles"`
	Labels   []string `json:"labels,omitempty"`
}

// Product is trailwarden.
type Product struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version,omitempty"`
}

// Cloud is where the trail is.
type Cloud struct {
	Provider string   `json:"provider"`
	Region   string   `json:"region,omitempty"`
	Account  *Account `json:"account,omitempty"`
}

// Account is an account of AWS.
type Account struct {
	UID    string `json:"uid"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

// Named is a thing with an id, a name or both.
type Named struct {
	UID  string `json:"uid,omitempty"`
	Name string `json:"name,omitempty"`
}

// Events gives the events of an incident, each as one line of JSON: the finding first. Version is trailwarden's own.
func Events(inc incident.Incident, version string) ([][]byte, error) {
	finding, err := notify.Document(inc, Limit, func(inc incident.Incident) any { return findingOf(inc, version) })
	if err != nil {
		return nil, err
	}
	events := [][]byte{finding}
	for i, a := range inc.Actions {
		if a.At == nil {
			continue // not made
		}
		if len(events) > 50 {
			break
		}
		event, err := notify.Document(inc, Limit, func(inc incident.Incident) any {
			if i >= len(inc.Actions) { // the list was cut to fit
				return nil
			}
			return remediationOf(inc, inc.Actions[i], version)
		})
		if err != nil {
			return nil, err
		}
		if string(event) != "null" {
			events = append(events, event)
		}
	}
	return events, nil
}

// Lines is Events as JSON lines.
func Lines(inc incident.Incident, version string) ([]byte, error) {
	events, err := Events(inc, version)
	if err != nil {
		return nil, err
	}
	var out []byte
	for _, e := range events {
		out = append(append(out, e...), '\n')
	}
	return out, nil
}

var severities = map[incident.Severity]struct {
	id   int
	name string
}{
	incident.Info: {1, "Informational"}, incident.Low: {2, "Low"}, incident.Medium: {3, "Medium"},
	incident.High: {4, "High"}, incident.Critical: {5, "Critical"},
}

// base fills what the two classes share.
func base(inc incident.Incident, version string) Base {
	b := Base{
		SeverityID: 0, Severity: "Unknown",
		Message:  notify.Subject(inc),
		Metadata: Metadata{Version: Version, Product: Product{Name: "trailwarden", VendorName: "trailwarden", Version: version}, Profiles: []string{"cloud"}},
		Cloud:    Cloud{Provider: "AWS", Region: inc.Trail.Region},
	}
	if s, ok := severities[inc.Severity]; ok {
		b.SeverityID, b.Severity = s.id, s.name
	}
	if inc.Trail.Account != "" {
		b.Cloud.Account = &Account{UID: inc.Trail.Account, Type: "AWS Account", TypeID: 10}
	}
	if inc.Drill {
		b.Metadata.Labels = []string{"drill"}
	}
	return b
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// resource is the trail.
func resource(inc incident.Incident) Resource {
	r := Resource{
		UID: inc.Trail.ARN, Name: inc.Trail.Name, Type: "AWS::CloudTrail::Trail", Region: inc.Trail.Region,
		Partition: inc.Trail.Partition, Labels: []string{},
	}
	if r.UID == "" {
		r.UID = "unknown"
	}
	if inc.Trail.Account != "" {
		r.Owner = &Owner{Account: Account{UID: inc.Trail.Account, Type: "AWS Account", TypeID: 10}}
	}
	return r
}

// Resource is what was affected.
type Resource struct {
	UID       string   `json:"uid"`
	Name      string   `json:"name,omitempty"`
	Type      string   `json:"type"`
	Region    string   `json:"region,omitempty"`
	Partition string   `json:"cloud_partition,omitempty"`
	Labels    []string `json:"labels"`
	Owner     *Owner   `json:"owner,omitempty"`
}

// Owner is the account that a resource belongs to.
type Owner struct {
	Account Account `json:"account"`
}

var attackForm = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)

// attackNames is what the rules' techniques are called; others go by their id alone.
var attackNames = map[string]string{
	"T1562":     "Impair Defenses",
	"T1562.008": "Disable or Modify Cloud Logs",
	"T1098":     "Account Manipulation",
}

// techniques splits an ATT&CK list such as "T1562.008, T1485".
func techniques(list string) []Attack {
	var out []Attack
	for id := range strings.SplitSeq(list, ",") {
		id = strings.TrimSpace(id)
		if !attackForm.MatchString(id) {
			continue
		}
		technique, _, sub := strings.Cut(id, ".")
		a := Attack{Version: "17.1", Technique: &Named{UID: technique, Name: attackNames[technique]}}
		if sub {
			a.SubTechnique = &Named{UID: id, Name: attackNames[id]}
		}
		out = append(out, a)
	}
	return out
}

// Attack is a technique of MITRE ATT&CK.
type Attack struct {
	Version      string `json:"version"`
	Technique    *Named `json:"technique"`
	SubTechnique *Named `json:"sub_technique,omitempty"`
}
