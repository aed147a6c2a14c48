package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/artifact"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
)

// computed are parameters that deploy itself works out.
var computed = []string{"ArtifactBucket", "ArtifactKey", "ArtifactVersion", "ArtifactSha256", "Baseline", "Config", "Release"}

// parameterFlags makes a flag of each parameter of the template: NotificationEmail is --email, the others are spelled alike.
func parameterFlags(c *cobra.Command) {
	t, err := deploy.Load(deploy.Templates[0])
	if err != nil {
		panic(err) // it is built in, and tested
	}
	for _, p := range t.Parameters() {
		if !slices.Contains(computed, p.Name) {
			c.Flags().String(flagOf(p.Name), p.Default, strings.TrimSuffix(p.Description, "."))
		}
	}
}

var humps = regexp.MustCompile(`([a-z])([A-Z])`)

func flagOf(parameter string) string {
	if parameter == "NotificationEmail" {
		return "email"
	}
	return strings.ToLower(humps.ReplaceAllString(parameter, "$1-$2"))
}

// given are the parameters that the command line names.
func given(c *cobra.Command, t deploy.Template) map[string]string {
	parameters := map[string]string{}
	for _, p := range t.Parameters() {
		if f := c.Flags().Lookup(flagOf(p.Name)); f != nil && f.Changed && !slices.Contains(computed, p.Name) {
			parameters[p.Name] = f.Value.String()
		}
	}
	return parameters
}

// valid holds the parameters against what the template allows. Account, Region and zip are not known yet.
func (d *deployment) valid() error {
	made := maps.Clone(d.parameters)
	maps.Copy(made, map[string]string{"ArtifactBucket": "bucket", "ArtifactKey": "k", "ArtifactVersion": "v", "ArtifactSha256": strings.Repeat("A", 43) + "="})
	_, err := d.template.Make(deploy.Stack{Account: "111122223333", Region: "eu-central-1", Parameters: made})
	if err == nil {
		return nil
	}
	text := err.Error()
	for name := range d.parameters {
		text = strings.ReplaceAll(text, name+":", "--"+flagOf(name)+":")
	}
	return usage("see `trailwarden deploy --help`; nothing was asked of AWS", "%s", text)
}

// asked is a parameter as far as somebody has asked for it: what the command line names wins over what follows from the configuration, and
// that over what the stack has.
func (d *deployment) asked(name string) (value string, ok bool) {
	for _, from := range []map[string]string{d.parameters, d.derived, d.before.Parameters} {
		if value, ok = from[name]; ok {
			break
		}
	}
	return value, ok
}

// compute works out the parameters: what the command line names, what follows from the configuration, what the stack has already.
func (d *deployment) compute(o stack.Object, release string) {
	d.effective = map[string]string{}
	for _, p := range d.template.Parameters() {
		if v, ok := d.asked(p.Name); ok {
			d.effective[p.Name] = v
		}
	}
	d.effective["Baseline"] = ""
	if d.pinned != nil {
		d.effective["Baseline"] = artifact.Baseline
	}
	d.Artifact = o
	d.effective["ArtifactBucket"], d.effective["ArtifactKey"], d.effective["ArtifactVersion"], d.effective["ArtifactSha256"] = o.Bucket, o.Key, o.Version, o.SHA256
	d.effective["Release"] = release
}
