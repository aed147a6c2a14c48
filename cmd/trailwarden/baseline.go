package main

import "github.com/spf13/cobra"

func baselineCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Pin how trails are to be, in a file that people review",
		Example: `  trailwarden baseline capture                     # pin every trail as it is
  trailwarden baseline diff                        # what is no longer as pinned?
  trailwarden baseline accept main tags            # take a wanted change into the file
  trailwarden baseline check                       # is what is pinned safe?`,
	}
	group(c)
	c.AddCommand(baselineCapture(a), baselineDiff(a), baselineAccept(a), baselineCheck(a))
	return c
}
