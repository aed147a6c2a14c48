package trail

import (
	"slices"
	"strings"
)

// Loss is one thing that is no longer covered.
type Loss struct {
	Name string // "trail", "logging", "management_read", "management_write", "data", "network_activity", "insights", "regions", …
	Of   string // resource type, event source, kind of Insights or of enrichment; else empty
	Text string // a sentence in plain words
}

// Lost lists what before has and after has not. Where a trail is gone, that is the one loss.
func Lost(before, after Coverage) []Loss {
	if before.Trail && !after.Trail {
		return []Loss{{Name: "trail", Text: "There is no trail any more: nothing is recorded."}}
	}
	var l losses
	l.when(before.Logging && !after.Logging, "logging", "The trail does not record: no event is delivered.")
	l.events("management_read", "read-only management events", before.Read, after.Read)
	l.events("management_write", "management events that change something", before.Write, after.Write)
	l.records("data", "data events", before.Data, after.Data)
	l.records("network_activity", "network activity events", before.Network, after.Network)
	l.words("insights", "Insights events are no longer recorded", before.Insights, after.Insights)

	l.when(before.AllRegions && !after.AllRegions, "regions", "Events of all Regions but ", after.Home, " are no longer recorded.")
	l.when(!before.AllRegions && !after.AllRegions && before.Home != after.Home, "regions", "Events of ", before.Home, " are no longer recorded.")
	l.when(before.Global && !after.Global, "global_services", "Events of global services (IAM, STS, CloudFront) are no longer recorded.")
	l.when(before.Organization && !after.Organization, "accounts", "Events of the organization's other accounts are no longer recorded.")
	l.when(before.Account != "" && after.Account != before.Account && !after.Organization, "accounts", "Events of account ", before.Account, " are no longer recorded.")
	l.when(before.Validation && !after.Validation, "validation", "Log files are delivered without digest files: changed or deleted ones can no longer be proven.")

	l.when(before.Bucket != "" && before.Bucket != after.Bucket, "bucket", "Log files no longer go to the bucket ", before.Bucket, " but to ", or(after.Bucket, "none"), ".")
	l.when(before.Bucket != "" && before.Prefix != after.Prefix, "prefix", "Log files lie under ", or(after.Prefix, "no prefix"), " instead of ", or(before.Prefix, "no prefix"), ": who looks there finds nothing new.")
	l.key(before, after)
	l.when(before.LogGroup != "" && before.LogGroup != after.LogGroup, "log_group", "Events no longer go to the log group ", before.LogGroup, ": its filters and alarms see nothing.")
	l.when(before.LogGroup != "" && before.LogGroup == after.LogGroup && before.LogRole != after.LogRole, "log_role", "Events are written to the log group with the role ", or(after.LogRole, "none"), " instead of ", before.LogRole, ": they may not arrive.")
	l.when(before.Topic != "" && before.Topic != after.Topic, "topic", "The topic ", before.Topic, " is no longer told of new log files.")

	l.words("aggregation", "Summaries are no longer delivered", before.Aggregations, after.Aggregations)
	l.words("enrichment", "Events no longer carry", before.ContextKeys, after.ContextKeys)
	l.when(before.LargeEvents && !after.LargeEvents, "event_size", "Long events are cut short.")
	return l
}

type losses []Loss

func (l *losses) when(lost bool, name string, text ...string) {
	if lost {
		*l = append(*l, Loss{Name: name, Text: strings.Join(text, "")})
	}
}

func (l *losses) words(name, text string, before, after []string) {
	for _, w := range before {
		if !slices.Contains(after, w) {
			*l = append(*l, Loss{Name: name, Of: w, Text: text + ": " + w + "."})
		}
	}
}

func (l *losses) events(name, kind string, before, after Events) {
	if after.covers(before) {
		return
	}
	*l = append(*l, Loss{Name: name, Text: narrowed(kind, after)})
}

func (l *losses) records(name, kind string, before, after []Records) {
	for _, b := range before {
		var a Records
		if i := slices.IndexFunc(after, func(r Records) bool { return r.Of == b.Of }); i >= 0 {
			a = after[i]
		}
		read, write := !a.Read.covers(b.Read), !a.Write.covers(b.Write)
		var text string
		switch {
		case read && write && a.Read.String() == a.Write.String():
			text = narrowed(kind+" of "+b.Of, a.Read)
		case read && write:
			text = narrowed("read-only "+kind+" of "+b.Of, a.Read) + " " + narrowed("writing "+kind+" of "+b.Of, a.Write)
		case read:
			text = narrowed("read-only "+kind+" of "+b.Of, a.Read)
		case write:
			text = narrowed("writing "+kind+" of "+b.Of, a.Write)
		default:
			continue
		}
		*l = append(*l, Loss{Name: name, Of: b.Of, Text: text})
	}
}

func (l *losses) key(before, after Coverage) {
	switch {
	case before.Key == after.Key || before.Bucket == "" && before.Key == "":
	case after.Key == "":
		l.when(true, "key", "Log files are no longer encrypted with the key ", before.Key, ".")
	default:
		l.when(true, "key", "Log files are encrypted with the key ", after.Key, ": only who may use that key can read them.")
	}
}

// narrowed says in a sentence what is left of a kind of events.
func narrowed(kind string, left Events) string {
	if len(left) == 0 {
		return upper(kind) + " are no longer recorded."
	}
	return upper(kind) + " are recorded only where " + left.String() + "."
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
