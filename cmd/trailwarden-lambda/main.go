// Command trailwarden-lambda is trailwarden as an AWS Lambda function (runtime provided.al2023). Its environment
// configures it: SNSARN, as in the 2017 AWS sample, or TRAILWARDEN_*; and under that the file in its zip that
// TRAILWARDEN_CONFIG names.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	_ "github.com/trailwarden/trailwarden/cmd/trailwarden-lambda/collect"
)

var version = "dev"

func main() {
	log := slog.New(newLog(os.Stdout))
	f, err := build(context.Background(), log, os.Environ())
	if err != nil {
		log.Error("nothing can be guarded", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(f.Invoke)
}
