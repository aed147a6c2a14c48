package baseline

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Problems lists what is wrong with the file besides its grammar. A file with a problem is not used.
func (f File) Problems() config.Problems {
	v := &remarks{file: f}
	if f.Version != Version && f.place("version") != (config.Place{}) {
		v.add("version", fmt.Sprintf("%d is not a version of the file that this trailwarden reads", f.Version),
			`write "version: 1", or use the trailwarden that the file was written for`)
	}
	if f.Serial < 1 && f.place("serial") != (config.Place{}) {
		v.add("serial", fmt.Sprintf("%d is no serial number", f.Serial), "write 1 in a new file, and one more with every change")
	}
	if len(f.Trails) == 0 && len(f.Requirements) == 0 {
		v.add("trails", "the file pins no trail and requires nothing", "run `trailwarden baseline capture`; to guard without a baseline, configure none")
	}
	seen := map[trail.ARN]string{}
	for i, t := range f.Trails {
		at := fmt.Sprintf("trails[%d]", i)
		if t.ARN != (trail.ARN{}) && seen[t.ARN] != "" {
			v.add(at+".arn", "the trail is pinned twice, first in line "+fmt.Sprint(f.place(seen[t.ARN]).Line), "keep one of the two")
		}
		seen[t.ARN] = at + ".arn"
		v.trail(at, t)
	}
	for i, r := range f.Requirements {
		v.requirement(fmt.Sprintf("requirements[%d]", i), r)
	}
	return v.list
}

func (v *remarks) trail(at string, t Trail) {
	var groups []string
	for _, g := range trail.Groups() {
		groups = append(groups, string(g))
	}
	known := []string{string(trail.FieldExists)}
	for _, row := range trail.Table {
		known = append(known, string(row.Field))
		if !v.has(at+"."+string(row.Field)) && !slices.Contains(t.Ignore, row.Field) && v.has(at+".arn") {
			v.add(at+".arn", fmt.Sprintf("the trail's %q is missing", row.Field), "write the line, with an empty value if it is to be empty, or list it under ignore")
		}
	}
	for i, g := range t.Repair {
		v.word(fmt.Sprintf("%s.repair[%d]", at, i), "group of settings", string(g), groups)
	}
	for i, field := range t.Ignore {
		v.word(fmt.Sprintf("%s.ignore[%d]", at, i), "setting", string(field), known)
	}
	for i, a := range t.Approvals {
		for j, field := range a.Fields {
			v.word(fmt.Sprintf("%s.approvals[%d].fields[%d]", at, i, j), "setting", string(field), known)
		}
	}
	if t.Bucket == "" && v.has(at+".s3_bucket_name") && !slices.Contains(t.Ignore, trail.FieldBucket) {
		v.add(at+".s3_bucket_name", "no trail is without a bucket", "name it, or list s3_bucket_name under ignore")
	}
	if t.BucketOwner != "" && !accountForm().MatchString(t.BucketOwner) {
		v.add(at+".s3_bucket_owner", short(t.BucketOwner)+" is not a 12-digit account id", "write it in quotes, without dashes")
	}
	if len(t.Selectors.Basic) > 0 && len(t.Selectors.Advanced) > 0 {
		v.add(at+".event_selectors", "basic and advanced selectors exclude each other", "keep the kind that the trail has")
	}
	for i, s := range t.Selectors.Basic {
		path := fmt.Sprintf("%s.event_selectors.basic[%d].read_write_type", at, i)
		if v.has(path) {
			v.word(path, "kind of events", s.ReadWrite, []string{"All", "ReadOnly", "WriteOnly"})
		}
	}
	if path := at + ".max_event_size"; v.has(path) {
		v.word(path, "size", t.EventSize, []string{"Standard", "Large"})
	}
}

var (
	accountForm = lazily(`^[0-9]{12}$`)
	regionForm  = lazily(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)
)

// lazily compiles an expression when it is first used: a cold start of the Lambda function waits for what is compiled before.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

func (v *remarks) requirement(at string, r Requirement) {
	if len(r.Accounts) == 0 && v.has(at+".accounts") {
		v.add(at+".accounts", "no account is named", `write "all", in brackets, or their ids`)
	}
	if len(r.Regions) == 0 && v.has(at+".regions") {
		v.add(at+".regions", "no Region is named", `write "all", in brackets, or their names`)
	}
	for i, a := range r.Accounts {
		if !accountForm().MatchString(a) && !(a == "all" && len(r.Accounts) == 1) {
			v.add(fmt.Sprintf("%s.accounts[%d]", at, i), fmt.Sprintf("%s is not a 12-digit account id", short(a)), `write it in quotes, without dashes, or "all" by itself`)
		}
	}
	for i, name := range r.Regions {
		if !regionForm().MatchString(name) && !(name == "all" && len(r.Regions) == 1) {
			v.add(fmt.Sprintf("%s.regions[%d]", at, i), fmt.Sprintf("%s is not the name of an AWS Region", short(name)), `it looks like eu-west-1; or write "all" by itself`)
		}
	}
	if r.Management != "" && !accountForm().MatchString(r.Management) {
		v.add(at+".management_account", fmt.Sprintf("%s is not a 12-digit account id", short(r.Management)), "`aws organizations describe-organization` prints it")
	}
	if !r.Read && !r.Write && !r.Global && !r.Validated && r.Bucket == "" && !r.MultiRegion && !r.Organization && v.has(at+".name") {
		v.add(at+".name", "the requirement asks for nothing", "write management_write: true, for one")
	}
}

// remarks collects what is to be said of a file.
type remarks struct {
	file File
	list config.Problems
}

func (v *remarks) add(path, message, hint string) {
	at := v.file.place(path)
	v.list = append(v.list, config.Problem{
		Where: v.file.Name, Line: at.Line, Column: at.Column, Key: path, Message: message, Hint: hint,
	})
}

// word holds a word against those that are known.
func (v *remarks) word(path, what, word string, known []string) {
	if slices.Contains(known, word) {
		return
	}
	v.add(path, fmt.Sprintf("%s is not a %s", short(word), what), config.Suggest(word, "use one of ", known))
}

// has tells whether something stands in the text. A file that was not read from one has everything.
func (v *remarks) has(path string) bool {
	_, ok := v.file.Places[path]
	return ok || v.file.Places == nil
}

// place is where something stands, or what it is a part of.
func (f File) place(path string) config.Place {
	for {
		if at, ok := f.Places[path]; ok || path == "" {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// short is a value for a message: escaped, and cut where it is long.
func short(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		return fmt.Sprintf("%q…", string(runes[:60]))
	}
	return fmt.Sprintf("%q", text)
}
