package main

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/cloud"
	"github.com/trailwarden/trailwarden/internal/cloud/chain"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/ledger/dynamo"
	"github.com/trailwarden/trailwarden/internal/ledger/sqlite"
)

// usualLedger is where the ledger is unless somebody says otherwise.
const usualLedger = "trailwarden.db"

// access is what a verb wants of the ledger.
type access int

const (
	toRead  access = iota // look at it, also while the daemon writes to it
	toWrite               // add to it, beside the daemon
	toOwn                 // be the daemon
)

// ledger opens the ledger that is configured.
func (a *app) ledger(ctx context.Context, cfg config.Config, where cloud.Options, want access) (ledger.Store, error) {
	place := cfg.Ledger
	if place == "" {
		place = usualLedger
	}
	if table, ok := strings.CutPrefix(place, "dynamodb://"); ok {
		where.Region = cfg.Region
		aws, err := chain.Load(ctx, where)
		if err != nil {
			return nil, fail(exitError, "check the AWS profile and environment", err)
		}
		return openTable(aws, table, cfg)
	}
	var store ledger.Store
	var err error
	switch want {
	case toOwn:
		store, err = orNil(sqlite.Open(ctx, place, time.Now()))
	case toWrite:
		store, err = orNil(sqlite.OpenBeside(ctx, place))
	default:
		store, err = orNil(sqlite.OpenReadOnly(ctx, place))
	}
	if err != nil {
		return nil, fail(exitError, hintOf(err), err)
	}
	return store, nil
}

func openTable(aws aws.Config, table string, cfg config.Config) (ledger.Store, error) {
	store, err := dynamo.Open(aws, table, dynamo.Options{Bucket: cfg.Evidence.Bucket, Owner: cfg.Evidence.Owner})
	if err != nil {
		return nil, fail(exitUsage, "write dynamodb:// and the name or ARN of the table", err)
	}
	return store, nil
}

// orNil keeps a nil store from being a store that is nil.
func orNil(s *sqlite.Store, err error) (ledger.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
