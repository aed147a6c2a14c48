package sim

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// newServices is the table of everything this AWS offers.
func newServices(w *World) []*service {
	w.functions = &functions{world: w, byARN: map[string]*function{}} // Lambda has no API here
	return []*service{
		newCloudTrail(w),
		newSTS(w),
		newS3(w),
		newSQS(w),
		newSNS(w),
		newKMS(w),
		newEventBridge(w),
		newOrganizations(w),
		newEC2(w),
		newDynamoDB(w),
		newCloudFormation(w),
	}
}

// A service is one AWS API: a wire protocol and a list of operations.
type service struct {
	name       string // as in the SigV4 scope and in IAM actions
	source     string // eventSource of its records
	protocol   protocol
	targets    []string // JSON: what may stand before ".Operation" in X-Amz-Target
	namespace  string   // query: XML namespace of the answers
	operations []operation

	route    func(*http.Request) string // rest: the operation of a request; "" when there is none
	resource func(*call) string         // ARN that the call is about, for the text of a denial; nil: none
	denial   string                     // query: error code of a denial, where it is not AccessDenied
	params   func(*call) any            // requestParameters of a request; nil: the request with lower-camel names
}

func (s *service) operation(name string) (operation, bool) {
	for _, o := range s.operations {
		if o.name == name {
			return o, true
		}
	}
	return operation{}, false
}

type effect int

const (
	reads      effect = iota // management event, read-only: Event history, and a rule only if it asks for reads
	writes                   // management event: Event history, and the event bus while a trail logs
	dataReads                // data event: leaves no record here
	dataWrites               // data event that changes something
)

func (e effect) mutates() bool { return e == writes || e == dataWrites }

// An operation is one call of an API. run is called with World.mu held. What it returns is encoded by the service's protocol;
// an answer is sent as it is.
type operation struct {
	name   string
	effect effect
	run    func(*call) (any, error)
}

// jsonOp is an operation whose request is a JSON object.
func jsonOp[In any](name string, e effect, run func(*call, *In) (any, error)) operation {
	return operation{name, e, func(c *call) (any, error) {
		in := new(In)
		if len(c.body) > 0 {
			if err := json.Unmarshal(c.body, in); err != nil {
				return nil, fail("SerializationException", "%s", err)
			}
		}
		return run(c, in)
	}}
}

// queryOp is an operation whose request is a form.
func queryOp(name string, e effect, run func(*call, url.Values) (any, error)) operation {
	return operation{name, e, func(c *call) (any, error) { return run(c, c.form) }}
}

// A call is one request on its way through the world.
type call struct {
	world   *World
	ctx     context.Context
	request *http.Request
	body    []byte
	form    url.Values // query protocol

	id      string // request id: x-amzn-RequestId, and requestID of the record
	at      time.Time
	service *service
	op      operation
	account string // of the caller
	enabled bool   // the account has the Region enabled
	region  string
	caller  principal

	recipient string // account whose record this is: the caller's, or the owner's of an organization trail
	covered   bool   // a trail covered the recipient's event bus before the call took effect

	params    any // requestParameters of the record; an operation may replace them
	resources []recordResource
}

// arn makes the ARN of a resource of the caller's account in the call's Region.
func (c *call) arn(service, resource string) string { return c.arnIn(c.account, service, resource) }

func (c *call) arnIn(account, service, resource string) string {
	return "arn:" + partitionOf(c.region) + ":" + service + ":" + c.region + ":" + account + ":" + resource
}

// wait lets other calls go on until ready says true, or d has passed, or the caller has gone; it returns what ready says then.
// ready is called with the lock held. On a simulated clock nobody may be there to move it, so wait asks once.
func (c *call) wait(d time.Duration, ready func() bool) bool {
	w := c.world
	if ready() || w.opts.Clock == nil || d <= 0 {
		return ready()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for end := false; !end; {
		changed := w.changed
		w.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			end = true
		case <-c.ctx.Done():
			end = true
		}
		w.mu.Lock()
		if ready() {
			return true
		}
	}
	return false
}
