package notify

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// moment writes a time for people: UTC, and local time where loc is given.
func moment(t time.Time, loc *time.Location) string {
	if t.IsZero() {
		return "unknown"
	}
	utc := t.UTC()
	text := utc.Format("2006-01-02 15:04:05 UTC")
	if loc == nil || loc == time.UTC {
		return text
	}
	local := t.In(loc)
	form := "15:04:05 MST"
	if local.YearDay() != utc.YearDay() {
		form = "2006-01-02 15:04:05 MST"
	}
	return text + " (" + local.Format(form) + ")"
}

// span writes a duration in its two largest units: "2.3 s", "42 s", "3 min 5 s", "2 h 4 min", "3 d 4 h".
func span(seconds float64) string {
	if math.IsNaN(seconds) || seconds < 0.05 {
		return "less than 0.1 s"
	}
	if seconds < 9.95 {
		tenths := math.Round(seconds*10) / 10
		return strconv.FormatFloat(tenths, 'f', -1, 64) + " s"
	}
	s := int64(math.Round(math.Min(seconds, 1e11)))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return units(s/60, "min", s%60, "s")
	case s < 24*3600:
		return units(s/3600, "h", s%3600/60, "min")
	}
	return units(s/(24*3600), "d", s%(24*3600)/3600, "h")
}

func units(large int64, name string, small int64, smallName string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, name)
	}
	return fmt.Sprintf("%d %s %d %s", large, name, small, smallName)
}

// between is the span from one time to a later one; empty where the clocks do not allow to tell.
func between(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	return span(to.Sub(from).Seconds())
}
