package logfile

import (
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Name is what the name of a file says that CloudTrail delivers. Anybody may rename a file: it is evidence
// as good as the bucket's policy.
type Name struct {
	Account string
	Region  string    // whose records it holds
	Time    time.Time // when it was written; its records are older. To the minute, of a digest to the second.

	Digest   bool // it is a digest file
	Backfill bool // it is a digest file for logs that were delivered late
	Insight  bool // it holds Insights events, which come when there are some

	Trail      string // of a digest file only: the trail
	HomeRegion string // of a digest file only: the trail's Region
}

var (
	logName    = lazily(`^([0-9]+)_CloudTrail(|-Insight|-NetworkActivity)_([a-z0-9-]+)_([0-9]{8}T[0-9]{4}Z)_[A-Za-z0-9]+\.json(\.gz)?$`)
	digestName = lazily(`^([0-9]+)_CloudTrail-Digest_([a-z0-9-]+)_([A-Za-z0-9._-]+)_([a-z0-9-]+)_([0-9]{8}T[0-9]{6}Z)(_backfill)?\.json(\.gz)?$`)
)

// lazily compiles an expression when it is first used: the Lambda function reads no names, and its cold start waits for what is compiled.
func lazily(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

// ParseName reads the last element of a path or key; it is false for names that are not CloudTrail's.
func ParseName(file string) (Name, bool) {
	base := path.Base(strings.ReplaceAll(file, `\`, "/"))
	if p := logName().FindStringSubmatch(base); p != nil {
		at, err := time.Parse("20060102T1504Z", p[4])
		return Name{Account: p[1], Region: p[3], Time: at, Insight: p[2] != ""}, err == nil
	}
	if p := digestName().FindStringSubmatch(base); p != nil {
		at, err := time.Parse("20060102T150405Z", p[5])
		return Name{Account: p[1], Region: p[2], Trail: p[3], HomeRegion: p[4], Time: at, Digest: true, Backfill: p[6] != ""}, err == nil
	}
	return Name{}, false
}
