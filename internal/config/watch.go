package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Watch is what the daemon and the ledger need.
type Watch struct {
	QueueURL  string
	Sweep     string // duration between two sweeps
	Heartbeat string // duration between two heartbeats; "0" for none
	Listen    string // address on this machine for health and metrics; "" for none
	Canary    string // ARN of the trail whose tag is set again and again, to prove that events arrive; "" for none
	Every     string // duration between two canaries
	Within    string // duration within which a canary's record must come
}

// Evidence is where evidence of blind windows is read, and where large evidence is kept.
type Evidence struct {
	Regions []string // besides the trail's own
	Bucket  string   // S3 bucket for what is too large for the DynamoDB table
	Owner   string   // account that owns it
}

// Anchor is where the heads of the ledger's chains are put out of reach.
type Anchor struct {
	Bucket string // S3 bucket with Object Lock
	Owner  string // account that owns it
}

// bucketForm is the grammar of S3 bucket names.
const bucketForm = `^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$`

const durationWant = "a duration"

var watchKeys = []Key{
	{
		Name: "ledger", Flag: "ledger",
		Doc:     "Where incidents are kept: a file, or dynamodb://TABLE; none means trailwarden.db for the daemon and nowhere for all others.",
		Example: "dynamodb://trailwarden",
		Form:    `^(dynamodb://[A-Za-z0-9_.:/-]+|([A-Za-z]:)?[ -9;-~]*)$`,
		Want:    "a file, or dynamodb:// and the name or ARN of a table",
		Hint:    "write trailwarden.db, or dynamodb://trailwarden",
		at:      func(c *Config) any { return &c.Ledger },
	},
	{
		Name: "retention", Default: "400d", Example: "3650d",
		Doc:   "How long the ledger keeps incidents that are well; 0 means for ever.",
		Check: checkDuration, Want: durationWant, Hint: "write it as 90d, 36h or 0",
		at: func(c *Config) any { return &c.Retention },
	},
	{
		Name: "watch.queue_url", Flag: "queue-url",
		Doc:     "SQS queue that EventBridge fills; none means that the sweep is all there is.",
		Example: "https://sqs.eu-west-1.amazonaws.com/111122223333/trailwarden",
		Form:    `^(https?://[!-.0-~]+/[!-~]*)?$`, Want: "the URL of an SQS queue",
		Hint: "`aws sqs get-queue-url --queue-name NAME` prints it",
		at:   func(c *Config) any { return &c.Watch.QueueURL },
	},
	{
		Name: "watch.sweep", Flag: "sweep", Default: "60s", Example: "5m",
		Doc:   "Time between two looks at every trail, whether or not an event told of it.",
		Check: checkSweep, Want: "a duration from 10s to 1h", Hint: "write it as 60s or 5m",
		at: func(c *Config) any { return &c.Watch.Sweep },
	},
	{
		Name: "watch.heartbeat", Default: "24h", Example: "12h",
		Doc:   "How often every channel is told that the guard lives, so that silence is an alarm; 0 means never.",
		Check: checkDuration, Want: durationWant, Hint: "write it as 24h or 0",
		at: func(c *Config) any { return &c.Watch.Heartbeat },
	},
	{
		Name: "watch.listen", Flag: "listen", Example: "127.0.0.1:9402",
		Doc:   "Address on this machine for /-/healthy, /-/ready and /metrics; none means none.",
		Check: checkListen, Want: "an address of this machine alone, with a port",
		Hint: "write 127.0.0.1:9402; what others are to reach belongs behind a proxy that asks who they are",
		at:   func(c *Config) any { return &c.Watch.Listen },
	},
	{
		Name: "watch.canary", Example: "arn:aws:cloudtrail:eu-west-1:111122223333:trail/canary",
		Doc:  "Trail on which a harmless tag is set again and again: its record must come back as an event; none means none.",
		Form: `^(arn:aws(-[a-z]+)*:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9._-]{3,128})?$`,
		Want: "the ARN of a trail", Hint: "`aws cloudtrail list-trails` prints it; the daemon needs cloudtrail:AddTags on it",
		at: func(c *Config) any { return &c.Watch.Canary },
	},
	{
		Name: "watch.canary_every", Default: "15m", Example: "1h",
		Doc:   "Time between two canaries.",
		Check: checkDuration, Want: durationWant, Hint: "write it as 15m",
		at: func(c *Config) any { return &c.Watch.Every },
	},
	{
		Name: "watch.canary_within", Default: "10m", Example: "20m",
		Doc:   "How long a canary's record may take.",
		Check: checkDuration, Want: durationWant, Hint: "CloudTrail's events take up to five minutes, seldom more",
		at: func(c *Config) any { return &c.Watch.Within },
	},
	{
		Name: "evidence.regions", Example: "us-east-1",
		Doc:  "Regions whose Event history is read for a blind window, besides the trail's own.",
		Form: `^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`, Want: "the name of an AWS Region", Hint: "it looks like eu-west-1",
		at: func(c *Config) any { return &c.Evidence.Regions },
	},
	{
		Name: "evidence.bucket", Example: "trailwarden-evidence-111122223333",
		Doc:  "S3 bucket for evidence that is too large for a DynamoDB table; none keeps it in the table, in pieces.",
		Form: bucketForm, Want: "the name of an S3 bucket", Hint: "only its name, without s3://",
		at: func(c *Config) any { return &c.Evidence.Bucket },
	},
	{
		Name: "evidence.bucket_owner", Digits: true, Example: "111122223333",
		Doc:  "Account that the evidence bucket must belong to.",
		Form: `^([0-9]{12})?$`, Want: "a 12-digit account id", Hint: "write it in quotes",
		at: func(c *Config) any { return &c.Evidence.Owner },
	},
	{
		Name: "anchor.bucket", Example: "trailwarden-anchors",
		Doc:  "S3 bucket with Object Lock, best of another account, that the heads of the ledger's chains are put into.",
		Form: bucketForm, Want: "the name of an S3 bucket", Hint: "only its name, without s3://",
		at: func(c *Config) any { return &c.Anchor.Bucket },
	},
	{
		Name: "anchor.bucket_owner", Digits: true, Example: "444455556666",
		Doc:  "Account that the anchor bucket must belong to.",
		Form: `^([0-9]{12})?$`, Want: "a 12-digit account id", Hint: "write it in quotes",
		at: func(c *Config) any { return &c.Anchor.Owner },
	},
}

// Duration reads a duration as configuration writes it: Go's, and whole days as in 90d. What the table has checked is valid.
func Duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, errors.New("days are a whole number")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, errors.New("it is none")
	}
	return d, nil
}

// Checked is a duration that the table has checked; 0 for one that it has not.
func Checked(text string) time.Duration {
	d, err := Duration(text)
	if err != nil {
		return 0
	}
	return d
}

func checkDuration(text string) error {
	_, err := Duration(text)
	return err
}

func checkSweep(text string) error {
	d, err := Duration(text)
	if err == nil && (d < 10*time.Second || d > time.Hour) {
		err = errors.New("it is shorter than 10s or longer than 1h")
	}
	return err
}

func checkListen(text string) error {
	if text == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return errors.New("it is no address with a port")
	}
	if !at.Addr().IsLoopback() {
		return errors.New("others can reach it")
	}
	return nil
}
