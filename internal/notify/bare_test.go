package notify

import "testing"

func TestBare(t *testing.T) {
	for in, want := range map[string]string{
		"<!channel> & co":                       "<!channel> & co",
		"*b* ~s~ `c` _it_ snake_case":           "∗b∗ ∼s∼ 'c' ＿it＿ snake_case",
		"@here ada@example.com (@channel)":      "＠here ada@example.com (＠channel)",
		":rotating_light: 23:04:11 UTC":         "꞉rotating_light꞉ 23:04:11 UTC",
		"arn:aws:sts::123456789012:user/a_b":    "arn:aws:sts::123456789012:user/a_b",
		"[AWS console](//evil.example)":         "[AWS console] (//evil.example)",
		"# heading":                             "· # heading",
		"203.0.113.9":                           "203.0.113.9",
		"1. item":                               "· 1. item",
		"StopLogging failed: try again, please": "StopLogging failed: try again, please",
	} {
		if got := Bare(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
