package sim

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

func newCloudTrail(w *World) *service {
	t := &trails{world: w, byARN: map[string]*trail{}, byAccount: map[string]map[string]*trail{}, past: map[string][]version{}}
	w.trails = t
	return &service{
		name: "cloudtrail", source: "cloudtrail.amazonaws.com", protocol: json11,
		targets:  []string{"CloudTrail_20131101", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"},
		resource: t.denialResource,
		operations: []operation{
			jsonOp("CreateTrail", writes, t.create),
			jsonOp("UpdateTrail", writes, t.update),
			jsonOp("DeleteTrail", writes, t.delete),
			jsonOp("GetTrail", reads, t.get),
			jsonOp("DescribeTrails", reads, t.describe),
			jsonOp("ListTrails", reads, t.list),
			jsonOp("StartLogging", writes, t.start),
			jsonOp("StopLogging", writes, t.stop),
			jsonOp("GetTrailStatus", reads, t.status),
			jsonOp("PutEventSelectors", writes, t.putSelectors),
			jsonOp("GetEventSelectors", reads, t.getSelectors),
			jsonOp("PutInsightSelectors", writes, t.putInsights),
			jsonOp("GetInsightSelectors", reads, t.getInsights),
			jsonOp("PutEventConfiguration", writes, t.putConfiguration),
			jsonOp("GetEventConfiguration", reads, t.getConfiguration),
			jsonOp("AddTags", writes, t.addTags),
			jsonOp("RemoveTags", writes, t.removeTags),
			jsonOp("ListTags", reads, t.listTags),
			jsonOp("LookupEvents", reads, w.lookupEvents),
			jsonOp("ListPublicKeys", reads, w.publicKeys),
		},
	}
}

// trails are all CloudTrail trails of the world. A trail is its ARN: recreated under the same name it has the same one.
type trails struct {
	world *World
	byARN map[string]*trail
	past  map[string][]version // by ARN; kept only with Options.ReadLag

	byAccount map[string]map[string]*trail // the same trails by owner, by ARN
}

type trail struct {
	arn, name, account, home string
	settings
	selectors   []eventSelector // basic; nil: the default selector, or advanced ones
	advanced    []advancedSelector
	insights    []insightSelector
	aggregation []aggregation
	tags        []tag
	delivery
}

// version is how a trail was from a moment on; nil: it did not exist.
type version struct {
	from  time.Time
	trail *trail
}

var (
	nameLetters = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	nameShape   = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)
	dottedQuad  = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){3}$`)
)

func checkTrailName(name string) error {
	wrong := func(why string) error { return fail("InvalidTrailNameException", "%s", why) }
	switch {
	case name == "":
		return wrong("Trail name cannot be blank!")
	case !nameLetters.MatchString(name):
		return wrong("Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).")
	case len(name) < 3:
		return wrong("Trail name too short. Minimum allowed length: 3 characters. Specified name length: " + plural(len(name), "character"))
	case len(name) > 128:
		return wrong("Trail name too long. Maximum allowed length: 128 characters. Specified name length: " + plural(len(name), "character"))
	case !nameShape.MatchString(name):
		return wrong("Trail name must start and end with a letter or number and must not have adjacent periods, hyphens or underscores.")
	case dottedQuad.MatchString(name):
		return wrong("Trail name must not be formatted as an IP address.")
	}
	return nil
}

// resolve makes the ARN of a trail given by name or by ARN. A name means the Region that was called.
func (t *trails) resolve(c *call, nameOrARN string) (string, error) {
	if !strings.HasPrefix(nameOrARN, "arn:") {
		if err := checkTrailName(nameOrARN); err != nil {
			return "", err
		}
		return c.arn("cloudtrail", "trail/"+nameOrARN), nil
	}
	part := strings.SplitN(nameOrARN, ":", 6)
	if len(part) != 6 || part[2] != "cloudtrail" || !strings.HasPrefix(part[5], "trail/") || part[1] != partitionOf(c.region) ||
		checkTrailName(strings.TrimPrefix(part[5], "trail/")) != nil {
		return "", fail("CloudTrailARNInvalidException", "Invalid ARN: %s", nameOrARN)
	}
	if part[4] != c.account && !t.sharedWith(c.account, part[4], nameOrARN) {
		return "", wrongAccount(c)
	}
	return nameOrARN, nil
}

func wrongAccount(c *call) error {
	return fail("CloudTrailARNInvalidException", "AccountID in ARN is wrong, you can only access resources with AccountID %s", c.account)
}

func unknownTrail(c *call, arn string) error {
	return fail("TrailNotFoundException", "Unknown trail: %s for the user: %s", arn, c.account)
}

// forChange finds the trail that a call wants to change. That works in its home Region only, and with an organization's trail
// only for the management account and delegated administrators.
func (t *trails) forChange(c *call, nameOrARN string) (*trail, error) {
	c.resources = append(c.resources, recordResource{"AWS::CloudTrail::Trail", nameOrARN})
	arn, err := t.resolve(c, nameOrARN)
	if err != nil {
		return nil, err
	}
	x := t.byARN[arn]
	if x == nil {
		return nil, unknownTrail(c, arn)
	}
	if err := t.onBehalf(c, x.account); err != nil {
		return nil, err
	}
	if x.home != c.region {
		return nil, fail("InvalidHomeRegionException", "Trail %s can only be changed in its home Region, %s", arn, x.home)
	}
	t.catchUp(x)
	return x, nil
}

// forRead finds the trail that a call asks about: one of the Region called, or by ARN the shadow there of a multi-Region trail
// or of the organization's. With Options.ReadLag it is the trail as it was then.
func (t *trails) forRead(c *call, nameOrARN string) (*trail, error) {
	arn, err := t.resolve(c, nameOrARN)
	if err != nil {
		return nil, err
	}
	x := t.seen(c, arn)
	if x == nil || !x.visibleIn(c.region) {
		return nil, unknownTrail(c, arn)
	}
	return x, nil
}

// forDetail is forRead for what members do not see of an organization's trail.
func (t *trails) forDetail(c *call, nameOrARN string) (*trail, error) {
	x, err := t.forRead(c, nameOrARN)
	if err == nil && x.account != c.account && !t.world.organizationOf(c.account).manages(c.account) {
		return nil, wrongAccount(c)
	}
	return x, err
}

// seen is a trail as reads show it, nil when they show none.
func (t *trails) seen(c *call, arn string) *trail {
	lag := t.world.opts.ReadLag
	if lag == 0 {
		return t.byARN[arn]
	}
	versions := t.past[arn]
	for i := len(versions) - 1; i >= 0; i-- {
		switch {
		case versions[i].from.After(c.at.Add(-lag)):
		case i == len(versions)-1:
			return t.byARN[arn]
		default:
			return versions[i].trail
		}
	}
	return nil
}

// changed notes the new state of a trail for lagging reads.
func (t *trails) changed(c *call, arn string) { t.changedAt(c.at, arn) }

func (t *trails) changedAt(at time.Time, arn string) {
	if t.world.opts.ReadLag == 0 {
		return
	}
	v := version{from: at}
	if x := t.byARN[arn]; x != nil {
		copied := *x
		copied.delivery = x.delivery.clone()
		v.trail = &copied
	}
	t.past[arn] = append(t.past[arn], v)
}

func (x *trail) visibleIn(region string) bool { return x.home == region || x.multiRegion }

// sorted gives all trails that belong to an account in the order of their ARNs.
func (t *trails) sorted(account string) []*trail {
	own := t.byAccount[account]
	list := make([]*trail, 0, len(own))
	for _, arn := range slices.Sorted(maps.Keys(own)) {
		list = append(list, own[arn])
	}
	return list
}

// seenBy gives the caller's own trails and those of its organization as reads show them, in the order of their ARNs.
func (t *trails) seenBy(c *call) []*trail {
	owners := []string{c.account}
	if o := t.world.organizationOf(c.account); o != nil && o.Management != c.account {
		owners = append(owners, o.Management)
	}
	var list []*trail
	for i, owner := range owners {
		for _, arn := range t.arnsOf(owner) {
			if x := t.seen(c, arn); x != nil && (i == 0 || x.organization) {
				list = append(list, x)
			}
		}
	}
	slices.SortFunc(list, func(a, b *trail) int { return strings.Compare(a.arn, b.arn) })
	return list
}

// arnsOf lists the trails of an account, with Options.ReadLag those that are no more as well.
func (t *trails) arnsOf(account string) []string {
	if t.world.opts.ReadLag == 0 {
		return slices.Collect(maps.Keys(t.byAccount[account]))
	}
	var list []string
	for arn, versions := range t.past {
		if slices.ContainsFunc(versions, func(v version) bool { return v.trail != nil && v.trail.account == account }) {
			list = append(list, arn)
		}
	}
	return list
}

func (t *trails) add(x *trail) {
	t.byARN[x.arn] = x
	if t.byAccount[x.account] == nil {
		t.byAccount[x.account] = map[string]*trail{}
	}
	t.byAccount[x.account][x.arn] = x
}

func (t *trails) remove(x *trail) {
	delete(t.byARN, x.arn)
	delete(t.byAccount[x.account], x.arn)
}

// denialResource is the trail that a refused call was about.
func (t *trails) denialResource(c *call) string {
	var in struct{ Name, TrailName, ResourceId string }
	if json.Unmarshal(c.body, &in) != nil {
		return ""
	}
	for _, s := range []string{in.Name, in.TrailName, in.ResourceId} {
		switch {
		case strings.HasPrefix(s, "arn:"):
			return s
		case s != "":
			return c.arn("cloudtrail", "trail/"+s)
		}
	}
	return ""
}

type nameInput struct{ Name string }
type trailNameInput struct{ TrailName, EventDataStore string }

// noEventDataStores refuses what is about an event data store.
func noEventDataStores(trailName, store string) error {
	switch {
	case store != "" && trailName != "":
		return fail("InvalidParameterCombinationException", "TrailName and EventDataStore cannot be specified together.")
	case store != "":
		return fail("UnsupportedOperationException", "Event data stores are not part of this simulated AWS")
	case trailName == "":
		return fail("InvalidParameterCombinationException", "Either TrailName or EventDataStore must be specified.")
	}
	return nil
}
