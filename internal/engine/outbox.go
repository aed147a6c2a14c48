package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// Pauses between tries to send.
const (
	firstPause = 5 * time.Second
	mostPause  = 5 * time.Minute
	// hopelessPause is the pause after a failure that a person has to mend.
	hopelessPause = 30 * time.Minute
	// downAfter is how long a channel may fail until the others are told.
	downAfter = 5 * time.Minute
	// sendMost is how many messages are read from the ledger at a time.
	sendMost = 200
)

// outbox sends what the ledger holds. Messages of one incident go to a channel in their order; a channel that is down keeps its messages and keeps
// no other channel waiting.
type outbox struct {
	mu       sync.Mutex
	channels map[string]*health
	flushing chan struct{} // full while one flush is under way: another would send the same again
}

// turnTime is how long a flush waits for another that is under way.
const turnTime = 10 * time.Second

// turn waits until no other flush is under way; false when that one takes long, or ctx has ended: it sends what there is.
func (o *outbox) turn(ctx context.Context) (leave func(), ok bool) {
	o.mu.Lock()
	if o.flushing == nil {
		o.flushing = make(chan struct{}, 1)
	}
	turn := o.flushing
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, true
	case <-ctx.Done():
		return nil, false
	}
}

// health is how a channel is.
type health struct {
	busy    sync.Mutex // one sends at a time, so that order is kept
	since   time.Time  // failing since; zero when it is well
	rest    time.Time  // not tried before
	refused int        // messages in a row that it will never take
	waiting bool       // messages wait in the ledger: newer ones must not overtake them
	told    bool       // the others were told that it fails
	// left are messages of this process that waited for older ones: the next flush sends them, though they are not due.
	left []ledger.Message
}

// leftMost is how many of them are remembered; the ledger has all.
const leftMost = 100

func (o *outbox) of(channel string) *health {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.channels == nil {
		o.channels = make(map[string]*health)
	}
	h := o.channels[channel]
	if h == nil {
		h = &health{waiting: true} // what an earlier process left is not known before the first flush
		o.channels[channel] = h
	}
	return h
}

// Send sends messages that were just recorded. What cannot be sent now stays in the ledger, and is sent by Flush.
func (e *Engine) Send(ctx context.Context, messages []ledger.Message) {
	byChannel := map[string][]ledger.Message{}
	for _, m := range messages {
		byChannel[m.Channel] = append(byChannel[m.Channel], m)
	}
	e.eachChannel(byChannel, func(h *health, list []ledger.Message) {
		for i, m := range list {
			if h.waiting || e.now().Before(h.rest) {
				h.waiting = true
				h.left = append(h.left, list[i:min(len(list), i+max(0, leftMost-len(h.left)))]...)
				return
			}
			if !e.deliver(ctx, h, m) {
				return
			}
		}
	})
}

// eachChannel sends by each channel, by all of them at the same time; with one worker by one after the other.
func (e *Engine) eachChannel(messages map[string][]ledger.Message, send func(*health, []ledger.Message)) {
	var wg sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(messages)) {
		wg.Go(func() {
			h := e.outbox.of(name)
			h.busy.Lock()
			defer h.busy.Unlock()
			send(h, messages[name])
		})
		if e.Workers == 1 {
			wg.Wait()
		}
	}
	wg.Wait()
}

// Flush sends what is due in the ledger: what earlier processes left, what failed before, what was to wait.
func (e *Engine) Flush(ctx context.Context) error {
	if e.Keeper == nil {
		return nil
	}
	leave, ok := e.outbox.turn(ctx)
	if !ok {
		return nil
	}
	defer leave()
	now := e.now()
	messages, err := e.Keeper.Store.Messages(ctx, now, sendMost)
	if err != nil {
		return fmt.Errorf("read messages that are to be sent: %w", err)
	}
	byChannel := map[string][]ledger.Message{}
	for _, c := range e.Channels {
		byChannel[c.Name] = nil
	}
	for _, m := range messages {
		byChannel[m.Channel] = append(byChannel[m.Channel], m)
	}
	e.eachChannel(byChannel, func(h *health, list []ledger.Message) {
		if e.now().Before(h.rest) {
			return
		}
		if len(messages) < sendMost { // else there are older ones
			for _, m := range h.left {
				if now.Before(m.Due) { // one that was due is in the ledger's list
					list = append(list, m)
				}
			}
			slices.SortFunc(list, ledger.CompareMessages)
		}
		h.left = nil
		for _, l := range e.letters(list) {
			if e.now().Before(h.rest) || !e.superseded(ctx, l) && !e.deliver(ctx, h, l.Message, l.instead...) {
				return
			}
		}
		h.waiting = len(messages) == sendMost
	})
	return nil
}

// Owes says whether a channel sends nothing before the next flush: a message failed, or it was not known whether older ones wait. A process
// that lasts, or sweeps, flushes all the time; any other is to do it then, else it stays silent for good.
func (e *Engine) Owes() bool {
	for _, c := range e.Channels {
		h := e.outbox.of(c.Name)
		if !h.busy.TryLock() {
			continue // it is sending
		}
		owes := h.waiting && !e.now().Before(h.rest)
		h.busy.Unlock()
		if owes {
			return true
		}
	}
	return false
}

// deliver sends one message and records what came of it; false when the channel is to rest.
func (e *Engine) deliver(ctx context.Context, h *health, m ledger.Message, instead ...string) bool {
	batch := ledger.Batch{Chain: chainOf(m.Incident)}
	report := ledger.Delivery{Message: m.ID, Channel: m.Channel, Incident: m.Incident.ID, Stage: string(m.Incident.Stage), Tries: m.Tries + 1}
	err := notify.Permanent(fmt.Errorf("tell by %s: the channel is not configured any more", m.Channel))
	if channel, ok := e.channel(m.Channel); ok {
		err = e.survive(ctx, "tell of "+m.Incident.ID, func() error { return channel.Notify(ctx, m.Incident) })
	}
	now := e.now()
	if err == nil {
		batch.Sent = append(instead, m.ID)
		batch.Entries = []ledger.Draft{{Time: now, Kind: ledger.KindSent, Body: report}}
		if head := m.Incident.Ledger; head != nil {
			batch.Marks = []ledger.Mark{{Key: sentKey(m), Value: strconv.FormatInt(head.Seq, 10), Expires: now.Add(aliasKept)}}
		}
		e.write(ctx, batch)
		e.recovered(ctx, h, m.Channel)
		return true
	}
	e.Log.ErrorContext(ctx, "people could not be told", "channel", m.Channel, "incident_id", m.Incident.ID,
		"trail", m.Incident.Trail.ARN, "stage", string(m.Incident.Stage), "tries", m.Tries+1, "error", err.Error())
	m.Tries++
	m.Error = err.Error()
	permanent := notify.IsPermanent(err)
	if permanent {
		m.Due = now.Add(hopelessPause)
	}
	if len(instead) == 0 { // a group is made anew of the messages that wait
		batch.Queue = []ledger.Message{m}
		if m.Tries == 1 {
			report.Error = m.Error
			batch.Entries = []ledger.Draft{{Time: now, Kind: ledger.KindUnsent, Body: report}}
		}
		e.divert(ctx, h, m, err, &batch)
		e.write(ctx, batch)
	}
	e.failing(ctx, h, m, err)
	// A message that is refused for good keeps no other waiting; a channel that refuses one after the other rests.
	return permanent && h.refused < 3
}

// superseded takes a message that waited off the list when later news of its incident went through the channel already: they
// say all that it says.
func (e *Engine) superseded(ctx context.Context, l letter) bool {
	m := l.Message
	if len(l.instead) > 0 || m.Incident.Ledger == nil {
		return false
	}
	value, ok, err := mark(ctx, e.Keeper.Store, sentKey(m), e.now())
	if !ok || err != nil {
		return false
	}
	if seq, err := strconv.ParseInt(value, 10, 64); err != nil || seq <= m.Incident.Ledger.Seq {
		return false
	}
	e.write(ctx, ledger.Batch{Chain: chainOf(m.Incident), Sent: []string{m.ID}, Entries: []ledger.Draft{{Time: e.now(), Kind: ledger.KindUnsent, Body: ledger.Delivery{
		Message: m.ID, Channel: m.Channel, Incident: m.Incident.ID, Stage: string(m.Incident.Stage), Tries: m.Tries, Error: "not sent: later news of the incident were",
	}}}})
	return true
}

func sentKey(m ledger.Message) string { return "sent/" + m.Channel + "/" + m.Incident.ID }

// write writes what became of a message. When that fails the message is sent again, which its id lets the receiver see.
func (e *Engine) write(ctx context.Context, b ledger.Batch) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if _, err := e.Keeper.Store.Write(ctx, b); err != nil {
		e.Log.ErrorContext(ctx, "the ledger could not be written", "chain", b.Chain, "error", err.Error())
	}
}

func (e *Engine) channel(name string) (notify.Channel, bool) {
	for _, c := range e.Channels {
		if c.Name == name {
			return c, true
		}
	}
	return notify.Channel{}, false
}

func pauseAfter(tries int, err error) time.Duration {
	pause := mostPause
	if shift := tries - 1; shift < 6 {
		pause = firstPause << shift
	}
	if asked, ok := notify.RetryAfter(err); ok {
		pause = max(pause, min(asked, time.Hour))
	}
	return pause
}

// failing notes that a channel fails, and tells by the others when it has done so for a while, or for good.
func (e *Engine) failing(ctx context.Context, h *health, m ledger.Message, err error) {
	now := e.now()
	h.waiting = true
	if h.since.IsZero() {
		h.since = now
	}
	if notify.IsPermanent(err) {
		h.refused++
	}
	if !notify.IsPermanent(err) || h.refused >= 3 {
		h.rest = now.Add(pauseAfter(m.Tries, err))
	}
	if h.told || !notify.IsPermanent(err) && now.Sub(h.since) < downAfter {
		return
	}
	h.told = true
	inc := channelIncident(m.Channel, h.since, now)
	inc.Reason = err.Error()
	inc.NextSteps = []incident.Step{{Text: "Mend the channel " + m.Channel + ". Its messages are kept, and sent when it works again.",
		Command: "trailwarden notify test --channel " + m.Channel}}
	e.announce(ctx, inc)
}

// recovered notes that a channel works.
func (e *Engine) recovered(ctx context.Context, h *health, name string) {
	since, told := h.since, h.told
	h.since, h.rest, h.refused, h.told = time.Time{}, time.Time{}, 0, false
	if told {
		inc := channelIncident(name, since, e.now())
		inc.Outcome = incident.Restored
		inc.Findings[0].Text = "The channel " + name + " works again; what it missed is being sent"
		e.announce(ctx, inc)
	}
}

func channelIncident(name string, since, now time.Time) incident.Incident {
	inc := incident.FromState(trail.ARN{}, []incident.Finding{{
		Rule: "own.channel", Title: "A channel fails", Severity: incident.High,
		Text: "The channel " + name + " cannot tell anybody",
	}}, "channel "+name+" "+since.UTC().Format(time.RFC3339), since, now)
	inc.Trail = incident.TrailRef{}
	return inc
}

// announce records an incident of trailwarden itself, and leaves telling of it to the next flush.
func (e *Engine) announce(ctx context.Context, inc incident.Incident) []ledger.Message {
	_, messages, err := e.Keeper.Keep(ctx, ledger.System, []incident.Incident{inc})
	if err != nil {
		e.Log.ErrorContext(ctx, "the ledger could not be written", "incident_id", inc.ID, "reason", inc.Reason, "error", err.Error())
	}
	return messages
}
