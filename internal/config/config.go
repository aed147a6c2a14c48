// Package config is the strict configuration. One table of keys, [Keys], says what can be set; reading
// the file, the environment and the flags, the JSON Schema, the commented file of `config init` and the
// README's table all come from it. To add a key is to add a field to Config and a row to the table.
//
// Sources are layers: the later one wins, every value of every layer is checked, and all problems are
// reported at once. Reading YAML is a package of its own, config/file, so that the Lambda function,
// which reads its environment only, does not carry a parser.
package config

// Config is what an operator can set. Empty means what the key's row says.
type Config struct {
	Version        int // version of the file's shape
	SNS            SNS
	Notify         Notify
	Compat         string   // "" or "2017"
	Observe        bool     // no call that changes anything
	Repair         string   // "all" or "start"
	Baseline       string   // file; "" means the one in the working directory, where there is one
	Accounts       []string // 12-digit ids; empty means the account of the credentials
	Region         string   // "" means what the AWS credential chain says
	LogFormat      string   // "text" or "json"
	TimeZone       string   // IANA name
	RepairBudget   int      // calls in an hour; 0 means any number
	RestoreRoleARN string   // "" means that repairs are made with the credentials at hand
	MemberRole     string   // "" means that trails of other accounts are not reached
	Remediators    []string // ARNs of users and roles that other systems set trails with
	Ledger         string   // file or dynamodb://TABLE; "" means what the verb says
	Retention      string   // how long the ledger keeps what is well
	Watch          Watch
	Evidence       Evidence
	Anchor         Anchor
	Routing        *Routing // nil: every channel is told of everything

	// Origins says of each key, by its name, where its value came from.
	Origins map[string]Origin
}

// SNS is where messages go.
type SNS struct {
	TopicARN string // "" means that messages go to the log only
}

// Source is a kind of place that values come from, in ascending order of precedence.
type Source string

const (
	Default     Source = "default"
	File        Source = "file"
	Environment Source = "environment"
	Flag        Source = "flag"
)

// Origin is the place that a value came from.
type Origin struct {
	Source Source
	Name   string // the variable, the flag, or the file with line and column; empty for a default
}

func (o Origin) String() string {
	if o.Name == "" {
		return string(o.Source)
	}
	return string(o.Source) + " " + o.Name
}

// Layer is what one source sets, and what is wrong with it.
type Layer struct {
	Values   []Value
	Problems Problems
}

// Value is one key, set.
type Value struct {
	Key    Key
	Data   any // string, bool, int, []string, secret.Ref or *Routing, as the key's Kind says
	Origin Origin
}

// Load lays the layers over the defaults, the first undermost. The error, if any, is of type Problems.
// The Config is usable even then: a value with a problem is left out, as if it had not been set. The
// Lambda function repairs on that, and reports the error.
func Load(layers ...Layer) (Config, error) {
	c := Config{Origins: map[string]Origin{}}
	for _, k := range Keys {
		// A test holds the defaults against their rules; to compile all of those here would cost a cold start milliseconds.
		plain := k
		plain.Form, plain.Check, plain.Values = "", nil, nil
		data, problem := plain.Parse(k.Default)
		if problem != nil {
			panic("config: default of " + k.Name + ": " + problem.Message) // a row of our own is wrong
		}
		k.set(&c, data)
		c.Origins[k.Name] = Origin{Source: Default}
	}
	var problems Problems
	for _, l := range layers {
		problems = append(problems, l.Problems...)
		for _, v := range l.Values {
			v.Key.set(&c, v.Data)
			c.Origins[v.Key.Name] = v.Origin
		}
	}
	if len(problems) > 0 {
		return c, problems
	}
	return c, nil
}

// FromEnv is Load of the environment alone, given as os.Environ gives it.
func FromEnv(environ []string) (Config, error) { return Load(Env(environ)) }
