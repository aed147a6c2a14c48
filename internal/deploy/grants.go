package deploy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Grant is one permission of one role that a stack would have.
type Grant struct {
	Role   string `json:"role"`   // its name
	Action string `json:"action"` // such as cloudtrail:StartLogging
	On     string `json:"on"`     // on what, in words
	Why    string `json:"why"`    // what the call is for
}

// Grants lists what the roles of a stack may do, one permission each, in the order of the table. Only what is really granted
// with the stack's parameters is listed.
func (m Made) Grants() ([]Grant, error) {
	var list []Grant
	for _, text := range RoleTexts {
		for _, id := range m.Roles() {
			role, _ := m.Resources[id].Properties["RoleName"].(string)
			if !strings.HasSuffix(role, "-"+text.Role) {
				continue
			}
			policies, err := m.Policies(id)
			if err != nil {
				return nil, err
			}
			var granted []string
			for _, p := range policies {
				for _, s := range p.Statements() {
					if s.Effect == "Allow" {
						granted = append(granted, s.Actions...)
					}
				}
			}
			for _, p := range Permissions {
				if slices.Contains(p.Roles, text.Role) && slices.Contains(granted, p.Action) {
					list = append(list, Grant{role, p.Action, p.On, p.Why})
				}
			}
		}
	}
	return list, nil
}

// SweepMinutes reads the template's SweepSchedule, such as "rate(5 minutes)"; 1 for what it is not.
func SweepMinutes(schedule string) int {
	number, _, _ := strings.Cut(strings.TrimPrefix(schedule, "rate("), " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// UsageOf is what a stack with these parameters has to do in a month, for so many trails. copies is how many of them record
// management events beyond the first.
func (t Template) UsageOf(parameters map[string]string, pinned, copies int) Usage {
	value := func(name string) string {
		if v, ok := parameters[name]; ok {
			return v
		}
		p, _ := section(t.Doc, "Parameters")[name].(map[string]any)
		return fmt.Sprint(p["Default"])
	}
	u := Usage{SweepMinutes: SweepMinutes(value("SweepSchedule")), Pinned: pinned, Events: 200, Copies: copies,
		Alarms: value("EnableAlarms") == "yes", Dashboard: value("EnableDashboard") == "yes", Anchors: value("AnchorBucket") != ""}
	for _, key := range []string{"TopicKeyArn", "LedgerKeyArn", "LogKeyArn"} {
		if value(key) != "" {
			u.Keys++
		}
	}
	u.Keys += strings.Count(value("KeyArns"), "arn:")
	u.Secrets = strings.Count(value("SecretArns"), ":secretsmanager:")
	return u
}

// Parameter is one that the template asks for.
type Parameter struct {
	Name, Description string
	Default           string
	Required          bool // it has no default
}

// Parameters lists the template's parameters in the order in which its interface shows them.
func (t Template) Parameters() []Parameter {
	var list []Parameter
	declared := section(t.Doc, "Parameters")
	groups, _ := section(section(t.Doc, "Metadata"), "AWS::CloudFormation::Interface")["ParameterGroups"].([]any)
	for _, g := range groups {
		g, _ := g.(map[string]any)
		names, _ := g["Parameters"].([]any)
		for _, name := range names {
			p, _ := declared[fmt.Sprint(name)].(map[string]any)
			one := Parameter{Name: fmt.Sprint(name), Description: fmt.Sprint(p["Description"])}
			if preset, ok := p["Default"]; ok {
				one.Default = fmt.Sprint(preset)
			} else {
				one.Required = true
			}
			list = append(list, one)
		}
	}
	return list
}

// Retains says whether a resource stays when the stack goes.
func (t Template) Retains(id string) bool {
	r, _ := section(t.Doc, "Resources")[id].(map[string]any)
	return r["DeletionPolicy"] == "Retain"
}
