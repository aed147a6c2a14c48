package ocsf

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Finding is a Detection Finding.
type Finding struct {
	Base
	IsAlert     bool         `json:"is_alert"`
	Confidence  string       `json:"confidence"`
	ConfID      int          `json:"confidence_id"`
	Info        FindingInfo  `json:"finding_info"`
	Resources   []Resource   `json:"resources"`
	Evidences   []Evidence   `json:"evidences,omitempty"`
	Remediation *Remediation `json:"remediation,omitempty"`
	Unmapped    Unmapped     `json:"unmapped"`
}

// FindingInfo is what was found.
type FindingInfo struct {
	UID        string    `json:"uid"` // the incident's id
	Title      string    `json:"title"`
	Desc       string    `json:"desc"`
	Types      []string  `json:"types"`
	Analytic   *Analytic `json:"analytic,omitempty"`
	Attacks    []Attack  `json:"attacks,omitempty"`
	Created    int64     `json:"created_time"`
	FirstSeen  int64     `json:"first_seen_time"`
	LastSeen   int64     `json:"last_seen_time"`
	Modified   int64     `json:"modified_time"`
	SourceURL  string    `json:"src_url,omitempty"`
	EventCount int       `json:"related_events_count,omitempty"`
}

// Analytic is the rule.
type Analytic struct {
	UID    string `json:"uid"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

// Evidence is the call that was made.
type Evidence struct {
	UID         string    `json:"uid,omitempty"`
	API         *API      `json:"api,omitempty"`
	Actor       *Actor    `json:"actor,omitempty"`
	SrcEndpoint *Endpoint `json:"src_endpoint,omitempty"`
}

// API is a call of an API.
type API struct {
	Operation string    `json:"operation"`
	Service   Named     `json:"service"`
	Request   *Request  `json:"request,omitempty"`
	Response  *Response `json:"response,omitempty"`
}

// Request is what AWS numbers a call by.
type Request struct {
	UID string `json:"uid"`
}

// Response is AWS's refusal.
type Response struct {
	Error   string `json:"error,omitempty"`
	Message string `json:"error_message,omitempty"`
}

// Actor is who made the call.
type Actor struct {
	User    User     `json:"user"`
	Session *Session `json:"session,omitempty"`
	AppName string   `json:"app_name,omitempty"` // the user agent, or the AWS service on whose word the call was made
}

// User is a principal.
type User struct {
	UID     string   `json:"uid,omitempty"` // its ARN
	Name    string   `json:"name,omitempty"`
	Type    string   `json:"type"`
	TypeID  int      `json:"type_id"`
	Account *Account `json:"account,omitempty"`
	KeyUID  string   `json:"credential_uid,omitempty"` // the last four characters of the access key id
}

// Session is the session of a role.
type Session struct {
	Issuer string `json:"issuer,omitempty"`
	MFA    bool   `json:"is_mfa"`
}

// Endpoint is where a call came from.
type Endpoint struct {
	IP      string `json:"ip,omitempty"`
	Service string `json:"svc_name,omitempty"` // where AWS names a service instead of an address
}

// Remediation is what to do next.
type Remediation struct {
	Desc string `json:"desc"`
}

// Unmapped is what the schema has no member for.
type Unmapped struct {
	Stage       string                `json:"stage"`
	Outcome     string                `json:"outcome"`
	Count       int                   `json:"count,omitempty"`
	Drill       bool                  `json:"drill"`
	BlindWindow *incident.BlindWindow `json:"blind_window,omitempty"`
	Drifts      []incident.Drift      `json:"drifts,omitempty"`
	Ledger      *incident.LedgerHead  `json:"ledger,omitempty"`
}

func findingOf(inc incident.Incident, version string) Finding {
	stage := notify.StageOf(inc)
	f := Finding{
		Base: base(inc, version), Confidence: "High", ConfID: 3,
		Info: FindingInfo{
			UID: inc.ID, Title: notify.Subject(inc), Desc: description(inc), Types: []string{},
			Created: milliseconds(inc.OpenedAt), FirstSeen: milliseconds(inc.OpenedAt), LastSeen: milliseconds(latest(inc)), Modified: milliseconds(latest(inc)),
		},
		Resources: []Resource{resource(inc)},
		Unmapped: Unmapped{
			Stage: string(stage), Outcome: string(inc.Outcome), Count: inc.Count, Drill: inc.Drill, BlindWindow: inc.BlindWindow,
			Drifts: inc.Drifts, Ledger: inc.Ledger,
		},
	}
	if f.Info.UID == "" {
		f.Info.UID = "unknown"
	}
	f.CategoryUID, f.CategoryName, f.ClassUID, f.ClassName = 2, "Findings", 2004, "Detection Finding"
	f.ActivityID, f.ActivityName = activity(inc)
	f.TypeUID = f.ClassUID*100 + f.ActivityID
	f.TypeName = f.ClassName + ": " + f.ActivityName
	f.StatusID, f.Status = status(inc)
	f.StatusDetail = inc.Reason
	f.Metadata.UID = notify.Identity(inc)
	f.Time, f.StartTime, f.EndTime = f.Info.Modified, f.Info.FirstSeen, f.Info.LastSeen
	f.IsAlert = f.ActivityID != 3 && inc.Severity.Rank() >= incident.Medium.Rank()
	for i, rule := range inc.Findings {
		if i == 0 {
			f.Info.Analytic = &Analytic{UID: rule.Rule, Name: rule.Title, Type: "Rule", TypeID: 1}
			f.Info.Attacks = techniques(rule.Attack)
		}
		f.Info.Types = append(f.Info.Types, rule.Rule)
	}
	if inc.Count > 1 {
		f.Info.EventCount = inc.Count
	}
	if e, ok := evidence(inc); ok {
		f.Evidences = []Evidence{e}
	}
	if len(inc.NextSteps) > 0 {
		f.Remediation = &Remediation{Desc: steps(inc)}
	}
	return f
}

// activity says whether the finding is new to who reads it. Without a ledger every message stands alone.
func activity(inc incident.Incident) (int, string) {
	switch {
	case notify.Ended(inc):
		return 3, "Close"
	case inc.Stage == "" || inc.Stage == incident.StageOpened:
		return 1, "Create"
	case inc.Stage == incident.StageRepaired && inc.Count <= 1:
		return 1, "Create" // it was repaired before anybody could be told that it is open
	}
	return 2, "Update"
}

func status(inc incident.Incident) (int, string) {
	switch {
	case notify.Ended(inc):
		return 4, "Resolved"
	case inc.Acknowledged != nil, notify.StageOf(inc) == incident.StageRepaired:
		return 2, "In Progress"
	}
	return 1, "New"
}

func description(inc incident.Incident) string {
	text := ""
	for i, f := range inc.Findings {
		if i > 0 {
			text += " "
		}
		text += f.Text + "."
	}
	if text == "" {
		return notify.Subject(inc)
	}
	return text
}

func steps(inc incident.Incident) string {
	text := ""
	for i, s := range inc.NextSteps[:min(5, len(inc.NextSteps))] {
		text += fmt.Sprintf("%d. %s", i+1, s.Text)
		if s.Command != "" {
			text += " " + s.Command
		}
		text += "\n"
	}
	return text
}

// latest is when something happened last in the incident's life.
func latest(inc incident.Incident) time.Time {
	at := inc.SeenAt
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	later(inc.OpenedAt)
	if inc.RepairedAt != nil {
		later(*inc.RepairedAt)
	}
	for _, a := range inc.Actions {
		if a.At != nil {
			later(*a.At)
		}
	}
	for _, t := range inc.Tamperings {
		later(t.At)
	}
	if inc.Acknowledged != nil {
		later(inc.Acknowledged.At)
	}
	if inc.Evidence != nil {
		later(inc.Evidence.ReadAt)
	}
	return at
}

func evidence(inc incident.Incident) (e Evidence, ok bool) {
	if r := inc.Record; r != nil {
		e.UID = r.EventID
		e.API = &API{Operation: r.EventName, Service: Named{Name: cmp.Or(r.EventSource, "unknown")}}
		if r.RequestID != "" {
			e.API.Request = &Request{UID: r.RequestID}
		}
		if r.ErrorCode != "" {
			e.API.Response = &Response{Error: r.ErrorCode, Message: r.ErrorMessage}
		}
		ok = true
	}
	a := inc.Actor
	if a == nil {
		return e, ok
	}
	e.Actor = &Actor{User: User{UID: cmp.Or(a.ARN, "unknown"), Name: a.Name, Type: "User", TypeID: 1, KeyUID: a.KeySuffix}, AppName: a.UserAgent}
	switch a.Type {
	case "Root":
		e.Actor.User.Type, e.Actor.User.TypeID = "Admin", 2
	case "AWSService":
		e.Actor.User.Type, e.Actor.User.TypeID = "System", 3
	case "":
		e.Actor.User.Type, e.Actor.User.TypeID = "Unknown", 0
	}
	if a.InvokedBy != "" {
		e.Actor.AppName = a.InvokedBy
	}
	if a.Account != "" {
		e.Actor.User.Account = &Account{UID: a.Account, Type: "AWS Account", TypeID: 10}
	}
	if a.Issuer != "" || a.MFA {
		e.Actor.Session = &Session{Issuer: a.Issuer, MFA: a.MFA}
	}
	if ip, err := netip.ParseAddr(a.SourceIP); err == nil && ip.Zone() == "" {
		e.SrcEndpoint = &Endpoint{IP: ip.String()}
	} else if a.SourceIP != "" {
		e.SrcEndpoint = &Endpoint{Service: a.SourceIP}
	}
	return e, true
}
