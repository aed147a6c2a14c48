package trail

import "strings"

// ControlTower says whether AWS Control Tower made a trail, and so owns it: by its name, or by the tags that its stack
// leaves, which nobody else can set.
func ControlTower(a ARN, tags ...map[string]string) bool {
	if strings.HasPrefix(a.Name, "aws-controltower-") {
		return true
	}
	for _, set := range tags {
		if strings.Contains(set["aws:cloudformation:stack-name"], "AWSControlTowerBP-") {
			return true
		}
	}
	return false
}
