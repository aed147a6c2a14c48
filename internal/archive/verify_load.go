package archive

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/trailwarden/trailwarden/internal/logfile"
)

// place is where digest files are.
type place struct{ bucket, prefix string }

// load reads all digest files: of the trail's bucket, and of those that it wrote to before.
func (v Verify) load(ctx context.Context) (digests []*digest, logs []object, err error) {
	places := []place{{v.Bucket, v.Prefix}}
	for i := 0; i < len(places) && i < mostPlaces; i++ {
		in := v
		in.Bucket, in.Prefix = places[i].bucket, places[i].prefix
		var read []*digest
		var more []object
		err := parallel(ctx, 2, 2, func(ctx context.Context, n int) (err error) {
			if n == 0 {
				read, err = in.digests(ctx)
			} else {
				more, err = in.logs(ctx)
			}
			return err
		})
		switch {
		case err != nil && (i == 0 || ctx.Err() != nil):
			return nil, nil, err
		case err != nil: // nothing is known of what is there
			read, more = nil, nil
		case len(read) == 0 && i == 0:
			return nil, nil, ErrNoDigests
		}
		if i > 0 {
			read = append(read, absentFrom(places[i], digests, read, err)...)
		}
		if err := v.signatures(ctx, read); err != nil {
			return nil, nil, err
		}
		logs, digests = append(logs, more...), append(digests, read...)
		for _, d := range read {
			// What anybody may have written does not decide where is read.
			if d.why != "" || d.PreviousDigestS3Bucket == nil || d.PreviousDigestS3Object == nil || v.Bucket == "" || d.DigestStartTime.Before(v.From) {
				continue
			}
			at, _, _ := strings.Cut(*d.PreviousDigestS3Object, "AWSLogs/")
			if p := (place{*d.PreviousDigestS3Bucket, strings.TrimSuffix(at, "/")}); !slices.Contains(places, p) {
				places = append(places, p)
			}
		}
	}
	return digests, logs, nil
}

// absentFrom is the digest file in another bucket that one of the digest files names, when it is not there, or when the
// bucket could not be listed.
func absentFrom(p place, digests, there []*digest, err error) []*digest {
	for _, d := range digests {
		if d.why != "" || d.PreviousDigestS3Bucket == nil || *d.PreviousDigestS3Bucket != p.bucket || d.PreviousDigestS3Object == nil {
			continue
		}
		key := *d.PreviousDigestS3Object
		if slices.ContainsFunc(there, func(t *digest) bool { return t.key == key }) {
			continue
		}
		lost := &digest{bucket: p.bucket, key: key, DigestStartTime: d.DigestStartTime.Add(-digestCadence), end: d.DigestStartTime}
		if lost.missing, lost.why = true, whyNotFound; err != nil {
			lost.missing, lost.unread, lost.why = false, true, err.Error()
		}
		return []*digest{lost}
	}
	return nil
}

// ErrNoDigests is returned when there is nothing to verify with.
var ErrNoDigests = errors.New("verify: there is no digest file of this trail in this time")

// mostPlaces is how many buckets a trail's chain is followed through.
const mostPlaces = 8

// folder is where the keys of a kind of file begin.
func (v Verify) folder(kind string) string {
	parts := []string{v.Prefix, "AWSLogs", v.Organization, v.Account, kind, v.Region}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/") + "/"
}

// object is a log file that is there, with what its name says; false when that is nothing.
type object struct {
	key   string
	name  logfile.Name
	named bool
}

// within says whether a file is of the time that is asked for.
func (v Verify) within(name logfile.Name) bool {
	return (v.From.IsZero() || !name.Time.Before(v.From)) && (v.To.IsZero() || !name.Time.After(v.To.Add(time.Hour)))
}

// digests reads the trail's digest files in the bucket.
func (v Verify) digests(ctx context.Context) ([]*digest, error) {
	var keys []string
	err := v.Store.List(ctx, v.Bucket, v.folder("CloudTrail-Digest"), func(o Object) error {
		name, ok := logfile.ParseName(o.Key)
		if ok && name.Digest && name.Trail == v.Trail && name.HomeRegion == v.HomeRegion && name.Region == v.Region && v.within(name) {
			keys = append(keys, o.Key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list digest files: %w", err)
	}
	all := make([]*digest, len(keys))
	err = parallel(ctx, v.Workers, len(keys), func(ctx context.Context, n int) (err error) {
		all[n], err = readDigest(ctx, v.Store, v.Bucket, keys[n])
		if v.Meter != nil {
			v.Meter.Digests.Add(1)
		}
		return err
	})
	return all, err
}

// logs finds the log files of the account and Region in the bucket.
func (v Verify) logs(ctx context.Context) (all []object, err error) {
	err = v.Store.List(ctx, v.Bucket, v.folder("CloudTrail"), func(o Object) error {
		if name, ok := logfile.ParseName(o.Key); !ok || v.within(name) {
			all = append(all, object{o.Key, name, ok})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list log files: %w", err)
	}
	return all, nil
}

// signatures checks that of each digest file.
func (v Verify) signatures(ctx context.Context, digests []*digest) error {
	chain, backfill := split(digests)
	known := map[string]string{} // what the next digest files say of the signatures of the ones before
	var from, to time.Time
	for _, d := range chain {
		// Whoever wrote it down: a signature proves itself.
		if d.PreviousDigestS3Object != nil && d.PreviousDigestSignature != nil {
			known[*d.PreviousDigestS3Object] = *d.PreviousDigestSignature
		}
		if !d.DigestStartTime.IsZero() && !d.end.IsZero() {
			if from.IsZero() || d.DigestStartTime.Before(from) {
				from = d.DigestStartTime
			}
			if d.end.After(to) {
				to = d.end
			}
		}
	}
	if !to.IsZero() {
		keys, err := v.Keys.PublicKeys(ctx, from, to.Add(2*time.Hour))
		if err != nil {
			return err
		}
		err = parallel(ctx, runtime.GOMAXPROCS(0), len(chain), func(_ context.Context, i int) error {
			chain[i].check(keys, known[chain[i].key])
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, d := range backfill {
		if d.end.IsZero() {
			continue // it could not be read
		}
		at := d.end
		if text := d.metadata["backfill-generation-timestamp"]; text != "" || d.metadata["signature"] != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				d.why = whyFormat
				continue
			}
			at = t
		}
		keys, err := v.Keys.PublicKeys(ctx, at.Add(-time.Hour), at.Add(time.Hour))
		if err != nil {
			return err
		}
		d.check(keys, "")
	}
	return nil
}
