package archive

import (
	"fmt"
	"slices"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
)

// CloudTrail delivers log files about every five minutes while there is something to deliver, and a digest
// file each hour in any case.
const (
	cadence       = 5 * time.Minute
	digestCadence = time.Hour
	digestSlack   = 40 * time.Minute // a digest that is later than that is missing
	fewest        = 12               // files from which a usual distance can be told
)

// gaps finds the times in which files of a Region are missing: three times as long as nearly all distances
// between files, and a quarter of an hour at least.
func gaps(s Stream) []Window {
	if len(s.Minutes) < fewest {
		return nil
	}
	var distances []int64
	for i := 1; i < len(s.Minutes); i++ {
		distances = append(distances, s.Minutes[i]-s.Minutes[i-1])
	}
	sorted := slices.Sorted(slices.Values(distances))
	usual := time.Duration(sorted[len(sorted)/2]) * time.Minute
	nearlyAll := time.Duration(sorted[len(sorted)*95/100]) * time.Minute
	if sorted[len(sorted)*95/100] == sorted[len(sorted)-1] { // few files: the longest distance may be the gap
		nearlyAll = time.Duration(sorted[(len(sorted)-1)*9/10]) * time.Minute
	}
	limit := max(3*nearlyAll, 3*cadence)
	var all []Window
	for i, d := range distances {
		if time.Duration(d)*time.Minute <= limit {
			continue
		}
		from, to := time.Unix(s.Minutes[i]*60, 0), time.Unix(s.Minutes[i+1]*60, 0)
		all = append(all, Window{
			BlindWindow: *incident.Window(from, to, to, FromFiles), Account: s.Account, Region: s.Region, Sure: Low,
			Why: []string{fmt.Sprintf("no log file was delivered for %s; usually one comes every %s", span(to.Sub(from)), span(max(usual, time.Minute)))},
		})
	}
	return all
}

// missingDigests finds the hours of which a trail's digest files are missing.
func missingDigests(chains []Chain, now time.Time) []Window {
	var all []Window
	for _, c := range chains {
		if len(c.Times) < 3 {
			continue
		}
		missing := func(last, next int64, open bool) {
			from, to := time.Unix(last, 0), time.Unix(next, 0).Add(-digestCadence)
			if to.Sub(from) < digestSlack {
				return
			}
			w := Window{
				Account: c.Account, Region: c.Region, Sure: Medium,
				Trail: incident.RefOfName(c.Trail, c.HomeRegion, c.Account),
				Why:   []string{fmt.Sprintf("the digest files of %s are missing; one comes each hour", span(to.Sub(from).Round(digestCadence)))},
			}
			end := to
			if open {
				end = time.Time{}
			}
			w.BlindWindow = *incident.Window(from, end, to, FromFiles)
			all = append(all, w)
		}
		for i := 1; i < len(c.Times); i++ {
			missing(c.Times[i-1], c.Times[i], false)
		}
		missing(c.Times[len(c.Times)-1], now.Unix(), true)
	}
	return all
}

// recorded says whether some trail's digest files cover a time without a break: it was recording.
func recorded(chains []Chain, w Window) bool {
	for _, c := range chains {
		if c.Account != w.Account || c.Region != w.Region {
			continue
		}
		i, _ := slices.BinarySearch(c.Times, w.From.Unix())
		covered := i > 0 && w.From.Sub(time.Unix(c.Times[i-1], 0)) <= digestCadence+digestSlack
		for ; covered && i < len(c.Times); i++ {
			if time.Unix(c.Times[i], 0).Sub(time.Unix(c.Times[i-1], 0)) > digestCadence+digestSlack {
				break
			}
			if c.Times[i] >= w.end().Unix() {
				return true
			}
		}
	}
	return false
}

// compare looks at the other Regions of the account in a time in which one delivered nothing: that all of
// them are silent is no accident.
func compare(w *Window, streams []Stream) {
	silent, busy := 0, 0
	for _, s := range streams {
		if s.Account != w.Account || s.Region == w.Region || len(s.Minutes) < fewest {
			continue
		}
		i, _ := slices.BinarySearch(s.Minutes, w.From.Unix()/60+1)
		if i == 0 || i == len(s.Minutes) { // it says nothing of this time
			continue
		}
		if s.Minutes[i] >= w.end().Unix()/60 {
			silent++
		} else {
			busy++
		}
	}
	switch {
	case silent > 0 && busy == 0:
		w.Why = append(w.Why, fmt.Sprintf("no other Region of the account delivered at that time (%d looked at)", silent))
		if w.Sure == Low {
			w.Sure = Medium
		}
	case busy > 0:
		w.Why = append(w.Why, fmt.Sprintf("%d other Regions of the account delivered at that time", busy))
	}
}

// span writes a duration for people: its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	case minutes > 0 && seconds > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	}
	return fmt.Sprintf("%ds", seconds)
}
