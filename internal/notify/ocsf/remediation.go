package ocsf

import (
	"strconv"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Activity is a Remediation Activity: one repair call.
type Activity struct {
	Base
	CommandUID      string           `json:"command_uid"` // AWS's request id of the call
	Countermeasures []Countermeasure `json:"countermeasures"`
	Remediation     Remediation      `json:"remediation"`
	Resources       []Resource       `json:"resources"`
	Unmapped        Repaired         `json:"unmapped"`
}

// Countermeasure is what MITRE D3FEND calls it.
type Countermeasure struct {
	Tactic Named `json:"d3f_tactic"`
}

// Repaired names the finding that was mended.
type Repaired struct {
	Incident  string `json:"incident_id"`
	Operation string `json:"operation"`
	Target    string `json:"target"`
	Error     string `json:"error,omitempty"`
}

// remediationOf describes one call. Its id is the same however often it is told, whatever stage the incident is at.
func remediationOf(inc incident.Incident, a incident.Action, version string) Activity {
	r := Activity{
		Base: base(inc, version), CommandUID: a.RequestID,
		Countermeasures: []Countermeasure{{Tactic: Named{Name: "Restore"}}},
		Remediation:     Remediation{Desc: a.Op + " on " + a.Target},
		Resources:       []Resource{resource(inc)},
		Unmapped:        Repaired{Incident: inc.ID, Operation: a.Op, Target: a.Target, Error: a.Error},
	}
	if r.CommandUID == "" {
		r.CommandUID = inc.ID + "/" + strconv.FormatInt(milliseconds(*a.At), 10)
	}
	r.CategoryUID, r.CategoryName, r.ClassUID, r.ClassName = 7, "Remediation", 7001, "Remediation Activity"
	r.ActivityID, r.ActivityName = 3, "Restore"
	r.TypeUID, r.TypeName = 700103, "Remediation Activity: Restore"
	r.Message = a.Op + " for " + notify.Subject(inc)
	r.Metadata.UID = r.CommandUID + "/" + inc.ID
	r.Time = milliseconds(*a.At)
	switch {
	case a.Error != "":
		r.StatusID, r.Status, r.StatusDetail = 2, "Failure", a.Error
	case len(inc.Drifts) > 0:
		r.StatusID, r.Status, r.StatusDetail = 4, "Partial", "the call was accepted; not all settings are as wanted yet"
	default:
		r.StatusID, r.Status = 1, "Success"
	}
	return r
}
