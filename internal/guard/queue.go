package guard

import "time"

// Queue says which key is to be worked on next. It is pure: no goroutine and no clock inside, so that
// one seed replays a run. It coalesces (a key waits at most once, however often it is added), is fair
// (first come, first served; a key that comes back goes to the end), works on no key twice at a time,
// lets a key that failed rest for longer each time, and never drops one.
//
// The zero value is ready. It is not safe for use by several goroutines at once.
type Queue[K comparable] struct {
	// First and Most bound the rest after a failure: First doubles with each failure up to Most.
	// Zero means one second and five minutes.
	First, Most time.Duration

	keys    map[K]*item
	waiting []K // in the order of their arrival; each is in keys
}

type item struct {
	waiting  bool
	working  bool
	again    bool // added while it was worked on
	failures int
	rest     time.Time // not before
}

// Add asks for key to be worked on. A key that rests after a failure keeps resting: hints do not
// shorten the rest, else a flood of them would.
func (q *Queue[K]) Add(key K, now time.Time) {
	if q.keys == nil {
		q.keys = make(map[K]*item)
	}
	it := q.keys[key]
	if it == nil {
		it = &item{rest: now}
		q.keys[key] = it
	}
	switch {
	case it.working:
		it.again = true
	case !it.waiting:
		it.waiting = true
		q.waiting = append(q.waiting, key)
	}
}

// Next hands out the key that has waited longest and does not rest. The caller says Done when it is
// through with it.
func (q *Queue[K]) Next(now time.Time) (key K, ok bool) {
	for i, key := range q.waiting {
		it := q.keys[key]
		if it.rest.After(now) && it.rest.Sub(now) <= q.longest() { // longer only when the clock was put back meanwhile
			continue
		}
		if i == 0 { // the usual case, without moving ten thousand keys
			q.waiting = q.waiting[1:]
		} else {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		}
		it.waiting, it.working = false, true
		return key, true
	}
	return key, false
}

// Done ends the work on key. With an error the key comes back after a rest; one that was added
// meanwhile comes back at once.
func (q *Queue[K]) Done(key K, err error, now time.Time) {
	it := q.keys[key]
	if it == nil || !it.working {
		return
	}
	it.working = false
	if err == nil {
		it.failures = 0
		if !it.again {
			delete(q.keys, key)
			return
		}
	} else {
		it.rest = now.Add(q.pause(it.failures))
		it.failures++
	}
	it.again, it.waiting = false, true
	q.waiting = append(q.waiting, key)
}

// Wake is the time at which Next has a key again, false when none waits.
func (q *Queue[K]) Wake() (at time.Time, ok bool) {
	for _, key := range q.waiting {
		if rest := q.keys[key].rest; !ok || rest.Before(at) {
			at, ok = rest, true
		}
	}
	return at, ok
}

// Len is how many keys wait or are worked on.
func (q *Queue[K]) Len() int { return len(q.keys) }

func (q *Queue[K]) pause(failures int) time.Duration {
	first, most := q.First, q.longest()
	if first <= 0 {
		first = time.Second
	}
	pause := first
	for range failures {
		if pause >= most {
			return most
		}
		pause *= 2
	}
	return min(pause, most)
}

func (q *Queue[K]) longest() time.Duration {
	if q.Most <= 0 {
		return 5 * time.Minute
	}
	return q.Most
}
