package daemon

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// bound is B: within it every trail is as pinned after the attacker has gone and nothing fails any more. It is one sweep, and what
// one look may take: the proof that a trail is deleted (15 s), reading back (12 s), and pauses after failures.
const bound = time.Minute + 30*time.Second

// TestSimulation plays attacks with crashes and failures, each as one seed decides.
func TestSimulation(t *testing.T) {
	// Faults D5, F1.
	seeds := number("TW_SEEDS", 1000)
	first := uint64(number("TW_FIRST", 1))
	if text := os.Getenv("TW_SEED"); text != "" {
		seeds, first = 1, must(strconv.ParseUint(text, 10, 64))
	} else if testing.Short() {
		seeds = 100
	}
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			failed := 0
			for i := part; i < seeds && failed < 3; i += parts {
				if seed := first + uint64(i); !t.Run(fmt.Sprint(seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { report(t, seed, play(t, seed)) })
				}) {
					failed++
				}
			}
		})
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func report(t *testing.T, seed uint64, r *rig) {
	t.Helper()
	if os.Getenv("TW_SEED") != "" {
		t.Log(strings.Join(r.transcript, "\n"))
	}
	if len(r.oracle.failures) > 0 {
		t.Errorf("%s\nreplay it: TW_SEED=%d go test ./internal/daemon -run TestSimulation -v", strings.Join(r.oracle.failures, "\n"), seed)
	}
}

// TestSameSeedSameRun: what a seed finds can be found again.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		var runs [2][]string
		for i := range runs {
			synctest.Test(t, func(t *testing.T) { runs[i] = play(t, seed).transcript })
		}
		for i := range runs[0] {
			if i >= len(runs[1]) || runs[0][i] != runs[1][i] {
				t.Errorf("seed %d: line %d is %q, and in the other run %q", seed, i, runs[0][i], slices.Concat(runs[1], make([]string, i+1))[i])
				break
			}
		}
	}
}

// play is one attack from its begin to the time when all has come to rest.
func play(t testing.TB, seed uint64) *rig {
	pick := func(r *rig, list ...time.Duration) time.Duration { return list[r.rng.IntN(len(list))] }
	shape := newShape(seed)
	r := newRig(t, seed, rigOptions{world: shape, trails: []string{"main", "second"}, unpinned: seed%5 == 0})
	if r.unpinned {
		r.turn(true) // seen logging
	}
	r.faults = []float64{0, 0, 0.02, 0.1}[r.rng.IntN(4)]
	crashes := []int{0, 1, 4}[r.rng.IntN(3)]
	kill := func() {
		if crashes > 0 && r.rng.IntN(2) == 0 {
			crashes--
			r.gate.dieAt = r.gate.count + 1 + r.rng.IntN(60)
		}
	}
	kill()
	attack := time.Now().Add(time.Duration(2+r.rng.IntN(4)) * time.Minute)
	left := 3 + r.rng.IntN(8)
	r.interlude = func() {
		if left > 0 && time.Now().Before(attack) && r.rng.IntN(60) == 0 {
			left--
			r.attack()
		}
	}
	for time.Now().Before(attack) {
		if r.gate.isDead() {
			r.oracle.killed = true
			r.oracle.chains()
			r.rest(pick(r, 0, time.Second, 30*time.Second))
			r.start()
			kill()
		}
		if left > 0 && r.rng.IntN(8) == 0 {
			left--
			r.attack()
		}
		switch r.rng.IntN(40) {
		case 0:
			r.storeDown = !r.storeDown
			r.say("ledger down: %t", r.storeDown)
		case 1, 2:
			e := r.ears[r.rng.IntN(len(r.ears))]
			e.down = !e.down
			r.say("%s down: %t", e.name, e.down)
		case 3:
			e := r.ears[r.rng.IntN(len(r.ears))]
			e.slow = pick(r, 0, time.Second, 20*time.Second)
		}
		r.turn(r.rng.IntN(3) > 0)
		r.rest(pick(r, 0, 100*time.Millisecond, time.Second, 3*time.Second, 10*time.Second))
	}
	r.interlude, r.faults, r.storeDown, r.gate.dieAt = nil, 0, false, 0
	down := r.ears[0].down || r.ears[1].down
	if r.gate.isDead() {
		r.start()
	}
	r.leave()
	r.say("the attacker has gone")
	r.ears[0].slow, r.ears[1].slow = 0, 0
	calm := time.Now()
	for !r.oracle.converged() && time.Since(calm) < bound {
		r.turn(true)
		r.rest(time.Second)
	}
	if !r.oracle.converged() {
		r.oracle.fail("O5: not as pinned %s after the attacker has gone", time.Since(calm))
	}
	r.say("as pinned after %s", time.Since(calm))
	if down { // for hours
		for range 12 {
			r.turn(true)
			r.rest(10 * time.Minute)
		}
		r.ears[0].down, r.ears[1].down = false, false
	}
	r.settle()
	r.oracle.quiet()
	if n := r.inQueue(); n > 0 {
		r.oracle.fail("O2: %d messages are left in the queue", n)
	}
	return r
}

// settle lets all come to rest: Event history is read for the last time an hour later, a channel is tried again after half an hour.
func (r *rig) settle() {
	r.daemon.Sweep = 10 * time.Minute
	for end := time.Now().Add(80 * time.Minute); time.Now().Before(end); r.rest(2 * time.Minute) {
		r.turn(true)
	}
}

// newShape is how the world of a seed behaves.
func newShape(seed uint64) sim.Options {
	n := int(seed)
	return sim.Options{
		EventLoss: []float64{0, 0.2, 0.7}[n%3], EventCopies: []float64{0, 0.4}[n/3%2],
		EventDelayMin: time.Second, EventDelayMax: []time.Duration{9 * time.Second, time.Minute, 12 * time.Minute}[n/6%3],
		ReadLag: []time.Duration{0, 0, 2 * time.Second}[n/18%3], HistoryDelay: []time.Duration{0, 5 * time.Minute}[n/54%2], Quotas: n/108%2 == 0,
	}
}

func (r *rig) inQueue() (n int) {
	out := must(r.queues.GetQueueAttributes(r.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &r.queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}}))
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
		v, _ := strconv.Atoi(out.Attributes[name])
		n += v
	}
	return n
}

// move is something that an attacker does to a trail.
type move struct {
	name string
	do   func(context.Context, *rig, string) error
}

// tamper makes a move of one call.
func update(name string, change func(*cloudtrail.UpdateTrailInput)) move {
	return move{name, func(ctx context.Context, r *rig, on string) error {
		in := &cloudtrail.UpdateTrailInput{Name: &on}
		change(in)
		_, err := r.mallory.UpdateTrail(ctx, in)
		return err
	}}
}

func selectors(name string, s types.EventSelector) move {
	return move{name, func(ctx context.Context, r *rig, on string) error {
		_, err := r.mallory.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{TrailName: &on, EventSelectors: []types.EventSelector{s}})
		return err
	}}
}

func stopTrail(ctx context.Context, r *rig, on string) error {
	_, err := r.mallory.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: &on})
	return err
}

func startTrail(ctx context.Context, r *rig, on string) error {
	_, err := r.mallory.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: &on})
	return err
}

func deleteTrail(ctx context.Context, r *rig, on string) error {
	_, err := r.mallory.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: &on})
	return err
}

var mallorysBucket = aws.String("mallory-audit-logs")

var moves = []move{
	{"stop", stopTrail},
	{"stop", stopTrail},
	{"start", startTrail},
	{"delete", deleteTrail},
	{"stop and start", func(ctx context.Context, r *rig, on string) error {
		for range 3 {
			if err := stopTrail(ctx, r, on); err != nil {
				return err
			}
			_ = startTrail(ctx, r, on)
		}
		return nil
	}},
	{"stop and delete", func(ctx context.Context, r *rig, on string) error {
		_ = stopTrail(ctx, r, on)
		return deleteTrail(ctx, r, on)
	}},
	{"delete and create elsewhere", func(ctx context.Context, r *rig, on string) error {
		if err := deleteTrail(ctx, r, on); err != nil {
			return err
		}
		_, err := r.mallory.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: &on, S3BucketName: mallorysBucket})
		return err
	}},
	{"delete and fill the quota", func(ctx context.Context, r *rig, on string) error {
		err := deleteTrail(ctx, r, on)
		for i := range 5 {
			_, _ = r.mallory.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: aws.String(fmt.Sprint("junk-", i)), S3BucketName: mallorysBucket})
		}
		return err
	}},
	update("bucket", func(in *cloudtrail.UpdateTrailInput) { in.S3BucketName = mallorysBucket }),
	update("prefix", func(in *cloudtrail.UpdateTrailInput) { in.S3KeyPrefix = aws.String("elsewhere") }),
	update("validation", func(in *cloudtrail.UpdateTrailInput) { in.EnableLogFileValidation = aws.Bool(false) }),
	update("one Region", func(in *cloudtrail.UpdateTrailInput) {
		in.IsMultiRegionTrail, in.IncludeGlobalServiceEvents = aws.Bool(false), aws.Bool(false)
	}),
	selectors("no management events", types.EventSelector{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(false),
		DataResources: []types.DataResource{{Type: aws.String("AWS::S3::Object"), Values: []string{"arn:aws:s3:::x/"}}}}),
	selectors("read only", types.EventSelector{ReadWriteType: types.ReadWriteTypeReadOnly, IncludeManagementEvents: aws.Bool(true)}),
	{"remove the tag", func(ctx context.Context, r *rig, on string) error {
		_, err := r.mallory.RemoveTags(ctx, &cloudtrail.RemoveTagsInput{ResourceId: aws.String(arnOf(on).String()), TagsList: []types.Tag{{Key: aws.String("protected")}}})
		return err
	}},
	{"change the tag", func(ctx context.Context, r *rig, on string) error {
		_, err := r.mallory.AddTags(ctx, &cloudtrail.AddTagsInput{ResourceId: aws.String(arnOf(on).String()), TagsList: []types.Tag{{Key: aws.String("protected"), Value: aws.String("no")}}})
		return err
	}},
	{"burn the quotas", func(ctx context.Context, r *rig, on string) error {
		for range 12 {
			_, _ = r.mallory.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: &on})
			_, _ = r.mallory.GetTrail(ctx, &cloudtrail.GetTrailInput{Name: &on})
			_, _ = r.mallory.LookupEvents(ctx, &cloudtrail.LookupEventsInput{})
			_ = startTrail(ctx, r, "none-of-this-name")
		}
		return nil
	}},
	{"forge a stop", func(ctx context.Context, r *rig, on string) error { return r.forge(ctx, "StopLogging", on) }},
	{"forge an update", func(ctx context.Context, r *rig, on string) error { return r.forge(ctx, "UpdateTrail", on) }},
	{"forge a stop of another", func(ctx context.Context, r *rig, _ string) error { return r.forge(ctx, "StopLogging", canary) }},
	{"send garbage", func(ctx context.Context, r *rig, _ string) error {
		_, err := r.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &r.queue, MessageBody: aws.String("{" + canary)})
		return err
	}},
}

// forge puts a record into the queue that AWS never wrote.
func (r *rig) forge(ctx context.Context, call, on string) error {
	id := fmt.Sprint("forged-", len(r.oracle.forged))
	r.oracle.forged[id] = true
	body := fmt.Sprintf(`{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.cloudtrail","account":%q,"region":%q,"time":%q,
		"detail":{"eventVersion":"1.11","eventID":%q,"eventName":%q,"eventSource":"cloudtrail.amazonaws.com","eventTime":%[3]q,"awsRegion":%[2]q,"recipientAccountId":%[1]q,
		"requestID":"r","requestParameters":{"name":%[6]q,"s3BucketName":%[7]q,"s3KeyPrefix":%[7]q},
		"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","accountId":"111122223333"}}}`,
		account, region, r.world.Now().UTC().Format(time.RFC3339), id, call, on, canary)
	_, err := r.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &r.queue, MessageBody: &body})
	return err
}

// attack makes some moves, most often one.
func (r *rig) attack() {
	ctx := context.Background()
	on := []string{"main", "second"}[r.rng.IntN(2)]
	for range 1 + r.rng.IntN(3)/2 {
		m := moves[r.rng.IntN(len(moves))]
		if r.unpinned && strings.Contains(m.name, "delete") {
			m = moves[0] // only a baseline says how a trail is to be made anew
		}
		err := m.do(ctx, r, on)
		r.say("ATTACK %s of %s: %s", m.name, on, code(err))
	}
}

func code(err error) string {
	if err == nil {
		return "done"
	}
	text := err.Error()
	return text[max(0, len(text)-80):]
}

// leave takes away what stands in the way of repairs and only people may delete.
func (r *rig) leave() {
	ctx := context.Background()
	for i := range 5 {
		for range 10 {
			_, err := r.mallory.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: aws.String(fmt.Sprint("junk-", i))})
			if err == nil || !strings.Contains(err.Error(), "Throttling") {
				break
			}
			r.rest(time.Second)
		}
	}
}
