package email

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// checkLetter holds a mail against what is promised of every mail, whatever the incident holds.
func checkLetter(t *testing.T, name string, c *Channel, inc incident.Incident) {
	t.Helper()
	raw, err := c.Render(inc)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	l := read(t, raw)
	for header, values := range l.header {
		if !slices.Contains(headers, header) || len(values) != 1 {
			t.Errorf("%s: header %s: %q", name, header, values)
		}
	}
	if len(l.header.Get("Subject")) > 99 || l.header.Get("To") != c.to[0].String() {
		t.Errorf("%s: %q to %q", name, l.header.Get("Subject"), l.header.Get("To"))
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 998 { // RFC 5322
			t.Errorf("%s: a line of %d characters", name, len(line))
		}
		for _, r := range line {
			if r < ' ' && r != '\t' || r > '~' {
				t.Errorf("%s: a line holds %U: %q", name, r, line)
				break
			}
		}
	}
	if err := errors.Join(notifytest.Visible(l.text, true), notifytest.NoSecrets(l.text), notifytest.NoSecrets(l.html)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if err := checkHTML(l.html); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// elements and their attributes are all that a mail's HTML may have.
var elements = map[string][]string{
	"html": {"lang"}, "head": {}, "meta": {"charset", "name", "content"}, "title": {}, "style": {}, "body": {"class", "style"},
	"table": {"role", "width", "cellpadding", "cellspacing", "class", "style"}, "tr": {},
	"td":  {"align", "bgcolor", "class", "style", "width", "valign"},
	"div": {"class", "style"}, "span": {}, "p": {"class", "style"}, "h1": {"class", "style"}, "h2": {"class", "style"}, "a": {"href", "style"},
}

// checkHTML reads the page as a mail program would: no markup but ours, no link but to the AWS console, nothing that is loaded.
func checkHTML(page string) error {
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!DOCTYPE html>")))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	var open []string
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			attributes, ok := elements[token.Name.Local]
			if !ok {
				return fmt.Errorf("element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				value := strings.ToLower(a.Value)
				switch {
				case !slices.Contains(attributes, a.Name.Local):
					return fmt.Errorf("attribute %s of %s", a.Name.Local, token.Name.Local)
				case a.Name.Local == "href" && !notifytest.OurLink(a.Value):
					return fmt.Errorf("link to %q", a.Value)
				case strings.Contains(value, "url(") || strings.Contains(value, "expression"):
					return fmt.Errorf("style %q", a.Value)
				}
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 && open[len(open)-1] != "style" {
				if err := notifytest.Visible(string(token), true); err != nil {
					return err
				}
				if strings.Contains(string(token), "://") {
					return fmt.Errorf("a text looks like a link: %.200q", token)
				}
			}
		case xml.Comment, xml.ProcInst, xml.Directive:
			return fmt.Errorf("%T %v", token, token)
		}
	}
	if strings.Count(page, "<html") != 1 || strings.Contains(page, "<img") || strings.Contains(page, "<script") {
		return errors.New("markup that is not ours")
	}
	return nil
}
