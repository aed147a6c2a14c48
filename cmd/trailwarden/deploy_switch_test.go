package main

import (
	"strings"
	"testing"
)

// TestMembersRepair: whoever switches repairs off is told where they go on.
func TestMembersRepair(t *testing.T) {
	of := func(organization, members string) string {
		return membersRepair(map[string]string{"Name": "guard", "OrganizationId": organization, "MemberAccounts": members})
	}
	for _, want := range []string{"444455556666,777788889999", "guard-repair", "guard-member", "deploy --update --mode observe"} {
		if got := of("o-exampleorg1", "444455556666,777788889999"); !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if got := of("", "") + of("o-exampleorg1", "") + of("", "444455556666"); got != "" {
		t.Errorf("without members it says %q", got)
	}
}
