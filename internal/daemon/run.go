package daemon

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Duty is something that is done again and again.
type Duty struct {
	Name  string
	Every time.Duration // from the end of one time to the begin of the next
	Do    func(context.Context) error
}

// Duties are what the daemon does besides receiving.
func (d *Daemon) Duties() []Duty {
	duties := []Duty{
		{"sweep", d.Sweep, d.sweep},
		{"retry", time.Second, func(ctx context.Context) error {
			d.stats.count(d.engine().Again(ctx))
			return nil // what fails is told of by its incident, and tried again
		}},
		{"outbox", 5 * time.Second, func(ctx context.Context) error { return d.engine().Flush(ctx) }},
		{"remind", 10 * time.Second, func(ctx context.Context) error { return d.engine().Remind(ctx) }},
		{"listen", time.Minute, func(ctx context.Context) error { return d.engine().Listen(ctx) }},
		{"evidence", 30 * time.Second, func(ctx context.Context) error { return d.engine().Evidence(ctx) }},
	}
	if d.Engine.Canary.Every > 0 {
		duties = append(duties, Duty{"canary", 30 * time.Second, func(ctx context.Context) error { return d.engine().Fly(ctx) }})
	}
	if d.Heartbeat > 0 {
		duties = append(duties, Duty{"heartbeat", time.Minute, d.heartbeat})
	}
	if d.Anchor != nil {
		duties = append(duties, Duty{"anchor", 10 * time.Minute, d.Anchor})
	}
	if d.Keep > 0 {
		duties = append(duties, Duty{"retention", time.Hour, func(ctx context.Context) error { return d.engine().Prune(ctx, d.Keep) }})
	}
	return duties
}

// Run watches until ctx ends, then brings what was begun to its end. None of the duties keeps another waiting; one that panics
// is done again at its next time.
func (d *Daemon) Run(ctx context.Context) {
	d.started = d.Now()
	var wg sync.WaitGroup
	for _, duty := range d.Duties() {
		wg.Go(func() {
			for {
				if err := d.survive(duty.Name, func() error { return duty.Do(ctx) }); err != nil && ctx.Err() == nil {
					d.stats.failed(duty.Name)
					d.Log.Error(duty.Name+" failed: it is done again", "error", err.Error())
				}
				if !pause(ctx, duty.Every) {
					return
				}
			}
		})
	}
	for range d.Pollers {
		if d.Queue == nil {
			break
		}
		wg.Go(func() { d.poll(ctx, &wg) })
	}
	wg.Wait()
	work, end := context.WithTimeout(context.WithoutCancel(ctx), d.Grace)
	defer end()
	d.engine().Settle(work)
}

// idle is the pause after the queue had nothing, which it says after a long poll.
const idle = 100 * time.Millisecond

// poll receives again and again; while the queue cannot be read, ever more slowly.
func (d *Daemon) poll(ctx context.Context, all *sync.WaitGroup) {
	rest := time.Second
	for ctx.Err() == nil {
		taken := 0
		err := d.survive("receive", func() (err error) {
			taken, err = d.Receive(ctx)
			return err
		})
		if err == nil {
			if taken == full {
				d.help(ctx, all)
			}
			rest = time.Second
			d.stats.QueueDown.Store(0)
			if taken == 0 && !pause(ctx, idle) {
				return
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		d.stats.failed("receive")
		if d.stats.QueueDown.CompareAndSwap(0, d.Now().UnixNano()) || rest >= time.Minute {
			d.Log.Error("the queue cannot be read: the sweep goes on", "error", err.Error(), "again_in", rest.String())
		}
		d.queueDown(ctx, err)
		if !pause(ctx, rest) {
			return
		}
		rest = min(2*rest, time.Minute)
	}
}

const (
	// full is what a call takes at most: more is waiting.
	full = 10
	// helpers is how many receive at most besides those that always do, while the queue is long.
	helpers = 40
)

// help has one more receive for as long as the queue is long. In a flood most of the time goes into waiting for the queue and the disk; on a
// quiet day each who receives costs money.
func (d *Daemon) help(ctx context.Context, all *sync.WaitGroup) {
	if d.helping.Add(1) > helpers {
		d.helping.Add(-1)
		return
	}
	all.Go(func() {
		defer d.helping.Add(-1)
		for taken := full; taken == full && ctx.Err() == nil; {
			if err := d.survive("receive", func() (err error) {
				taken, err = d.Receive(ctx)
				return err
			}); err != nil {
				return // those that always receive say so
			}
		}
	})
}

// queueDown tells people of a queue that cannot be read for a while, which is an attack as good as any.
func (d *Daemon) queueDown(ctx context.Context, err error) {
	since := time.Unix(0, d.stats.QueueDown.Load())
	if d.Now().Sub(since) >= time.Minute {
		d.engine().Trouble(ctx, "own.queue", "The queue cannot be read",
			"No event reaches the guard: only the sweep finds what is done to trails", err.Error(), since)
	}
}

func (d *Daemon) survive(what string, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.Log.Error("panic: the work is done again", "work", what, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: panic: %v", what, p)
		}
	}()
	return do()
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
