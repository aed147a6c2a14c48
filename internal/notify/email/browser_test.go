package email

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// TestBrowser opens mails in a browser, in daylight and in the dark: they draw, load nothing, and are as wide as the
// window at most. TRAILWARDEN_PICTURES names a directory that keeps the pictures, for people to look at.
func TestBrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("NOT PROVEN HERE: that the mails draw in a browser, for no Chromium is installed")
	}
	dir := t.TempDir()
	keep := os.Getenv("TRAILWARDEN_PICTURES")
	if keep == "" {
		keep = dir
	}
	life := map[string]notifytest.Sample{}
	for _, s := range notifytest.Life() {
		life[s.Name] = s
	}
	life["hostile"] = notifytest.Sample{Name: "hostile", Incident: notifytest.Believable(notifytest.Hostile["HTML"]+notifytest.Hostile["long word"][:3000], "failed")}
	for _, row := range []struct {
		name, size string
		dark       bool
	}{{"escalated", "760,2000", false}, {"escalated", "760,2000", true}, {"drill", "500,2200", false}, {"hostile", "500,3000", false}} {
		name := row.name
		if row.dark {
			name += "-dark"
		}
		inc := life[row.name].Incident
		page, picture := filepath.Join(dir, name+".html"), filepath.Join(keep, name+".png")
		// The title tells the test whether anything is wider than the window.
		doc := strings.Replace(HTML(notify.PageOf(inc, notifytest.Berlin), inc), "</body>",
			`<script>console.log("WIDTH "+(document.documentElement.scrollWidth<=window.innerWidth)+" "+getComputedStyle(document.body).backgroundColor)</script></body>`, 1)
		if err := os.WriteFile(page, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + filepath.Join(dir, "profile"), "--hide-scrollbars",
			"--window-size=" + row.size, "--enable-logging=stderr", "--v=0", "--screenshot=" + picture}
		if row.dark {
			args = append(args, "--blink-settings=preferredColorScheme=0")
		}
		out, err := exec.CommandContext(t.Context(), browser, append(args, "file://"+page)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		colour := "rgb(238, 241, 244)"
		if row.dark {
			colour = "rgb(15, 20, 25)"
		}
		if !bytes.Contains(out, []byte("WIDTH true "+colour)) {
			t.Errorf("%s is wider than the window, or not %s: %s", name, colour, out)
		}
		if n := bytes.Count(out, []byte("CONSOLE")); n != 1 {
			t.Errorf("%s: the browser has %d things to say: %s", name, n, out)
		}
		f, err := os.Open(picture)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil || img.Bounds().Dx() < 400 {
			t.Errorf("%s: no picture: %v", name, err)
		}
	}
}
