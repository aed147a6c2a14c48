package sim

import (
	"strings"
	"testing"
)

func TestPolicyJudges(t *testing.T) {
	write := policyRequest{
		service: "cloudtrail.amazonaws.com", action: "s3:PutObject", resource: "arn:aws:s3:::logs/AWSLogs/111122223333/x",
		context: map[string]string{"aws:sourcearn": mainARN, "aws:sourceip": "192.0.2.7", "aws:securetransport": "true"},
	}
	person := policyRequest{arn: "arn:aws:iam::111122223333:user/alice", account: account, action: "s3:PutObject", resource: write.resource}
	allow := func(rest string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + rest + `}]}`
	}
	const cloudTrail, object = `"Principal":{"Service":"cloudtrail.amazonaws.com"},`, `"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"`
	tests := []struct {
		name, policy string
		ask          policyRequest
		want         verdict
	}{
		{"service", allow(cloudTrail + object), write, allowed},
		{"service, asked by a person", allow(cloudTrail + object), person, neutral},
		{"another service", allow(`"Principal":{"Service":"config.amazonaws.com"},` + object), write, neutral},
		{"list of services", allow(`"Principal":{"Service":["config.amazonaws.com","cloudtrail.amazonaws.com"]},` + object), write, allowed},
		{"anybody", allow(`"Principal":"*",` + object), write, allowed},
		{"account root stands for its people", allow(`"Principal":{"AWS":"arn:aws:iam::111122223333:root"},` + object), person, allowed},
		{"account id likewise", allow(`"Principal":{"AWS":["999988887777","111122223333"]},` + object), person, allowed},
		{"another account", allow(`"Principal":{"AWS":"999988887777"},` + object), person, neutral},
		{"action with wildcard, any case", allow(cloudTrail + `"Action":"S3:put*","Resource":"*"`), write, allowed},
		{"another action", allow(cloudTrail + `"Action":"s3:GetObject","Resource":"*"`), write, neutral},
		{"not that action", allow(cloudTrail + `"NotAction":"s3:GetObject","Resource":"*"`), write, allowed},
		{"another resource", allow(cloudTrail + `"Action":"s3:*","Resource":"arn:aws:s3:::logs"`), write, neutral},
		{"not that resource", allow(cloudTrail + `"Action":"s3:*","NotResource":"arn:aws:s3:::logs/*"`), write, neutral},
		{"condition holds", allow(cloudTrail + object + `,"Condition":{"StringEquals":{"AWS:SourceArn":"` + mainARN + `"}}`), write, allowed},
		{"condition of another trail", allow(cloudTrail + object + `,"Condition":{"StringEquals":{"aws:SourceArn":"` + mainARN + `2"}}`), write, neutral},
		{"one of several values", allow(cloudTrail + object + `,"Condition":{"ArnLike":{"aws:SourceArn":["x","arn:aws:cloudtrail:*:111122223333:trail/*"]}}`), write, allowed},
		{"all keys must hold", allow(cloudTrail + object + `,"Condition":{"StringLike":{"aws:SourceArn":"*","aws:SourceAccount":"*"}}`), write, neutral},
		{"absent key", allow(cloudTrail + object + `,"Condition":{"StringEquals":{"aws:SourceOrgID":"o-1"}}`), write, neutral},
		{"absent key, if it exists", allow(cloudTrail + object + `,"Condition":{"StringEqualsIfExists":{"aws:SourceOrgID":"o-1"}}`), write, allowed},
		{"absent key, negated", allow(cloudTrail + object + `,"Condition":{"StringNotEquals":{"aws:SourceOrgID":"o-1"}}`), write, allowed},
		{"null", allow(cloudTrail + object + `,"Condition":{"Null":{"aws:SourceOrgID":"true"}}`), write, allowed},
		{"network", allow(cloudTrail + object + `,"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), write, allowed},
		{"not that network", allow(cloudTrail + object + `,"Condition":{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`), write, neutral},
		{"bool as such", allow(cloudTrail + object + `,"Condition":{"Bool":{"aws:SecureTransport":true}}`), write, allowed},
		{"deny wins", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny",` + cloudTrail + object + `}]}`, write, refused},
		{"deny of all others", `{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"*","Resource":"*"}}`, person, refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := parsePolicy(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.judge(tt.ask); got != tt.want {
				t.Errorf("verdict %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPolicyRefusesWhatItCannotJudge(t *testing.T) {
	tests := []struct{ name, policy, want string }{
		{"no JSON", `{`, "parse policy"},
		{"effect", `{"Statement":[{"Effect":"allow","Principal":"*","Action":"*","Resource":"*"}]}`, `effect "allow"`},
		{"no principal", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, "statement 0 needs"},
		{"odd principal", `{"Statement":[{"Effect":"Allow","Principal":"alice","Action":"*","Resource":"*"}]}`, `principal "alice"`},
		{"operator", `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"NumericMagic":{"a":"1"}}}]}`, `operator "NumericMagic"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parsePolicy(tt.policy)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestMatchGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"a*", "a", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false},
		{"*:user/alice", "arn:aws:iam::1:user/alice", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"abc", "ab", false}, {"ab", "abc", false},
		{"*a*b*", "xxaxxbxx", true}, {"**", "x", true},
	} {
		if got := matchGlob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("matchGlob(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}
