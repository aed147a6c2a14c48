package sim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A target is where a rule sends its events, with the names of the API.
type target struct {
	Id, Arn          string
	RoleArn          string            `json:",omitempty"`
	Input            string            `json:",omitempty"`
	InputPath        string            `json:",omitempty"`
	SqsParameters    *sqsParameters    `json:",omitempty"`
	DeadLetterConfig *deadLetterConfig `json:",omitempty"`
	RetryPolicy      *retryPolicy      `json:",omitempty"`
}

type sqsParameters struct{ MessageGroupId string }

type deadLetterConfig struct{ Arn string }

type retryPolicy struct {
	MaximumRetryAttempts     *int `json:",omitempty"`
	MaximumEventAgeInSeconds *int `json:",omitempty"`
}

const (
	maxTargets  = 5
	maxAttempts = 185
	maxEventAge = 24 * time.Hour
)

// limits says how often and for how long a delivery to the target is tried again.
func (t target) limits() (retries int, age time.Duration) {
	retries, age = maxAttempts, maxEventAge
	if t.RetryPolicy != nil && t.RetryPolicy.MaximumRetryAttempts != nil {
		retries = *t.RetryPolicy.MaximumRetryAttempts
	}
	if t.RetryPolicy != nil && t.RetryPolicy.MaximumEventAgeInSeconds != nil {
		age = time.Duration(*t.RetryPolicy.MaximumEventAgeInSeconds) * time.Second
	}
	return retries, age
}

type putTargetsInput struct {
	onRule
	Targets []json.RawMessage
}

type failedEntry struct{ TargetId, ErrorCode, ErrorMessage string }

type failedEntries struct {
	FailedEntryCount int
	FailedEntries    []failedEntry
}

func (b *buses) putTargets(c *call, in *putTargetsInput) (any, error) {
	r, err := b.find(c, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	next := slices.Clone(r.targets)
	for _, raw := range in.Targets {
		t, err := readTarget(raw)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(next, func(old target) bool { return old.Id == t.Id }); i >= 0 {
			next[i] = t
		} else {
			next = append(next, t)
		}
	}
	if len(next) > maxTargets {
		return nil, fail("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
	}
	r.targets = next
	return failedEntries{FailedEntries: []failedEntry{}}, nil
}

// readTarget checks one target. What this world could not do is an error, not a target that stays silent.
func readTarget(raw json.RawMessage) (target, error) {
	var t target
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, fail("SerializationException", "%s", err)
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return t, fail("SerializationException", "%s", err)
	}
	for name := range members {
		switch name {
		case "Id", "Arn", "RoleArn", "Input", "InputPath", "SqsParameters", "DeadLetterConfig", "RetryPolicy":
		default:
			return t, invalidEvents("%s of target %s is not part of this simulated AWS", name, t.Id)
		}
	}
	wrong := func(why string) (target, error) {
		return t, invalidEvents("Parameter(s) of target %s are not valid. Reason: %s", t.Id, why)
	}
	part := strings.Split(t.Arn, ":")
	switch {
	case !ruleName.MatchString(t.Id):
		return t, invalidEvents("1 validation error detected: Value '%s' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+", t.Id)
	case len(part) < 6 || part[0] != "arn":
		return wrong("Provided Arn is not in correct format.")
	case part[2] != "sqs" && part[2] != "sns" && part[2] != "lambda":
		return wrong("targets of service " + part[2] + " are not part of this simulated AWS.")
	case t.Input != "" && t.InputPath != "":
		return wrong("Only one of Input, InputPath, or InputTransformer must be provided.")
	case t.Input != "" && !json.Valid([]byte(t.Input)):
		return wrong("JSON text in Input is not valid.")
	case t.InputPath != "" && !validPath(t.InputPath):
		return wrong("Invalid InputPath " + t.InputPath + ".")
	case part[2] == "sqs" && strings.HasSuffix(t.Arn, ".fifo") && (t.SqsParameters == nil || t.SqsParameters.MessageGroupId == ""):
		return wrong("Parameter MessageGroupId must be specified for targets that are FIFO queues.")
	case t.DeadLetterConfig != nil && (!strings.Contains(t.DeadLetterConfig.Arn, ":sqs:") || strings.HasSuffix(t.DeadLetterConfig.Arn, ".fifo")):
		return wrong("DeadLetterConfig must name a standard SQS queue.")
	}
	if p := t.RetryPolicy; p != nil {
		if n := p.MaximumRetryAttempts; n != nil && (*n < 0 || *n > maxAttempts) {
			return wrong("MaximumRetryAttempts must be from 0 to 185.")
		}
		if n := p.MaximumEventAgeInSeconds; n != nil && (*n < 60 || *n > 86400) {
			return wrong("MaximumEventAgeInSeconds must be from 60 to 86400.")
		}
	}
	return t, nil
}

func (b *buses) removeTargets(c *call, in *struct {
	onRule
	Ids []string
}) (any, error) {
	r, err := b.find(c, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	out := failedEntries{FailedEntries: []failedEntry{}}
	for _, id := range in.Ids {
		i := slices.IndexFunc(r.targets, func(t target) bool { return t.Id == id })
		if i < 0 {
			out.FailedEntries = append(out.FailedEntries, failedEntry{id, "ResourceNotFoundException", "Target " + id + " does not exist."})
			continue
		}
		r.targets = slices.Delete(slices.Clone(r.targets), i, i+1)
	}
	out.FailedEntryCount = len(out.FailedEntries)
	return out, nil
}

func (b *buses) listTargets(c *call, in *onRule) (any, error) {
	r, err := b.find(c, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	return struct{ Targets []target }{append([]target{}, r.targets...)}, nil
}

func (b *buses) listByTarget(c *call, in *struct{ TargetArn, EventBusName string }) (any, error) {
	bus, err := b.busOf(c, in.EventBusName)
	if err != nil {
		return nil, err
	}
	out := struct{ RuleNames []string }{[]string{}}
	for _, r := range b.sorted(c.account, c.region) {
		if r.bus == bus && slices.ContainsFunc(r.targets, func(t target) bool { return t.Arn == in.TargetArn }) {
			out.RuleNames = append(out.RuleNames, r.name)
		}
	}
	return out, nil
}

// validPath says whether a path is of the kind that follow understands: $, $.detail.requestParameters.name, $.resources[0].
func validPath(path string) bool {
	_, err := steps(path)
	return err == nil
}

// steps cuts a path into member names and list positions.
func steps(path string) ([]any, error) {
	bad := invalidEvents("Invalid InputPath %s.", path)
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, bad
	}
	var all []any
	for rest != "" {
		end := strings.IndexAny(rest[1:], ".[") + 1
		if end == 0 {
			end = len(rest)
		}
		step := rest[1:end]
		switch {
		case rest[0] == '.' && step != "" && !strings.ContainsAny(step, "*?@()"):
			all = append(all, step)
		case rest[0] == '[':
			n, err := strconv.Atoi(strings.TrimSuffix(step, "]"))
			if err != nil || n < 0 || !strings.HasSuffix(step, "]") {
				return nil, bad
			}
			all = append(all, n)
		default:
			return nil, bad
		}
		rest = rest[end:]
	}
	return all, nil
}

// follow takes the part of an event that a path names; nothing there is null.
func follow(event []byte, path string) []byte {
	all, err := steps(path)
	if err != nil {
		return []byte("null")
	}
	at := json.RawMessage(event)
	for _, step := range all {
		switch step := step.(type) {
		case string:
			var members map[string]json.RawMessage
			if json.Unmarshal(at, &members) != nil {
				return []byte("null")
			}
			at = members[step]
		case int:
			var elements []json.RawMessage
			if json.Unmarshal(at, &elements) != nil || step >= len(elements) {
				return []byte("null")
			}
			at = elements[step]
		}
		if at == nil {
			return []byte("null")
		}
	}
	return at
}

// payload is what the target gets of an event.
func (t target) payload(event []byte) []byte {
	switch {
	case t.Input != "":
		return []byte(t.Input)
	case t.InputPath != "":
		return follow(event, t.InputPath)
	}
	return event
}
