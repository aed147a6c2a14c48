package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/sim"
)

func simulateCommand(a *app) *cobra.Command {
	var seed uint64
	var listen string
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Serve an empty simulated AWS for the AWS CLI, SDKs and tests",
		Long: `Serves CloudTrail, S3, SNS, SQS, EventBridge and STS as far as guarding trails needs them, on a loopback address, until
it is interrupted. Any credentials will do: they act as user "cli" of account 111122223333.`,
		Example: `  trailwarden simulate --listen 127.0.0.1:4566
  aws --endpoint-url http://127.0.0.1:4566 cloudtrail describe-trails`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			world := sim.New(sim.Options{Seed: seed, Clock: time.Now, ConfirmedEmail: true})
			return serveWorld(c.Context(), a, listen, world, func(url string) { fmt.Fprintln(a.stdout, url) })
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4566", "Loopback `address` to listen on; port 0 takes a free one")
	c.Flags().Uint64Var(&seed, "seed", 1, "Number that decides every id and delay")
	return c
}

// serveWorld serves a simulated AWS until ctx ends. It listens on loopback only: whoever reaches it may do anything.
func serveWorld(ctx context.Context, a *app, listen string, world *sim.World, up func(url string)) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usage("write it as 127.0.0.1:4566", "listen on %q: %w", listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usage("use 127.0.0.1 or [::1]: the simulated AWS checks no passwords", "listen on %q: not a loopback address", listen)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fail(exitError, "is another one running? --listen takes another address", fmt.Errorf("listen: %w", err))
	}
	server := &http.Server{Handler: world, ReadHeaderTimeout: 10 * time.Second}
	go world.Run(ctx)
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		server.Shutdown(last)
	})
	defer stop()
	up("http://" + l.Addr().String())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil // interrupted: that is how it ends
}
