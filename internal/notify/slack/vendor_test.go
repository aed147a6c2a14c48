package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	vendor "github.com/slack-go/slack"

	"github.com/trailwarden/trailwarden/internal/notify/web/webtest"
)

const (
	hookPath = "/services/T0CANARY00/B0CANARY00/canaryWebhookToken"
	botToken = "xoxb-canary-bot-token"
	channel  = "C0123456789"
)

// workspace is Slack, as its documentation says it behaves.
type workspace struct {
	*webtest.Vendor
	mu       sync.Mutex
	posted   map[string]*post // by ts
	order    []string
	hooked   []message
	archived bool
	status   int    // to answer with instead
	say      string // "error" to answer with instead, or the body of the webhook's answer
	after    string // Retry-After
	taken    bool   // what is refused by say was taken all the same
}

type post struct {
	message
	updates int
}

func start(t *testing.T) *workspace {
	w := &workspace{posted: map[string]*post{}}
	w.Vendor = webtest.Serve(t, w.serve)
	return w
}

func (s *workspace) bot() *Channel {
	return &Channel{Web: s.Web, BotToken: secretOf(botToken), ID: channel, API: s.URL + "/api", Memory: &memory{}, Location: berlin}
}

func (s *workspace) hook() *Channel {
	return &Channel{Web: s.Web, WebhookURL: secretOf(s.URL + hookPath), Location: berlin}
}

func (s *workspace) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after != "" {
		w.Header().Set("Retry-After", s.after)
	}
	if r.URL.Path == hookPath {
		code := s.hookAnswer(body)
		status := map[string]int{"ok": 200, "invalid_payload": 400, "channel_not_found": 404, "no_service": 404, "channel_is_archived": 410, "action_prohibited": 403, "rollup_error": 500, "rate_limited": 429}[code]
		if s.status != 0 {
			status = s.status
		}
		if status == 0 {
			status = 400
		}
		w.WriteHeader(status)
		fmt.Fprint(w, code)
		return
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.say)
		return
	}
	answer := map[string]any{"ok": true}
	if code := s.method(r, body, answer); code != "" {
		answer = map[string]any{"ok": false, "error": code}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *workspace) hookAnswer(body []byte) string {
	m, err := decode(body)
	switch {
	case s.say != "":
		return s.say
	case string(body) == "{}":
		return "no_text"
	case err != nil:
		return "invalid_payload"
	case s.archived:
		return "channel_is_archived"
	}
	s.hooked = append(s.hooked, m)
	return "ok"
}

func (s *workspace) method(r *http.Request, body []byte, answer map[string]any) string {
	if r.URL.Path == "/api/auth.test" && r.Header.Get("Authorization") == "Bearer "+botToken {
		return s.say
	}
	m, err := decode(body)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+botToken:
		return "invalid_auth"
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		return "invalid_form_data"
	case s.say != "" && !s.taken:
		return s.say
	case err != nil:
		return "invalid_blocks"
	case m.Channel != channel:
		return "channel_not_found"
	case s.archived:
		return "is_archived"
	}
	switch r.URL.Path {
	case "/api/chat.postMessage":
		if m.Thread != "" && s.posted[m.Thread] == nil {
			return "thread_not_found"
		}
		ts := fmt.Sprintf("1795475100.%06d", len(s.order)+1)
		s.posted[ts] = &post{message: m}
		s.order = append(s.order, ts)
		answer["ts"], answer["channel"] = ts, channel
	case "/api/chat.update":
		old := s.posted[m.TS]
		if old == nil {
			return "message_not_found"
		}
		old.message, old.updates = m, old.updates+1
		answer["ts"], answer["channel"] = m.TS, channel
	default:
		return "unknown_method"
	}
	return s.say
}

// decode reads a payload strictly, and holds it against what slack-go and the documentation say of blocks.
func decode(body []byte) (message, error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return m, err
	}
	return m, validate(body)
}

// validate holds a payload against the limits that Slack documents, and has slack-go read it: what slack-go does not
// know is lost on the way, and that is seen.
func validate(body []byte) error {
	var payload struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	if err := json.Unmarshal(body, &payload); err != nil {
		return err
	}
	var blocks vendor.Blocks
	if err := json.Unmarshal(payload.Blocks, &blocks); err != nil {
		return err
	}
	again, err := json.Marshal(blocks)
	if err != nil {
		return err
	}
	var ours, theirs []any
	if err := errors.Join(json.Unmarshal(payload.Blocks, &ours), json.Unmarshal(again, &theirs)); err != nil {
		return err
	}
	if diff := cmp.Diff(nonzero(ours), nonzero(theirs)); diff != "" {
		return fmt.Errorf("slack-go reads it otherwise: %s", diff)
	}
	if n := len(blocks.BlockSet); n < 1 || n > 50 {
		return fmt.Errorf("%d blocks", n)
	}
	if n := length16(payload.Text); n < 1 || n > 4000 {
		return fmt.Errorf("text has %d characters", n)
	}
	all := 0
	for _, b := range blocks.BlockSet {
		switch b := b.(type) {
		case *vendor.HeaderBlock:
			if err := b.Text.Validate(); err != nil {
				return err
			}
			if n := length16(b.Text.Text); b.Text.Type != "plain_text" || n > 150 {
				return fmt.Errorf("header of %d characters", n)
			}
			all += length16(b.Text.Text)
		case *vendor.ContextBlock:
			if n := len(b.ContextElements.Elements); n < 1 || n > 10 {
				return fmt.Errorf("context with %d elements", n)
			}
			for _, e := range b.ContextElements.Elements {
				text, ok := e.(*vendor.TextBlockObject)
				if !ok {
					return fmt.Errorf("context holds a %T", e)
				}
				if err := text.Validate(); err != nil {
					return err
				}
				if n := length16(text.Text); text.Type != "plain_text" || n > 2000 {
					return fmt.Errorf("%s of %d characters in a context", text.Type, n)
				}
				all += length16(text.Text)
			}
		case *vendor.RichTextBlock:
			if len(b.Elements) == 0 {
				return errors.New("empty rich text")
			}
			for _, e := range b.Elements {
				n, err := richText(e)
				if err != nil {
					return err
				}
				all += n
			}
		default:
			return fmt.Errorf("a block of type %s", b.BlockType())
		}
	}
	if all > 12000 {
		return fmt.Errorf("msg_blocks_too_long: %d characters", all)
	}
	return nil
}

// nonzero leaves out the zeros that slack-go writes where nothing was said.
func nonzero(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = nonzero(v[i])
		}
	case map[string]any:
		for name := range v {
			if v[name] = nonzero(v[name]); v[name] == float64(0) {
				delete(v, name)
			}
		}
	}
	return v
}

func richText(e vendor.RichTextElement) (int, error) {
	var parts []vendor.RichTextSectionElement
	switch e := e.(type) {
	case *vendor.RichTextSection:
		parts = e.Elements
	case *vendor.RichTextPreformatted:
		parts = e.Elements
	case *vendor.RichTextList:
		if e.Style != "bullet" && e.Style != "ordered" || len(e.Elements) == 0 {
			return 0, fmt.Errorf("list of style %q with %d items", e.Style, len(e.Elements))
		}
		n := 0
		for _, item := range e.Elements {
			m, err := richText(item)
			if err != nil {
				return 0, err
			}
			n += m
		}
		return n, nil
	default:
		return 0, fmt.Errorf("rich text holds a %T", e)
	}
	if len(parts) == 0 {
		return 0, errors.New("empty section of rich text")
	}
	n := 0
	for _, p := range parts {
		switch p := p.(type) {
		case *vendor.RichTextSectionTextElement:
			if p.Text == "" {
				return 0, errors.New("empty text element")
			}
			n += length16(p.Text)
		case *vendor.RichTextSectionLinkElement:
			if !strings.HasPrefix(p.URL, "https://") || p.Text == "" {
				return 0, fmt.Errorf("link to %q", p.URL)
			}
			n += length16(p.Text) + length16(p.URL)
		default: // mentions, broadcasts, emoji: nothing that we write
			return 0, fmt.Errorf("rich text holds a %T", p)
		}
	}
	return n, nil
}

func length16(s string) int { return len(utf16.Encode([]rune(s))) }
