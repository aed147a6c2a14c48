package sim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Fault makes calls go wrong. Empty selectors match everything; Op and Principal may hold * wildcards.
// What goes wrong: Code (with Status), Hang, a Body instead of the true one, Delay; they may be combined.
type Fault struct {
	Service, Op, Region, Account, Principal string // Principal is an ARN; Service as in the SigV4 scope

	Code    string         // the answer is this error
	Message string         // its text
	Status  int            // its HTTP status, default by Code
	Members map[string]any // JSON: further members of the error
	Hang    bool           // no answer until the caller gives up
	Body    []byte         // an answer that is not what the protocol says
	Delay   time.Duration  // before anything happens
	After   bool           // Code or Hang come after the effect took place: the caller cannot know

	Times int       // how often, 0: always
	Until time.Time // not after this moment, zero: for ever
}

// Inject adds a fault and returns a function that removes it. The fault injected first is asked first.
func (w *World) Inject(f Fault) (remove func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := &f
	w.faults = append(w.faults, own)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults = without(w.faults, own)
	}
}

// Deny takes an action such as cloudtrail:StopLogging or cloudtrail:* away from all principals whose ARN matches the
// pattern (* wildcards) and returns a function that gives it back.
func (w *World) Deny(principal, action string) (allow func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := &denial{principal, action}
	w.denials = append(w.denials, d)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.denials = without(w.denials, d)
	}
}

type denial struct{ principal, action string }

// denies says whether an action that is no call here is taken away from a principal. Called with the lock held.
func (w *World) denies(principal, action string) bool {
	return slices.ContainsFunc(w.denials, func(d *denial) bool { return matchGlob(d.principal, principal) && matchGlob(d.action, action) })
}

func (w *World) denied(c *call) error {
	action := c.service.name + ":" + c.op.name
	if !w.denies(c.caller.arn, action) && w.permitted(c) {
		return nil
	}
	on := ""
	if c.service.resource != nil {
		if arn := c.service.resource(c); arn != "" {
			on = " on resource: " + arn
		}
	}
	e := fail("AccessDeniedException", "User: %s is not authorized to perform: %s%s because no identity-based policy allows the %[2]s action", c.caller.arn, action, on)
	e.inRecord, e.hideRequest = "AccessDenied", true
	switch c.service.protocol {
	case query:
		e.code, e.http = cmp.Or(c.service.denial, "AccessDenied"), http.StatusForbidden
	case rest:
		e.code, e.http, e.hideRequest = "AccessDenied", http.StatusForbidden, false
	}
	return e
}

// faultFor takes the first fault that fits the call.
func (w *World) faultFor(c *call) *Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.faults {
		if !f.matches(c) || !f.Until.IsZero() && c.at.After(f.Until) {
			continue
		}
		taken := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				w.faults = without(w.faults, f)
			}
		}
		return &taken
	}
	return nil
}

func (f *Fault) matches(c *call) bool {
	fits := func(want, got string) bool { return want == "" || want == got }
	return fits(f.Service, c.service.name) && fits(f.Region, c.region) && fits(f.Account, c.account) &&
		(f.Op == "" || matchGlob(f.Op, c.op.name)) && (f.Principal == "" || matchGlob(f.Principal, c.caller.arn))
}

func (f *Fault) error() *apiError {
	e := fail(f.Code, "%s", cmp.Or(f.Message, defaultMessage(f.Code)))
	e.http, e.members = f.Status, f.Members
	if e.http == 0 {
		switch f.Code {
		case "InternalFailure", "InternalError", "InternalServerError":
			e.http = http.StatusInternalServerError
		case "ServiceUnavailable":
			e.http = http.StatusServiceUnavailable
		}
	}
	e.hideRequest = strings.HasPrefix(f.Code, "AccessDenied")
	return e
}

func defaultMessage(code string) string {
	switch code {
	case "ThrottlingException":
		return "Rate exceeded"
	case "ExpiredTokenException", "ExpiredToken":
		return "The security token included in the request is expired"
	case "ConflictException":
		return "The trail is being changed by another request. Wait a few minutes and try again."
	}
	return "Simulated failure " + code
}

func without[T comparable](list []T, x T) []T {
	out := make([]T, 0, len(list))
	for _, y := range list {
		if y != x {
			out = append(out, y)
		}
	}
	return out
}

// matchGlob says whether s fits pattern, in which * stands for any characters and ? for one.
func matchGlob(pattern, s string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*':
			for j := 0; j <= len(s); j++ {
				if matchGlob(pattern[i+1:], s[j:]) {
					return true
				}
			}
			return false
		case i >= len(s) || pattern[i] != '?' && pattern[i] != s[i]:
			return false
		}
		if pattern[i] != '*' && i == len(pattern)-1 {
			return len(s) == len(pattern)
		}
	}
	return len(pattern) == len(s)
}

// quotaKey is what one token bucket counts.
type quotaKey struct{ account, region, operation string }

type bucketOfTokens struct {
	tokens float64
	at     time.Time
}

// takeQuota takes a token for a CloudTrail call. All callers of an account share them, the attacker included.
func (w *World) takeQuota(c *call) error {
	if !w.opts.Quotas || c.service.name != "cloudtrail" {
		return nil
	}
	rate, burst := 1.0, 3.0
	switch {
	case c.op.name == "LookupEvents":
		rate, burst = 2, 2
	case c.op.effect == reads:
		rate, burst = 10, 10
	}
	k := quotaKey{c.account, c.region, c.op.name}
	b := w.quotas[k]
	if b == nil {
		b = &bucketOfTokens{tokens: burst, at: c.at}
		w.quotas[k] = b
	}
	b.tokens = min(burst, b.tokens+rate*c.at.Sub(b.at).Seconds())
	b.at = c.at
	if b.tokens < 1 {
		return fail("ThrottlingException", "Rate exceeded")
	}
	b.tokens--
	return nil
}
