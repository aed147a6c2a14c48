package sim

import (
	"fmt"
	"strings"
	"time"
)

// logs is what trails refer to outside of the services that have an API here: log groups, and roles to write to them.
type logs struct {
	groups map[string]bool // by ARN without :*
	roles  map[string]*logRole
}

type logRole struct {
	usable time.Time // from then on CloudTrail can assume it
	broken bool
}

// LogGroup makes a CloudWatch Logs log group and returns its ARN as trails name it, with :* at the end.
func (a *Account) LogGroup(region, name string) string {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.trails.catchUpAll()
	arn := fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", partitionOf(region), region, a.ID, name)
	a.world.logs.groups[arn] = true
	return arn + ":*"
}

// DeleteLogGroup deletes a log group, named as LogGroup does.
func (a *Account) DeleteLogGroup(arn string) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.trails.catchUpAll()
	delete(a.world.logs.groups, strings.TrimSuffix(arn, ":*"))
}

// LogRole makes a role with which CloudTrail writes to log groups, or makes a broken one work again, and returns its ARN.
// CloudTrail can assume it after Options.RolePropagation.
func (a *Account) LogRole(name string) string {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.trails.catchUpAll()
	arn := a.iamARN("role/" + name)
	if r := a.world.logs.roles[arn]; r == nil || r.broken {
		a.world.logs.roles[arn] = &logRole{usable: a.world.now().Add(a.world.opts.RolePropagation)}
	}
	return arn
}

// BreakLogRole makes a role useless for CloudTrail, as a change of its trust or its permissions does.
func (a *Account) BreakLogRole(arn string) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	a.world.trails.catchUpAll()
	if r := a.world.logs.roles[arn]; r != nil {
		r.broken = true
	}
}

// logFailure is the error code that writing to the trail's log group would run into; "" when it would arrive.
func (t *trails) logFailure(x *trail) string {
	part := logGroupARN.FindStringSubmatch(x.logGroup)
	if part == nil || !t.world.logs.groups[part[1]] {
		return "ResourceNotFoundException"
	}
	if r := t.world.logs.roles[x.logRole]; r == nil || r.broken {
		return "AccessDenied"
	}
	return ""
}
