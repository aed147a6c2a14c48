package deploy

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/secret"
)

// Configured are the parameters that a configuration in the zip asks of the template, by name: what the functions may do because of it,
// and no more. All of them are there; what the configuration does not use is what the template begins with. Names become ARNs of the
// stack's partition, account and Region.
func Configured(cfg config.Config, s Stack) map[string]string {
	here := func(service, rest string) string {
		return "arn:" + s.Partition + ":" + service + ":" + s.Region + ":" + s.Account + ":" + rest
	}
	secrets := map[string]bool{}
	for _, k := range config.Keys {
		if k.Kind() == config.Secret {
			if arn := secretARN(k.Of(cfg).(string), here); arn != "" {
				secrets[arn] = true
			}
		}
	}
	p := map[string]string{
		"SecretArns": strings.Join(slices.Sorted(maps.Keys(secrets)), ","), "EventBusArn": cfg.Notify.EventBridge.Bus, "SecurityHub": "no",
		"ChatTopicArn": cfg.Notify.AmazonQ.TopicARN, "EvidenceBucket": cfg.Evidence.Bucket, "EvidenceBucketOwner": cfg.Evidence.Owner,
		"AnchorBucket": cfg.Anchor.Bucket, "AnchorBucketOwner": cfg.Anchor.Owner,
	}
	if bus := cfg.Notify.EventBridge.Bus; bus != "" && !strings.HasPrefix(bus, "arn:") {
		p["EventBusArn"] = here("events", "event-bus/"+bus)
	}
	if cfg.Notify.SecurityHub {
		p["SecurityHub"] = "yes"
	}
	return p
}

// suffix is what Secrets Manager puts behind a secret's name in its ARN.
var suffix = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// secretARN is what a role must be let read for a secret, as it stands in the configuration; empty for one that AWS does not keep.
func secretARN(ref string, here func(service, rest string) string) string {
	kind, place, _ := strings.Cut(ref, ":")
	place, _, _ = strings.Cut(place, "#")
	switch {
	case kind == secret.InParameterStore && !strings.HasPrefix(place, "arn:"):
		return here("ssm", "parameter/"+strings.TrimPrefix(place, "/"))
	case kind == secret.InSecretsManager && !strings.HasPrefix(place, "arn:"):
		return here("secretsmanager", "secret:"+place+"-??????")
	case kind == secret.InSecretsManager && !suffix.MatchString(place): // an ARN may be written without it, but IAM sees it with it
		return place + "-??????"
	case kind == secret.InSecretsManager, kind == secret.InParameterStore:
		return place
	}
	return ""
}
