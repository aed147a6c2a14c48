package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/trailwarden/trailwarden/internal/channels"
	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/file"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/secret"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// configuredBy says in a deployment's document what configures the functions, besides the template's parameters.
type configuredBy struct {
	From     string   `json:"from"`     // a file, "in the zip", "deployed before", or "" for none
	Hash     string   `json:"hash"`     // SHA-256 of what is in the zip, hex; "" for none
	Channels []string `json:"channels"` // who is told
	Anchors  string   `json:"anchors"`  // bucket that the ledger's heads are put into; "" for none
	Routed   bool     `json:"routed"`   // routes say who is told of what
}

// takesFile says whether a configuration file is deployed: one that was named, or at the first time the one that lies here. An update keeps
// what is deployed, as everything else that is not named.
func (a *app) takesFile(f deployFlags) bool {
	named := a.configFile != "" || a.getenv("TRAILWARDEN_CONFIG") != ""
	return !f.noConfig && a.configPath() != "" && (named || !f.update)
}

// settled is what the configuration file says to a deployed function. Everything that can be known before AWS is asked is checked.
func (a *app) settled(d *deployment, f deployFlags) (artifact.Settings, error) {
	a.notDeployed()
	if f.noConfig || a.configPath() == "" {
		return artifact.Settings{}, nil
	}
	s, err := artifact.Configure(file.Read(a.configPath()))
	if !a.takesFile(f) { // what is wrong with it is no matter then
		return s, nil
	}
	if err != nil {
		return s, err
	}
	for _, x := range s.Stays {
		a.note("%s of %s is not deployed: %s", x.Key, plain(a.configPath()), x.Why)
	}
	cfg, err := artifact.Configuration(a.configPath(), s.Document)
	if err != nil || f.update { // the stack's own parameters count too, and are not known yet
		return s, err
	}
	return s, channels.CheckDeployed(d.beside(cfg))
}

// notDeployed tells of what is set in the environment of whoever deploys: it stays there, since the file is what can be reviewed, and a
// secret has to stand where the function can read it.
func (a *app) notDeployed() {
	for _, v := range config.Env(a.env).Values {
		ref, isSecret := v.Data.(secret.Ref)
		_, here := ref.Here()
		switch {
		case !artifact.Deployed(v.Key.Name):
		case isSecret && here:
			a.note("%s of your environment is not deployed: put the secret into Secrets Manager, and write %s: secretsmanager:NAME into the file that -c names", v.Origin.Name, v.Key.Name)
		default:
			a.note("%s of your environment is not deployed: write %s into the file that -c names", v.Origin.Name, v.Key.Name)
		}
	}
}

// configure finds the configuration to deploy: of the file that was named or lies here, of the zip that was given, or of the stack when it
// is updated.
func (a *app) configure(ctx context.Context, d *deployment, s artifact.Settings, f deployFlags, zip *artifact.Artifact) error {
	d.derived = map[string]string{}
	kept := false
	switch {
	case f.noConfig:
		zip.Config = nil
	case a.takesFile(f):
		zip.Config, d.Configuration.From = s.Document, a.configPath()
		maps.Copy(d.derived, s.Parameters)
	case zip.Config != nil && !f.revert: // to revert is to deploy what is deployed
		d.Configuration.From = "in the zip"
	case d.before.Parameters["Config"] != "":
		old, err := d.zipBefore(ctx)
		if err != nil {
			return err
		}
		zip.Config, d.Configuration.From, kept = old.Config, "deployed before", true
	default:
		kept = true
	}
	cfg, err := artifact.Configuration(artifact.Config, zip.Config)
	if err != nil {
		return err
	}
	if kept && s.Document != nil && !bytes.Equal(s.Document, zip.Config) {
		a.note("%s is not what is deployed, and was not named: -c %[1]s deploys it", plain(a.configPath()))
	}
	if !kept {
		maps.Copy(d.derived, deploy.Configured(cfg, deploy.Stack{Partition: trail.PartitionOf(d.Region), Account: d.Account, Region: d.Region}))
	}
	cfg = d.beside(cfg)
	if err := channels.CheckDeployed(cfg); err != nil {
		return err
	}
	d.derived["Config"] = ""
	if zip.Config != nil {
		d.derived["Config"] = artifact.Config
		sum := sha256.Sum256(zip.Config)
		d.Configuration.Hash = hex.EncodeToString(sum[:])
	} else {
		d.Configuration.From = ""
	}
	d.Configuration.Channels = append([]string{"sns"}, channels.Configured(cfg)...)
	d.Configuration.Anchors, d.Configuration.Routed = cfg.Anchor.Bucket, cfg.Routing != nil
	return nil
}

// zipBefore is the zip that is deployed now.
func (d *deployment) zipBefore(ctx context.Context) (artifact.Artifact, error) {
	if d.old.Bootstrap != nil {
		return d.old, nil
	}
	packed, err := d.deployer.Download(ctx, d.deployed())
	if err != nil {
		return artifact.Artifact{}, err
	}
	if d.old, err = artifact.Open(packed); err != nil {
		return artifact.Artifact{}, fail(exitError, "name what is to be in the new one: --baseline FILE, -c FILE", err)
	}
	return d.old, nil
}

// beside is a configuration with what the stack's parameters say besides: they win, as the functions' environment does.
func (d *deployment) beside(cfg config.Config) config.Config {
	for name, at := range map[string]*string{"EventBusArn": &cfg.Notify.EventBridge.Bus, "ChatTopicArn": &cfg.Notify.AmazonQ.TopicARN, "AnchorBucket": &cfg.Anchor.Bucket} {
		if value, _ := d.asked(name); value != "" {
			*at = value
		}
	}
	hub, _ := d.asked("SecurityHub")
	cfg.Notify.SecurityHub = cfg.Notify.SecurityHub || hub == "yes"
	return cfg
}

// told is a line about the configuration for people.
func (c configuredBy) told(mail string) string {
	names := slices.Clone(c.Channels)
	if mail != "" {
		names[0] = "sns (" + mail + ")"
	}
	line := "Told by: " + strings.Join(names, ", ")
	if c.Routed {
		line += "; routes say who of what"
	}
	if c.Anchors != "" {
		line += "; the ledger's heads go to s3://" + c.Anchors
	}
	return line + "; configuration: " + cmp.Or(c.From, "no file")
}
