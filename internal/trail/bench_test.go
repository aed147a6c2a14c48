package trail

import "testing"

// BenchmarkComparePlan is the time that one trail takes in a sweep: as pinned, and with what an attacker does. Repair compares.
func BenchmarkComparePlan(b *testing.B) {
	baseline := Baseline{ARN: main, Want: pinned(), Repair: Groups()}
	as := func(change func(*State)) State {
		s := State{ARN: main, Exists: true, Settings: pinned(), Read: Groups()}
		s.Selectors = basic(allS3, all)
		change(&s)
		return s
	}
	for _, run := range []struct {
		name  string
		state State
	}{
		{"as pinned", as(func(*State) {})},
		{"stopped", as(func(s *State) { s.Logging = false })},
		{"minimized", as(func(s *State) {
			s.MultiRegion, s.GlobalEvents, s.Validation, s.Key, s.LogGroup, s.LogRole = false, false, false, "", "", ""
			s.Selectors = basic(readOnly)
		})},
	} {
		b.Run(run.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Repair(baseline, run.state)
			}
		})
	}
	b.Run("verdict", func(b *testing.B) {
		s := as(func(s *State) { s.Logging = false })
		plan := Repair(baseline, s)
		b.ReportAllocs()
		for b.Loop() {
			baseline.Verdict(s, plan)
		}
	})
}
