package sim

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// work is what is under way with a stack. It gets on whenever somebody looks.
type work struct {
	began  time.Time
	kind   string // CREATE, UPDATE or DELETE
	todo   []*stackResource
	step   time.Duration
	fails  string
	reason string
	// keep says whether a rollback leaves new resources that are to be retained.
	keep bool
	back func() // puts back what the stack was before an update
}

func (x *stack) resource(id string) *stackResource {
	for _, r := range x.resources {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// tell adds an event; resource "" is the stack itself.
func (x *stack) tell(at time.Time, id, status, reason string) {
	e := stackEvent{id: fmt.Sprintf("%s-%d", x.name, len(x.events)), resource: id, status: status, reason: reason, at: at}
	if r := x.resource(id); r != nil {
		e.physical, e.kind = r.Physical, r.Type
		r.status, r.reason = status, reason
	} else {
		e.resource, e.physical, e.kind = x.name, x.id, "AWS::CloudFormation::Stack"
		x.status, x.reason = status, reason
	}
	x.events = append(x.events, e)
}

func (s *stacks) executeChangeSet(c *call, form url.Values) (any, error) {
	x, set, err := s.changeSet(c, form)
	if err != nil {
		return nil, err
	}
	if set.execution != "AVAILABLE" {
		return nil, fail("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current status of [%s]", set.id, set.status)
	}
	set.execution = "EXECUTE_COMPLETE"
	before := *x
	before.resources = slices.Clone(x.resources)
	w := &work{began: c.at, kind: "CREATE", step: set.blueprint.Step, fails: set.blueprint.Fails, reason: set.blueprint.Reason, keep: form.Get("RetainExceptOnCreate") != "true"}
	if set.update {
		w.kind = "UPDATE"
		w.back = func() {
			x.template, x.parameters, x.tags, x.blueprint, x.resources = before.template, before.parameters, before.tags, before.blueprint, before.resources
		}
	}
	x.template, x.parameters, x.tags, x.blueprint = set.template, set.parameters, set.tags, set.blueprint
	x.changeSets = nil
	x.tell(c.at, "", w.kind+"_IN_PROGRESS", "User Initiated")
	var all []*stackResource
	for _, r := range set.blueprint.Resources {
		one := &stackResource{StackResource: r}
		if old := x.resource(r.ID); old != nil && old.Physical == r.Physical && r.ID != w.fails {
			one.status = old.status
		} else {
			w.todo = append(w.todo, one)
		}
		all = append(all, one)
	}
	x.resources, x.work = all, w
	return struct{}{}, nil
}

func (s *stacks) deleteStack(c *call, form url.Values) (any, error) {
	x := s.named(c, form.Get("StackName"))
	switch {
	case x == nil || x.status == "DELETE_COMPLETE":
		return nil, nil
	case x.protected:
		return nil, invalidStack("Stack [%s] cannot be deleted while TerminationProtection is enabled", x.name)
	}
	x.tell(c.at, "", "DELETE_IN_PROGRESS", "User Initiated")
	x.work = &work{began: c.at, kind: "DELETE", todo: slices.Clone(x.resources), step: x.blueprint.Step, fails: x.blueprint.Fails, reason: x.blueprint.Reason}
	slices.Reverse(x.work.todo)
	return nil, nil
}

// advance does what is due by now.
func (x *stack) advance(now time.Time) {
	w := x.work
	for n := 1; w != nil && len(w.todo) > 0; n++ {
		at := w.began.Add(w.step)
		if at.After(now) {
			return
		}
		w.began = at
		r := w.todo[0]
		w.todo = w.todo[1:]
		switch {
		case w.kind == "DELETE" && r.Retain:
			x.tell(at, r.ID, "DELETE_SKIPPED", "")
		case r.ID == w.fails && (w.kind != "DELETE" || !strings.HasSuffix(r.status, "_FAILED")): // what never came about can go
			x.tell(at, r.ID, w.kind+"_FAILED", w.reason)
			x.undo(at)
			return
		default:
			x.tell(at, r.ID, w.kind+"_COMPLETE", "")
		}
	}
	if w != nil {
		x.work = nil
		x.tell(w.began, "", w.kind+"_COMPLETE", "")
	}
}

// undo rolls back after a resource failed.
func (x *stack) undo(at time.Time) {
	w := x.work
	x.work = nil
	failed := "The following resource(s) failed to " + strings.ToLower(w.kind) + ": [" + w.fails + "]. "
	switch w.kind {
	case "DELETE":
		x.tell(at, "", "DELETE_FAILED", failed)
	case "UPDATE":
		x.tell(at, "", "UPDATE_ROLLBACK_IN_PROGRESS", failed)
		w.back()
		x.tell(at, "", "UPDATE_ROLLBACK_COMPLETE", "")
	default:
		x.tell(at, "", "ROLLBACK_IN_PROGRESS", failed+"Rollback requested by user.")
		for _, r := range slices.Backward(x.resources) {
			switch {
			case r.status == "CREATE_COMPLETE" && r.Retain && w.keep:
				x.tell(at, r.ID, "DELETE_SKIPPED", "")
			case r.status == "CREATE_COMPLETE":
				x.tell(at, r.ID, "DELETE_COMPLETE", "")
			}
		}
		x.resources = slices.DeleteFunc(x.resources, func(r *stackResource) bool { return r.status == "" || r.status == "DELETE_COMPLETE" })
		x.tell(at, "", "ROLLBACK_COMPLETE", "")
	}
}

func (s *stacks) describeStacks(c *call, form url.Values) (any, error) {
	type pair struct{ Key, Value string }
	type parameter struct{ ParameterKey, ParameterValue string }
	type output struct{ OutputKey, OutputValue string }
	type one struct {
		StackId, StackName, StackStatus string
		StackStatusReason               string      `xml:",omitempty"`
		CreationTime                    string      `xml:",omitempty"`
		Parameters                      []parameter `xml:"Parameters>member"`
		Outputs                         []output    `xml:"Outputs>member"`
		Tags                            []pair      `xml:"Tags>member"`
		EnableTerminationProtection     bool
	}
	var out struct {
		Stacks []one `xml:"Stacks>member"`
	}
	show := func(x *stack) {
		v := one{StackId: x.id, StackName: x.name, StackStatus: x.status, StackStatusReason: x.reason, CreationTime: timestamp(x.made), EnableTerminationProtection: x.protected}
		for _, k := range slices.Sorted(maps.Keys(x.parameters)) {
			v.Parameters = append(v.Parameters, parameter{k, x.parameters[k]})
		}
		if strings.HasSuffix(x.status, "_COMPLETE") {
			for _, k := range slices.Sorted(maps.Keys(x.blueprint.Outputs)) {
				v.Outputs = append(v.Outputs, output{k, x.blueprint.Outputs[k]})
			}
		}
		for _, k := range slices.Sorted(maps.Keys(x.tags)) {
			v.Tags = append(v.Tags, pair{k, x.tags[k]})
		}
		out.Stacks = append(out.Stacks, v)
	}
	if form.Get("StackName") != "" {
		x, err := s.find(c, form)
		if err != nil {
			return nil, err
		}
		show(x)
		return out, nil
	}
	for _, x := range s.all {
		if x.account == c.account && x.region == c.region && x.status != "DELETE_COMPLETE" {
			x.advance(c.at)
			show(x)
		}
	}
	return out, nil
}

func (s *stacks) describeStackEvents(c *call, form url.Values) (any, error) {
	x, err := s.find(c, form)
	if err != nil {
		return nil, err
	}
	type event struct {
		EventId, StackId, StackName, LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus string
		ResourceStatusReason                                                                             string `xml:",omitempty"`
		Timestamp                                                                                        string
	}
	var out struct {
		StackEvents []event `xml:"StackEvents>member"`
	}
	for _, e := range slices.Backward(x.events) {
		out.StackEvents = append(out.StackEvents, event{e.id, x.id, x.name, e.resource, e.physical, e.kind, e.status, e.reason, timestamp(e.at)})
	}
	return out, nil
}

func (s *stacks) listStackResources(c *call, form url.Values) (any, error) {
	x, err := s.find(c, form)
	if err != nil {
		return nil, err
	}
	type one struct{ LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus, LastUpdatedTimestamp string }
	var out struct {
		StackResourceSummaries []one `xml:"StackResourceSummaries>member"`
	}
	for _, r := range x.resources {
		out.StackResourceSummaries = append(out.StackResourceSummaries, one{r.ID, r.Physical, r.Type, r.status, timestamp(c.at)})
	}
	return out, nil
}
