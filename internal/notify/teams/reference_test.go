package teams

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// TestReferenceRenderer has Microsoft's own renderer (npm package adaptivecards) read and draw every card in a browser: it
// finds nothing wrong, and makes no element of a hostile text.
func TestReferenceRenderer(t *testing.T) {
	script, err := os.ReadFile(os.Getenv("ADAPTIVECARDS"))
	if err != nil {
		t.Skip("NOT PROVEN HERE: that Microsoft's own renderer takes the cards: npm install adaptivecards, and set ADAPTIVECARDS to its dist/adaptivecards.min.js")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT PROVEN HERE: that Microsoft's own renderer takes the cards, for no Chromium is installed")
	}
	cards := map[string]json.RawMessage{}
	add := func(name string, doc []byte, err error) {
		var m struct {
			Attachments []struct{ Content json.RawMessage }
		}
		if err == nil {
			err = json.Unmarshal(doc, &m)
		}
		if err != nil {
			t.Fatal(err)
		}
		cards[name] = m.Attachments[0].Content
	}
	for _, s := range notifytest.Life() {
		doc, err := compose(s.Incident, notifytest.Berlin)
		add(s.Name, doc, err)
	}
	for name, inc := range notifytest.HostileIncidents() {
		doc, err := compose(inc, notifytest.Berlin)
		add(name, doc, err)
	}
	list, err := json.Marshal(cards) // with < and > escaped, so that it can stand in a script
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "cards.html")
	text := "<!doctype html><meta charset=utf-8><script>" + string(script) + "</script><div id=cards></div><pre id=events></pre><script>const cards = " + string(list) + `;
		AdaptiveCards.AdaptiveCard.onProcessMarkdown = (text, result) => { result.outputHtml = "<i>markdown</i>"; result.didProcess = true };
		for (const name in cards) {
			const card = new AdaptiveCards.AdaptiveCard(), context = new AdaptiveCards.SerializationContext(AdaptiveCards.Versions.v1_5);
			card.parse(cards[name], context);
			const events = card.validateProperties().validationEvents.map(e => e.message);
			for (let i = 0; i < context.eventCount; i++) events.push(context.getEventAt(i).message);
			document.getElementById("cards").append(card.render());
			document.getElementById("events").append("card " + events.join("; ") + "\n");
		}</script>`
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "file://"+page).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, dom, ok := strings.Cut(string(out), "<div id=\"cards\">")
	drawn, events, _ := strings.Cut(dom, "<pre id=\"events\">")
	events, _, _ = strings.Cut(events, "</pre>")
	if !ok || strings.Count(events, "card ") != len(cards) {
		t.Fatalf("%d of %d cards were drawn: %.2000s", strings.Count(events, "card "), len(cards), out)
	}
	for line := range strings.SplitSeq(events, "\n") {
		if what := strings.TrimSpace(strings.TrimPrefix(line, "card ")); what != "" {
			t.Errorf("the renderer says: %s", html.UnescapeString(what))
		}
	}
	seen := map[string]bool{}
	for _, tag := range regexp.MustCompile(`<([a-z0-9]+)`).FindAllStringSubmatch(drawn, -1) {
		seen[tag[1]] = true
	}
	for tag := range seen {
		if tag != "div" && tag != "span" && tag != "button" {
			t.Errorf("the renderer made a <%s> of some text", tag)
		}
	}
	if !strings.Contains(html.UnescapeString(drawn), notifytest.Hostile["Slack mentions"]) {
		t.Error("a hostile text is not shown as it is")
	}
	t.Log(fmt.Sprint(len(cards), " cards drawn"))
}
