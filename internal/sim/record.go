package sim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Record is one CloudTrail event of the world, as Event history keeps it and the event bus may get it.
type Record struct {
	Account, Region string
	ID              string // eventID
	Name, Source    string // eventName, eventSource
	Time            time.Time
	ReadOnly        bool
	Bus             bool            // offered to the event bus of (Account, Region)
	Raw             json.RawMessage // as AWS writes it

	user, accessKey string
	resources       []recordResource
}

// recordResource is a resource as Event history indexes it.
type recordResource struct {
	Type string `json:"ResourceType"`
	Name string `json:"ResourceName"`
}

// A Call is one line of the world's journal.
type Call struct {
	Time       time.Time
	RequestID  string
	Service    string // as in the SigV4 scope
	Op         string
	Account    string
	Region     string
	Principal  string // ARN
	SourceIP   string
	Mutates    bool
	Error      string          // code; "" when it took effect
	Unanswered bool            // the caller got no answer, whether it took effect (there is a record of it) or not
	Request    json.RawMessage // what was asked for, with the names that records use; null when nothing was said
}

// Calls returns the journal: every call that reached a known operation, in order.
func (w *World) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// Records returns all CloudTrail records of all accounts and Regions, in order.
func (w *World) Records() []Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.records)
}

// note writes the call into the journal.
func (w *World) note(c *call, code string, unanswered bool) {
	if w.opts.ForgetReads && !c.op.effect.mutates() {
		return
	}
	request, err := marshal(c.params)
	if err != nil {
		request = []byte("null")
	}
	w.calls = append(w.calls, Call{
		Time: c.at, RequestID: c.id, Service: c.service.name, Op: c.op.name, Account: c.account, Region: c.region, Principal: c.caller.arn,
		SourceIP: sourceIP(c.request), Mutates: c.op.effect.mutates(), Error: code, Unanswered: unanswered, Request: request,
	})
}

// record makes the CloudTrail record of a call, if it is a management event.
func (w *World) record(c *call, out any, failed *apiError) {
	if c.op.effect != writes && (c.op.effect != reads || w.opts.ForgetReads) {
		return
	}
	after := w.trails.cover(c.recipient, c.region)
	rec := Record{
		Account: c.recipient, Region: c.region, ID: w.uuid(), Name: c.op.name, Source: c.service.source, Time: c.at,
		ReadOnly: c.op.effect == reads, Bus: c.op.effect == writes && (c.covered || after && !w.opts.SilentStart) || c.op.effect == reads && w.readsReachBus(c.account, c.region),
		user: c.caller.userName(), accessKey: c.caller.accessKey, resources: c.resources,
	}
	rec.Raw = c.rawRecord(rec, out, failed)
	w.records = append(w.records, rec)
	if rec.Bus {
		w.publish(rec)
	}
}

// BreakBus keeps all records from the event bus, those under way too, until it is called with false. Event history goes on, and
// so do schedules and events of other sources.
func (w *World) BreakBus(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busBroken = on
}

// publish sends a record on its way to the event bus of its account and Region.
func (w *World) publish(rec Record) {
	copies := 1
	if w.opts.EventLoss > 0 && w.random.Float64() < w.opts.EventLoss {
		copies = 0
	} else if w.opts.EventCopies > 0 && w.random.Float64() < w.opts.EventCopies {
		copies = 2
	}
	broken := w.busBroken
	for range copies {
		w.schedule(w.now().Add(w.between(w.opts.EventDelayMin, w.opts.EventDelayMax)), func() {
			w.mu.Lock()
			bus, lost := w.bus, broken || w.busBroken
			w.mu.Unlock()
			if bus != nil && !lost {
				bus(rec)
			}
		})
	}
}

// requestParameters is what the caller sent, named as CloudTrail names it; nil when nothing was sent.
func (c *call) requestParameters() any {
	if c.service.params != nil {
		return c.service.params(c)
	}
	if c.service.protocol.json() {
		var v map[string]any
		if json.Unmarshal(c.body, &v) != nil || len(v) == 0 {
			return nil
		}
		return lowerCamel(v)
	}
	m := map[string]any{}
	for k, v := range c.form {
		if k != "Action" && k != "Version" && len(v) > 0 {
			m[lowerFirst(k)] = v[0]
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// responseElements is what a change answered; reads and empty answers have none.
func (c *call) responseElements(out any) any {
	if out == nil || c.op.effect != writes || !c.service.protocol.json() {
		return nil
	}
	b, err := json.Marshal(out)
	var v map[string]any
	if err != nil || json.Unmarshal(b, &v) != nil || len(v) == 0 {
		return nil
	}
	return lowerCamel(v)
}

func (c *call) rawRecord(rec Record, out any, failed *apiError) json.RawMessage {
	type tls struct {
		Version string `json:"tlsVersion"`
		Suite   string `json:"cipherSuite"`
		Host    string `json:"clientProvidedHostHeader"`
	}
	doc := struct {
		EventVersion       string         `json:"eventVersion"`
		UserIdentity       map[string]any `json:"userIdentity"`
		EventTime          string         `json:"eventTime"`
		EventSource        string         `json:"eventSource"`
		EventName          string         `json:"eventName"`
		AWSRegion          string         `json:"awsRegion"`
		SourceIPAddress    string         `json:"sourceIPAddress"`
		UserAgent          string         `json:"userAgent"`
		ErrorCode          string         `json:"errorCode,omitempty"`
		ErrorMessage       string         `json:"errorMessage,omitempty"`
		RequestParameters  any            `json:"requestParameters"`
		ResponseElements   any            `json:"responseElements"`
		RequestID          string         `json:"requestID"`
		EventID            string         `json:"eventID"`
		ReadOnly           bool           `json:"readOnly"`
		EventType          string         `json:"eventType"`
		ManagementEvent    bool           `json:"managementEvent"`
		RecipientAccountID string         `json:"recipientAccountId"`
		EventCategory      string         `json:"eventCategory"`
		TLSDetails         tls            `json:"tlsDetails"`
	}{
		EventVersion: "1.11", UserIdentity: c.caller.identity(), EventTime: timestamp(rec.Time), EventSource: rec.Source, EventName: rec.Name,
		AWSRegion: rec.Region, SourceIPAddress: sourceIP(c.request), UserAgent: clip(c.request.UserAgent(), 1024),
		RequestParameters: c.params, RequestID: c.id, EventID: rec.ID, ReadOnly: rec.ReadOnly, EventType: "AwsApiCall", ManagementEvent: true,
		RecipientAccountID: rec.Account, EventCategory: "Management",
		TLSDetails: tls{"TLSv1.3", "TLS_AES_128_GCM_SHA256", c.request.Host},
	}
	if failed != nil {
		doc.ErrorCode, doc.ErrorMessage = failed.recordCode(), clip(failed.message, 1024)
		if failed.hideRequest {
			doc.RequestParameters = nil
		}
	} else {
		doc.ResponseElements = c.responseElements(out)
	}
	raw, err := marshal(doc)
	if err != nil { // cannot happen: all values came out of JSON or are strings
		return json.RawMessage("null")
	}
	return raw
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// identity is the userIdentity element, which differs by kind of principal.
func (p principal) identity() map[string]any {
	id := map[string]any{"type": string(p.kind), "principalId": p.id, "arn": p.arn, "accountId": p.account, "accessKeyId": p.accessKey}
	switch p.kind {
	case iamUser:
		id["userName"] = p.name
	case assumedRole:
		role, _, _ := strings.Cut(p.id, ":")
		id["sessionContext"] = map[string]any{
			"sessionIssuer": map[string]any{"type": "Role", "principalId": role, "arn": p.roleARN, "accountId": p.account, "userName": p.name},
			"attributes":    map[string]any{"creationDate": p.since, "mfaAuthenticated": "false"},
		}
	}
	return id
}

// userName is what Event history shows as the user.
func (p principal) userName() string {
	switch p.kind {
	case iamUser:
		return p.name
	case assumedRole:
		return p.session
	}
	return "root"
}
