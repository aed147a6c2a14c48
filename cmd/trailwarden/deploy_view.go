package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/deploy"
	"github.com/trailwarden/trailwarden/internal/deploy/stack"
	"github.com/trailwarden/trailwarden/internal/trail"
)

// describe works out what would exist, what it may do, and what it costs.
func (d *deployment) describe(made deploy.Made) error {
	d.Resources = nil
	for _, id := range slices.Sorted(maps.Keys(made.Resources)) {
		r := made.Resources[id]
		d.Resources = append(d.Resources, deployedResource{id, r.Type, r.Deletion == "Retain"})
	}
	var err error
	if d.Grants, err = made.Grants(); err != nil {
		return err
	}
	pinned, copies := 0, 0
	if d.pinned != nil {
		pinned = len(d.pinned.Trails)
		copies = max(0, recorders(*d.pinned)-1)
	}
	d.Cost = deploy.Cost(d.template.UsageOf(d.effective, pinned, copies))
	return nil
}

// recorders counts the trails that record management events that read: CloudTrail takes money for every copy but the first.
func recorders(f baseline.File) int {
	n := 0
	for _, t := range f.Trails {
		if len(t.Baseline().Coverage().Read) > 0 { // our own calls are reads
			n++
		}
	}
	return n
}

// changed compares what would be with what the stack has, as far as that is known without a change set.
func (d *deployment) changed(made deploy.Made) {
	if d.before.ID == "" {
		for _, r := range d.Resources {
			d.Changes = append(d.Changes, stack.Change{Action: "Add", ID: r.ID, Type: r.Type})
		}
		return
	}
	old, err := d.template.Make(deploy.Stack{Partition: trail.PartitionOf(d.Region), Account: d.Account, Region: d.Region, Name: d.Stack, Parameters: d.before.Parameters})
	if err != nil {
		return // the stack is of another release: only a change set knows
	}
	for _, id := range slices.Sorted(maps.Keys(made.Resources)) {
		now, was := made.Resources[id], old.Resources[id]
		switch {
		case was.ID == "":
			d.Changes = append(d.Changes, stack.Change{Action: "Add", ID: id, Type: now.Type})
		case fmt.Sprint(now.Properties) != fmt.Sprint(was.Properties):
			d.Changes = append(d.Changes, stack.Change{Action: "Modify", ID: id, Type: now.Type})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(old.Resources)) {
		if _, ok := made.Resources[id]; !ok {
			d.Changes = append(d.Changes, stack.Change{Action: "Remove", ID: id, Type: old.Resources[id].Type})
		}
	}
}

func (a *app) writeDeployment(c *cobra.Command, d *deployment, whole bool) error {
	return a.write(c, result{JSON: d, Table: func(w io.Writer) {
		if whole {
			deploymentTable(a, w, d)
			fmt.Fprintln(w, "\nThis was a dry run: nothing was made.")
			return
		}
		outcomeTable(a, w, d)
	}})
}

// deploymentTable is what somebody looks at before saying yes.
func deploymentTable(a *app, w io.Writer, d *deployment) {
	fmt.Fprintf(w, "%s\n\n", a.paint(w, bold, fmt.Sprintf("The stack %s in account %s, %s", plain(d.Stack), d.Account, d.Region)))
	switch {
	case d.pinned == nil:
		fmt.Fprintln(w, "No trail is pinned.")
	default:
		fmt.Fprintf(w, "Pinned (%s, serial %d, SHA-256 %.12s…):\n", plain(d.Baseline.From), d.Baseline.Serial, d.Baseline.Hash)
		for _, t := range d.pinned.Trails {
			fmt.Fprintf(w, "  %s\n    logs to %s, %s; repaired without asking: %s\n", plain(t.ARN.String()), plain(t.Bucket), reaches(t), cmp.Or(words(t.Repair), "nothing"))
		}
	}
	fmt.Fprintf(w, "\n%s\n", plain(d.Configuration.told(d.effective["NotificationEmail"])))
	for _, name := range []string{"SecretArns", "KeyArns", "EventBusArn", "SecurityHub", "ChatTopicArn", "EvidenceBucket", "AnchorBucket"} {
		if value := d.effective[name]; value != "" && value != "no" {
			fmt.Fprintf(w, "  %s: %s\n", name, plain(value))
		}
	}
	fmt.Fprintf(w, "\n%s\n", a.paint(w, bold, "What changes"))
	t := newTable(w, "", "RESOURCE", "TYPE", "")
	for _, change := range d.Changes {
		mark := map[string]string{"Add": "+", "Modify": "~", "Remove": "-"}[change.Action]
		note := ""
		if change.Replacement {
			note = "replaced"
		}
		if slices.ContainsFunc(d.Resources, func(r deployedResource) bool { return r.ID == change.ID && r.Stay }) {
			note = strings.TrimPrefix(note+", stays when the stack goes", ", ")
		}
		t.row(mark, change.ID, change.Type, note)
	}
	t.end()
	fmt.Fprintf(w, "\n%s\n", a.paint(w, bold, "What its roles may do (all of it; docs/permissions.md)"))
	t = newTable(w, "ACTION", "ROLES", "ON", "TO")
	for _, g := range together(d.Grants) {
		t.row(g.Action, g.Role, g.On, g.Why)
	}
	t.end()
	fmt.Fprintf(w, "\n%s\n", a.paint(w, bold, "What it costs in a month (estimate, list prices of us-east-1; docs/cost.md)"))
	t = newTable(w, "FOR", "SUM", "$", "AFTER THE FREE TIER")
	for _, charge := range d.Cost {
		t.row(charge.What, charge.Sum, fmt.Sprintf("%.2f", charge.Dollars), fmt.Sprintf("%.2f", charge.AfterFree))
	}
	dollars, free := deploy.Total(d.Cost)
	t.row("together", "", fmt.Sprintf("%.2f", dollars), fmt.Sprintf("%.2f", free))
	t.end()
	fmt.Fprintf(w, "\nCode: s3://%s/%s, SHA-256 %s\n", plain(d.Artifact.Bucket), plain(d.Artifact.Key), d.Artifact.SHA256)
}

// together makes one line of a permission that several roles have.
func together(grants []deploy.Grant) []deploy.Grant {
	var list []deploy.Grant
	for _, g := range grants {
		i := slices.IndexFunc(list, func(other deploy.Grant) bool {
			return other.Action == g.Action && other.On == g.On && other.Why == g.Why
		})
		if i < 0 {
			list = append(list, g)
		} else {
			list[i].Role += ", " + g.Role
		}
	}
	return list
}

// outcomeTable is what there is now, and what people have to do.
func outcomeTable(a *app, w io.Writer, d *deployment) {
	fmt.Fprintf(w, "%s: stack %s in account %s, %s\n", a.paint(w, green, d.Status), plain(d.Stack), d.Account, d.Region)
	t := newTable(w, "OUTPUT", "VALUE")
	for _, name := range slices.Sorted(maps.Keys(d.Outputs)) {
		t.row(name, d.Outputs[name])
	}
	t.end()
	fmt.Fprintln(w, "\nWhat to do now:")
	for i, next := range d.Next {
		fmt.Fprintf(w, "  %d. %s\n", i+1, plain(next))
	}
}
