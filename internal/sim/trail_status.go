package sim

import (
	"hash/fnv"
	"time"
)

const (
	deliveryPeriod = 5 * time.Minute
	digestPeriod   = time.Hour
)

// delivery is the logging status of a trail. Log files themselves are not written; when they would have been is.
type delivery struct {
	logging          bool
	started, stopped time.Time // zero: never
	next, nextDigest time.Time // the next delivery, zero: none to come

	delivered, digested, attempted time.Time
	notified, logged               time.Time // to the topic, to the log group
	deliveryError, digestError     string
	notificationError              string
}

// start begins logging. It looks at no bucket, key or topic: those break deliveries, not this call.
func (t *trails) start(c *call, in *nameInput) (any, error) {
	x, err := t.forChange(c, in.Name)
	if err != nil {
		return nil, err
	}
	if !x.logging || x.next.IsZero() {
		x.next = c.at.Add(deliveryPeriod/2 + x.jitter())
		x.nextDigest = c.at.Add(digestPeriod)
	}
	x.logging, x.started = true, c.at
	t.changed(c, x.arn)
	return nil, nil
}

// stop ends logging, also of a stopped trail. What was recorded before is still delivered.
func (t *trails) stop(c *call, in *nameInput) (any, error) {
	x, err := t.forChange(c, in.Name)
	if err != nil {
		return nil, err
	}
	x.logging, x.stopped = false, c.at
	t.changed(c, x.arn)
	return nil, nil
}

// jitter keeps the deliveries of different trails apart; it depends on the trail alone, so that reading changes nothing.
func (x *trail) jitter() time.Duration {
	h := fnv.New32a()
	h.Write([]byte(x.arn))
	return time.Duration(h.Sum32()%60) * time.Second
}

// catchUp does the deliveries that fell due since the last look. Whatever changes their success calls it first.
func (t *trails) catchUp() {
	now := t.world.now()
	for _, x := range t.byARN {
		if n, last := ticks(x.next, now, deliveryPeriod, x.lastTick(x.next)); n > 0 {
			t.deliver(x, last)
			x.next = last.Add(deliveryPeriod)
		}
		if n, last := ticks(x.nextDigest, now, digestPeriod, x.lastTick(x.nextDigest)); n > 0 {
			if x.validation {
				if x.digestError = t.deliveryFailure(x); x.digestError == "" {
					x.digested = last
				}
			}
			x.nextDigest = last.Add(digestPeriod)
		}
		if !x.logging && !x.next.IsZero() && x.next.After(x.stopped.Add(deliveryPeriod)) {
			x.next, x.nextDigest = time.Time{}, time.Time{}
		}
	}
}

// lastTick is the moment after which there is nothing to deliver: a stopped trail delivers once more.
func (x *trail) lastTick(next time.Time) time.Time {
	if x.logging || next.IsZero() {
		return time.Time{}
	}
	return x.stopped.Add(deliveryPeriod)
}

// ticks counts the periods from next until now (and until end, if there is one), and says when the last one was.
func ticks(next, now time.Time, period time.Duration, end time.Time) (int, time.Time) {
	if !end.IsZero() && end.Before(now) {
		now = end
	}
	if next.IsZero() || next.After(now) {
		return 0, time.Time{}
	}
	n := now.Sub(next) / period
	return int(n) + 1, next.Add(n * period)
}

func (t *trails) deliver(x *trail, when time.Time) {
	x.attempted = when
	if x.deliveryError = t.deliveryFailure(x); x.deliveryError != "" {
		return
	}
	x.delivered = when
	if x.logGroup != "" {
		x.logged = when
	}
	if x.topicARN == "" {
		return
	}
	if t.world.topicExists != nil && !t.world.topicExists(x.topicARN) {
		x.notificationError = "NotFound"
		return
	}
	x.notified, x.notificationError = when, ""
}

// deliveryFailure is the S3 or KMS error code that a log file would run into; "" when it would arrive.
func (t *trails) deliveryFailure(x *trail) string {
	b := t.world.buckets.byName[x.bucket]
	switch {
	case b == nil:
		return "NoSuchBucket"
	case !b.letsCloudTrailWrite(x):
		return "AccessDenied"
	case x.kmsKey != "":
		if k := t.world.keyByARN(x.kmsKey); k == nil {
			return "KMS.NotFoundException"
		} else if k.disabled {
			return "KMS.DisabledException"
		}
	}
	return ""
}

type statusOutput struct {
	IsLogging                          bool
	LatestDeliveryTime                 *epoch `json:",omitempty"`
	LatestDeliveryError                string `json:",omitempty"`
	LatestDigestDeliveryTime           *epoch `json:",omitempty"`
	LatestDigestDeliveryError          string `json:",omitempty"`
	LatestNotificationTime             *epoch `json:",omitempty"`
	LatestNotificationError            string `json:",omitempty"`
	LatestCloudWatchLogsDeliveryTime   *epoch `json:",omitempty"`
	StartLoggingTime                   *epoch `json:",omitempty"`
	StopLoggingTime                    *epoch `json:",omitempty"`
	LatestDeliveryAttemptTime          string
	LatestDeliveryAttemptSucceeded     string
	LatestNotificationAttemptTime      string
	LatestNotificationAttemptSucceeded string
	TimeLoggingStarted                 string
	TimeLoggingStopped                 string
}

// status answers for the Region called; deliveries of all Regions of a multi-Region trail go alike here.
func (t *trails) status(c *call, in *nameInput) (any, error) {
	x, err := t.forLaggingRead(c, in.Name)
	if err != nil {
		return nil, err
	}
	text := func(when time.Time) string {
		if when.IsZero() {
			return ""
		}
		return timestamp(when)
	}
	out := statusOutput{
		IsLogging: x.logging, LatestDeliveryTime: epochOf(x.delivered), LatestDeliveryError: x.deliveryError,
		LatestDigestDeliveryTime: epochOf(x.digested), LatestDigestDeliveryError: x.digestError,
		LatestNotificationTime: epochOf(x.notified), LatestNotificationError: x.notificationError,
		LatestCloudWatchLogsDeliveryTime: epochOf(x.logged),
		StartLoggingTime:                 epochOf(x.started), StopLoggingTime: epochOf(x.stopped),
		LatestDeliveryAttemptTime: text(x.attempted), LatestNotificationAttemptTime: text(x.notified),
		TimeLoggingStarted: text(x.started), TimeLoggingStopped: text(x.stopped),
	}
	if x.deliveryError == "" {
		out.LatestDeliveryAttemptSucceeded = text(x.delivered)
	}
	if x.notificationError == "" {
		out.LatestNotificationAttemptSucceeded = text(x.notified)
	}
	return out, nil
}
