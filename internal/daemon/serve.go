package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trailwarden/trailwarden/internal/ledger"
)

// Handler answers for the daemon's health and numbers: /-/healthy, /-/ready and /metrics. It is for this machine only: a request
// that names another host is refused, whoever sends it (a web page that resolves to 127.0.0.1, for one).
func Handler(d *Daemon, store ledger.Store) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{d, store})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 20 * time.Second}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { say(w, d.Healthy()) })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) { say(w, d.ready(r.Context(), store)) })
	return onlyHere(mux)
}

func onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		at, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !at.IsLoopback()) {
			http.Error(w, "this address is for this machine only", http.StatusForbidden)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// say answers 200, or 503 with the reason.
func say(w http.ResponseWriter, problem error) {
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"ok": problem == nil}
	if problem != nil {
		answer["reason"] = problem.Error()
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // whoever asked has gone
}

// ready says why the daemon cannot do its work: nil when it has swept and its ledger answers.
func (d *Daemon) ready(ctx context.Context, store ledger.Store) error {
	if d.sweeping.Load() == 0 {
		return fmt.Errorf("the first sweep has not reached its end")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := store.Marks(ctx, "heartbeat", d.Now()); err != nil {
		return fmt.Errorf("the ledger does not answer: %w", err)
	}
	return d.Healthy()
}

// collector gives the daemon's numbers to Prometheus when it asks.
type collector struct {
	d     *Daemon
	store ledger.Store
}

var (
	messages = desc("messages_total", "Messages of the queue, by what became of them.", "result")
	bad      = desc("undecodable_total", "Pieces of input that could not be decoded; they are kept in quarantine.")
	ignored  = desc("ignored_records_total", "Records that are nothing to trailwarden.")
	found    = desc("incidents_total", "Incidents and their changes, by outcome.", "outcome")
	failures = desc("failures_total", "Pieces of work that failed and are done again.", "duty")
	sweeps   = desc("sweeps_total", "Sweeps that reached their end.")
	lastTime = desc("last_sweep_timestamp_seconds", "When the latest sweep that reached its end began.")
	took     = desc("last_sweep_duration_seconds", "How long the latest sweep took.")
	blind    = desc("open_blind_windows", "Trails that record nothing now.")
	down     = desc("queue_down", "1 when the queue cannot be read.")
	unsent   = desc("unsent_messages", "Notifications that wait in the outbox.", "channel")
	react    = desc("reaction_seconds", "From a record's arrival to the repair that was read back.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("trailwarden_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector: what there is shows when it is asked for.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s := c.d.Stats()
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count(messages, s.Received, "received")
	count(messages, s.Done, "acknowledged")
	count(messages, s.Released, "released")
	count(bad, s.Bad)
	count(ignored, s.Ignored)
	for outcome, n := range s.Incidents {
		count(found, n, outcome)
	}
	for duty, n := range s.Failures {
		count(failures, n, duty)
	}
	count(sweeps, s.Sweeps)
	if at := c.d.sweeping.Load(); at != 0 {
		gauge(lastTime, float64(at)/1e9)
		gauge(took, s.SweepTime.Seconds())
	}
	gauge(blind, float64(s.Open))
	isDown := 0.0
	if s.QueueDown {
		isDown = 1
	}
	gauge(down, isDown)
	out <- prometheus.MustNewConstHistogram(react, s.Reactions, s.ReactionSum, s.Reaction)
	c.outbox(gauge)
}

func (c collector) outbox(gauge func(*prometheus.Desc, float64, ...string)) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	waiting, err := c.store.Messages(ctx, time.Time{}, 1000)
	if err != nil {
		return // /-/ready says so
	}
	by := map[string]int{}
	for _, ch := range c.d.engine().Channels {
		by[ch.Name] = 0
	}
	for _, m := range waiting {
		by[m.Channel]++
	}
	for channel, n := range by {
		gauge(unsent, float64(n), channel)
	}
}
