package sim

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

// Now is the world's time, UTC.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

func (w *World) now() time.Time {
	if w.opts.Clock != nil {
		return w.opts.Clock().Add(w.skew).UTC()
	}
	return w.clock
}

// moveTo sets the clock forward to t; it never goes back.
func (w *World) moveTo(t time.Time) {
	d := t.Sub(w.now())
	if d <= 0 {
		return
	}
	if w.opts.Clock != nil {
		w.skew += d
	} else {
		w.clock = w.clock.Add(d)
	}
}

// Advance moves the clock by d and does everything due on the way, in order, in the caller's goroutine.
// A delivery may itself make calls and may itself call Advance; when several goroutines advance, deliveries run side by side.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	until := w.now().Add(d)
	w.mu.Unlock()
	w.deliverUntil(until)
	w.mu.Lock()
	w.moveTo(until)
	w.touch()
	w.mu.Unlock()
}

// Deliver does everything due by now and returns how many things it did.
func (w *World) Deliver() int { return w.deliverUntil(w.Now()) }

// Settle advances the clock from one delivery to the next until nothing is under way, at most by limit.
// Work that never ends by itself (a schedule) does not count as under way.
func (w *World) Settle(limit time.Duration) error {
	end := w.Now().Add(limit)
	for {
		w.mu.Lock()
		at, busy := w.tasks.nextWork()
		w.mu.Unlock()
		if !busy {
			return nil
		}
		if at.After(end) {
			w.deliverUntil(end)
			w.mu.Lock()
			w.moveTo(end)
			w.mu.Unlock()
			return fmt.Errorf("settle world: something is still due at %s, after the limit of %s", at.Format(time.RFC3339), limit)
		}
		w.deliverUntil(at)
	}
}

// Run delivers whatever falls due, as Options.Clock moves on, until ctx ends. A server with a real clock needs one Run.
func (w *World) Run(ctx context.Context) error {
	for {
		w.Deliver()
		w.mu.Lock()
		changed := w.changed
		var due <-chan time.Time
		var timer *time.Timer
		if len(w.tasks) > 0 && w.opts.Clock != nil {
			timer = time.NewTimer(max(0, w.tasks[0].at.Sub(w.now())))
			due = timer.C
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-changed:
		case <-due:
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (w *World) deliverUntil(until time.Time) int {
	for n := 0; ; n++ {
		w.mu.Lock()
		if len(w.tasks) == 0 || w.tasks[0].at.After(until) {
			w.mu.Unlock()
			return n
		}
		t := heap.Pop(&w.tasks).(task)
		w.moveTo(t.at)
		w.touch()
		w.mu.Unlock()
		t.run()
	}
}

// schedule has run called at the given time, without the lock. Called with the lock held.
func (w *World) schedule(at time.Time, run func()) { w.addTask(task{at: at, run: run}) }

// scheduleIdle is schedule for work that repeats for ever, for which Settle does not wait.
func (w *World) scheduleIdle(at time.Time, run func()) { w.addTask(task{at: at, run: run, idle: true}) }

func (w *World) addTask(t task) {
	w.taskSeq++
	t.seq = w.taskSeq
	heap.Push(&w.tasks, t)
	w.touch()
}

// touch wakes whoever waits for the world to change.
func (w *World) touch() {
	close(w.changed)
	w.changed = make(chan struct{})
}

type task struct {
	at   time.Time
	seq  int
	idle bool
	run  func()
}

// tasks is a heap: the earliest first, of equal ones the one scheduled first.
type tasks []task

func (t tasks) Len() int { return len(t) }
func (t tasks) Less(i, j int) bool {
	if !t[i].at.Equal(t[j].at) {
		return t[i].at.Before(t[j].at)
	}
	return t[i].seq < t[j].seq
}
func (t tasks) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *tasks) Push(x any)   { *t = append(*t, x.(task)) }
func (t *tasks) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = task{}
	*t = old[:len(old)-1]
	return last
}

// nextWork says when the earliest task that is not idle falls due.
func (t tasks) nextWork() (time.Time, bool) {
	var at time.Time
	found := false
	for _, x := range t {
		if !x.idle && (!found || x.at.Before(at)) {
			at, found = x.at, true
		}
	}
	return at, found
}
