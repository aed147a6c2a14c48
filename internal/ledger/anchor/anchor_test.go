package anchor

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
	"github.com/trailwarden/trailwarden/internal/ledger/memory"
	"github.com/trailwarden/trailwarden/internal/sim"
)

const (
	region = "eu-central-1"
	vault  = "444455556666" // the account that keeps the anchors
	ours   = "111122223333"
	chain  = "arn:aws:cloudtrail:eu-central-1:111122223333:trail/main"
)

// site is an S3 with a bucket for anchors in the account vault: the simulated one, or moto.
type site struct {
	world *sim.World
	admin *s3.Client // of the vault
	cfg   aws.Config // of trailwarden
	owner string
}

func onSim(t *testing.T) *site {
	t.Helper()
	w := sim.New(sim.Options{Start: time.Now()})
	as := func(c sim.Credentials) aws.Config {
		return aws.Config{Region: region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: w.Transport()},
			Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)}
	}
	s := &site{world: w, cfg: as(w.Account(ours).Role("trailwarden", "test")), owner: vault}
	s.admin = s3.NewFromConfig(as(w.Account(vault).User("keeper")), func(o *s3.Options) { o.UsePathStyle = true })
	s.furnish(t)
	_, err := s.admin.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("anchors"), Policy: aws.String(`{"Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::anchors/*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"s3:ListBucketVersions","Resource":"arn:aws:s3:::anchors"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func onMoto(t *testing.T) *site {
	t.Helper()
	url := startMoto(t)
	cfg := aws.Config{Region: region, BaseEndpoint: &url, HTTPClient: http.DefaultClient, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	s := &site{cfg: cfg, owner: "123456789012", admin: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })}
	s.furnish(t)
	return s
}

func (s *site) furnish(t *testing.T) {
	t.Helper()
	for name, locked := range map[string]bool{"anchors": true, "plain": false} {
		if _, err := s.admin.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: &locked,
			CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *site) open(t *testing.T, o Options) *Bucket {
	t.Helper()
	if o.Bucket == "" {
		o.Bucket = "anchors"
	}
	if o.Owner == "" {
		o.Owner = s.owner
	}
	o.Limit = 30 * time.Second
	b, err := Open(s.cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// each runs a test on both.
func each(t *testing.T, test func(*testing.T, *site)) {
	t.Run("sim", func(t *testing.T) { test(t, onSim(t)) })
	t.Run("moto", func(t *testing.T) {
		if testing.Short() {
			t.Skip("NOT PROVEN with -short: that anchors work on an independent S3; moto takes seconds")
		}
		test(t, onMoto(t))
	})
}

func head(seq int64) ledger.Head {
	return ledger.Head{Chain: chain, Seq: seq, Hash: strings.Repeat(fmt.Sprint(seq%10), 64)}
}

// What was put is read back, whatever somebody does to it afterwards, and what they did is told.
func TestAnchorsOutlastAnAttacker(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		b := s.open(t, Options{})
		now := time.Now().UTC().Truncate(time.Second)
		var put []Anchor
		for n := range 3 {
			a, err := b.Put(ctx, []ledger.Head{{Chain: "trailwarden", Seq: 1, Hash: "aa"}, head(int64(n + 1))}, now.Add(time.Duration(n)*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			put = append(put, a)
		}
		if !strings.HasPrefix(put[0].Key, "trailwarden/anchors/"+now.Format("2006/01/02/150405Z-")) {
			t.Errorf("key %s", put[0].Key)
		}

		// The keeper of the vault turns: he cannot remove the version, only hide it or put another over it.
		_, err := s.admin.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("anchors"), Key: &put[0].Key, VersionId: &put[0].Version, BypassGovernanceRetention: aws.Bool(true)})
		if err == nil {
			t.Error("an anchor was removed")
		}
		if _, err := s.admin.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("anchors"), Key: &put[0].Key}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.admin.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("anchors"), Key: &put[1].Key, Body: strings.NewReader(`{"schema_version":1,"heads":[]}`)}); err != nil {
			t.Fatal(err)
		}

		since := now
		if s.world == nil {
			since = time.Time{} // moto 5.2.1 leaves out the first version after a key marker
		}
		anchors, err := b.Read(ctx, since)
		if err != nil {
			t.Fatal(err)
		}
		var faults []string
		found := map[string]Anchor{}
		for _, a := range anchors {
			if a.Fault != "" {
				faults = append(faults, a.Fault[:24])
				continue
			}
			found[a.Key] = a
		}
		if diff := cmp.Diff([]string{"Somebody hid this anchor", "Its content is not what "}, faults); diff != "" {
			t.Error("faults:", diff)
		}
		for _, p := range put {
			got := found[p.Key]
			if got.Version != p.Version || !got.Until.Equal(p.Until) || !got.Time.Equal(p.Time) {
				t.Errorf("read %+v, put %+v", got, p)
			}
			if diff := cmp.Diff(p.Heads, got.Heads); diff != "" {
				t.Error(diff)
			}
		}
		if got := len(Heads(anchors)); got != 6 {
			t.Errorf("%d heads of three anchors with two each", got)
		}
		if later, err := b.Read(ctx, now.AddDate(0, 0, 2)); err != nil || len(later) != 0 {
			t.Errorf("since the day after tomorrow: %+v, %v", later, err)
		}
	})
}

// A ledger that was rewritten as a whole, hashes and all, no longer has what was anchored.
func TestRewrittenLedgerIsFoundOut(t *testing.T) {
	// Fault H6.
	ctx := t.Context()
	b := onSim(t).open(t, Options{})
	write := func(principal string) *memory.Store {
		store := &memory.Store{Disk: &memory.Disk{}}
		for n := range 3 {
			inc := ledgertest.Sample(fmt.Sprint("inc-", n), chain, incident.Confirmed, time.Now())
			inc.Actor.ARN = principal
			if _, err := store.Write(ctx, ledgertest.Told(inc, inc.OpenedAt)); err != nil {
				t.Fatal(err)
			}
		}
		return store
	}
	store := write("arn:aws:iam::111122223333:user/mallory")
	heads, err := store.Heads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, heads, time.Now()); err != nil {
		t.Fatal(err)
	}
	faults := func(store ledger.Store) string {
		anchors, err := b.Read(ctx, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		verdicts, err := ledger.Verify(ctx, store, Heads(anchors))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, v := range verdicts {
			for _, bad := range v.Bad {
				all = append(all, fmt.Sprint(bad.Seq, " ", bad.Fault))
			}
		}
		return strings.Join(all, ", ")
	}
	if got := faults(store); got != "" {
		t.Errorf("the true ledger: %s", got)
	}
	if got := faults(write("arn:aws:iam::111122223333:user/bob")); got != "3 witness" {
		t.Errorf("a ledger that was rewritten: %s", got)
	}
	if got := faults(&memory.Store{Disk: &memory.Disk{}}); got != "1 witness" {
		t.Errorf("a ledger that is gone: %s", got)
	}
}

func TestFailuresAreSaid(t *testing.T) {
	s := onSim(t)
	for _, tt := range []struct {
		name, want string
		o          Options
		prepare    func()
	}{
		{"no Object Lock", "--object-lock-enabled-for-bucket", Options{Bucket: "plain"}, func() {
			if _, err := s.admin.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("plain"),
				Policy: aws.String(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::plain/*"}}`)}); err != nil {
				t.Fatal(err)
			}
		}},
		{"another account's bucket", "see that the bucket belongs to account 777788889999", Options{Owner: "777788889999"}, nil},
		{"absent", "there is no such bucket", Options{Bucket: "absent"}, nil},
		{"in another Region", "in another Region", Options{Region: "us-east-1"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.prepare != nil {
				tt.prepare()
			}
			_, err := s.open(t, tt.o).Put(t.Context(), []ledger.Head{head(1)}, time.Now())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	for _, o := range []Options{{Bucket: "anchors"}, {Bucket: "anchors", Owner: "1"}, {Owner: vault}} {
		if _, err := Open(s.cfg, o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// A vault that is unwell costs an anchor some tries, and never more than the limit.
func TestUnwellVault(t *testing.T) {
	s := onSim(t)
	b := s.open(t, Options{})
	s.world.Inject(sim.Fault{Service: "s3", Op: "PutObject", Code: "SlowDown", Status: 503, Times: 2})
	if _, err := b.Put(t.Context(), []ledger.Head{head(1)}, time.Now()); err != nil {
		t.Errorf("slowed down twice: %v", err)
	}
	s.world.Inject(sim.Fault{Service: "s3", Hang: true})
	b.o.Limit = 100 * time.Millisecond
	if _, err := b.Put(t.Context(), []ledger.Head{head(1)}, time.Now()); err == nil {
		t.Error("a vault that hangs has taken an anchor")
	}
	if _, err := b.Read(t.Context(), time.Time{}); err == nil {
		t.Error("a vault that hangs was read")
	}
}

// startMoto runs a moto server for the time of the test.
func startMoto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err == nil {
		err = exec.Command(program, "--help").Run()
	}
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that anchors work on an independent S3, for there is no working moto_server here (%v)", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", fmt.Sprint(address.Port))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url := "http://" + address.String()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url + "/moto-api/data.json")
		if err == nil {
			resp.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("moto_server did not answer in 30 s: %s", &said)
		}
	}
}
