package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/secret"
)

// Key is one row of the table: everything there is to know about a key.
type Key struct {
	Name     string // path in the file: "sns.topic_arn"
	Legacy   string // a name in the environment that the 2017 sample used
	Flag     string // the flag that sets it, without dashes; empty when there is none
	FileOnly bool   // neither environment nor flag sets it
	Required bool   // a file must have it

	Doc     string // one sentence, for the help, the schema and the commented file
	Default string // as it would stand in the environment
	Example string // the same; shown where the default says too little
	Lines   string // of a section: the example as it stands in the file

	Values []string           // all that is allowed
	Form   string             // else: a regular expression, also a JSON Schema pattern
	Check  func(string) error // else, or besides: what a pattern cannot say
	Want   string             // what a good value is: "the ARN of an SNS topic"
	Hint   string             // how to come by one
	Digits bool               // a text that may look like a number, so that the file need not quote it

	at func(*Config) any // *string, *bool, *int, *[]string, *secret.Ref or **Routing
}

// Keys is the table, in the order of the file.
var Keys = slices.Concat(mainKeys, repairKeys, watchKeys, notifyKeys, routingKeys)

var mainKeys = []Key{
	{
		Name: "version", FileOnly: true, Required: true, Default: "1",
		Doc:    "Version of this file's shape.",
		Values: []string{"1"}, Want: "a version of the file that this trailwarden reads",
		Hint: `write "version: 1", or use the trailwarden that the file was written for`,
		at:   func(c *Config) any { return &c.Version },
	},
	{
		Name: "sns.topic_arn", Legacy: "SNSARN",
		Doc:     "SNS topic that messages are published to; without one they go to the log only.",
		Example: "arn:aws:sns:eu-west-1:111122223333:trailwarden",
		// Without {1,256}, which takes half a millisecond of the function's cold start to compile: shortTopic counts.
		Form:  `^(arn:aws(-[a-z0-9]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+(\.fifo)?)?$`,
		Check: shortTopic,
		Want:  "the ARN of an SNS topic",
		Hint:  "`aws sns list-topics` prints it: arn:aws:sns:REGION:ACCOUNT:NAME",
		at:    func(c *Config) any { return &c.SNS.TopicARN },
	},
	{
		Name: "compat", Digits: true,
		Doc:     `Shape of messages: "2017" gives the subject lines, raw body and both mails of the 2017 AWS sample.`,
		Example: "2017",
		Values:  []string{"", "2017"}, Want: "a shape of messages",
		Hint: `use "2017", or leave it out`,
		at:   func(c *Config) any { return &c.Compat },
	},
	{
		Name: "observe", Flag: "observe", Default: "false", Example: "true",
		Doc: "Watch and report, but make no call that changes anything.",
		at:  func(c *Config) any { return &c.Observe },
	},
	{
		Name: "baseline", Flag: "baseline",
		Doc:     "File that says how each trail is pinned to be; none means trailwarden.baseline.yaml where there is one.",
		Example: "trailwarden.baseline.yaml",
		Want:    "the name of a file", Hint: "`trailwarden baseline capture` writes one",
		at: func(c *Config) any { return &c.Baseline },
	},
	{
		Name: "accounts", Digits: true,
		Doc:     "Accounts whose trails are guarded; none means the account of the credentials.",
		Example: "111122223333",
		Form:    `^[0-9]{12}$`, Want: "a 12-digit account id",
		Hint: "`aws sts get-caller-identity` prints yours; write it in quotes, without dashes",
		at:   func(c *Config) any { return &c.Accounts },
	},
	{
		Name: "region", Flag: "region",
		Doc:     "AWS Region to work in; none means what the AWS profile or environment says.",
		Example: "eu-west-1",
		Form:    `^([a-z]{2,8}(-[a-z]+)+-[0-9]{1,2})?$`, Want: "the name of an AWS Region",
		Hint: "it looks like eu-west-1 or us-gov-east-1",
		at:   func(c *Config) any { return &c.Region },
	},
	{
		Name: "log_format", Flag: "log-format", Default: "text", Example: "json",
		Doc:    "Shape of log lines on standard error; the Lambda function always writes JSON.",
		Values: []string{"text", "json"}, Want: "a log format",
		Hint: `use "text" or "json"`,
		at:   func(c *Config) any { return &c.LogFormat },
	},
	{
		Name: "time_zone", Default: "UTC", Example: "Europe/Berlin",
		Doc:   "Time zone in which messages show times, besides UTC.",
		Check: checkZone, Want: "the name of a time zone",
		Hint: "use an IANA name such as Europe/Berlin, or UTC",
		at:   func(c *Config) any { return &c.TimeZone },
	},
}

// KeyNamed is the row of a name.
func KeyNamed(name string) (Key, bool) {
	if i := slices.IndexFunc(Keys, func(k Key) bool { return k.Name == name }); i >= 0 {
		return Keys[i], true
	}
	return Key{}, false
}

// Unkeyed lists the variables that begin with TRAILWARDEN_ and are not keys.
var Unkeyed = []string{"TRAILWARDEN_CONFIG", "TRAILWARDEN_SELF"}

// Kind is the type of a key's value.
type Kind string

const (
	Text    Kind = "text"
	Bool    Kind = "true or false"
	Number  Kind = "a whole number"
	List    Kind = "a list"
	Secret  Kind = "a secret"
	Section Kind = "a section"
)

// Kind is the type of the key's value: string, bool, int, []string or secret.Ref.
func (k Key) Kind() Kind {
	switch k.at(new(Config)).(type) {
	case *bool:
		return Bool
	case *int:
		return Number
	case *[]string:
		return List
	case *secret.Ref:
		return Secret
	case **Routing:
		return Section
	}
	return Text
}

// Env lists the variables that set the key; the first that is not empty wins.
func (k Key) Env() []string {
	if k.FileOnly {
		return nil
	}
	names := []string{"TRAILWARDEN_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))}
	if k.Legacy != "" {
		names = append(names, k.Legacy)
	}
	return names
}

// Of is the key's value in a configuration, fit to be shown: string, bool, int or []string. Of a secret it is the place
// where it is kept, or a mark.
func (k Key) Of(c Config) any {
	switch p := k.at(&c).(type) {
	case *bool:
		return *p
	case *int:
		return *p
	case *[]string:
		return *p
	case *string:
		return *p
	case *secret.Ref:
		return p.String()
	case **Routing:
		return (*p).String()
	}
	return nil
}

func (k Key) set(c *Config, data any) {
	switch p := k.at(c).(type) {
	case *bool:
		*p = data.(bool)
	case *int:
		*p = data.(int)
	case *[]string:
		*p = slices.Clone(data.([]string))
	case *string:
		*p = data.(string)
	case *secret.Ref:
		*p = data.(secret.Ref)
	case **Routing:
		*p = data.(*Routing)
	}
}

// Parse reads the key's value from one text, as it stands in the environment or behind a flag: a list
// is separated by commas.
func (k Key) Parse(text string) (data any, problem *Problem) {
	switch k.Kind() {
	case Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, &Problem{Key: k.Name, Message: quoted(text) + " is neither true nor false", Hint: `use "true" or "false"`}
		}
		return b, nil
	case Number:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, &Problem{Key: k.Name, Message: quoted(text) + " is not a whole number", Hint: k.Hint}
		}
		return n, k.Verify(text)
	case List:
		var list []string
		if text == "" {
			return list, nil
		}
		for item := range strings.SplitSeq(text, ",") {
			item = strings.TrimSpace(item)
			if problem := k.Verify(item); problem != nil {
				return nil, problem
			}
			list = append(list, item)
		}
		return list, nil
	case Secret:
		if problem := k.Verify(text); problem != nil {
			return nil, problem
		}
		ref, err := secret.Parse(text)
		if err != nil {
			return nil, &Problem{Key: k.Name, Message: "the value is not " + k.Want + ": " + err.Error(), Hint: k.Hint}
		}
		return ref, nil
	case Section:
		r, problem := parseRouting(text)
		return r, problem
	}
	return text, k.Verify(text)
}

// Verify holds one text, or one item of a list, against the key's row. It gives nil when the text is good.
func (k Key) Verify(text string) *Problem {
	if k.Kind() == Secret {
		return k.verifySecret(text)
	}
	good := true
	var why string
	switch {
	case k.Values != nil:
		good = slices.Contains(k.Values, text)
	case k.Form != "":
		good = regexp.MustCompile(k.Form).MatchString(text)
	}
	if good && k.Check != nil {
		if err := k.Check(text); err != nil {
			good, why = false, ": "+err.Error()
		}
	}
	if good {
		return nil
	}
	hint := k.Hint
	if strings.TrimSpace(text) != text {
		hint = "take away the blanks around it; " + hint
	}
	return &Problem{Key: k.Name, Message: quoted(text) + " is not " + k.Want + why, Hint: hint}
}

// verifySecret is Verify that shows nothing of the text. What is kept elsewhere is looked at when it is used.
func (k Key) verifySecret(text string) *Problem {
	ref, err := secret.Parse(text)
	if here, ok := ref.Here(); err == nil && ok && k.Check != nil {
		err = k.Check(here.Reveal())
	}
	if err == nil {
		return nil
	}
	return &Problem{Key: k.Name, Message: "the value is not " + k.Want + ": " + err.Error(), Hint: k.Hint}
}

func shortTopic(arn string) error {
	if name := arn[strings.LastIndexByte(arn, ':')+1:]; len(name) > 256 {
		return fmt.Errorf("its name has %d characters, and may have 256", len(name))
	}
	return nil
}

func checkZone(name string) error {
	// time.LoadLocation takes these two for UTC and for the machine's own zone, which a reader of the
	// file cannot know.
	if name == "" || name == "Local" {
		return errors.New("it names none")
	}
	if _, err := time.LoadLocation(name); err != nil {
		return errors.New("this machine knows none of that name")
	}
	return nil
}

// quoted is a value for a message: escaped, and cut where it is long.
func quoted(text string) string {
	if runes := []rune(text); len(runes) > 120 {
		return fmt.Sprintf("%q…", string(runes[:120]))
	}
	return strconv.Quote(text)
}
