// Package trailwarden_test holds the repository against its own rules: who imports whom, and what the
// documents say of dependencies.
package trailwarden_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/trailwarden/trailwarden/"

// layer is a row of the design's table: top imports bottom only. A package below another, such as
// notify/sns, belongs to it.
type layer struct {
	level int
	name  string
	may   []string // of ours; packages of one level never import each other
	aws   bool     // may import the AWS SDK
	alone bool     // imports no third-party code, but for what is in plus
	plus  string
}

var layers = []layer{
	{level: 0, name: "event", alone: true},
	{level: 0, name: "trail", alone: true},
	{level: 0, name: "secret", alone: true},
	{level: 0, name: "schematest"}, // for tests: TestLambdaCarriesNoWeight sees it where it does not belong
	{level: 1, name: "incident", may: []string{"event", "trail"}, alone: true},
	{level: 1, name: "logfile", may: []string{"event"}, alone: true, plus: "github.com/klauspost/compress/"},
	{level: 1, name: "config", may: []string{"secret", "schematest"}}, // so that everything above can say what is wrong with a file, and where
	{level: 1, name: "awscall", may: []string{"trail"}, aws: true},    // what AWS is asked without the SDK's clients
	{level: 2, name: "baseline", may: []string{"trail", "config"}},
	{level: 2, name: "guard", may: []string{"event", "trail", "incident"}, alone: true},
	{level: 2, name: "cloud", may: []string{"trail", "awscall"}, aws: true},
	{level: 2, name: "source", may: []string{"event", "logfile"}, aws: true},
	{level: 2, name: "ledger", may: []string{"incident", "awscall"}, aws: true},
	{level: 2, name: "notify", may: []string{"incident", "secret", "awscall"}, aws: true},
	{level: 2, name: "selfwatch", may: []string{"incident", "awscall"}, aws: true},
	{level: 2, name: "archive", may: []string{"event", "incident", "logfile"}},
	{level: 2, name: "sim"}, // a model of AWS of its own, and no view of ours
	{level: 3, name: "s3store", may: []string{"cloud", "archive"}, aws: true},
	{level: 3, name: "engine", may: below, aws: true},   // the wiring that every entrance shares
	{level: 3, name: "channels", may: below, aws: true}, // opens the channels that are configured
	{level: 3, name: "drill", may: below, aws: true},
	{level: 3, name: "deploy", may: below, aws: true},
	{level: 3, name: "console", may: below},
	{level: 4, name: "daemon", may: append([]string{"engine"}, below...)},
}

// below is all of levels 0 to 2.
var below = []string{"event", "trail", "secret", "incident", "logfile", "config", "awscall", "baseline", "guard", "cloud", "source", "ledger", "notify", "selfwatch", "archive", "sim"}

// unwanted is what the Lambda function's binary must not carry: templates and net/rpc switch off the
// linker's removal of unused code (and with it the proof that no Stop or Delete call is there), the
// others are weight.
var unwanted = []string{
	"text/template", "html/template", "net/rpc", "encoding/gob", "expvar", "net/http/pprof", "testing",
	"github.com/goccy/", "github.com/spf13/", "github.com/google/",
	"github.com/aws/aws-sdk-go-v2/config", // the chain of credentials: the function has its own in the environment
	module + "internal/sim", module + "internal/config/file", module + "internal/config/yaml", module + "internal/baseline/file", module + "internal/drill",
}

type pkg struct {
	ImportPath, Name                   string
	Standard                           bool
	Imports, TestImports, XTestImports []string
}

func TestLayers(t *testing.T) {
	for _, l := range layers {
		for _, name := range l.may {
			j := slices.IndexFunc(layers, func(l layer) bool { return l.name == name })
			if j < 0 || layers[j].level >= l.level {
				t.Errorf("the table lets %s import %s, which is not below it", l.name, name)
			}
		}
	}
	for _, p := range list(t, "./...") {
		path, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours || strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "tools/") || path == "deploy" {
			continue // the top: wiring may import all; and deploy, which is files
		}
		name, internal := strings.CutPrefix(path, "internal/")
		name, _, _ = strings.Cut(name, "/")
		i := slices.IndexFunc(layers, func(l layer) bool { return l.name == name })
		if !internal || i < 0 {
			t.Errorf("%s is not in the table of layers: give it a row, or another home", path)
			continue
		}
		l := layers[i]
		for _, imported := range p.Imports {
			if why := l.forbids(imported); why != "" {
				t.Errorf("%s imports %s: %s", path, imported, why)
			}
		}
		if l.level > 1 {
			continue
		}
		// Tests of the foundations stand on the foundations only; go-cmp and rapid are welcome.
		for _, imported := range append(p.TestImports, p.XTestImports...) {
			if why := l.forbids(imported); why != "" && strings.HasPrefix(imported, module) {
				t.Errorf("a test of %s imports %s: %s", path, imported, why)
			}
		}
	}
}

// forbids says why the layer's packages may not import a package; empty when they may.
func (l layer) forbids(imported string) string {
	if path, ours := strings.CutPrefix(imported, module+"internal/"); ours {
		name, _, _ := strings.Cut(path, "/")
		if name != l.name && !slices.Contains(l.may, name) {
			return l.name + " is to know nothing of " + name
		}
		return ""
	}
	if host, _, _ := strings.Cut(imported, "/"); !strings.Contains(host, ".") {
		return "" // the standard library
	}
	if l.alone && (l.plus == "" || !strings.HasPrefix(imported, l.plus)) {
		return l.name + " stands on the standard library"
	}
	if strings.HasPrefix(imported, "github.com/aws/") && !l.aws {
		return "only awscall, cloud, source, ledger, notify, selfwatch, deploy, drill and wiring speak to AWS"
	}
	return ""
}

// TestNobodyWritesByTemplate: whoever uses a template engine makes the linker keep every method of every type, as a template may call
// any: the command line was 60 MB with one page written so, and is 37 without. Libraries that import one and are not asked to use it do no harm.
func TestNobodyWritesByTemplate(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imported := range p.Imports {
			if imported == "text/template" || imported == "html/template" {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// clients are those of the SDK's that the Lambda function has. Each makes tables when a process starts, which a cold start waits for:
// what few calls are made of other services goes by internal/awscall.
var clients = []string{"cloudtrail", "internal", "s3", "sns"}

func TestLambdaCarriesNoWeight(t *testing.T) {
	for _, p := range list(t, "-deps", "-tags=lambda.norpc", "./cmd/trailwarden-lambda") {
		if service, ok := strings.CutPrefix(p.ImportPath, "github.com/aws/aws-sdk-go-v2/service/"); ok {
			if service, _, _ = strings.Cut(service, "/"); !slices.Contains(clients, service) {
				t.Errorf("cmd/trailwarden-lambda links the SDK's client of %s: call it by internal/awscall", service)
			}
		}
		for _, prefix := range unwanted {
			if p.ImportPath == prefix || strings.HasPrefix(p.ImportPath, strings.TrimSuffix(prefix, "/")+"/") {
				t.Errorf("cmd/trailwarden-lambda links %s", p.ImportPath)
			}
		}
	}
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Name,Standard,Imports,TestImports,XTestImports"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
