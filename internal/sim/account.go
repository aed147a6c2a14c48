package sim

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// An Account is one AWS account of a world.
type Account struct {
	ID      string
	world   *World
	regions []string // enabled ones
}

// Credentials are what a client signs with. ARN is who it then is.
type Credentials struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	ARN                                        string
}

type principalKind string

const (
	iamUser     principalKind = "IAMUser"
	assumedRole principalKind = "AssumedRole"
	root        principalKind = "Root"
)

// principal is who makes a call.
type principal struct {
	kind      principalKind
	account   string
	arn       string
	id        string // principalId: AIDA…, AROA…:session, or the account id
	accessKey string
	name      string // of the user, or of the role
	session   string // of the role
	roleARN   string
	since     string // creation time of the session, RFC 3339
}

// Account returns the account with this id (12 digits), made at first sight.
func (w *World) Account(id string) *Account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.accountLocked(id)
}

func (w *World) accountLocked(id string) *Account {
	a := w.accounts[id]
	if a == nil {
		a = &Account{ID: id, world: w, regions: slices.Clone(w.opts.Regions)}
		w.accounts[id] = a
	}
	return a
}

// User returns the access key of an IAM user. The same name gives the same key.
func (a *Account) User(name string) Credentials {
	arn := a.iamARN("user/" + name)
	return a.register(principal{
		kind: iamUser, account: a.ID, arn: arn, name: name,
		id: "AIDA" + a.fingerprint(16, "id", arn), accessKey: "AKIA" + a.fingerprint(16, "key", arn),
	})
}

// Role returns credentials of a session of an IAM role.
func (a *Account) Role(role, session string) Credentials {
	a.world.mu.Lock()
	p := a.session(role, session)
	a.world.mu.Unlock()
	p.accessKey = "ASIA" + a.fingerprint(16, "key", p.arn)
	return a.register(p)
}

// session is a role session without an access key yet. Called with the lock held.
func (a *Account) session(role, session string) principal {
	roleARN := a.iamARN("role/" + role)
	return principal{
		kind: assumedRole, account: a.ID, name: role, session: session, roleARN: roleARN,
		arn: "arn:" + a.world.opts.Partition + ":sts::" + a.ID + ":assumed-role/" + role[strings.LastIndexByte(role, '/')+1:] + "/" + session,
		id:  "AROA" + a.fingerprint(16, "id", roleARN) + ":" + session, since: timestamp(a.world.now()),
	}
}

// Root returns credentials of the account's root user.
func (a *Account) Root() Credentials {
	arn := a.iamARN("root")
	return a.register(principal{kind: root, account: a.ID, arn: arn, id: a.ID, accessKey: "AKIA" + a.fingerprint(16, "key", arn)})
}

// EnableRegion opts the account into a Region. Its multi-Region trails then record there too.
func (a *Account) EnableRegion(region string) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	if slices.Contains(a.regions, region) {
		return
	}
	a.regions = append(a.regions, region)
	for _, x := range a.world.trails.sorted(a.ID) {
		a.world.trails.spread(x)
	}
}

// DisableRegion opts the account out of a Region: every call there is refused. Trails go on trying to deliver from it.
func (a *Account) DisableRegion(region string) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.regions = without(a.regions, region)
}

func (a *Account) iamARN(resource string) string {
	return "arn:" + a.world.opts.Partition + ":iam::" + a.ID + ":" + resource
}

func (a *Account) register(p principal) Credentials {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.principals[p.accessKey] = p
	return a.credentials(p)
}

// credentials derives the secret parts, which nobody verifies, from the key id.
func (a *Account) credentials(p principal) Credentials {
	c := Credentials{AccessKeyID: p.accessKey, ARN: p.arn, SecretAccessKey: a.fingerprint(40, "secret", p.accessKey)}
	if p.kind == assumedRole {
		c.SessionToken = "simulated" + a.fingerprint(48, "token", p.accessKey)
	}
	return c
}

// fingerprint derives n letters and digits from the seed and the parts, so that ids do not depend on the order of calls.
func (a *Account) fingerprint(n int, parts ...string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s", a.world.opts.Seed, strings.Join(parts, "/")))
	return (base32.StdEncoding.EncodeToString(sum[:]) + strings.ToUpper(hex.EncodeToString(sum[:])))[:n]
}

// callerOf says who signs with this access key; unknown keys are the user "cli" of the default account, so that anybody's
// AWS CLI works with any keys.
func (w *World) callerOf(accessKey string) principal {
	if p, ok := w.principals[accessKey]; ok {
		return p
	}
	a := w.accountLocked(w.opts.DefaultAccount)
	arn := a.iamARN("user/cli")
	return principal{kind: iamUser, account: a.ID, arn: arn, name: "cli", id: "AIDA" + a.fingerprint(16, "id", arn), accessKey: accessKey}
}

// partitionOf tells the partition from a Region's name.
func partitionOf(region string) string {
	for _, p := range [...][2]string{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"}, {"us-isob-", "aws-iso-b"}, {"us-iso-", "aws-iso"},
	} {
		if strings.HasPrefix(region, p[0]) {
			return p[1]
		}
	}
	return "aws"
}

func everyAccountRegions() []string {
	return []string{
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1",
		"eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1",
		"ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2",
	}
}
