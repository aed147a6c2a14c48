package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// redrive is a RedrivePolicy; without maximum there is none.
type redrive struct {
	target  string
	maximum int
}

// queueBounds gives the smallest and largest value of a numeric attribute.
func queueBounds(attribute string) (low, high int, numeric bool) {
	switch attribute {
	case "DelaySeconds":
		return 0, 900, true
	case "MaximumMessageSize":
		return 1024, 1 << 20, true
	case "MessageRetentionPeriod":
		return 60, 1209600, true
	case "ReceiveMessageWaitTimeSeconds":
		return 0, 20, true
	case "VisibilityTimeout":
		return 0, 43200, true
	case "KmsDataKeyReusePeriodSeconds":
		return 60, 86400, true
	}
	return 0, 0, false
}

func queueDefaults() map[string]string {
	return map[string]string{
		"DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
		"ReceiveMessageWaitTimeSeconds": "0", "VisibilityTimeout": "30", "SqsManagedSseEnabled": "true",
	}
}

// seconds is a numeric attribute as a duration.
func (x *queue) seconds(attribute string) time.Duration {
	n, _ := strconv.Atoi(x.settings[attribute]) // checked when it was set
	return time.Duration(n) * time.Second
}

// set changes attributes, all or none.
func (q *queues) set(x *queue, attributes map[string]string) error {
	next := *x
	next.settings = maps.Clone(x.settings)
	for name, value := range attributes {
		invalid := invalidValue("Invalid value for the parameter %s.", name)
		low, high, numeric := queueBounds(name)
		if n, err := strconv.Atoi(value); numeric && (err != nil || n < low || n > high) {
			return invalid
		}
		switch name {
		case "Policy":
			next.policy = policy{}
			if value != "" {
				p, err := parsePolicy(value)
				if err != nil {
					return invalid
				}
				next.policy = p
			}
		case "RedrivePolicy":
			next.redrive = redrive{}
			if value != "" {
				r, err := q.parseRedrive(x, value)
				if err != nil {
					return err
				}
				next.redrive = r
			}
		case "FifoQueue":
			if value != fmt.Sprint(x.fifo()) {
				return sqsError("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
			}
		case "ContentBasedDeduplication", "SqsManagedSseEnabled":
			if value != "true" && value != "false" {
				return invalid
			}
		case "RedriveAllowPolicy", "KmsMasterKeyId", "DeduplicationScope", "FifoThroughputLimit": // kept, without effect
		default:
			if !numeric {
				return sqsError("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", name)
			}
		}
		if next.settings[name] = value; value == "" {
			delete(next.settings, name)
		}
	}
	*x = next
	return nil
}

func (q *queues) parseRedrive(x *queue, text string) (redrive, error) {
	bad := func(why string) error {
		return invalidValue("Value %s for parameter RedrivePolicy is invalid. Reason: %s", text, why)
	}
	var in struct {
		DeadLetterTargetArn string `json:"deadLetterTargetArn"`
		MaxReceiveCount     any    `json:"maxReceiveCount"` // a number, or a number in quotes
	}
	if json.Unmarshal([]byte(text), &in) != nil {
		return redrive{}, bad("Redrive policy is not a valid JSON map.")
	}
	n, err := strconv.Atoi(fmt.Sprint(in.MaxReceiveCount))
	if err != nil || n < 1 || n > 1000 {
		return redrive{}, bad("Invalid value for maxReceiveCount: it must be an integer from 1 to 1000.")
	}
	target := q.byARN[in.DeadLetterTargetArn]
	switch {
	case target == nil:
		return redrive{}, bad("Dead letter target does not exist.")
	case target.account != x.account || target.region != x.region:
		return redrive{}, bad("Dead letter target must be in the same account and Region.")
	case target.fifo() != x.fifo():
		return redrive{}, bad("Dead-letter queue must be same type of queue as the source.")
	}
	return redrive{target: target.arn, maximum: n}, nil
}

type attributesInput struct {
	onQueue
	AttributeNames []string
}

func (q *queues) attributes(c *call, x *queue, in *attributesInput) (any, error) {
	var visible, delayed, inFlight int
	for _, m := range x.live() {
		switch {
		case !m.visible.After(c.at):
			visible++
		case m.receives == 0:
			delayed++
		default:
			inFlight++
		}
	}
	all := maps.Clone(x.settings)
	all["QueueArn"] = x.arn
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(inFlight)
	all["CreatedTimestamp"] = strconv.FormatInt(x.made.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(x.changed.Unix(), 10)
	if !slices.Contains(in.AttributeNames, "All") {
		maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(in.AttributeNames, name) })
	}
	return struct {
		Attributes map[string]string `json:",omitempty"`
	}{all}, nil
}

type setAttributesInput struct {
	onQueue
	Attributes map[string]string
}

func (q *queues) setAttributes(c *call, x *queue, in *setAttributesInput) (any, error) {
	if err := q.set(x, in.Attributes); err != nil {
		return nil, err
	}
	x.changed = c.at
	return nil, nil
}

type tagQueueInput struct {
	onQueue
	Tags    map[string]string
	TagKeys []string
}

func (q *queues) tag(_ *call, x *queue, in *tagQueueInput) (any, error) {
	if x.tags == nil {
		x.tags = map[string]string{}
	}
	maps.Copy(x.tags, in.Tags)
	return nil, nil
}

func (q *queues) untag(_ *call, x *queue, in *tagQueueInput) (any, error) {
	for _, k := range in.TagKeys {
		delete(x.tags, k)
	}
	return nil, nil
}

func (q *queues) listTags(_ *call, x *queue, _ *onQueue) (any, error) {
	return struct {
		Tags map[string]string `json:",omitempty"`
	}{x.tags}, nil
}
