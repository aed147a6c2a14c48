package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// mailed TEXT demands that somebody who reads the topic by e-mail has got a text.
func mailed(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] mailed TEXT")
	}
	s := stageOf(ts)
	s.world.Deliver()
	found := false
	for _, m := range s.world.Mailbox(demoReader) {
		found = found || strings.Contains(m.Subject+"\n"+m.Body, args[0])
	}
	if found == neg {
		ts.Fatalf("mail with %q: %t", args[0], found)
	}
}
