// Command trailwarden-lambda is trailwarden as an AWS Lambda function (runtime provided.al2023). Its environment
// configures it: SNSARN, as in the 2017 AWS sample, or TRAILWARDEN_*.
package main

import (
	"context"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambda"
)

var version = "dev"

func main() {
	// A collection in the middle of the first event costs a millisecond of the time in which nothing is recorded; 5 MB
	// more memory avoid it, and the smallest function has 128.
	debug.SetGCPercent(250)
	log := slog.New(newLog(os.Stdout))
	f, err := build(context.Background(), log, os.Environ())
	if err != nil {
		log.Error("nothing can be guarded", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(f.Invoke)
}
