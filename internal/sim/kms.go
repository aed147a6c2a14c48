package sim

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// newKMS offers what trails refer to: keys, their state, policy and aliases. The policy decides what CloudTrail may do; of
// people, whoever belongs to the account of a key may do everything with it.
func newKMS(w *World) *service {
	k := &keys{world: w, all: map[string]*key{}, aliases: map[string]*alias{}}
	w.keys = k
	return &service{
		name: "kms", source: "kms.amazonaws.com", protocol: json11, targets: []string{"TrentService"},
		operations: []operation{
			jsonOp("CreateKey", writes, k.create),
			jsonOp("DescribeKey", reads, k.describe),
			jsonOp("PutKeyPolicy", writes, k.putPolicy),
			jsonOp("GetKeyPolicy", reads, k.getPolicy),
			jsonOp("DisableKey", writes, k.disable),
			jsonOp("EnableKey", writes, k.enable),
			jsonOp("ScheduleKeyDeletion", writes, k.scheduleDeletion),
			jsonOp("CancelKeyDeletion", writes, k.cancelDeletion),
			jsonOp("ListAliases", reads, k.listAliases),
			jsonOp("CreateAlias", writes, k.createAlias),
			jsonOp("UpdateAlias", writes, k.updateAlias),
		},
	}
}

// keys are all KMS keys of the world.
type keys struct {
	world   *World
	all     map[string]*key   // by ARN
	aliases map[string]*alias // by ARN
}

type key struct {
	arn, id, account, region string
	made, deletion           time.Time // deletion zero: not scheduled
	disabled                 bool
	policyText               string
	policy                   policy
}

type alias struct {
	arn, name     string // name with alias/
	target        string // key ARN
	made, updated time.Time
}

var (
	aliasName = regexp.MustCompile(`^alias/[A-Za-z0-9/_-]{1,250}$`)
	keyARN    = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key/.+|alias/.+)$`)

	// keyName is anything that may stand for a key: key id, key ARN, alias name, alias ARN.
	keyName = regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:)?alias/[A-Za-z0-9/_-]{1,250}$|` +
		`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$|` +
		`^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
)

// Key makes a customer KMS key, enabled, with a policy that lets CloudTrail use it for any trail, and returns its ARN. The same id
// gives the same key.
func (a *Account) Key(region, id string) string {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	arn := kmsARN(region, a.ID, "key/"+id)
	if a.world.keys.all[arn] == nil {
		a.world.keys.add(&key{arn: arn, id: id, account: a.ID, region: region, made: a.world.now()}, CloudTrailKeyPolicy(a.ID, "arn:*:cloudtrail:*:*:trail/*"))
	}
	return arn
}

// Alias makes an alias (its name begins with alias/) of a key or points it to another one, and returns its ARN.
func (a *Account) Alias(region, name, keyARN string) string {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	now := a.world.now()
	x := &alias{arn: kmsARN(region, a.ID, name), name: name, target: keyARN, made: now, updated: now}
	if old := a.world.keys.aliases[x.arn]; old != nil {
		x.made = old.made
	}
	a.world.keys.aliases[x.arn] = x
	return x.arn
}

// DisableKey disables a key.
func (a *Account) DisableKey(arn string) { a.setKey(arn, true) }

// EnableKey enables a key.
func (a *Account) EnableKey(arn string) { a.setKey(arn, false) }

func (a *Account) setKey(arn string, disabled bool) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.trails.catchUpAll()
	if k := a.world.keys.byARN(arn); k != nil {
		k.disabled = disabled
	}
}

func kmsARN(region, account, resource string) string {
	return fmt.Sprintf("arn:%s:kms:%s:%s:%s", partitionOf(region), region, account, resource)
}

// byARN finds a key that is not deleted yet.
func (s *keys) byARN(arn string) *key {
	k := s.all[arn]
	if k == nil || !k.deletion.IsZero() && !s.world.now().Before(k.deletion) {
		return nil
	}
	return k
}

// named finds a key by key id, key ARN, alias name or alias ARN; ids and names mean this account and Region.
func (s *keys) named(account, region, name string) *key {
	switch {
	case strings.HasPrefix(name, "alias/"):
		name = kmsARN(region, account, name)
	case !strings.HasPrefix(name, "arn:"):
		name = kmsARN(region, account, "key/"+name)
	}
	if a := s.aliases[name]; a != nil {
		name = a.target
	}
	return s.byARN(name)
}

type keyInput struct {
	KeyId               string
	PendingWindowInDays *int
}

// find is the key of a call: in the Region called, and of the caller's account.
func (s *keys) find(c *call, name string, aliases bool) (*key, error) {
	part := keyARN.FindStringSubmatch(name)
	if strings.HasPrefix(name, "arn:") && part == nil {
		return nil, fail("InvalidArnException", "Invalid arn %s", name)
	}
	if !aliases && strings.Contains(name, "alias/") {
		return nil, fail("InvalidArnException", "Aliases cannot be used here: %s", name)
	}
	if part != nil && part[2] != c.account {
		return nil, fail("AccessDeniedException", "User: %s is not authorized to perform: kms:%s on resource: %s because no resource-based policy allows the kms:%[2]s action", c.caller.arn, c.op.name, name)
	}
	k := s.named(c.account, c.region, name)
	if k == nil || k.region != c.region {
		if !strings.HasPrefix(name, "arn:") {
			name = kmsARN(c.region, c.account, "key/"+strings.TrimPrefix(name, "key/"))
		}
		return nil, fail("NotFoundException", "Key '%s' does not exist", name)
	}
	c.resources = append(c.resources, recordResource{"AWS::KMS::Key", k.arn})
	return k, nil
}

func (k *key) state() string {
	switch {
	case !k.deletion.IsZero():
		return "PendingDeletion"
	case k.disabled:
		return "Disabled"
	}
	return "Enabled"
}

func (k *key) pending() error {
	if k.deletion.IsZero() {
		return nil
	}
	return fail("KMSInvalidStateException", "%s is pending deletion.", k.arn)
}

func (s *keys) add(k *key, policyText string) {
	k.setPolicy(policyText) // of our own making: no error
	s.all[k.arn] = k
}

func (s *keys) create(c *call, in *struct{ Policy string }) (any, error) {
	id := s.world.uuid()
	k := &key{arn: c.arn("kms", "key/"+id), id: id, account: c.account, region: c.region, made: c.at}
	s.add(k, keyPolicy(c.account))
	if in.Policy != "" {
		if err := k.setPolicy(in.Policy); err != nil {
			delete(s.all, k.arn)
			return nil, err
		}
	}
	c.resources = append(c.resources, recordResource{"AWS::KMS::Key", k.arn})
	return k.description(), nil
}

type keyMetadata struct {
	AWSAccountId, KeyId, Arn, Description, KeyUsage, KeyState, Origin, KeyManager, KeySpec string

	Enabled, MultiRegion bool
	CreationDate         *epoch
	DeletionDate         *epoch `json:",omitempty"`
	EncryptionAlgorithms []string
}

func (s *keys) describe(c *call, in *keyInput) (any, error) {
	k, err := s.find(c, in.KeyId, true)
	if err != nil {
		return nil, err
	}
	return k.description(), nil
}

func (k *key) description() any {
	return struct{ KeyMetadata keyMetadata }{keyMetadata{
		AWSAccountId: k.account, KeyId: k.id, Arn: k.arn, KeyUsage: "ENCRYPT_DECRYPT", KeyState: k.state(), Origin: "AWS_KMS", KeyManager: "CUSTOMER",
		KeySpec: "SYMMETRIC_DEFAULT", Enabled: k.state() == "Enabled", CreationDate: epochOf(k.made), DeletionDate: epochOf(k.deletion),
		EncryptionAlgorithms: []string{"SYMMETRIC_DEFAULT"},
	}}
}

func (s *keys) disable(c *call, in *keyInput) (any, error) { return nil, s.set(c, in, true) }
func (s *keys) enable(c *call, in *keyInput) (any, error)  { return nil, s.set(c, in, false) }

func (s *keys) set(c *call, in *keyInput, disabled bool) error {
	k, err := s.find(c, in.KeyId, false)
	if err == nil {
		err = k.pending()
	}
	if err != nil {
		return err
	}
	k.disabled = disabled
	return nil
}

// scheduleDeletion makes a key useless at once and deletes it when the waiting period is over.
func (s *keys) scheduleDeletion(c *call, in *keyInput) (any, error) {
	days := 30
	set(&days, in.PendingWindowInDays)
	if days < 7 || days > 30 {
		return nil, fail("ValidationException", "PendingWindowInDays must be from 7 to 30.")
	}
	k, err := s.find(c, in.KeyId, false)
	if err == nil {
		err = k.pending()
	}
	if err != nil {
		return nil, err
	}
	k.deletion = c.at.Add(time.Duration(days) * 24 * time.Hour)
	return struct {
		KeyId, KeyState     string
		DeletionDate        *epoch
		PendingWindowInDays int
	}{k.arn, k.state(), epochOf(k.deletion), days}, nil
}

// cancelDeletion leaves the key disabled, whatever it was before.
func (s *keys) cancelDeletion(c *call, in *keyInput) (any, error) {
	k, err := s.find(c, in.KeyId, false)
	if err != nil {
		return nil, err
	}
	if k.deletion.IsZero() {
		return nil, fail("KMSInvalidStateException", "%s is not pending deletion.", k.arn)
	}
	k.deletion, k.disabled = time.Time{}, true
	return struct{ KeyId string }{k.arn}, nil
}
