package stack

import (
	"net/http"
	"strings"
	"testing"
)

// quota is a Lambda that says what an account may run at once, or refuses to.
type quota string

func (q quota) RoundTrip(r *http.Request) (*http.Response, error) {
	if q != "" {
		return answer(r, http.StatusOK, string(q)), nil
	}
	refused := answer(r, http.StatusForbidden, "")
	refused.Header.Set("X-Amzn-Errortype", "AccessDeniedException")
	return refused, nil
}

// TestReserve: what the account has not is not reserved, and nobody is asked where nothing more is.
func TestReserve(t *testing.T) {
	for name, test := range map[string]struct {
		before, after map[string]string
		answer        string
		says          string // "" when it may be reserved
	}{
		"none":                      {nil, map[string]string{"ReactReservedConcurrency": "-1", "SweepReservedConcurrency": "-1"}, "", ""},
		"enough":                    {nil, map[string]string{"ReactReservedConcurrency": "5", "SweepReservedConcurrency": "2"}, `{"AccountLimit":{"UnreservedConcurrentExecutions":1000}}`, ""},
		"one too few":               {nil, map[string]string{"ReactReservedConcurrency": "5", "SweepReservedConcurrency": "2"}, `{"AccountLimit":{"UnreservedConcurrentExecutions":106}}`, "7 executions are to be reserved and the account has 6"},
		"a new account's ten":       {nil, map[string]string{"ReactReservedConcurrency": "5"}, `{"AccountLimit":{"UnreservedConcurrentExecutions":10}}`, "the account has 0"},
		"no more than before":       {map[string]string{"ReactReservedConcurrency": "5"}, map[string]string{"ReactReservedConcurrency": "3", "SweepReservedConcurrency": "2"}, "", ""},
		"more than before, refused": {map[string]string{"ReactReservedConcurrency": "5"}, map[string]string{"ReactReservedConcurrency": "6"}, "", "read how many executions the account has to reserve"},
	} {
		t.Run(name, func(t *testing.T) {
			err := over(quota(test.answer)).Reserve(t.Context(), test.before, test.after)
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %v", err)
			}
		})
	}
}
