package pattern

import (
	"errors"
	"fmt"
	"strings"
)

// parseWildcard cuts a wildcard into the literal parts between its stars. A backslash makes a star
// or a backslash literal and stands before nothing else; two stars may not follow each other.
func parseWildcard(s string) ([]string, error) {
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		last := &parts[len(parts)-1]
		switch s[i] {
		case '\\':
			if i++; i == len(s) || s[i] != '*' && s[i] != '\\' {
				return nil, fmt.Errorf("in %q a backslash must be followed by * or another backslash", s)
			}
			*last += s[i : i+1]
		case '*':
			if i+1 < len(s) && s[i+1] == '*' {
				return nil, errors.New("two * in a row are not allowed")
			}
			parts = append(parts, "")
		default:
			*last += s[i : i+1]
		}
	}
	return parts, nil
}

// matchWildcard finds the parts in s, one after the other, the first and the last at the ends.
// Taking the leftmost place for each part in between leaves the most for the rest.
func matchWildcard(parts []string, s string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
