// Package file reads the configuration file: YAML, as a layer of config. It is apart from config
// because the Lambda function reads no file and is not to carry a parser.
//
// The file is walked as a syntax tree against config.Keys, so that every problem has its line and
// column and all are found in one reading.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/yaml"
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
	open, body := yaml.Open(name, data, yaml.Limits{
		Size: maxSize, Keys: 1000,
		Hint: "a configuration is a few lines; is this the right file?", Help: "see `trailwarden config init`",
	})
	d := &document{Document: open}
	if len(d.Problems()) == 0 {
		d.walk(body)
	}
	d.layer.Problems = d.Problems()
	return d.layer
}

// maxSize in bytes is far above any real file.
const maxSize = 1 << 20

// document is one reading of a file.
type document struct {
	*yaml.Document
	layer config.Layer
}

// walk holds the tree against the table of keys.
func (d *document) walk(body ast.Node) {
	seen := map[string]*token.Token{}
	if pairs, ok := yaml.Mapping(body); ok {
		d.section("", pairs, seen)
	}
	for _, k := range config.Keys {
		if k.Required && seen[k.Name] == nil {
			d.Problem(nil, "", fmt.Sprintf("the key %q is missing", k.Name), fmt.Sprintf(`write "%s: %s" in the first line`, k.Name, k.Default))
		}
	}
}
