package securityhub

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// hub is a Security Hub as documented: it holds findings against ASFF, keeps the latest by id, ignores what a provider
// may not change, and takes findings of its own account only.
type hub struct {
	t       *testing.T
	answers []answer // for the first requests; then it behaves
	mu      sync.Mutex
	kept    map[string]finding
	last    []byte // the latest finding as it was sent
	calls   []string
}

// answer is how one request goes wrong.
type answer struct {
	status        int
	code, message string
	finding       bool // the call goes well, the finding does not
	raw           string
	hang          bool
}

type finding struct {
	UpdatedAt, RecordState string
	Workflow, Note         string
	Product                map[string]string
}

func (h *hub) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, r.Method+" "+r.URL.Path)
	var a answer
	if len(h.answers) > 0 {
		a, h.answers = h.answers[0], h.answers[1:]
	}
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	failed := func(code, message string) {
		doc, _ := json.Marshal(map[string]any{"FailedCount": 1, "SuccessCount": 0, "FailedFindings": []any{
			map[string]string{"Id": "x", "ErrorCode": code, "ErrorMessage": message}}})
		w.Write(doc)
	}
	switch {
	case a.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case a.raw != "":
		w.WriteHeader(a.status)
		io.WriteString(w, a.raw)
	case a.finding:
		failed(a.code, a.message)
	case a.code != "":
		w.Header().Set("X-Amzn-Errortype", a.code)
		w.WriteHeader(a.status)
		doc, _ := json.Marshal(map[string]string{"Message": a.message})
		w.Write(doc)
	case r.Method == "POST" && r.URL.Path == "/findings/import":
		var in struct{ Findings []json.RawMessage }
		if err := json.Unmarshal(body, &in); err != nil || len(in.Findings) != 1 {
			h.t.Errorf("%v: %s", err, body)
		}
		if wrong := h.take(in.Findings[0]); wrong != "" {
			failed("InvalidInput", wrong)
			break
		}
		io.WriteString(w, `{"FailedCount":0,"SuccessCount":1,"FailedFindings":[]}`)
	case r.Method == "PATCH" && r.URL.Path == "/findings/batchupdate":
		var in struct {
			FindingIdentifiers []struct{ Id, ProductArn string }
			Workflow           struct{ Status string }
			Note               struct{ Text, UpdatedBy string }
		}
		if err := json.Unmarshal(body, &in); err != nil || len(in.FindingIdentifiers) != 1 {
			h.t.Errorf("%v: %s", err, body)
		}
		id := in.FindingIdentifiers[0].Id
		f, ok := h.kept[id]
		if !ok {
			fmt.Fprintf(w, `{"ProcessedFindings":[],"UnprocessedFindings":[{"FindingIdentifier":{"Id":"x","ProductArn":"y"},"ErrorCode":"FindingNotFound","ErrorMessage":"no such finding"}]}`)
			break
		}
		if !slices.Contains([]string{"", "NEW", "NOTIFIED", "RESOLVED", "SUPPRESSED"}, in.Workflow.Status) || len([]rune(in.Note.Text)) > 512 {
			h.t.Errorf("bad update: %s", body)
		}
		f.Workflow, f.Note = in.Workflow.Status, in.Note.Text
		h.kept[id] = f
		io.WriteString(w, `{"ProcessedFindings":[{"Id":"x","ProductArn":"y"}],"UnprocessedFindings":[]}`)
	default:
		h.t.Errorf("unexpected %s %s", r.Method, r.URL.Path)
	}
	return w.Result(), nil
}

// take keeps a finding, or says what is wrong with it.
func (h *hub) take(doc []byte) string {
	h.last = doc
	var f struct {
		Id, UpdatedAt, RecordState, AwsAccountId, ProductArn string
		ProductFields                                        map[string]string
	}
	if err := json.Unmarshal(doc, &f); err != nil {
		return err.Error()
	}
	if wrong := asff(h.t).wrong(doc); len(wrong) > 0 {
		return strings.Join(wrong, "; ")
	}
	if f.AwsAccountId != account || !strings.Contains(f.ProductArn, ":"+account+":product/"+account+"/") {
		return "the finding is of another account"
	}
	if h.kept == nil {
		h.kept = map[string]finding{}
	}
	was, known := h.kept[f.Id]
	if known && f.UpdatedAt <= was.UpdatedAt {
		return "" // as documented: what is not newer is not taken over
	}
	now := finding{UpdatedAt: f.UpdatedAt, RecordState: f.RecordState, Workflow: "NEW", Product: f.ProductFields}
	if known {
		now.Workflow, now.Note = was.Workflow, was.Note
		if was.RecordState == "ARCHIVED" && f.RecordState == "ACTIVE" && (was.Workflow == "RESOLVED" || was.Workflow == "NOTIFIED") {
			now.Workflow = "NEW"
		}
	}
	h.kept[f.Id] = now
	return ""
}

// form is testdata/asff.json.
type form map[string]struct {
	Required, Time, Boolean bool
	Max, MinItems, MaxItems int
	Pattern                 string
	Enum                    []string
}

func asff(t *testing.T) form {
	t.Helper()
	text, err := os.ReadFile("testdata/asff.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Finding form }
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f.Finding
}

func (f form) wrong(doc []byte) (all []string) {
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil {
		return []string{err.Error()}
	}
	if len(doc) > 240<<10 {
		all = append(all, fmt.Sprintf("it has %d bytes", len(doc)))
	}
	return append(all, f.object("", v)...)
}

func (f form) object(prefix string, members map[string]any) (all []string) {
	for path, row := range f {
		name, below := strings.CutPrefix(path, prefix)
		if !below || !row.Required || strings.Contains(name, ".") {
			continue
		}
		if _, ok := members[name]; !ok {
			all = append(all, path+" is missing")
		}
	}
	for name, v := range members {
		path := prefix + name
		if prefix == "ProductFields." {
			if len(name) > 128 {
				all = append(all, "a product field's name is too long")
			}
			path = "ProductFields.*"
		}
		row, ok := f[path]
		if !ok {
			all = append(all, path+" is no member")
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			if row.MaxItems > 0 && len(v) > row.MaxItems {
				all = append(all, path+" has too many members")
			}
			all = append(all, f.object(path+".", v)...)
		case []any:
			if len(v) < row.MinItems || row.MaxItems > 0 && len(v) > row.MaxItems {
				all = append(all, path+" has too few or too many")
			}
			for _, item := range v {
				if inner, ok := item.(map[string]any); ok {
					all = append(all, f.object(path+".", inner)...)
				} else if text, ok := item.(string); !ok || row.Pattern != "" && !regexp.MustCompile(row.Pattern).MatchString(text) {
					all = append(all, fmt.Sprintf("%s is %v", path, item))
				}
			}
		case bool:
			if !row.Boolean {
				all = append(all, path+" is a boolean")
			}
		case string:
			_, err := time.Parse("2006-01-02T15:04:05.999Z", v)
			switch {
			case strings.TrimSpace(v) == "" || !utf8.ValidString(v):
				all = append(all, path+" is blank")
			case row.Max > 0 && utf8.RuneCountInString(v) > row.Max:
				all = append(all, fmt.Sprintf("%s has %d characters", path, utf8.RuneCountInString(v)))
			case row.Pattern != "" && !regexp.MustCompile(row.Pattern).MatchString(v),
				row.Enum != nil && !slices.Contains(row.Enum, v), row.Time && err != nil:
				all = append(all, fmt.Sprintf("%s is %q", path, v))
			}
		default:
			all = append(all, fmt.Sprintf("%s is %v", path, v))
		}
	}
	return all
}
