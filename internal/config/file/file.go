// Package file reads the configuration file: YAML, as a layer of config. It is apart from config
// because the Lambda function reads no file and is not to carry a parser.
//
// The file is walked as a syntax tree against config.Keys, so that every problem has its line and
// column and all are found in one reading. What configuration does not need (anchors, tags, several
// documents) is refused, and so is what would take the parser long: it needs quadratic time for some texts.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/config"
)

// Read is Parse of a file on disk.
func Read(path string) config.Layer {
	data, err := read(path)
	if err == nil {
		return Parse(path, data)
	}
	p := config.Problem{Where: path, Message: err.Error(), Hint: "name another file with -c, or mend this one"}
	if errors.Is(err, fs.ErrNotExist) {
		p.Message, p.Hint = "there is no such file", "make one: trailwarden config init --out "+path
	}
	return config.Layer{Problems: config.Problems{p}}
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize+1)) // Parse refuses what is longer
}

// Parse reads the text of a file. The name is for messages.
func Parse(name string, data []byte) config.Layer {
	d := &document{name: name}
	d.parse(data)
	if d.more > 0 {
		d.layer.Problems = append(d.layer.Problems, config.Problem{
			Where: name, Message: fmt.Sprintf("and %d more", d.more), Hint: "mend these first",
		})
	}
	return d.layer
}

func (d *document) parse(data []byte) {
	if !d.readable(data) {
		return
	}
	tokens := lexer.Tokenize(string(data))
	if !d.simple(tokens) {
		return
	}
	// The parser stops at the first duplicate; the walk finds all.
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var syntax interface {
		GetToken() *token.Token
		GetMessage() string
	}
	switch {
	case errors.As(err, &syntax):
		d.problem(syntax.GetToken(), "", printable(syntax.GetMessage()), "text with a colon, a bracket or a quote in it needs quotes around it")
	case err != nil:
		d.problem(nil, "", printable(err.Error()), "")
	default:
		d.walk(tree)
	}
}

// document is one reading of a file.
type document struct {
	name  string
	lines []string
	layer config.Layer
	more  int // problems beyond maxProblems
}

// problem notes what is wrong at a token, or with the whole file where there is none.
func (d *document) problem(at *token.Token, key, message, hint string) {
	if len(d.layer.Problems) == maxProblems {
		d.more++
		return
	}
	p := config.Problem{Where: d.name, Key: key, Message: message, Hint: hint}
	if at != nil && at.Position != nil {
		// The parser counts a line past the end where a last line is empty.
		p.Line, p.Column = min(at.Position.Line, len(d.lines)), at.Position.Column
		p.Excerpt = d.excerpt(p.Line, p.Column)
	}
	d.layer.Problems = append(d.layer.Problems, p)
}

// walk holds the tree against the table of keys.
func (d *document) walk(tree *ast.File) {
	var bodies []ast.Node
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	seen := map[string]*token.Token{}
	switch {
	case len(bodies) > 1:
		d.problem(start(bodies[1]), "", "a second document begins here", `keep one: take away the "---" and merge the keys`)
		return
	case len(bodies) == 1:
		pairs, ok := mapping(bodies[0])
		if !ok {
			d.problem(bodies[0].GetToken(), "", "the file must be keys with values, and this is "+kind(bodies[0]), "see `trailwarden config init`")
			return
		}
		d.section("", pairs, seen)
	}
	for _, k := range config.Keys {
		if k.Required && seen[k.Name] == nil {
			d.problem(nil, "", fmt.Sprintf("the key %q is missing", k.Name), fmt.Sprintf(`write "%s: %s" in the first line`, k.Name, k.Default))
		}
	}
}
