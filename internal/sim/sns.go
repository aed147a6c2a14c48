package sim

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func newSNS(w *World) *service {
	t := &topics{world: w, byARN: map[string]*topic{}}
	w.topics = t
	w.topicLets = t.letsCloudTrail
	return &service{
		name: "sns", source: "sns.amazonaws.com", protocol: query, namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
		resource: func(c *call) string { return c.form.Get("TopicArn") }, params: paramsSNS, denial: "AuthorizationError",
		operations: []operation{
			queryOp("CreateTopic", writes, t.create),
			queryOp("DeleteTopic", writes, t.delete),
			queryOp("ListTopics", reads, t.list),
			queryOp("GetTopicAttributes", reads, t.attributes),
			queryOp("SetTopicAttributes", writes, t.setAttribute),
			queryOp("TagResource", writes, t.tag),
			queryOp("UntagResource", writes, t.untag),
			queryOp("ListTagsForResource", reads, t.listTags),
			queryOp("Subscribe", writes, t.subscribe),
			queryOp("ConfirmSubscription", writes, t.confirm),
			queryOp("Unsubscribe", writes, t.unsubscribe),
			queryOp("ListSubscriptions", reads, t.listSubscriptions),
			queryOp("ListSubscriptionsByTopic", reads, t.listByTopic),
			queryOp("GetSubscriptionAttributes", reads, t.subscriptionAttributes),
			queryOp("SetSubscriptionAttributes", writes, t.setSubscriptionAttribute),
			queryOp("Publish", dataWrites, t.publish),
		},
	}
}

// topics are all SNS topics of the world, and everything that reached people by them.
type topics struct {
	world *World
	byARN map[string]*topic
	mail  []Mail
}

type topic struct {
	arn, name, account, region string
	settings                   map[string]string // attributes as they were set
	tags                       map[string]string
	policy                     policy
	subscriptions              []*subscription // in the order in which they were made
	unsubscribed               int
	sent                       map[string]sentOnce // FIFO: by deduplication id
	sequence                   int
}

var snsTopicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,251}\.fifo$|^[A-Za-z0-9_-]{1,256}$`)

func (x *topic) fifo() bool { return strings.HasSuffix(x.name, ".fifo") }

func invalidParameter(format string, args ...any) *apiError {
	return fail("InvalidParameter", "Invalid parameter: "+format, args...)
}

func noTopic() *apiError {
	return fail("NotFound", "Topic does not exist").status(http.StatusNotFound)
}

// find returns the topic of an ARN, if it exists here and lets the caller do this to it.
func (t *topics) find(c *call, parameter, arn string) (*topic, error) {
	part := strings.Split(arn, ":")
	switch {
	case len(part) < 6:
		return nil, invalidParameter("%s Reason: An ARN must have at least 6 elements, not %d", parameter, len(part))
	case len(part) > 6 || part[0] != "arn" || part[2] != "sns" || part[3] != c.region:
		return nil, invalidParameter("%s", parameter)
	}
	x := t.byARN[arn]
	if x == nil {
		return nil, noTopic()
	}
	c.resources = append(c.resources, recordResource{"AWS::SNS::Topic", arn})
	own := c.account == x.account
	switch x.policy.judge(policyRequest{
		arn: c.caller.arn, account: c.account, action: "sns:" + c.op.name, resource: arn,
		context: map[string]string{"aws:principalaccount": c.account, "aws:principalarn": c.caller.arn, "aws:sourceowner": c.account, "aws:securetransport": "true"},
	}) {
	case allowed:
		own = true
	case refused:
		own = false
	}
	if !own {
		return nil, fail("AuthorizationError", "User: %s is not authorized to perform: SNS:%s on resource: %s because no resource-based policy allows the SNS:%[2]s action", c.caller.arn, c.op.name, arn).status(http.StatusForbidden)
	}
	return x, nil
}

func (t *topics) create(c *call, form url.Values) (any, error) {
	name := form.Get("Name")
	attributes := formMap(form, "Attributes.entry", "key", "value")
	if !snsTopicName.MatchString(name) {
		return nil, invalidParameter("Topic Name")
	}
	if fifo := attributes["FifoTopic"] == "true"; fifo != strings.HasSuffix(name, ".fifo") {
		return nil, invalidParameter("Topic Name: a FIFO topic has FifoTopic=true and a name that ends in .fifo")
	}
	arn := c.arn("sns", name)
	type answer struct{ TopicArn string }
	if x := t.byARN[arn]; x != nil {
		for k, v := range attributes {
			if x.settings[k] != v {
				return nil, invalidParameter("Attributes Reason: Topic already exists with different attributes")
			}
		}
		return answer{arn}, nil
	}
	x := &topic{
		arn: arn, name: name, account: c.account, region: c.region, settings: map[string]string{},
		tags: formMap(form, "Tags.member", "Key", "Value"), sent: map[string]sentOnce{},
	}
	for k, v := range attributes {
		if err := x.set(k, v); err != nil {
			return nil, err
		}
	}
	t.byARN[arn] = x
	c.resources = append(c.resources, recordResource{"AWS::SNS::Topic", arn})
	return answer{arn}, nil
}

// delete removes a topic with its subscriptions. Like SNS it does not mind if there is none.
func (t *topics) delete(c *call, form url.Values) (any, error) {
	arn := form.Get("TopicArn")
	if t.byARN[arn] == nil {
		return nil, nil
	}
	if _, err := t.find(c, "TopicArn", arn); err != nil {
		return nil, err
	}
	delete(t.byARN, arn)
	return nil, nil
}

func (t *topics) list(c *call, _ url.Values) (any, error) {
	type one struct{ TopicArn string }
	out := struct {
		Topics []one `xml:"Topics>member"`
	}{}
	for _, arn := range slices.Sorted(maps.Keys(t.byARN)) {
		if x := t.byARN[arn]; x.account == c.account && x.region == c.region {
			out.Topics = append(out.Topics, one{arn})
		}
	}
	return out, nil
}

// letsCloudTrail is the error code that CloudTrail runs into when it publishes for a trail; "" when the topic takes it.
func (t *topics) letsCloudTrail(arn string, x *trail) string {
	to := t.byARN[arn]
	if to == nil {
		return "NotFound"
	}
	if to.policy.judge(policyRequest{
		service: "cloudtrail.amazonaws.com", action: "sns:Publish", resource: arn,
		context: map[string]string{
			"aws:sourcearn": x.arn, "aws:sourceaccount": x.account, "aws:securetransport": "true",
			"aws:principalisawsservice": "true", "aws:principalservicename": "cloudtrail.amazonaws.com",
		},
	}) != allowed {
		return "AuthorizationError"
	}
	return ""
}

// set changes one attribute.
func (x *topic) set(name, value string) error {
	switch name {
	case "Policy":
		p, err := parsePolicy(value)
		if err != nil {
			return invalidParameter("Policy Error: %s", err)
		}
		x.policy = p
	case "DisplayName":
		if len(value) > 100 || strings.ContainsAny(value, "\r\n") {
			return invalidParameter("DisplayName")
		}
	case "SignatureVersion":
		if value != "1" && value != "2" {
			return invalidParameter("SignatureVersion")
		}
	case "FifoTopic":
		if value != strconv.FormatBool(x.fifo()) {
			return invalidParameter("FifoTopic")
		}
	case "ContentBasedDeduplication":
		if !x.fifo() {
			return invalidParameter("Content-based deduplication can only be set for FIFO topics")
		}
	case "DeliveryPolicy", "KmsMasterKeyId", "TracingConfig", "ArchivePolicy": // kept
	default:
		if !strings.HasSuffix(name, "FeedbackRoleArn") && !strings.HasSuffix(name, "FeedbackSampleRate") {
			return invalidParameter("AttributeName")
		}
	}
	if x.settings[name] = value; value == "" {
		delete(x.settings, name)
	}
	return nil
}

func (t *topics) setAttribute(c *call, form url.Values) (any, error) {
	x, err := t.find(c, "TopicArn", form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	return nil, x.set(form.Get("AttributeName"), form.Get("AttributeValue"))
}

func (t *topics) attributes(c *call, form url.Values) (any, error) {
	x, err := t.find(c, "TopicArn", form.Get("TopicArn"))
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"Policy": `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow","Principal":{"AWS":"*"},` +
			`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],` +
			`"Resource":"` + x.arn + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + x.account + `"}}}]}`,
		"DisplayName": "",
		"EffectiveDeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,` +
			`"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false}}`,
	}
	maps.Copy(all, x.settings)
	pending := 0
	for _, s := range x.subscriptions {
		if s.pending {
			pending++
		}
	}
	all["TopicArn"], all["Owner"] = x.arn, x.account
	all["SubscriptionsPending"] = strconv.Itoa(pending)
	all["SubscriptionsConfirmed"] = strconv.Itoa(len(x.subscriptions) - pending)
	all["SubscriptionsDeleted"] = strconv.Itoa(x.unsubscribed)
	return attributesAnswer(all), nil
}

func (t *topics) tagged(form url.Values) (*topic, error) {
	x := t.byARN[form.Get("ResourceArn")]
	if x == nil {
		return nil, fail("ResourceNotFound", "Resource does not exist").status(http.StatusNotFound)
	}
	return x, nil
}

func (t *topics) tag(_ *call, form url.Values) (any, error) {
	x, err := t.tagged(form)
	if err == nil {
		maps.Copy(x.tags, formMap(form, "Tags.member", "Key", "Value"))
	}
	return struct{}{}, err
}

func (t *topics) untag(_ *call, form url.Values) (any, error) {
	x, err := t.tagged(form)
	for k, v := range form {
		if err == nil && strings.HasPrefix(k, "TagKeys.member.") {
			delete(x.tags, v[0])
		}
	}
	return struct{}{}, err
}

func (t *topics) listTags(_ *call, form url.Values) (any, error) {
	x, err := t.tagged(form)
	if err != nil {
		return nil, err
	}
	type tag struct{ Key, Value string }
	out := struct {
		Tags []tag `xml:"Tags>member"`
	}{}
	for _, k := range slices.Sorted(maps.Keys(x.tags)) {
		out.Tags = append(out.Tags, tag{k, x.tags[k]})
	}
	return out, nil
}

// formMap reads a map of the query protocol: prefix.N.key and prefix.N.value.
func formMap(form url.Values, prefix, key, value string) map[string]string {
	m := map[string]string{}
	for i := 1; ; i++ {
		at := prefix + "." + strconv.Itoa(i) + "."
		if !form.Has(at + key) {
			return m
		}
		m[form.Get(at+key)] = form.Get(at + value)
	}
}

// attributesAnswer is a map as the query protocol answers it.
func attributesAnswer(m map[string]string) any {
	type entry struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	out := struct {
		Attributes []entry `xml:"Attributes>entry"`
	}{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out.Attributes = append(out.Attributes, entry{k, m[k]})
	}
	return out
}

// paramsSNS shows maps as maps, and hides what CloudTrail hides.
func paramsSNS(c *call) any {
	m := map[string]any{}
	for k, v := range c.form {
		if k != "Action" && k != "Version" && !strings.Contains(k, ".") {
			m[lowerFirst(k)] = v[0]
		}
	}
	for name, fields := range map[string][3]string{"attributes": {"Attributes.entry", "key", "value"}, "tags": {"Tags.member", "Key", "Value"}} {
		if entries := formMap(c.form, fields[0], fields[1], fields[2]); len(entries) > 0 {
			m[name] = entries
		}
	}
	if m["endpoint"] != nil {
		m["endpoint"] = "HIDDEN_DUE_TO_SECURITY_REASONS"
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// timestampMillis is a time as SNS and EventBridge's neighbours show it.
func timestampMillis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
