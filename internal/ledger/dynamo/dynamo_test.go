package dynamo

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/ledgertest"
	"github.com/trailwarden/trailwarden/internal/sim"
)

const (
	region  = "eu-central-1"
	account = "111122223333"
	bucket  = "evidence-of-main"
)

// site is an AWS with tables in it: the simulated one, or moto.
type site struct {
	cfg   aws.Config
	world *sim.World // nil on moto
	made  int
}

func onSim(t *testing.T) *site {
	t.Helper()
	s := simulated()
	s.makeBucket(t)
	return s
}

func simulated() *site {
	w := sim.New(sim.Options{ForgetReads: true})
	who := w.Account(account).Role("trailwarden", "test")
	return &site{world: w, cfg: aws.Config{
		Region: region, BaseEndpoint: aws.String("http://sim.invalid"), HTTPClient: &http.Client{Transport: w.Transport()},
		Credentials: credentials.NewStaticCredentialsProvider(who.AccessKeyID, who.SecretAccessKey, who.SessionToken),
	}}
}

func (s *site) makeBucket(t *testing.T) {
	t.Helper()
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}); err != nil {
		t.Fatal(err)
	}
}

func (s *site) s3() *s3.Client {
	return s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

// table makes a table and returns its name.
func (s *site) table(t *testing.T) string {
	t.Helper()
	s.made++
	name := fmt.Sprintf("ledger-%d", s.made)
	if err := Create(t.Context(), s.cfg, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// open opens a table as another process would.
func (s *site) open(t *testing.T, table string, o Options) *Store {
	t.Helper()
	store, err := Open(s.cfg, table, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func (s *site) bench(o Options) ledgertest.Bench {
	return ledgertest.Bench{
		Writers: 4, Writes: 10,
		Open: func(t *testing.T) ledger.Store { return s.open(t, s.table(t), o) },
		Reopen: func(t *testing.T, was ledger.Store) ledger.Store {
			was.Close()
			return s.open(t, was.(*Store).table, o)
		},
	}
}

// generous is a limit for machines that are busy with other things.
const generous = 30 * time.Second

func TestContractOnSim(t *testing.T) {
	t.Run("table only", func(t *testing.T) { ledgertest.Run(t, onSim(t).bench(Options{Limit: generous})) })
	t.Run("with a bucket", func(t *testing.T) {
		ledgertest.Run(t, onSim(t).bench(Options{Limit: generous, Bucket: bucket, Owner: account}))
	})
}

func TestContractOnMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the ledger works on an independent DynamoDB; moto takes seconds")
	}
	url := startMoto(t)
	// One request at a time: a transaction that moto 5.2.1 cancels sets all tables back to where it began, and with them
	// what others have written meanwhile.
	var one sync.Mutex
	s := &site{cfg: aws.Config{
		Region: region, BaseEndpoint: &url, HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			one.Lock()
			defer one.Unlock()
			return http.DefaultTransport.RoundTrip(r)
		})},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
	s.makeBucket(t)
	ledgertest.Run(t, s.bench(Options{Limit: generous, Bucket: bucket}))
}

// A table is the same by its name and by its ARN, which DynamoDB takes in place of a name.
func TestTableByARN(t *testing.T) {
	s := onSim(t)
	table := s.table(t)
	byARN := s.open(t, "arn:aws:dynamodb:"+region+":"+account+":table/"+table, Options{Limit: generous})
	if _, err := byARN.Write(t.Context(), told(1, incident.Open)); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{byARN, s.open(t, table, Options{Limit: generous})} {
		if all, err := store.Incidents(t.Context(), ledger.Query{}); err != nil || len(all) != 1 {
			t.Errorf("table %s: %d incidents, %v", store.table, len(all), err)
		}
	}
}

// An incident stands in one list once, whatever becomes of it: else the list of open ones, which is read at every sweep, grows.
func TestIncidentStandsInOneList(t *testing.T) {
	s := onSim(t)
	store := s.open(t, s.table(t), Options{Limit: generous})
	lines := func() string {
		var all []string
		for _, list := range []string{partitionOpen, partitionClosed} {
			if err := store.query(t.Context(), selection{pk: list}, func(i item) error {
				all = append(all, list+" "+i.text("sk")[:10]+" "+i.text("id")[15:])
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		return strings.Join(all, ", ")
	}
	for n, step := range []struct {
		batch ledger.Batch
		want  string
	}{
		{told(1, incident.Open), "incidents/open 2026-03-01 00001"},
		{told(2, incident.Confirmed), "incidents/open 2026-03-01 00001, incidents/closed 2026-03-01 00002"},
		{told(1, incident.Repaired), "incidents/open 2026-03-01 00001, incidents/closed 2026-03-01 00002"},
		{told(1, incident.Confirmed), "incidents/closed 2026-03-01 00001, incidents/closed 2026-03-01 00002"},
		{opened(told(2, incident.Confirmed), -1), "incidents/closed 2026-02-28 00002, incidents/closed 2026-03-01 00001"},
		{opened(told(2, incident.Failed), -2), "incidents/open 2026-02-27 00002, incidents/closed 2026-03-01 00001"},
	} {
		if n%2 == 1 {
			store = s.open(t, store.table, Options{Limit: generous}) // another process
		}
		if _, err := store.Write(t.Context(), step.batch); err != nil {
			t.Fatal(err)
		}
		if got := lines(); got != step.want {
			t.Errorf("step %d: %s; want %s", n, got, step.want)
		}
	}
}

func opened(b ledger.Batch, days int) ledger.Batch {
	b.Incident.OpenedAt = b.Incident.OpenedAt.AddDate(0, 0, days)
	b.Entries[0].Body = b.Incident
	return b
}

// startMoto runs a moto server for the time of the test.
func startMoto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err == nil {
		err = exec.Command(program, "--help").Run()
	}
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that the ledger works on an independent DynamoDB, for there is no working moto_server here (%v)", err)
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

func TestTablesAreNamedOrRefused(t *testing.T) {
	for name, want := range map[string]string{
		"ledger": "", "arn:aws:dynamodb:eu-west-1:111122223333:table/ledger": "eu-west-1",
		"x": "refused", "": "refused", "a/b": "refused", "arn:aws:s3:::ledger": "refused",
		strings.Repeat("x", 255): "", strings.Repeat("x", 256): "refused",
	} {
		s, err := Open(aws.Config{}, name, Options{})
		got := "refused"
		if err == nil {
			got = s.items.Config.Region
		}
		if got != want || err != nil && !strings.Contains(err.Error(), "DynamoDB table") {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
}
