package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func demoCommand(a *app) *cobra.Command {
	var seed uint64
	var serve bool
	listen := "127.0.0.1:4566"
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on a simulated AWS: an attack, the repair, the message",
		Long: `Plays an attack on a simulated AWS in this process: no account, no network, nothing to clean up.
An attacker makes each of the eight calls that are watched; trailwarden starts the stopped trail again and tells people.
The same seed gives the same output. It exits with 0 only if every trail is logging at the end.`,
		Example: `  trailwarden demo
  trailwarden demo --seed 7
  trailwarden demo --serve      # and leave the simulated AWS up, to try things with the AWS CLI`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx := c.Context()
			stage, err := setStage(ctx, seed, nil)
			if err != nil {
				return err
			}
			well, err := runDemo(ctx, stage, a.stdout, func(s string) string { return a.paint(a.stdout, bold, s) })
			if err != nil {
				return err
			}
			if !well {
				return fail(exitUnrepaired, "", errors.New("a trail is not logging"))
			}
			if serve {
				return serveDemo(ctx, a, listen, seed)
			}
			return nil
		},
	}
	c.Flags().Uint64Var(&seed, "seed", 1, "Number that decides every id and delay")
	c.Flags().BoolVar(&serve, "serve", false, "Afterwards keep a simulated AWS up, with trailwarden in it")
	c.Flags().StringVar(&listen, "listen", listen, "Loopback `address` for --serve")
	return c
}

// serveDemo keeps a stage up on the real clock, and prints what can be tried.
func serveDemo(ctx context.Context, a *app, listen string, seed uint64) error {
	stage, err := setStage(ctx, seed, time.Now)
	if err != nil {
		return err
	}
	return serveWorld(ctx, a, listen, stage.world, func(url string) {
		e := "--endpoint-url " + url
		fmt.Fprintf(a.stdout, `
A fresh simulated AWS listens on %[1]s, on the real clock, with trailwarden in it. In another terminal:

  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_DEFAULT_REGION=%[3]s
  aws %[2]s cloudtrail get-trail-status --name main --query IsLogging
  aws %[2]s cloudtrail stop-logging --name main
  aws %[2]s cloudtrail get-trail-status --name main --query IsLogging    # false; and again some seconds later: true
  aws %[2]s cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartLogging

Ctrl-C ends it.
`, url, e, demoRegion)
	})
}
