package sim

import (
	"hash/fnv"
	"maps"
	"time"
)

const (
	deliveryPeriod = 5 * time.Minute
	digestPeriod   = time.Hour
)

// delivery is the logging status of a trail. Log files themselves are not written; when they would have been is.
type delivery struct {
	logging          bool
	started, stopped time.Time            // zero: never
	arrivals         map[string]*arrivals // by Region that the trail records
}

// arrivals are the deliveries of what one Region recorded.
type arrivals struct {
	next, nextDigest time.Time // the next delivery, zero: none to come

	delivered, digested, attempted time.Time
	notified, logged               time.Time // to the topic, to the log group
	deliveryError, digestError     string
	notificationError, logError    string
}

func (d delivery) clone() delivery {
	copied := map[string]*arrivals{}
	for region, a := range d.arrivals {
		own := *a
		copied[region] = &own
	}
	d.arrivals = copied
	return d
}

// arrivalsIn is the delivery status in a Region, empty where there was none yet.
func (x *trail) arrivalsIn(region string) arrivals {
	if a := x.arrivals[region]; a != nil {
		return *a
	}
	return arrivals{}
}

// start begins logging. It looks at no bucket, key or topic: those break deliveries, not this call.
func (t *trails) start(c *call, in *nameInput) (any, error) {
	x, err := t.forChange(c, in.Name)
	if err != nil {
		return nil, err
	}
	for region, a := range x.arrivals {
		if !x.logging || a.next.IsZero() {
			a.begin(c.at, x.jitter(region))
		}
	}
	x.logging, x.started = true, c.at
	t.spread(x)
	t.changed(c, x.arn)
	return nil, nil
}

func (a *arrivals) begin(at time.Time, jitter time.Duration) {
	a.next, a.nextDigest = at.Add(deliveryPeriod/2+jitter), at.Add(digestPeriod)
}

// spread makes the trail deliver from every Region that it records now, and from no other. A Region that is disabled later
// keeps its copy of the trail.
func (t *trails) spread(x *trail) {
	if x.arrivals == nil {
		x.arrivals = map[string]*arrivals{}
	}
	regions := []string{x.home}
	if x.multiRegion {
		regions = append(regions, t.world.accountLocked(x.account).regions...)
	} else {
		maps.DeleteFunc(x.arrivals, func(region string, _ *arrivals) bool { return region != x.home })
	}
	for _, region := range regions {
		if x.logging && x.arrivals[region] == nil {
			x.arrivals[region] = &arrivals{}
			x.arrivals[region].begin(t.world.now(), x.jitter(region))
		}
	}
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

// jitter keeps the deliveries of different trails and Regions apart; it depends on them alone, so that reading changes nothing.
func (x *trail) jitter(region string) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(x.arn))
	if region != x.home {
		h.Write([]byte(region))
	}
	return time.Duration(h.Sum32()%60) * time.Second
}

// catchUpAll does the deliveries of all trails that fell due since the last look. Whatever changes their success calls it first.
func (t *trails) catchUpAll() {
	for _, x := range t.byARN {
		t.catchUp(x)
	}
}

// catchUp does the deliveries of one trail that fell due since the last look. Reading its status calls it first.
func (t *trails) catchUp(x *trail) {
	now := t.world.now()
	for region, a := range x.arrivals {
		if n, last := ticks(a.next, now, deliveryPeriod, x.lastTick(a.next)); n > 0 {
			t.deliver(x, region, a, last)
			a.next = last.Add(deliveryPeriod)
		}
		if n, last := ticks(a.nextDigest, now, digestPeriod, x.lastTick(a.nextDigest)); n > 0 {
			if x.validation {
				if a.digestError = t.deliveryFailure(x, region); a.digestError == "" {
					a.digested = last
				}
			}
			a.nextDigest = last.Add(digestPeriod)
		}
		if !x.logging && !a.next.IsZero() && a.next.After(x.stopped.Add(deliveryPeriod)) {
			a.next, a.nextDigest = time.Time{}, time.Time{}
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

func (t *trails) deliver(x *trail, region string, a *arrivals, when time.Time) {
	a.attempted = when
	if a.deliveryError = t.deliveryFailure(x, region); a.deliveryError != "" {
		return
	}
	a.delivered = when
	if x.logGroup != "" {
		if a.logError = t.logFailure(x); a.logError == "" {
			a.logged = when
		}
	}
	if x.topicARN == "" {
		return
	}
	if a.notificationError = t.world.topicLets(x.topicARN, x); a.notificationError == "" {
		a.notified = when
	}
}

// deliveryFailure is the S3 or KMS error code that a log file would run into; "" when it would arrive.
func (t *trails) deliveryFailure(x *trail, region string) string {
	b := t.world.buckets.byName[x.bucket]
	switch {
	case b == nil:
		return "NoSuchBucket"
	case !b.letsCloudTrailWrite(x, region, t.organizationID(x)):
		return "AccessDenied"
	case x.kmsKey != "":
		k := t.world.keys.byARN(x.kmsKey)
		switch {
		case k == nil:
			return "KMS.NotFoundException"
		case !k.deletion.IsZero():
			return "KMS.KMSInvalidStateException"
		case k.disabled:
			return "KMS.DisabledException"
		case !k.letsCloudTrail(x):
			return "KMS.AccessDeniedException"
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
	LatestCloudWatchLogsDeliveryError  string `json:",omitempty"`
	StartLoggingTime                   *epoch `json:",omitempty"`
	StopLoggingTime                    *epoch `json:",omitempty"`
	LatestDeliveryAttemptTime          string
	LatestDeliveryAttemptSucceeded     string
	LatestNotificationAttemptTime      string
	LatestNotificationAttemptSucceeded string
	TimeLoggingStarted                 string
	TimeLoggingStopped                 string
}

// status answers for the Region called.
func (t *trails) status(c *call, in *nameInput) (any, error) {
	x, err := t.forRead(c, in.Name)
	if err != nil {
		return nil, err
	}
	if x == t.byARN[x.arn] { // not how it was once
		t.catchUp(x)
	}
	text := func(when time.Time) string {
		if when.IsZero() {
			return ""
		}
		return timestamp(when)
	}
	a := x.arrivalsIn(c.region)
	out := statusOutput{
		IsLogging: x.logging, LatestDeliveryTime: epochOf(a.delivered), LatestDeliveryError: a.deliveryError,
		LatestDigestDeliveryTime: epochOf(a.digested), LatestDigestDeliveryError: a.digestError,
		LatestNotificationTime: epochOf(a.notified), LatestNotificationError: a.notificationError,
		LatestCloudWatchLogsDeliveryTime: epochOf(a.logged), LatestCloudWatchLogsDeliveryError: a.logError,
		StartLoggingTime: epochOf(x.started), StopLoggingTime: epochOf(x.stopped),
		LatestDeliveryAttemptTime: text(a.attempted), LatestNotificationAttemptTime: text(a.notified),
		TimeLoggingStarted: text(x.started), TimeLoggingStopped: text(x.stopped),
	}
	if a.deliveryError == "" {
		out.LatestDeliveryAttemptSucceeded = text(a.delivered)
	}
	if a.notificationError == "" {
		out.LatestNotificationAttemptSucceeded = text(a.notified)
	}
	return out, nil
}
