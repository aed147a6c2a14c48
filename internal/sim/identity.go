package sim

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Identity is what a role may do: policy documents as IAM takes them. A call needs an Allow in Policies and, where there is
// one, in Boundary; an explicit Deny anywhere wins. A condition that this evaluation cannot judge fails closed.
type Identity struct {
	Policies []string
	Boundary string // "" for none
	Trust    string // who may assume the role; "" for everybody
}

// identities are the roles that were restricted. All others may do everything in their account.
type identities struct {
	byRole   map[string]identity // by ARN of the role
	sessions map[string]policy   // session policies, by access key
}

type identity struct {
	policies        []policy
	boundary, trust *policy
}

// Restrict lets sessions of a role of this account do only what the identity says, from now on; a second call replaces the first.
func (a *Account) Restrict(role string, i Identity) error {
	var parsed identity
	for n, document := range i.Policies {
		p, err := identityPolicy(document)
		if err != nil {
			return fmt.Errorf("restrict role %s: policy %d: %w", role, n, err)
		}
		parsed.policies = append(parsed.policies, p)
	}
	if i.Boundary != "" {
		p, err := identityPolicy(i.Boundary)
		if err != nil {
			return fmt.Errorf("restrict role %s: boundary: %w", role, err)
		}
		parsed.boundary = &p
	}
	if i.Trust != "" {
		p, err := principalPolicy(i.Trust)
		if err != nil {
			return fmt.Errorf("restrict role %s: trust: %w", role, err)
		}
		parsed.trust = &p
	}
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	if a.world.identities.byRole == nil {
		a.world.identities.byRole = map[string]identity{}
	}
	a.world.identities.byRole[a.iamARN("role/"+role)] = parsed
	return nil
}

// identityPolicy parses a policy that names no principal: it is about whoever has it.
func identityPolicy(document string) (policy, error) {
	return adapted(document, func(s map[string]any) error {
		if s["Principal"] != nil || s["NotPrincipal"] != nil {
			return errors.New("an identity policy has no principal")
		}
		s["Principal"] = "*"
		return nil
	})
}

// principalPolicy parses a trust policy, which names no resource: it is about the role that has it.
func principalPolicy(document string) (policy, error) {
	return adapted(document, func(s map[string]any) error {
		s["Resource"] = "*"
		return nil
	})
}

// adapted makes a document one that parsePolicy reads. A statement with a condition that cannot be judged is left out when it
// allows, and holds without it when it denies.
func adapted(document string, adapt func(map[string]any) error) (policy, error) {
	var doc struct {
		Version   string
		Statement oneOrMany[map[string]any]
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return policy{}, fmt.Errorf("parse policy: %w", err)
	}
	kept := oneOrMany[map[string]any]{}
	for i, s := range doc.Statement {
		if err := adapt(s); err != nil {
			return policy{}, fmt.Errorf("statement %d: %w", i, err)
		}
		if conditions, ok := s["Condition"].(map[string]any); ok {
			for operator, keys := range conditions {
				// Every key here has one value, of which any is all.
				plain := strings.TrimPrefix(operator, "ForAnyValue:")
				switch {
				case !slices.Contains(knownOperators(), strings.TrimSuffix(plain, "IfExists")):
					delete(conditions, operator)
					s["Unknown"] = true
				case plain != operator:
					delete(conditions, operator)
					conditions[plain] = keys
				}
			}
		}
		if s["Unknown"] == nil || s["Effect"] == "Deny" {
			delete(s, "Unknown")
			kept = append(kept, s)
		}
	}
	doc.Statement = kept
	return parsePolicy(string(mustMarshal(doc)))
}

// demand is one thing that a call needs to be allowed.
type demand struct {
	action, resource string
	keys             map[string]string // condition keys besides the global ones
}

// permitted says whether the caller's identity lets it make this call.
func (w *World) permitted(c *call) bool {
	if c.caller.kind != assumedRole || c.service.name == "sts" && c.op.name == "GetCallerIdentity" { // nobody can be denied that
		return true
	}
	return !slices.ContainsFunc(c.demands(), func(d demand) bool { return !w.allows(c, d) })
}

func (c *call) demands() []demand {
	var in struct {
		ResourceIdList        []string
		CloudWatchLogsRoleArn string
		Entries               []struct{ EventBusName string }
	}
	action := c.service.name + ":" + c.op.name
	resource := "*" // of a call that knows none
	if c.service.resource != nil {
		resource = cmp.Or(c.service.resource(c), "*")
	}
	switch c.service.name {
	case "s3": // IAM has other names for some of its calls
		if name := map[string]string{"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListBuckets": "ListAllMyBuckets", "PutPublicAccessBlock": "PutBucketPublicAccessBlock", "PutBucketEncryption": "PutEncryptionConfiguration"}[c.op.name]; name != "" {
			action = "s3:" + name
		}
		if c.op.name == "PutObject" && c.request.Header.Get("X-Amz-Object-Lock-Mode") != "" {
			return []demand{{action, resource, nil}, {"s3:PutObjectRetention", resource, nil}}
		}
	case "events":
		if c.op.name != "PutEvents" || json.Unmarshal(c.body, &in) != nil {
			break
		}
		var list []demand
		for _, e := range in.Entries {
			bus := cmp.Or(e.EventBusName, defaultName)
			if !strings.HasPrefix(bus, "arn:") {
				bus = c.arn("events", "event-bus/"+bus)
			}
			list = append(list, demand{action, bus, nil})
		}
		if len(list) > 0 {
			return list
		}
	case "dynamodb":
		if list := itemDemands(c, resource); len(list) > 0 {
			return list
		}
	case "cloudtrail":
		if json.Unmarshal(c.body, &in) != nil {
			break
		}
		var list []demand
		for _, arn := range in.ResourceIdList {
			list = append(list, demand{action, arn, nil})
		}
		if in.CloudWatchLogsRoleArn != "" {
			list = append(list, demand{action, resource, nil}, demand{"iam:PassRole", in.CloudWatchLogsRoleArn, map[string]string{"iam:passedtoservice": "cloudtrail.amazonaws.com"}})
		}
		if len(list) > 0 {
			return list
		}
	}
	return []demand{{action, resource, nil}}
}

// itemDemands are those of a call that names items: one each, under the names that IAM has for the parts of a transaction.
func itemDemands(c *call, table string) (list []demand) {
	type attributes map[string]struct{ S string }
	type part struct{ Key, Item attributes }
	var in struct {
		part
		TransactItems []map[string]part
	}
	if json.Unmarshal(c.body, &in) != nil {
		return nil
	}
	add := func(action string, p part) {
		leading := cmp.Or(p.Key["pk"].S, p.Item["pk"].S)
		list = append(list, demand{"dynamodb:" + action, table, map[string]string{"dynamodb:leadingkeys": leading}})
	}
	for _, item := range in.TransactItems {
		for kind, p := range item {
			switch kind {
			case "ConditionCheck":
				add("ConditionCheckItem", p)
			default: // Put, Delete, Update, Get
				add(kind+"Item", p)
			}
		}
	}
	if in.Key != nil || in.Item != nil {
		add(c.op.name, in.part)
	}
	return list
}

// allows judges one demand. Called with the lock held.
func (w *World) allows(c *call, d demand) bool {
	i, restricted := w.identities.byRole[c.caller.roleARN]
	session, narrowed := w.identities.sessions[c.caller.accessKey]
	q := policyRequest{arn: c.caller.arn, account: c.account, action: d.action, resource: d.resource, context: c.conditionKeys()}
	maps.Copy(q.context, d.keys)
	if part := strings.SplitN(d.resource, ":", 6); len(part) == 6 {
		if o := w.organizationOf(part[4]); o != nil {
			q.context["aws:resourceorgid"] = o.ID
		}
	}
	if narrowed && session.judge(q) != allowed {
		return false
	}
	if !restricted {
		return true
	}
	if i.boundary != nil && i.boundary.judge(q) != allowed {
		return false
	}
	verdict := neutral
	for _, p := range i.policies {
		switch p.judge(q) {
		case refused:
			return false
		case allowed:
			verdict = allowed
		}
	}
	return verdict == allowed
}

// conditionKeys are the global condition keys that are known of a call.
func (c *call) conditionKeys() map[string]string {
	keys := map[string]string{"aws:principalarn": c.caller.arn, "aws:principalaccount": c.account, "aws:requestedregion": c.region, "aws:securetransport": "true"}
	if c.caller.roleARN != "" {
		keys["aws:principalarn"] = c.caller.roleARN
	}
	if o := c.world.organizationOf(c.account); o != nil {
		keys["aws:principalorgid"] = o.ID
	}
	return keys
}

// trusts says whether a role lets the caller assume it, and keeps the session policy that the caller asks for.
func (w *World) trusts(c *call, role, accessKey, sessionPolicy string) error {
	if i, ok := w.identities.byRole[role]; ok && i.trust != nil {
		q := policyRequest{arn: c.caller.arn, account: c.account, action: "sts:AssumeRole", resource: role, context: c.conditionKeys()}
		if i.trust.judge(q) != allowed {
			return fail("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.caller.arn, role).status(http.StatusForbidden)
		}
	}
	if sessionPolicy == "" {
		return nil
	}
	p, err := identityPolicy(sessionPolicy)
	if err != nil {
		return fail("MalformedPolicyDocument", "%s", err)
	}
	if w.identities.sessions == nil {
		w.identities.sessions = map[string]policy{}
	}
	w.identities.sessions[accessKey] = p
	return nil
}
