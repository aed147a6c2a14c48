package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// lint says what is wrong with a state machine in the Amazon States Language, with JSONPath: as far as the language's
// specification and the developer guide of Step Functions (Distributed Map) tell without running it.
func lint(machine map[string]any) []string {
	l := &linter{}
	if ql := machine["QueryLanguage"]; ql != nil && ql != "JSONPath" {
		l.wrong("the machine", "QueryLanguage is %v: this linter reads JSONPath", ql)
	}
	l.states("", machine)
	return l.problems
}

type linter struct{ problems []string }

func (l *linter) wrong(where, format string, args ...any) {
	l.problems = append(l.problems, where+": "+fmt.Sprintf(format, args...))
}

// states checks a machine or an ItemProcessor: all of its states are there, reached, and lead somewhere.
func (l *linter) states(where string, m map[string]any) {
	states, _ := m["States"].(map[string]any)
	start, _ := m["StartAt"].(string)
	if states[start] == nil {
		l.wrong(where, "StartAt %q is no state", start)
	}
	reached := map[string]bool{}
	ends := false
	var visit func(name string)
	visit = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		s, ok := states[name].(map[string]any)
		if !ok {
			l.wrong(where+name, "there is no such state")
			return
		}
		next := l.state(where+name, s)
		ends = ends || s["End"] == true || s["Type"] == "Succeed" || s["Type"] == "Fail"
		for _, n := range next {
			visit(n)
		}
	}
	visit(start)
	for name := range states {
		if !reached[name] {
			l.wrong(where+name, "no state leads to it")
		}
	}
	if !ends {
		l.wrong(where, "nothing ends it")
	}
}

// Fields that a type of state may have, and those that it must have.
var (
	common = []string{"Type", "Comment"}
	flow   = []string{"Next", "End"}
	paths  = []string{"InputPath", "OutputPath"}
	caught = []string{"ResultPath", "ResultSelector", "Parameters", "Retry", "Catch", "TimeoutSeconds"}
	may    = map[string][]string{
		"Pass":    slices.Concat(common, flow, paths, []string{"Result", "ResultPath", "Parameters"}),
		"Task":    slices.Concat(common, flow, paths, caught, []string{"Resource"}),
		"Choice":  slices.Concat(common, paths, []string{"Choices", "Default"}),
		"Succeed": slices.Concat(common, paths),
		"Fail":    slices.Concat(common, []string{"Error", "ErrorPath", "Cause", "CausePath"}),
		"Map": slices.Concat(common, flow, paths, []string{"ResultPath", "ResultSelector", "Retry", "Catch", "ItemProcessor", "ItemReader", "ItemSelector",
			"ItemBatcher", "ResultWriter", "MaxConcurrency", "MaxConcurrencyPath", "ToleratedFailurePercentage", "ToleratedFailureCount", "Label"}),
	}
	labelForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)
)

// state checks one state and says where it leads.
func (l *linter) state(where string, s map[string]any) []string {
	kind, _ := s["Type"].(string)
	if may[kind] == nil {
		l.wrong(where, "Type %q", kind)
		return nil
	}
	for field := range s {
		if !slices.Contains(may[kind], field) {
			l.wrong(where, "a %s has no field %s", kind, field)
		}
	}
	l.templates(where, s)
	var next []string
	if slices.Contains(may[kind], "Next") {
		to, leads := s["Next"].(string)
		if leads == (s["End"] == true) {
			l.wrong(where, "it needs either Next or End")
		}
		if leads {
			next = append(next, to)
		}
	}
	for n, c := range list(s["Catch"]) {
		to, ok := c["Next"].(string)
		if !ok || len(texts(c["ErrorEquals"])) == 0 {
			l.wrong(where, "Catch[%d] needs ErrorEquals and Next", n)
			continue
		}
		next = append(next, to)
	}
	for n, r := range list(s["Retry"]) {
		equals := texts(r["ErrorEquals"])
		if len(equals) == 0 || slices.Contains(equals, "States.ALL") && (len(equals) > 1 || n < len(list(s["Retry"]))-1) {
			l.wrong(where, "Retry[%d]: States.ALL stands alone, and last", n)
		}
		if rate, ok := number(r["BackoffRate"]); ok && rate < 1 {
			l.wrong(where, "Retry[%d]: BackoffRate is %v", n, rate)
		}
	}
	switch kind {
	case "Choice":
		next = append(next, l.choices(where, s)...)
	case "Task":
		if text, _ := s["Resource"].(string); text != "${Function}" && !strings.HasPrefix(text, "arn:${Partition}:") {
			l.wrong(where, "Resource %q is neither the function nor neutral of partitions", text)
		}
	case "Map":
		l.distributed(where, s)
	}
	return next
}

func (l *linter) choices(where string, s map[string]any) []string {
	var next []string
	rules := list(s["Choices"])
	if len(rules) == 0 {
		l.wrong(where, "a Choice needs Choices")
	}
	for n, rule := range rules {
		to, ok := rule["Next"].(string)
		if !ok {
			l.wrong(where, "Choices[%d] has no Next", n)
			continue
		}
		next = append(next, to)
		for _, test := range append(list(rule["And"]), list(rule["Or"])...) {
			l.test(where, test, 2)
		}
		if rule["And"] == nil && rule["Or"] == nil {
			l.test(where, rule, 3)
		}
	}
	to, ok := s["Default"].(string)
	if !ok {
		l.wrong(where, "without Default an input that fits no rule fails the execution")
		return next
	}
	return append(next, to)
}

// test checks a comparison: a Variable, one operator, and Next where it is a rule of its own.
func (l *linter) test(where string, test map[string]any, fields int) {
	variable, _ := test["Variable"].(string)
	if !strings.HasPrefix(variable, "$.") || len(test) != fields {
		l.wrong(where, "a comparison needs a Variable and one operator: %v", test)
	}
	for field := range test {
		if field != "Variable" && field != "Next" && !slices.Contains([]string{"IsPresent", "NumericGreaterThan", "NumericEquals", "StringEquals", "BooleanEquals"}, field) {
			l.wrong(where, "operator %s", field)
		}
	}
}

// distributed checks a Distributed Map.
func (l *linter) distributed(where string, s map[string]any) {
	processor, _ := s["ItemProcessor"].(map[string]any)
	config, _ := processor["ProcessorConfig"].(map[string]any)
	if config["Mode"] != "DISTRIBUTED" || config["ExecutionType"] != "STANDARD" && config["ExecutionType"] != "EXPRESS" {
		l.wrong(where, "ProcessorConfig %v", config)
	}
	if config["ExecutionType"] == "EXPRESS" {
		l.wrong(where, "an express execution lasts five minutes, a worker fifteen")
	}
	l.states(where+"/", processor)
	if label, _ := s["Label"].(string); !labelForm.MatchString(label) {
		l.wrong(where, "Label %q", label)
	}
	reader, _ := s["ItemReader"].(map[string]any)
	parameters, _ := reader["Parameters"].(map[string]any)
	_, readerConfig := reader["ReaderConfig"].(map[string]any)
	needed := map[string][]string{"arn:${Partition}:states:::s3:listObjectsV2": {"Bucket"}, "arn:${Partition}:states:::s3:getObject": {"Bucket", "Key"}}[fmt.Sprint(reader["Resource"])]
	if needed == nil || readerConfig != (len(needed) == 2) {
		l.wrong(where, "ItemReader %v: getObject needs a ReaderConfig, listObjectsV2 has none", reader)
	}
	for _, p := range needed {
		if parameters[p] == nil && parameters[p+".$"] == nil {
			l.wrong(where, "ItemReader has no %s", p)
		}
	}
	batcher, _ := s["ItemBatcher"].(map[string]any)
	most, _ := number(batcher["MaxInputBytesPerBatch"])
	if batcher["MaxItemsPerBatch"] == nil && batcher["MaxItemsPerBatchPath"] == nil || most > 256<<10 {
		l.wrong(where, "ItemBatcher %v: a batch is of so many items, and of 256 KiB at most", batcher)
	}
	for _, limit := range []any{batcher["MaxItemsPerBatch"], s["MaxConcurrency"], s["ToleratedFailurePercentage"]} {
		if _, ok := number(limit); limit != nil && !ok {
			l.wrong(where, "%v is no number: a substitution in quotes stays a text", limit)
		}
	}
	writer, _ := s["ResultWriter"].(map[string]any)
	to, _ := writer["Parameters"].(map[string]any)
	if writer["Resource"] != "arn:${Partition}:states:::s3:putObject" || to["Bucket"] == nil || to["Prefix"] == nil && to["Prefix.$"] == nil {
		l.wrong(where, "ResultWriter %v", writer)
	}
}

// pathFields hold a path and no value.
var pathFields = []string{"InputPath", "OutputPath", "ResultPath", "CausePath", "ErrorPath", "MaxConcurrencyPath", "MaxItemsPerBatchPath", "Variable"}

// templates checks that paths stand where paths are read, and nowhere else.
func (l *linter) templates(where string, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			l.templates(where, e)
		}
	case map[string]any:
		for field, value := range v {
			text, isText := value.(string)
			path := strings.HasPrefix(text, "$") && !strings.HasPrefix(text, "${") || strings.HasPrefix(text, "States.") && strings.HasSuffix(text, ")")
			reads := strings.HasSuffix(field, ".$") || slices.Contains(pathFields, field)
			switch {
			case slices.Contains([]string{"Arguments", "Output", "Assign"}, field):
				l.wrong(where, "%s is of JSONata", field)
			case reads && (!isText || !path):
				l.wrong(where, "%s is %v, and no path", field, value)
			case !reads && path:
				l.wrong(where, "%s is the text %q, and no path: write %s.$", field, text, field)
			}
			if field != "States" { // each by itself
				l.templates(where, value)
			}
		}
	}
}

func list(v any) []map[string]any {
	all, _ := v.([]any)
	var maps []map[string]any
	for _, e := range all {
		m, _ := e.(map[string]any)
		maps = append(maps, m)
	}
	return maps
}

func texts(v any) []string {
	all, _ := v.([]any)
	var some []string
	for _, e := range all {
		some = append(some, fmt.Sprint(e))
	}
	return some
}

func number(v any) (float64, bool) {
	n, ok := v.(float64) // as encoding/json has it
	return n, ok
}
