// Package yaml is the strict reading of YAML that every file of ours is held to: each problem with its line,
// column, excerpt and hint, and all of them in one reading. What such files do not need (anchors, tags, several
// documents) is refused, and so is what would take the parser long: it needs quadratic time for some texts.
//
// Decode reads a document into a struct by its json tags, and Encode writes one: what Encode writes, Decode
// reads back, and it differs in as few lines as the values do.
package yaml

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/config"
)

// Limits are what a kind of file is expected to stay under by far.
type Limits struct {
	Size int    // bytes
	Keys int    // in all
	Hint string // what the file is, to those who exceed the size
	Help string // where its keys are listed, to those who wrote something else
}

// Document is one reading of a file.
type Document struct {
	Name string // for messages

	limits   Limits
	lines    []string
	problems config.Problems
	more     int // problems beyond maxProblems
}

// Open reads a text. The body is nil where the text is empty or could not be parsed; Problems says which.
func Open(name string, data []byte, limits Limits) (d *Document, body ast.Node) {
	d = &Document{Name: name, limits: limits}
	if !d.readable(data) {
		return d, nil
	}
	tokens := lexer.Tokenize(string(data))
	if !d.simple(tokens) {
		return d, nil
	}
	// The parser stops at the first duplicate; whoever walks the tree finds all.
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var syntax interface {
		GetToken() *token.Token
		GetMessage() string
	}
	switch {
	case errors.As(err, &syntax):
		d.Problem(syntax.GetToken(), "", Printable(syntax.GetMessage()), "text with a colon, a bracket or a quote in it needs quotes around it")
		return d, nil
	case err != nil:
		d.Problem(nil, "", Printable(err.Error()), "")
		return d, nil
	}
	for _, doc := range tree.Docs {
		switch {
		case doc.Body == nil:
		case body == nil:
			body = doc.Body
		default:
			d.Problem(Start(doc.Body), "", "a second document begins here", `keep one: take away the "---" and merge the keys`)
			return d, nil
		}
	}
	if _, ok := Mapping(body); body != nil && !ok {
		d.Problem(body.GetToken(), "", "the file must be keys with values, and this is "+Kind(body), limits.Help)
		return d, nil
	}
	return d, body
}

// Problem notes what is wrong at a token, or with the whole file where there is none.
func (d *Document) Problem(at *token.Token, key, message, hint string) {
	var p config.Place
	if at != nil && at.Position != nil {
		// The parser counts a line past the end where a last line is empty.
		p = config.Place{Line: min(at.Position.Line, len(d.lines)), Column: at.Position.Column}
	}
	d.ProblemAt(p, key, message, hint)
}

// Unseen is Problem without the excerpt of the line, which holds what must not be shown.
func (d *Document) Unseen(at *token.Token, key, message, hint string) {
	before := len(d.problems)
	d.Problem(at, key, message, hint)
	if len(d.problems) > before {
		d.problems[before].Excerpt = ""
	}
}

// ProblemAt is Problem for a place; the zero place is the whole file.
func (d *Document) ProblemAt(at config.Place, key, message, hint string) {
	if len(d.problems) == maxProblems {
		d.more++
		return
	}
	p := config.Problem{Where: d.Name, Line: at.Line, Column: at.Column, Key: key, Message: message, Hint: hint}
	p.Excerpt = d.excerpt(at.Line, at.Column)
	d.problems = append(d.problems, p)
}

// Excerpt is the line of a place with a caret under the column.
func (d *Document) Excerpt(at config.Place) string { return d.excerpt(at.Line, at.Column) }

// Problems lists all that was noted.
func (d *Document) Problems() config.Problems {
	if d.more == 0 {
		return d.problems
	}
	return append(d.problems[:len(d.problems):len(d.problems)], config.Problem{
		Where: d.Name, Message: fmt.Sprintf("and %d more", d.more), Hint: "mend these first",
	})
}
