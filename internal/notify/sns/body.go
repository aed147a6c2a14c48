package sns

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
)

// Limits of SNS, in bytes. SNS counts attributes into the size of a message.
const (
	maxMessage    = 262144
	maxAttributes = 1024
	maxBody       = maxMessage - maxAttributes
	smallest      = 16 << 10 // what a machine document is cut down to before SNS is given up
)

// protocols is the message of MessageStructure "json": what each protocol's subscribers get.
type protocols struct {
	Default   string `json:"default"`
	Email     string `json:"email,omitempty"`
	EmailJSON string `json:"email-json,omitempty"`
	SQS       string `json:"sqs,omitempty"`
	Lambda    string `json:"lambda,omitempty"`
	HTTP      string `json:"http,omitempty"`
	HTTPS     string `json:"https,omitempty"`
	SMS       string `json:"sms,omitempty"`
}

// compose makes the message. The machine document is in it many times over: it gives way first.
func compose(inc incident.Incident, loc *time.Location) (string, error) {
	p := protocols{Email: notify.Prose(inc, loc), SMS: notify.Short(inc)}
	for limit := 128 << 10; limit >= smallest; limit /= 2 {
		machine, err := notify.Machine(inc, limit)
		if err != nil {
			return "", err
		}
		doc := string(machine)
		p.Default, p.EmailJSON, p.SQS, p.Lambda, p.HTTP, p.HTTPS = doc, doc, doc, doc, doc, doc
		message, err := encode(p)
		if err != nil {
			return "", err
		}
		if len(message) <= maxBody {
			return message, nil
		}
	}
	return "", tooLarge(inc)
}

func tooLarge(inc incident.Incident) error {
	return fmt.Errorf("message of incident %s is larger than SNS takes", notify.Plain(inc.ID, 64))
}

// sample makes subject and message as the AWS sample of 2017 published them: one form for all. It is false for an
// incident that the sample would not have told of.
func sample(inc incident.Incident) (subject, message string, ok bool, err error) {
	// Encoding doubles quotes and backslashes at most.
	for limit := maxBody; limit >= smallest; limit /= 2 {
		subject, body, ok, err := notify.Compat2017(inc, limit)
		if err != nil || !ok {
			return "", "", false, err
		}
		message, err = encode(protocols{Default: string(body)})
		if err != nil || len(message) <= maxBody {
			return subject, message, true, err
		}
	}
	return "", "", false, tooLarge(inc)
}

// encode writes the JSON that carries the forms. Nobody but SNS reads it.
func encode(p protocols) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
