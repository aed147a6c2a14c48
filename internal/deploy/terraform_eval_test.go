package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyfunction "github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// tfModule is a Terraform module, parsed: its blocks by address, as var.x, local.x, aws_x.y, data.aws_x.y, output.x.
type tfModule struct {
	dir    string
	blocks map[string]*hclsyntax.Block
	locals map[string]hclsyntax.Expression
}

// tfResource is one that Terraform would make or has made, with the values as `terraform show -json` has them: a block is a
// list of maps.
type tfResource struct {
	Address string         `json:"address"`
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Mode    string         `json:"mode"` // managed, or data
	Values  map[string]any `json:"values"`
}

// modules are the Terraform modules, each with the templates that it stands for.
var modules = map[string][]string{
	"": {"trailwarden", "organization"}, "modules/member": {"member-role", "member-rules"}, "modules/forwarder": {"forwarder"}, "modules/witness": {"witness"},
}

func parseModule(t *testing.T, dir string) tfModule {
	t.Helper()
	m := tfModule{dir: filepath.Join("../../deploy/terraform", dir), blocks: map[string]*hclsyntax.Block{}, locals: map[string]hclsyntax.Expression{}}
	files, err := filepath.Glob(filepath.Join(m.dir, "*.tf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no Terraform files: %v", m.dir, err)
	}
	for _, file := range files {
		parsed, diags := hclparse.NewParser().ParseHCLFile(file)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range parsed.Body.(*hclsyntax.Body).Blocks {
			switch b.Type {
			case "locals":
				for name, a := range b.Body.Attributes {
					m.locals[name] = a.Expr
				}
			case "resource":
				m.blocks[strings.Join(b.Labels, ".")] = b
			case "variable":
				m.blocks["var."+b.Labels[0]] = b
			default:
				m.blocks[strings.Join(append([]string{b.Type}, b.Labels...), ".")] = b
			}
		}
	}
	return m
}

// names are the labels of the blocks of a type, sorted.
func (m tfModule) names(kind string) []string {
	var out []string
	for address := range m.blocks {
		if name, ok := strings.CutPrefix(address, kind+"."); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// evaluation works a module out where no Terraform is. Values that only AWS knows have the shape that they will have, as in
// Template.Make, so that both can be held against each other.
type evaluation struct {
	module tfModule
	place  Stack
	given  map[string]cty.Value
	known  map[string]cty.Value
	made   []tfResource
	failed []string // conditions that do not hold
}

// evaluate makes what the module makes with these variables.
func (m tfModule) evaluate(place Stack, given map[string]cty.Value) (e *evaluation, err error) {
	e = &evaluation{module: m, place: place, given: given, known: map[string]cty.Value{}}
	defer func() { // HCL's own errors come from deep within lazily evaluated references
		if p := recover(); p != nil {
			err = fmt.Errorf("evaluate %s: %v", m.dir, p)
		}
	}()
	for name := range given {
		if m.blocks["var."+name] == nil {
			return nil, fmt.Errorf("evaluate %s: there is no variable %s", m.dir, name)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(m.blocks)) {
		if b := m.blocks[address]; b.Type == "resource" || b.Type == "variable" {
			e.at(address)
		}
	}
	if len(e.failed) > 0 {
		return nil, fmt.Errorf("evaluate %s: %s", m.dir, strings.Join(e.failed, "; "))
	}
	return e, nil
}

// outputs are the module's outputs, but for those that are null.
func (e *evaluation) outputs() map[string]string {
	out := map[string]string{}
	for _, name := range e.module.names("output") {
		if v := e.value(e.module.blocks["output."+name].Body.Attributes["value"].Expr, nil); !v.IsNull() {
			out[name] = v.AsString()
		}
	}
	return out
}

func must[T any](v T, diags hcl.Diagnostics) T {
	if diags.HasErrors() {
		panic(diags.Error())
	}
	return v
}

// value works out an expression; scope has what each, count, self or an iterator is.
func (e *evaluation) value(expr hclsyntax.Expression, scope map[string]cty.Value) cty.Value {
	found := map[string]map[string]cty.Value{}
	put := func(root, name string, v cty.Value) {
		if found[root] == nil {
			found[root] = map[string]cty.Value{}
		}
		found[root][name] = v
	}
	for _, traversal := range expr.Variables() {
		root := traversal.RootName()
		if _, local := scope[root]; local {
			continue
		}
		name := traversal[1].(hcl.TraverseAttr).Name
		if root == "data" {
			put(root, name, cty.ObjectVal(map[string]cty.Value{traversal[2].(hcl.TraverseAttr).Name: e.data(name)}))
			continue
		}
		put(root, name, e.at(root+"."+name))
	}
	context := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: tfFunctions}
	for root, members := range found {
		context.Variables[root] = cty.ObjectVal(members)
	}
	for name, v := range scope {
		context.Variables[name] = v
	}
	v, diags := expr.Value(context)
	return must(v, diags)
}

func (e *evaluation) data(kind string) cty.Value {
	text := func(name, v string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{name: cty.StringVal(v)})
	}
	switch kind {
	case "aws_caller_identity":
		return text("account_id", e.place.Account)
	case "aws_partition":
		return text("partition", e.place.Partition)
	case "aws_region":
		return text("id", e.place.Region)
	}
	panic("the data source " + kind + " is not known here")
}

// at is what an address refers to.
func (e *evaluation) at(address string) cty.Value {
	if v, ok := e.known[address]; ok {
		return v
	}
	e.known[address] = cty.DynamicVal // a circle is told by an unknown value
	var v cty.Value
	root, name, _ := strings.Cut(address, ".")
	switch block := e.module.blocks[address]; {
	case root == "local" && e.module.locals[name] != nil:
		v = e.value(e.module.locals[name], nil)
	case block == nil:
		panic("there is no " + address)
	case root == "var":
		v = e.variable(name, block)
	default:
		v = e.resource(block)
	}
	e.known[address] = v
	return v
}

func (e *evaluation) variable(name string, block *hclsyntax.Block) cty.Value {
	v, given := e.given[name]
	if preset := block.Body.Attributes["default"]; !given && preset != nil {
		v = e.value(preset.Expr, nil)
	} else if !given {
		panic(name + " is missing")
	}
	kind, diags := typeexpr.Type(block.Body.Attributes["type"].Expr)
	converted, err := convert.Convert(v, must(kind, diags))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	own := map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: converted})}
	e.require(block.Body, "validation", own)
	return converted
}

// require notes the conditions of a body that do not hold.
func (e *evaluation) require(body *hclsyntax.Body, kind string, scope map[string]cty.Value) {
	for _, b := range body.Blocks {
		if b.Type == kind && e.value(b.Body.Attributes["condition"].Expr, scope).False() {
			e.failed = append(e.failed, e.value(b.Body.Attributes["error_message"].Expr, scope).AsString())
		}
	}
}

func (e *evaluation) resource(block *hclsyntax.Block) cty.Value {
	body := block.Body
	if count := body.Attributes["count"]; count != nil {
		n, _ := e.value(count.Expr, nil).AsBigFloat().Int64()
		var list []cty.Value
		for i := range n {
			list = append(list, e.instance(block, map[string]cty.Value{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(i)})}))
		}
		return cty.TupleVal(list)
	}
	if each := body.Attributes["for_each"]; each != nil {
		instances := map[string]cty.Value{}
		for key, v := range e.value(each.Expr, nil).AsValueMap() {
			instances[key] = e.instance(block, map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": v})})
		}
		return cty.ObjectVal(instances)
	}
	return e.instance(block, nil)
}

func (e *evaluation) instance(block *hclsyntax.Block, scope map[string]cty.Value) cty.Value {
	values := map[string]any{}
	members := e.body(block.Body, scope, values)
	for name, v := range e.computed(block.Labels[0], values) {
		members[name] = cty.StringVal(v)
	}
	e.made = append(e.made, tfResource{Type: block.Labels[0], Name: block.Labels[1], Mode: "managed", Values: values})
	return cty.ObjectVal(members)
}

// body works out what is in braces, into values as JSON has it.
func (e *evaluation) body(body *hclsyntax.Body, scope map[string]cty.Value, values map[string]any) map[string]cty.Value {
	members := map[string]cty.Value{}
	for name, a := range body.Attributes {
		if slices.Contains([]string{"count", "for_each", "depends_on", "provider"}, name) {
			continue
		}
		members[name] = e.value(a.Expr, scope)
		values[name] = plainValue(members[name])
	}
	add := func(name string, body *hclsyntax.Body, scope map[string]cty.Value) {
		inner := map[string]any{}
		e.body(body, scope, inner)
		list, _ := values[name].([]any)
		values[name] = append(list, inner)
	}
	for _, b := range body.Blocks {
		switch b.Type {
		case "lifecycle":
			e.require(b.Body, "precondition", scope)
		case "dynamic":
			for _, v := range e.value(b.Body.Attributes["for_each"].Expr, scope).AsValueSlice() {
				with := map[string]cty.Value{b.Labels[0]: cty.ObjectVal(map[string]cty.Value{"value": v})}
				maps.Copy(with, scope)
				add(b.Labels[0], b.Body.Blocks[0].Body, with)
			}
		default:
			add(b.Type, b.Body, scope)
		}
	}
	return members
}

func plainValue(v cty.Value) any {
	b, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// tfNames says which template type a resource type is, and which attribute names it.
var tfNames = map[string][2]string{
	"aws_cloudwatch_event_rule": {"AWS::Events::Rule", "name"}, "aws_cloudwatch_event_bus": {"AWS::Events::EventBus", "name"},
	"aws_cloudwatch_event_archive": {"AWS::Events::Archive", "name"}, "aws_sqs_queue": {"AWS::SQS::Queue", "name"}, "aws_sns_topic": {"AWS::SNS::Topic", "name"},
	"aws_lambda_function": {"AWS::Lambda::Function", "function_name"}, "aws_dynamodb_table": {"AWS::DynamoDB::Table", "name"},
	"aws_cloudwatch_log_group": {"AWS::Logs::LogGroup", "name"}, "aws_iam_role": {"AWS::IAM::Role", "name"}, "aws_iam_policy": {"AWS::IAM::ManagedPolicy", "name"},
	"aws_cloudwatch_metric_alarm": {"AWS::CloudWatch::Alarm", "alarm_name"}, "aws_cloudwatch_dashboard": {"AWS::CloudWatch::Dashboard", "dashboard_name"},
	"aws_scheduler_schedule_group": {"AWS::Scheduler::ScheduleGroup", "name"},
}

// computed are the attributes that AWS would tell.
func (e *evaluation) computed(kind string, values map[string]any) map[string]string {
	known, ok := tfNames[kind]
	if !ok {
		return nil
	}
	name := values[known[1]].(string)
	if bus, _ := values["event_bus_name"].(string); bus != "" {
		name = bus + "/" + name
	}
	n := namings[known[0]]
	fill := strings.NewReplacer("{n}", name, "{p}", e.place.Partition, "{r}", e.place.Region, "{a}", e.place.Account)
	out := map[string]string{"arn": strings.TrimSuffix(fill.Replace(n.arn), ":*")}
	if kind == "aws_sqs_queue" {
		out["url"], out["id"] = fill.Replace(n.ref), fill.Replace(n.ref)
	}
	return out
}

var tfFunctions = map[string]ctyfunction.Function{
	"can": tryfunc.CanFunc, "try": tryfunc.TryFunc, "jsonencode": stdlib.JSONEncodeFunc, "merge": stdlib.MergeFunc, "concat": stdlib.ConcatFunc,
	"join": stdlib.JoinFunc, "length": stdlib.LengthFunc, "contains": stdlib.ContainsFunc, "floor": stdlib.FloorFunc, "regex": stdlib.RegexFunc,
	"alltrue": ctyfunction.New(&ctyfunction.Spec{Params: []ctyfunction.Parameter{{Type: cty.List(cty.Bool)}}, Type: ctyfunction.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(!slices.ContainsFunc(args[0].AsValueSlice(), cty.Value.False)), nil
		}}),
	"one": ctyfunction.New(&ctyfunction.Spec{Params: []ctyfunction.Parameter{{Type: cty.DynamicPseudoType}}, Type: ctyfunction.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].LengthInt() == 0 {
				return cty.NullVal(cty.String), nil
			}
			return args[0].AsValueSlice()[0], nil
		}}),
}
