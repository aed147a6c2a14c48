package page

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/archive"
)

// picture is the timeline, in units of the SVG.
type picture struct {
	Width, Height int
	Ticks         []tick
	Lanes         []lane
}

type tick struct {
	X, Bottom, TextY int
	Text             string
}

type lane struct {
	Name, Note                string
	X, Y, Width, TextY, SoftY int
	Delivered, Windows, Dots  []mark
}

type mark struct {
	X, Y, Width int
	Class, Text string
}

const (
	pictureWidth = 1100
	laneLeft     = 250
	laneHeight   = 40
	laneTop      = 24
	mostLanes    = 40
)

// newPicture draws a lane for each trail and each Region that something is known of; nil when there is nothing.
func newPicture(r archive.Report) *picture {
	from, to := r.Summary.From, r.Summary.To
	if from.IsZero() || len(r.Windows)+len(r.Findings) == 0 {
		return nil
	}
	margin := max(to.Sub(from)/50, time.Minute)
	from, to = from.Add(-margin), to.Add(margin)
	x := func(t time.Time) int {
		part := min(1, max(0, float64(t.Sub(from))/float64(to.Sub(from))))
		return laneLeft + int(part*(pictureWidth-laneLeft-20))
	}
	p := &picture{Width: pictureWidth}
	lanes := map[string]int{}
	at := func(name, note string) *lane {
		key := name + "\n" + note
		if i, ok := lanes[key]; ok {
			return &p.Lanes[i]
		}
		if len(p.Lanes) == mostLanes {
			return nil
		}
		y := laneTop + laneHeight*len(p.Lanes)
		lanes[key] = len(p.Lanes)
		p.Lanes = append(p.Lanes, lane{Name: clip(Plain(name), 34), Note: clip(Plain(note), 38), X: laneLeft, Y: y, Width: pictureWidth - laneLeft - 20, TextY: y + 12, SoftY: y + 26})
		return &p.Lanes[len(p.Lanes)-1]
	}
	for _, w := range r.Windows {
		l := at(cmp.Or(w.Trail.Name, "log files"), w.Account+" "+w.Region)
		if l == nil {
			continue
		}
		end, until := to, "open"
		if w.To != nil {
			end, until = *w.To, Time(*w.To)
		}
		l.Windows = append(l.Windows, mark{X: x(w.From), Y: l.Y + 3, Width: max(3, x(end)-x(w.From)), Class: w.Sure,
			Text: fmt.Sprintf("%s to %s (%s), %s: %s", Time(w.From), until, Length(w.Seconds), w.Certainty, Plain(strings.Join(w.Why, "; ")))})
	}
	for _, f := range r.Findings[:min(mostRows, len(r.Findings))] {
		if l := at(cmp.Or(f.Trail.Name, "no trail named"), f.Account+" "+cmp.Or(f.Trail.Region, f.Record.Region)); l != nil && !f.EventTime.IsZero() {
			name, _ := Actor(f)
			l.Dots = append(l.Dots, mark{X: x(f.EventTime), Y: l.Y + 11, Class: string(f.Severity),
				Text: fmt.Sprintf("%s %s by %s: %s", Time(f.EventTime), Plain(f.EventName), Plain(name), f.Outcome)})
		}
	}
	for _, s := range r.Deliveries {
		l := at("log files", s.Account+" "+s.Region)
		if l == nil {
			continue
		}
		// Files that are closer than two pixels are one stroke.
		begin, last := -1, -1
		stroke := func() {
			if begin >= 0 {
				l.Delivered = append(l.Delivered, mark{X: begin, Y: l.Y + 18, Width: last - begin + 2})
			}
		}
		for _, m := range s.Minutes {
			here := x(time.Unix(m*60, 0))
			if begin < 0 || here > last+2 {
				stroke()
				begin = here
			}
			last = here
		}
		stroke()
	}
	p.Height = laneTop + laneHeight*len(p.Lanes) + 20
	for i := range 6 {
		t := from.Add(to.Sub(from) * time.Duration(i) / 5)
		text := t.UTC().Format("2006-01-02")
		if to.Sub(from) < 72*time.Hour {
			text = t.UTC().Format("01-02 15:04")
		}
		px := x(t)
		if i == 5 {
			px -= 20
		}
		p.Ticks = append(p.Ticks, tick{X: px, Bottom: p.Height - 18, TextY: p.Height - 5, Text: text})
	}
	return p
}

// clip shortens a text in its middle.
func clip(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most/2-1]) + "…" + string(r[len(r)-most/2:])
}
