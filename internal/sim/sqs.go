package sim

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

func newSQS(w *World) *service {
	q := &queues{world: w, byARN: map[string]*queue{}, deleted: map[string]time.Time{}}
	w.queues = q
	return &service{
		name: "sqs", source: "sqs.amazonaws.com", protocol: json10, targets: []string{"AmazonSQS"},
		resource: q.denialResource,
		operations: []operation{
			jsonOp("CreateQueue", writes, q.create),
			jsonOp("GetQueueUrl", reads, q.url),
			jsonOp("ListQueues", reads, q.list),
			queueOp(q, "DeleteQueue", writes, q.delete),
			queueOp(q, "PurgeQueue", writes, q.purge),
			queueOp(q, "GetQueueAttributes", reads, q.attributes),
			queueOp(q, "SetQueueAttributes", writes, q.setAttributes),
			queueOp(q, "TagQueue", writes, q.tag),
			queueOp(q, "UntagQueue", writes, q.untag),
			queueOp(q, "ListQueueTags", reads, q.listTags),
			queueOp(q, "SendMessage", dataWrites, q.send),
			queueOp(q, "SendMessageBatch", dataWrites, q.sendBatch),
			queueOp(q, "ReceiveMessage", dataWrites, q.receive),
			queueOp(q, "DeleteMessage", dataWrites, q.deleteMessage),
			queueOp(q, "DeleteMessageBatch", dataWrites, q.deleteBatch),
			queueOp(q, "ChangeMessageVisibility", dataWrites, q.changeVisibility),
			queueOp(q, "ChangeMessageVisibilityBatch", dataWrites, q.changeVisibilityBatch),
		},
	}
}

// queues are all SQS queues of the world.
type queues struct {
	world   *World
	byARN   map[string]*queue
	deleted map[string]time.Time // when, by ARN: a name is free again after a minute
}

// A queue keeps its messages in the order in which they arrived. Deviations from SQS: nothing is delivered twice by itself,
// and an own-account or service principal needs no policy until the queue has one.
type queue struct {
	world                      *World
	arn, name, account, region string
	made, changed, purged      time.Time
	settings                   map[string]string // attributes as they were set, over the defaults
	tags                       map[string]string
	policy                     policy
	redrive                    redrive
	messages                   []*message
	sent                       map[string]sentOnce // FIFO: by deduplication id
	sequence                   int
	mapping                    *mapping // the Lambda function that reads it
}

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,75}\.fifo$|^[A-Za-z0-9_-]{1,80}$`)

func (x *queue) fifo() bool { return strings.HasSuffix(x.name, ".fifo") }

// sqsError makes an error with the name that the service's older query protocol gave it, which clients still match.
func sqsError(code, old, format string, args ...any) *apiError {
	e := fail(code, format, args...)
	e.typ = "com.amazonaws.sqs#" + code
	e.header = map[string]string{"X-Amzn-Query-Error": old + ";Sender"}
	return e
}

func invalidValue(format string, args ...any) *apiError {
	return sqsError("InvalidParameterValue", "InvalidParameterValue", format, args...)
}

func noQueue() *apiError {
	return sqsError("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

// onQueue is part of every input that names a queue.
type onQueue struct{ QueueUrl string }

func (o *onQueue) queueURL() string { return o.QueueUrl }

// queueOp is an operation on an existing queue that lets the caller.
func queueOp[In any, P interface {
	*In
	queueURL() string
}](q *queues, name string, e effect, run func(*call, *queue, *In) (any, error)) operation {
	return jsonOp(name, e, func(c *call, in *In) (any, error) {
		x := q.byARN[queueARN(c, P(in).queueURL())]
		if x == nil {
			return nil, noQueue()
		}
		c.resources = append(c.resources, recordResource{"AWS::SQS::Queue", x.arn})
		own := c.account == x.account
		switch x.policy.judge(policyRequest{arn: c.caller.arn, account: c.account, action: "sqs:" + strings.TrimSuffix(name, "Batch"), resource: x.arn,
			context: map[string]string{"aws:principalaccount": c.account, "aws:principalarn": c.caller.arn, "aws:securetransport": "true"}}) {
		case allowed:
			own = true
		case refused:
			own = false
		}
		if !own {
			return nil, sqsError("AccessDeniedException", "AccessDenied", "User: %s is not authorized to perform: sqs:%s on resource: %s because no resource-based policy allows the sqs:%[2]s action", c.caller.arn, name, x.arn).status(http.StatusForbidden)
		}
		return run(c, x, in)
	})
}

// queueARN tells the ARN from a queue's URL, which ends in account and name, or from its name alone.
func queueARN(c *call, url string) string {
	part := strings.Split(strings.TrimSuffix(url, "/"), "/")
	name, account := part[len(part)-1], c.account
	if len(part) > 1 {
		account = part[len(part)-2]
	}
	return "arn:" + partitionOf(c.region) + ":sqs:" + c.region + ":" + account + ":" + name
}

// urlOf is the queue's URL: AWS's own, or on the server that the caller talks to, as some SDKs send to the host of the URL.
func (x *queue) urlOf(c *call) string {
	host := "https://sqs." + x.region + ".amazonaws.com"
	if c.request.Host != "" && !strings.Contains(c.request.Host, "amazonaws.com") {
		host = "http://" + c.request.Host
	}
	return host + "/" + x.account + "/" + x.name
}

func (q *queues) denialResource(c *call) string {
	var in struct{ QueueUrl, QueueName string }
	if json.Unmarshal(c.body, &in) != nil || in.QueueUrl+in.QueueName == "" {
		return ""
	}
	return queueARN(c, in.QueueUrl+in.QueueName)
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string
}

type queueURLOutput struct{ QueueUrl string }

func (q *queues) create(c *call, in *createQueueInput) (any, error) {
	if !queueName.MatchString(in.QueueName) {
		return nil, invalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	arn := queueARN(c, in.QueueName)
	if fifo := in.Attributes["FifoQueue"] == "true"; fifo != strings.HasSuffix(in.QueueName, ".fifo") {
		return nil, invalidValue("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	if x := q.byARN[arn]; x != nil {
		for name, value := range in.Attributes {
			if x.settings[name] != value {
				return nil, sqsError("QueueNameExists", "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return queueURLOutput{x.urlOf(c)}, nil
	}
	if c.at.Before(q.deleted[arn].Add(time.Minute)) {
		return nil, sqsError("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	x := &queue{
		world: q.world, arn: arn, name: in.QueueName, account: c.account, region: c.region, made: c.at, changed: c.at,
		settings: queueDefaults(), tags: maps.Clone(in.Tags), sent: map[string]sentOnce{},
	}
	if err := q.set(x, in.Attributes); err != nil {
		return nil, err
	}
	q.byARN[arn] = x
	c.resources = append(c.resources, recordResource{"AWS::SQS::Queue", arn})
	return queueURLOutput{x.urlOf(c)}, nil
}

func (q *queues) url(c *call, in *struct{ QueueName, QueueOwnerAWSAccountId string }) (any, error) {
	name := in.QueueName
	if in.QueueOwnerAWSAccountId != "" {
		name = in.QueueOwnerAWSAccountId + "/" + name
	}
	x := q.byARN[queueARN(c, name)]
	if x == nil {
		return nil, noQueue()
	}
	return queueURLOutput{x.urlOf(c)}, nil
}

func (q *queues) list(c *call, in *struct{ QueueNamePrefix string }) (any, error) {
	out := struct {
		QueueUrls []string `json:",omitempty"`
	}{}
	for _, arn := range slices.Sorted(maps.Keys(q.byARN)) {
		if x := q.byARN[arn]; x.account == c.account && x.region == c.region && strings.HasPrefix(x.name, in.QueueNamePrefix) {
			out.QueueUrls = append(out.QueueUrls, x.urlOf(c))
		}
	}
	return out, nil
}

func (q *queues) delete(c *call, x *queue, _ *onQueue) (any, error) {
	delete(q.byARN, x.arn)
	q.deleted[x.arn] = c.at
	return nil, nil
}

func (q *queues) purge(c *call, x *queue, _ *onQueue) (any, error) {
	if c.at.Before(x.purged.Add(time.Minute)) {
		return nil, sqsError("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", x.name)
	}
	x.purged, x.messages = c.at, nil
	return nil, nil
}
