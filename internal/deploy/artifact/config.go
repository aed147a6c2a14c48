package artifact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Config is the name of the configuration in the zip, and the value of TRAILWARDEN_CONFIG.
const Config = "trailwarden.config.json"

// Settings is what a configuration file says to a deployed function.
type Settings struct {
	Document   []byte            // canonical JSON for the zip; nil when nothing travels in it
	Parameters map[string]string // what the file says that is a parameter of the template
	Stays      []Stay            // what has no meaning in a function
}

// Stay is a key that is not deployed.
type Stay struct{ Key, Why string }

// fate is what becomes of a key when a function is deployed.
type fate int

const (
	travels   fate = iota // in the zip
	parameter             // the template has it
	stays                 // people are told that it does
	unsaid                // it is about the command line alone
	refused               // who set it would wait for it in vain
)

// fateOf says what becomes of a key, and of one that stays or is refused what to do instead.
func fateOf(key string) (fate, string) {
	switch key {
	case "version", "region", "baseline", "log_format":
		return unsaid, ""
	case "time_zone", "compat", "observe":
		return parameter, ""
	case "repair_budget", "remediators", "routing", "watch.heartbeat":
		return travels, ""
	case "sns.topic_arn":
		return stays, "the stack has a topic of its own: subscribe to that"
	case "accounts", "member_role":
		return stays, "--member-accounts and --organization-id say which accounts are guarded"
	case "repair", "restore_role_arn":
		return stays, "--mode and --restore-trail-arns say what may be repaired"
	case "ledger":
		return stays, "the stack has a ledger of its own"
	case "retention":
		return stays, "the functions may remove nothing from the ledger: `trailwarden incidents prune` does, with your permissions"
	case "watch.sweep":
		return stays, "--sweep-schedule says how often the function sweeps"
	case "watch.queue_url":
		return stays, "the stack has a queue of its own"
	case "notify.shoutrrr.url":
		return refused, "take it out of the file that you deploy with, and use notify.webhook, or a daemon (`trailwarden watch`)"
	}
	section, _, _ := strings.Cut(key, ".")
	switch {
	case strings.HasPrefix(key, "notify.email."):
		return refused, "take it out of the file that you deploy with: --email ADDRESS has SNS send the mails"
	case section == "notify", section == "evidence", section == "anchor":
		return travels, ""
	}
	return stays, "it is for the daemon, `trailwarden watch`"
}

// Deployed says whether a deployed function takes the key from the file that is deployed with it.
func Deployed(key string) bool {
	f, _ := fateOf(key)
	return f == travels || f == parameter
}

// Configure makes of a configuration file what is deployed of it. What a function cannot do is an error of type config.Problems, with
// what to do instead; so is a secret that does not stand in Secrets Manager or Parameter Store.
func Configure(file config.Layer) (Settings, error) {
	s := Settings{Parameters: map[string]string{}}
	problems := file.Problems
	document := map[string]any{}
	for _, v := range file.Values {
		f, why := fateOf(v.Key.Name)
		wrong := func(message, hint string) {
			problems = append(problems, config.Problem{Where: v.Origin.Name, Key: v.Key.Name, Message: message, Hint: hint})
		}
		switch f {
		case refused:
			wrong("this is not in the Lambda function", why)
		case stays:
			s.Stays = append(s.Stays, Stay{v.Key.Name, why})
		case parameter:
			if name, value := asParameter(v); value != "" {
				s.Parameters[name] = value
			}
		case travels:
			if list, is := v.Data.([]string); is && len(list) == 0 {
				continue // as it is without the key
			}
			ref, isSecret := v.Data.(secret.Ref)
			switch _, here := ref.Here(); {
			case isSecret && here:
				wrong("a secret does not travel", "put it into Secrets Manager, and write secretsmanager:NAME")
			case isSecret && strings.HasPrefix(ref.String(), secret.InFile+":"):
				wrong("a deployed function has no such file", "put the secret into Secrets Manager (aws secretsmanager create-secret --name trailwarden/NAME --secret-string …), and write secretsmanager:trailwarden/NAME")
			default:
				document[v.Key.Name] = v.Data
			}
		}
	}
	if document["anchor.bucket"] != nil && document["anchor.bucket_owner"] == nil {
		problems = append(problems, config.Problem{Where: "configuration", Key: "anchor.bucket_owner", Message: "it is missing", Hint: "write which account the bucket belongs to, so that no other can take its place"})
	}
	if len(problems) > 0 {
		return Settings{}, problems
	}
	if len(document) == 0 {
		return s, nil
	}
	document["version"] = 1
	var b bytes.Buffer
	e := json.NewEncoder(&b) // sorts the keys
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return Settings{}, fmt.Errorf("encode configuration: %w", err)
	}
	s.Document = bytes.TrimRight(b.Bytes(), "\n")
	return s, nil
}

// Configuration is what a zip's configuration says; nil says nothing. The name is what problems call it.
func Configuration(name string, document []byte) (config.Config, error) {
	if document == nil {
		return config.Load()
	}
	return config.Load(config.JSON(name, document))
}

// asParameter is a key that the template has a parameter for. That nothing is to be changed is taken from the file; that something
// may be is for whoever deploys to say.
func asParameter(v config.Value) (name, value string) {
	switch v.Key.Name {
	case "time_zone":
		return "TimeZone", v.Data.(string)
	case "compat":
		return "Compat", v.Data.(string)
	}
	if v.Data == true {
		return "Mode", "observe"
	}
	return "Mode", ""
}
