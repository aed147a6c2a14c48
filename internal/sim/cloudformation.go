package sim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// newCloudFormation offers stacks that come about by change sets. It reads no templates: World.Blueprints says what each makes.
func newCloudFormation(w *World) *service {
	s := &stacks{world: w, blueprint: func(StackRequest) Blueprint { return Blueprint{} }}
	w.stacks = s
	return &service{
		name: "cloudformation", source: "cloudformation.amazonaws.com", protocol: query, namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
		resource: func(c *call) string {
			if x := s.named(c, c.form.Get("StackName")); x != nil {
				return x.id
			}
			return c.arn("cloudformation", "stack/"+c.form.Get("StackName")+"/*")
		},
		denial: "AccessDenied",
		operations: []operation{
			queryOp("CreateChangeSet", writes, s.createChangeSet),
			queryOp("DescribeChangeSet", reads, s.describeChangeSet),
			queryOp("DeleteChangeSet", writes, s.deleteChangeSet),
			queryOp("ExecuteChangeSet", writes, s.executeChangeSet),
			queryOp("DescribeStacks", reads, s.describeStacks),
			queryOp("DescribeStackEvents", reads, s.describeStackEvents),
			queryOp("ListStackResources", reads, s.listStackResources),
			queryOp("UpdateTerminationProtection", writes, s.updateTerminationProtection),
			queryOp("DeleteStack", writes, s.deleteStack),
		},
	}
}

// StackRequest is a template on its way to becoming a stack.
type StackRequest struct {
	Account, Region, Name string
	Template              string
	Parameters            map[string]string // as given, with previous values filled in
}

// Blueprint is what a template makes. The resources come about in this order.
type Blueprint struct {
	Resources []StackResource
	Outputs   map[string]string
	Step      time.Duration // that each resource takes; 0: all is done when somebody looks
	Refused   string        // message of a ValidationError: CloudFormation takes template or parameters not at all
	Fails     string        // ID of the resource that cannot be made
	Reason    string        // why, as CloudFormation tells it
}

// StackResource is one resource of a stack.
type StackResource struct {
	ID, Type, Physical string
	Retain             bool // DeletionPolicy
}

// Blueprints sets what templates make, in all accounts. It is called with the world locked: it must not call the world.
func (w *World) Blueprints(f func(StackRequest) Blueprint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stacks.blueprint = f
}

// StackView is a stack as it truly is.
type StackView struct {
	ID, Name, Status string
	Parameters       map[string]string
	Tags             map[string]string
	Protected        bool // against deletion
}

// Stacks lists all stacks that were not deleted, the oldest first.
func (w *World) Stacks() []StackView {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []StackView
	for _, x := range w.stacks.all {
		if x.advance(w.now()); x.status != "DELETE_COMPLETE" {
			list = append(list, StackView{x.id, x.name, x.status, x.parameters, x.tags, x.protected})
		}
	}
	return list
}

// stacks are all stacks of the world, deleted ones too: they are still found by their ids.
type stacks struct {
	world     *World
	blueprint func(StackRequest) Blueprint
	all       []*stack
}

type stack struct {
	id, name, account, region string
	status, reason            string
	made                      time.Time
	template                  string
	parameters, tags          map[string]string
	blueprint                 Blueprint
	resources                 []*stackResource
	events                    []stackEvent // the oldest first
	protected                 bool
	changeSets                []*changeSet
	work                      *work // nil when nothing is under way
}

type stackResource struct {
	StackResource
	status, reason string
}

type stackEvent struct {
	id, resource, physical, kind, status, reason string
	at                                           time.Time
}

type changeSet struct {
	id, name, status, execution, reason string
	update                              bool
	template                            string
	parameters, tags                    map[string]string
	blueprint                           Blueprint
}

// named finds a stack by id, or one that was not deleted by name.
func (s *stacks) named(c *call, name string) *stack {
	for _, x := range s.all {
		if x.account == c.account && x.region == c.region && (x.id == name || x.name == name && x.status != "DELETE_COMPLETE") {
			x.advance(c.at)
			if x.id == name || x.status != "DELETE_COMPLETE" {
				return x
			}
		}
	}
	return nil
}

func invalidStack(format string, args ...any) *apiError {
	return fail("ValidationError", format, args...)
}

// find is named, and an error where there is none.
func (s *stacks) find(c *call, form url.Values) (*stack, error) {
	name := form.Get("StackName")
	x := s.named(c, name)
	if x == nil {
		return nil, invalidStack("Stack with id %s does not exist", name)
	}
	return x, nil
}

// template reads a request's template, from a bucket with the rights of whoever calls.
func (s *stacks) template(c *call, form url.Values) (string, error) {
	body, address := form.Get("TemplateBody"), form.Get("TemplateURL")
	if address == "" {
		if len(body) > 51200 {
			return "", invalidStack("1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200")
		}
		return body, nil
	}
	at, err := url.Parse(address)
	if err != nil || body != "" {
		return "", invalidStack("Either Template URL or Template Body must be specified.")
	}
	host, key := at.Hostname(), strings.TrimPrefix(at.Path, "/")
	name, _, virtual := strings.Cut(host, ".s3.")
	if !virtual {
		name, key, _ = strings.Cut(key, "/")
	}
	x, action := s.world.buckets.byName[name], "s3:GetObject"
	if at.Query().Has("versionId") {
		action = "s3:GetObjectVersion"
	}
	d := demand{action, bucketARN(c.region, name, key), nil}
	if x == nil || !strings.Contains(host, "s3") || c.caller.kind == assumedRole && !s.world.allows(c, d) || !x.lets(c, action, key) {
		return "", invalidStack("S3 error: Access Denied")
	}
	o, err := x.version(key, at.Query().Get("versionId"))
	if err != nil {
		return "", invalidStack("S3 error: %s", err)
	}
	if len(o.content) > 1_000_000 {
		return "", invalidStack("Template may not exceed 1000000 bytes in size.")
	}
	return string(o.content), nil
}

func (s *stacks) createChangeSet(c *call, form url.Values) (any, error) {
	name, x := form.Get("StackName"), s.named(c, form.Get("StackName"))
	update := form.Get("ChangeSetType") != "CREATE"
	template, err := s.template(c, form)
	switch {
	case err != nil:
		return nil, err
	case x != nil && slices.ContainsFunc(x.changeSets, func(other *changeSet) bool { return other.name == form.Get("ChangeSetName") }):
		return nil, fail("AlreadyExistsException", "ChangeSet %s cannot be created due to a mismatch with existing attribute Name", form.Get("ChangeSetName"))
	case update && x == nil:
		return nil, invalidStack("Stack [%s] does not exist", name)
	case !update && x != nil && x.status != "REVIEW_IN_PROGRESS":
		return nil, invalidStack("Stack [%s] already exists and cannot be created again with the changeSet [%s].", name, form.Get("ChangeSetName"))
	case update && !slices.Contains([]string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}, x.status):
		return nil, invalidStack("Stack:%s is in %s state and can not be updated.", x.id, x.status)
	}
	set := &changeSet{name: form.Get("ChangeSetName"), update: update, template: template, parameters: map[string]string{},
		tags: formMap(form, "Tags.member", "Key", "Value"), status: "CREATE_COMPLETE", execution: "AVAILABLE"}
	for n := 1; form.Has(fmt.Sprintf("Parameters.member.%d.ParameterKey", n)); n++ {
		at := fmt.Sprintf("Parameters.member.%d.", n)
		key, value := form.Get(at+"ParameterKey"), form.Get(at+"ParameterValue")
		if form.Get(at+"UsePreviousValue") == "true" {
			previous, known := "", false
			if x != nil {
				previous, known = x.parameters[key]
			}
			if !known {
				return nil, invalidStack("Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", key)
			}
			value = previous
		}
		set.parameters[key] = value
	}
	set.blueprint = s.blueprint(StackRequest{c.account, c.region, name, template, set.parameters})
	if set.blueprint.Refused != "" {
		return nil, invalidStack("%s", set.blueprint.Refused)
	}
	named := slices.ContainsFunc(set.blueprint.Resources, func(r StackResource) bool { return r.Type == "AWS::IAM::Role" })
	if named && form.Get("Capabilities.member.1") != "CAPABILITY_NAMED_IAM" {
		return nil, fail("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
	}
	if x == nil {
		x = &stack{name: name, account: c.account, region: c.region, status: "REVIEW_IN_PROGRESS", made: c.at, parameters: map[string]string{}, tags: set.tags}
		x.id = c.arn("cloudformation", "stack/"+name+"/"+c.world.uuid())
		s.all = append(s.all, x)
		x.tell(c.at, "", "REVIEW_IN_PROGRESS", "User Initiated")
	}
	set.id = c.arn("cloudformation", "changeSet/"+set.name+"/"+c.world.uuid())
	if update && template == x.template && equalMaps(set.parameters, x.parameters) && equalMaps(set.tags, x.tags) || len(set.blueprint.Resources) == 0 {
		set.status, set.execution = "FAILED", "UNAVAILABLE"
		set.reason = "The submitted information didn't contain changes. Submit different information to create a change set."
	}
	x.changeSets = append(x.changeSets, set)
	return struct{ Id, StackId string }{set.id, x.id}, nil
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// changeSet finds a change set by id, or by name and stack.
func (s *stacks) changeSet(c *call, form url.Values) (*stack, *changeSet, error) {
	name := form.Get("ChangeSetName")
	for _, x := range s.all {
		if x.account != c.account || x.region != c.region {
			continue
		}
		for _, set := range x.changeSets {
			if set.id == name || set.name == name && (x.name == form.Get("StackName") || x.id == form.Get("StackName")) {
				return x, set, nil
			}
		}
	}
	return nil, nil, fail("ChangeSetNotFound", "ChangeSet [%s] does not exist", name).status(404)
}

func (s *stacks) describeChangeSet(c *call, form url.Values) (any, error) {
	x, set, err := s.changeSet(c, form)
	if err != nil {
		return nil, err
	}
	type change struct{ Action, LogicalResourceId, ResourceType, Replacement string }
	type member struct {
		Type           string
		ResourceChange change
	}
	out := struct {
		ChangeSetName, ChangeSetId, StackId, StackName, Status, ExecutionStatus string
		StatusReason                                                            string   `xml:",omitempty"`
		Changes                                                                 []member `xml:"Changes>member"`
	}{set.name, set.id, x.id, x.name, set.status, set.execution, set.reason, nil}
	if set.status == "FAILED" {
		return out, nil
	}
	for _, r := range set.blueprint.Resources {
		switch old := x.resource(r.ID); {
		case old == nil:
			out.Changes = append(out.Changes, member{"Resource", change{"Add", r.ID, r.Type, ""}})
		case old.Physical != r.Physical:
			out.Changes = append(out.Changes, member{"Resource", change{"Modify", r.ID, r.Type, "True"}})
		}
	}
	for _, old := range x.resources {
		if !slices.ContainsFunc(set.blueprint.Resources, func(r StackResource) bool { return r.ID == old.ID }) {
			out.Changes = append(out.Changes, member{"Resource", change{"Remove", old.ID, old.Type, ""}})
		}
	}
	return out, nil
}

func (s *stacks) deleteChangeSet(c *call, form url.Values) (any, error) {
	x, set, err := s.changeSet(c, form)
	if err != nil {
		return nil, err
	}
	x.changeSets = slices.DeleteFunc(x.changeSets, func(other *changeSet) bool { return other == set })
	return struct{}{}, nil
}

func (s *stacks) updateTerminationProtection(c *call, form url.Values) (any, error) {
	x, err := s.find(c, form)
	if err != nil {
		return nil, err
	}
	x.protected = form.Get("EnableTerminationProtection") == "true"
	return struct{ StackId string }{x.id}, nil
}
