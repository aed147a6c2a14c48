package sim

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every error code that the CloudTrail files can answer is one that AWS's model knows. That each operation answers only
// those it declares is checked after every test, see checkDeclared.
func TestCloudTrailErrorCodesExist(t *testing.T) {
	declared := declaredErrors(t)
	files, err := filepath.Glob("trail*.go")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "cloudtrail.go", "history.go")
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			name, ok := call.Fun.(*ast.Ident)
			lit, isLit := call.Args[0].(*ast.BasicLit)
			if ok && isLit && name.Name == "fail" {
				code, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				found[code] = true
			}
			return true
		})
	}
	if len(found) < 20 {
		t.Fatalf("found %d codes only: does this test still read the source rightly?", len(found))
	}
	for _, code := range slices.Sorted(maps.Keys(found)) {
		if declared[code] == nil && !slices.Contains(everywhere, code) {
			t.Errorf("%s is no error of CloudTrail", code)
		}
	}
}

// testdata/errors.json is a trimmed copy of the project's fact file.
func TestErrorTableIsTheFactFile(t *testing.T) {
	b, err := os.ReadFile("../../../shared/facts/errors.json")
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that the copy in testdata is the fact file, for that is not here: %v", err)
	}
	var facts struct {
		Errors map[string]struct{ Ops []string }
	}
	if err := json.Unmarshal(b, &facts); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for code, e := range facts.Errors {
		want[code] = e.Ops
	}
	if diff := cmp.Diff(want, declaredErrors(t)); diff != "" {
		t.Error(diff)
	}
}
