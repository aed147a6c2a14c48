package sim

import (
	"net/url"
	"regexp"
	"time"
)

func newSTS(w *World) *service {
	s := &tokens{w}
	return &service{
		name: "sts", source: "sts.amazonaws.com", protocol: query, namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		operations: []operation{
			queryOp("GetCallerIdentity", reads, s.callerIdentity),
			queryOp("AssumeRole", reads, s.assumeRole),
		},
		resource: func(c *call) string { return c.form.Get("RoleArn") },
	}
}

type tokens struct{ world *World }

func (t *tokens) callerIdentity(c *call, _ url.Values) (any, error) {
	return struct{ Arn, UserId, Account string }{c.caller.arn, c.caller.id, c.account}, nil
}

var roleARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/([\w+=,.@/-]+)$`)
var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

// assumeRole gives credentials of any role that does not refuse: Account.Restrict gives a role a trust policy.
func (t *tokens) assumeRole(c *call, form url.Values) (any, error) {
	part := roleARN.FindStringSubmatch(form.Get("RoleArn"))
	session := form.Get("RoleSessionName")
	if part == nil || !sessionName.MatchString(session) {
		return nil, fail("ValidationError", "RoleArn or RoleSessionName is invalid")
	}
	account := t.world.accountLocked(part[1])
	p := account.session(part[2], session)
	p.accessKey = "ASIA" + t.world.token(16)
	if err := t.world.trusts(c, p.roleARN, p.accessKey, form.Get("Policy")); err != nil {
		return nil, err
	}
	t.world.principals[p.accessKey] = p
	creds := account.credentials(p)
	type user struct{ AssumedRoleId, Arn string }
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	return struct {
		AssumedRoleUser user
		Credentials     credentials
	}{
		user{p.id, p.arn},
		credentials{creds.AccessKeyID, creds.SecretAccessKey, creds.SessionToken, timestamp(c.at.Add(time.Hour))},
	}, nil
}
