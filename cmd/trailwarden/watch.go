package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/daemon"
	"github.com/trailwarden/trailwarden/internal/engine"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/anchor"
	"github.com/trailwarden/trailwarden/internal/s3store"
	"github.com/trailwarden/trailwarden/internal/source"
	"github.com/trailwarden/trailwarden/internal/trail"
)

const (
	// hidden is how long a message is hidden from other receivers while it is worked on; it is extended.
	hidden = time.Minute
	// longPoll is how long one call waits for messages.
	longPoll = 20 * time.Second
	pollers  = 8
	// patience is how long a receiver and the sweep wait for work on one trail, which then goes on by itself.
	patience = 3 * time.Second
	// grace is how long work that was begun may go on after SIGTERM.
	grace = 25 * time.Second
)

func watchCommand(a *app) *cobra.Command {
	var where cloud.Options
	c := &cobra.Command{
		Use:   "watch",
		Short: "Watch for ever: take records from a queue, sweep, repair, tell people",
		Long: `The daemon. Takes records from an SQS queue that an EventBridge rule, or S3's notices of new log files, fill; looks at every
trail on a timer, whether or not an event told of it; repairs what the baseline opens for repair; keeps every incident in the
ledger, and sends what is to be told until it is told. A message is acknowledged only after its incident is in the ledger.

SIGTERM and SIGINT end it: what was begun is brought to its end, what was not is given back. SIGHUP reads configuration and
baseline again; with an error in them it goes on with what it had.`,
		Example: `  trailwarden watch --queue-url https://sqs.eu-west-1.amazonaws.com/111122223333/trailwarden --listen 127.0.0.1:9402
  trailwarden watch --sweep 30s --baseline trailwarden.baseline.yaml --ledger /var/lib/trailwarden/trailwarden.db
  trailwarden watch --observe                     # sweep and tell, change nothing`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.watch(c, where) },
	}
	keyFlags(c, "observe", "queue-url", "sweep", "ledger", "listen")
	awsFlags(c, &where)
	return c
}

// awsFlags say which AWS it is.
func awsFlags(c *cobra.Command, where *cloud.Options) {
	c.Flags().StringVar(&where.Profile, "profile", "", "AWS `profile` to use")
	c.Flags().StringVar(&where.Endpoint, "endpoint-url", "", "`URL` of another AWS, such as a simulated one")
}

func (a *app) watch(c *cobra.Command, where cloud.Options) error {
	cfg, err := a.configuration(c)
	if err != nil {
		return err
	}
	where.Region = cfg.Region
	ctx := c.Context()
	store, err := a.ledger(ctx, cfg, where, toOwn)
	if err != nil {
		return err
	}
	defer store.Close()
	e, err := a.engine(ctx, cfg, where, withLedger(cfg, store))
	if err != nil {
		return err
	}
	d, err := a.newDaemon(ctx, cfg, where, e)
	if err != nil {
		return err
	}
	end, err := serve(cfg.Watch.Listen, d, store)
	if err != nil {
		return err
	}
	defer end()

	log := a.logger(cfg)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	go func() {
		for range reload {
			if e, err := a.reload(c, where, store); err != nil {
				log.Error("the configuration is not read again: it is wrong, and what was in force stays in force", "error", err.Error())
			} else {
				d.Use(e)
				log.Info("the configuration was read again")
			}
		}
	}()
	log.Info("watching", "accounts", e.Guard.Accounts, "pinned", len(e.Pinned), "sweep", cfg.Watch.Sweep, "queue", cfg.Watch.QueueURL,
		"observe", cfg.Observe, "channels", len(e.Channels), "version", buildInfo().Version)
	stopping := context.AfterFunc(ctx, func() { notifyInit("STOPPING=1") })
	defer stopping()
	go watchdog(ctx, d)
	d.Run(ctx)
	log.Info("ended: nothing that was begun is left undone")
	return nil
}

// withLedger gives the engine its ledger.
func withLedger(cfg config.Config, store ledger.Store) func(*engine.Options) {
	return func(o *engine.Options) {
		o.Ledger, o.Regions, o.Patience = store, cfg.Evidence.Regions, patience
		if a, err := trail.ParseARN(cfg.Watch.Canary); err == nil {
			o.Canary = engine.Canary{Trail: a, Every: config.Checked(cfg.Watch.Every), Within: config.Checked(cfg.Watch.Within)}
		}
	}
}

// reload is an engine by the configuration as it is now. The queue, the ledger and the times stay as they were.
func (a *app) reload(c *cobra.Command, where cloud.Options, store ledger.Store) (*engine.Engine, error) {
	cfg, err := a.configuration(c)
	if err != nil {
		return nil, err
	}
	if _, _, err := a.inForce(c.Context(), cfg, where, store); err != nil {
		return nil, err
	}
	return a.engine(c.Context(), cfg, where, withLedger(cfg, store))
}

func (a *app) newDaemon(ctx context.Context, cfg config.Config, where cloud.Options, e *engine.Engine) (*daemon.Daemon, error) {
	aws, err := chain.Load(ctx, where)
	if err != nil {
		return nil, fail(exitError, "check the AWS profile and environment", err)
	}
	d := &daemon.Daemon{
		Engine: e, Log: a.logger(cfg), Now: time.Now, Hidden: hidden, Pollers: pollers, Grace: grace,
		Sweep: config.Checked(cfg.Watch.Sweep), Heartbeat: config.Checked(cfg.Watch.Heartbeat), Keep: config.Checked(cfg.Retention),
	}
	if cfg.Watch.QueueURL != "" {
		patient := aws.Copy()
		if client, ok := aws.HTTPClient.(*awshttp.BuildableClient); ok {
			patient.HTTPClient = client.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = longPoll + 10*time.Second })
		}
		d.Queue = &source.Queue{API: sqs.NewFromConfig(patient), URL: cfg.Watch.QueueURL, Wait: longPoll, Hidden: hidden}
		files, err := s3store.Open(ctx, where, pollers)
		if err != nil {
			return nil, fail(exitError, "check the AWS profile and environment", err)
		}
		d.Objects = objects{files}
	}
	if cfg.Anchor.Bucket != "" {
		bucket, err := anchor.Open(aws, anchor.Options{Bucket: cfg.Anchor.Bucket, Owner: cfg.Anchor.Owner})
		if err != nil {
			return nil, fail(exitUsage, "set anchor.bucket and anchor.bucket_owner", err)
		}
		d.Anchor = func(ctx context.Context) error { return e.Deposit(ctx, bucket.Deposit) }
	} else {
		d.Anchor = func(ctx context.Context) error {
			_, err := e.Anchor(ctx)
			return err
		}
	}
	return d, nil
}

// objects opens log files in S3.
type objects struct{ archive.Store }

func (o objects) Open(ctx context.Context, at source.Object) (io.ReadCloser, error) {
	content, err := o.Read(ctx, at.Bucket, at.Key)
	if err != nil {
		return nil, err
	}
	return content, nil
}

// serve answers for health and metrics, on this machine only.
func serve(address string, d *daemon.Daemon, store ledger.Store) (end func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fail(exitUsage, "choose another port with --listen", fmt.Errorf("listen for health and metrics: %w", err))
	}
	server := &http.Server{Handler: daemon.Handler(d, store), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go server.Serve(listener)
	return func() { server.Close() }, nil
}

// notifyInit tells systemd how the service is, where it is one (sd_notify).
func notifyInit(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return // systemd then says that the service has not become ready
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// watchdog tells systemd that the daemon has begun, and then as long as its sweep keeps its time.
func watchdog(ctx context.Context, d *daemon.Daemon) {
	notifyInit("READY=1")
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
		if d.Healthy() == nil {
			notifyInit("WATCHDOG=1")
		}
	}
}
