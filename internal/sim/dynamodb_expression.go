package sim

import (
	"math/big"
	"slices"
	"strings"
)

// expressions are the expressions of one request, with the names and values that they share. DynamoDB refuses those that
// none of them uses.
type expressions struct {
	names  map[string]string
	values map[string]typed
	used   []string
}

// A node is a condition: an operator over nodes, or over operands.
type node struct {
	op    string // and, or, not, true; =, <>, <, <=, >, >=, between; or a function
	nodes []node
	on    []operand
}

// An operand is the value of an attribute or a literal.
type operand struct {
	name    string // attribute; "" for a literal
	literal typed
}

func (e *expressions) unused() error {
	for name := range e.names {
		if !slices.Contains(e.used, name) {
			return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", name)
		}
	}
	for value := range e.values {
		if !slices.Contains(e.used, value) {
			return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", value)
		}
	}
	return nil
}

// parse reads a condition. What it does not know is an error, so that evaluating is never a guess.
func (e *expressions) parse(what, text string) (node, error) {
	p := &conditionParser{expressions: e, tokens: tokenize(text)}
	n := p.or()
	if p.failed == nil && len(p.tokens) > 0 {
		p.fail()
	}
	if p.failed != nil {
		return node{}, invalid("Invalid %s: Syntax error; token: %q, in %q", what, *p.failed, text)
	}
	return n, nil
}

// projection makes a function that leaves the wanted attributes; all without an expression.
func (e *expressions) projection(text string) (func(item) item, error) {
	if text == "" {
		return func(i item) item { return i }, nil
	}
	p := &conditionParser{expressions: e, tokens: tokenize(text)}
	wanted := []string{p.operand().name}
	for p.take(",") {
		wanted = append(wanted, p.operand().name)
	}
	if p.failed != nil || len(p.tokens) > 0 || slices.Contains(wanted, "") {
		return nil, invalid("Invalid ProjectionExpression: Syntax error in %q", text)
	}
	return func(i item) item {
		out := item{}
		for _, name := range wanted {
			if a, ok := i[name]; ok {
				out[name] = a
			}
		}
		if i == nil {
			return nil
		}
		return out
	}, nil
}

// tokenize splits at blanks and around ( ) , and comparators.
func tokenize(text string) []string {
	for _, sign := range []string{"(", ")", ",", "<>", "<=", ">="} {
		text = strings.ReplaceAll(text, sign, " "+sign+" ")
	}
	var tokens []string
	for _, word := range strings.Fields(text) {
		if len(word) > 1 && strings.ContainsAny(word, "<>=") && !slices.Contains([]string{"<>", "<=", ">="}, word) {
			for _, sign := range []string{"<", ">", "="} {
				word = strings.ReplaceAll(word, sign, " "+sign+" ")
			}
			tokens = append(tokens, strings.Fields(word)...)
			continue
		}
		tokens = append(tokens, word)
	}
	return tokens
}

type conditionParser struct {
	*expressions
	tokens []string
	failed *string // the token at which it failed
}

func (p *conditionParser) peek() string {
	if len(p.tokens) == 0 {
		return "<EOF>"
	}
	return p.tokens[0]
}

func (p *conditionParser) next() string {
	t := p.peek()
	if len(p.tokens) > 0 {
		p.tokens = p.tokens[1:]
	}
	return t
}

func (p *conditionParser) take(token string) bool {
	if !strings.EqualFold(p.peek(), token) {
		return false
	}
	p.next()
	return true
}

func (p *conditionParser) fail() {
	if p.failed == nil {
		t := p.peek()
		p.failed = &t
	}
}

func (p *conditionParser) expect(token string) {
	if !p.take(token) {
		p.fail()
	}
}

func (p *conditionParser) or() node {
	n := p.and()
	for p.failed == nil && p.take("OR") {
		n = node{op: "or", nodes: []node{n, p.and()}}
	}
	return n
}

func (p *conditionParser) and() node {
	n := p.not()
	for p.failed == nil && p.take("AND") {
		n = node{op: "and", nodes: []node{n, p.not()}}
	}
	return n
}

func (p *conditionParser) not() node {
	if p.take("NOT") {
		return node{op: "not", nodes: []node{p.not()}}
	}
	if p.take("(") {
		n := p.or()
		p.expect(")")
		return n
	}
	if f := p.peek(); f == "attribute_exists" || f == "attribute_not_exists" || f == "begins_with" {
		p.next()
		p.expect("(")
		n := node{op: f, on: []operand{p.operand()}}
		if f == "begins_with" {
			p.expect(",")
			n.on = append(n.on, p.operand())
		}
		p.expect(")")
		return n
	}
	left := p.operand()
	op := strings.ToLower(p.peek())
	switch op {
	case "=", "<>", "<", "<=", ">", ">=":
		p.next()
		return node{op: op, on: []operand{left, p.operand()}}
	case "between":
		p.next()
		low := p.operand()
		p.expect("AND")
		return node{op: op, on: []operand{left, low, p.operand()}}
	}
	p.fail()
	return node{}
}

func (p *conditionParser) operand() operand {
	t := p.peek()
	switch {
	case strings.HasPrefix(t, ":"):
		v, ok := p.values[t]
		if !ok {
			p.fail()
		}
		p.used = append(p.used, t)
		p.next()
		return operand{literal: v}
	case strings.HasPrefix(t, "#"):
		name, ok := p.names[t]
		if !ok {
			p.fail()
		}
		p.used = append(p.used, t)
		p.next()
		return operand{name: name}
	case t == "<EOF>" || strings.ContainsAny(t, "()<>=,.[]"):
		p.fail()
		return operand{}
	}
	return operand{name: p.next()}
}

// equals finds the literal that a conjunction wants an attribute to be.
func (n node) equals(name string) (string, bool) {
	if n.op == "and" {
		if v, ok := n.nodes[0].equals(name); ok {
			return v, true
		}
		return n.nodes[1].equals(name)
	}
	if n.op == "=" && n.on[0].name == name && n.on[1].name == "" {
		return n.on[1].literal.text, true
	}
	return "", false
}

func (n node) holds(i item) bool {
	value := func(k int) (typed, bool) {
		if n.on[k].name == "" {
			return n.on[k].literal, true
		}
		a, ok := i[n.on[k].name]
		return a, ok
	}
	switch n.op {
	case "true":
		return true
	case "and":
		return n.nodes[0].holds(i) && n.nodes[1].holds(i)
	case "or":
		return n.nodes[0].holds(i) || n.nodes[1].holds(i)
	case "not":
		return !n.nodes[0].holds(i)
	}
	a, ok := value(0)
	switch n.op {
	case "attribute_exists":
		return ok
	case "attribute_not_exists":
		return !ok
	}
	b, also := value(1)
	if n.op == "<>" {
		return !ok || !also || a.kind != b.kind || compare(a, b) != 0
	}
	if !ok || !also || a.kind != b.kind {
		return false
	}
	d := compare(a, b)
	switch n.op {
	case "begins_with":
		return strings.HasPrefix(a.text, b.text)
	case "=":
		return d == 0
	case "<":
		return d < 0
	case "<=":
		return d <= 0
	case ">":
		return d > 0
	case ">=":
		return d >= 0
	}
	c, ok := value(2) // between
	return ok && c.kind == a.kind && d >= 0 && compare(a, c) <= 0
}

// compare orders numbers by value and all else by its bytes.
func compare(a, b typed) int {
	x, okX := new(big.Rat).SetString(a.text)
	y, okY := new(big.Rat).SetString(b.text)
	if a.kind == "N" && okX && okY {
		return x.Cmp(y)
	}
	return strings.Compare(a.text, b.text)
}
