package main

import "slices"

// Regions that every account of a partition has, and those that an account must opt into. AWS adds to the second: trails
// of a Region that is not listed here are found by naming it with --region.
var regionsOf = map[string]struct{ always, optIn []string }{
	"aws": {
		always: []string{
			"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
			"eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
		},
		optIn: []string{
			"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
			"ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
		},
	},
	"aws-cn":     {always: []string{"cn-north-1", "cn-northwest-1"}},
	"aws-us-gov": {always: []string{"us-gov-east-1", "us-gov-west-1"}},
	"aws-eusc":   {always: []string{"eusc-de-east-1"}},
	"aws-iso":    {always: []string{"us-iso-east-1", "us-iso-west-1"}},
	"aws-iso-b":  {always: []string{"us-isob-east-1", "us-isob-west-1"}},
	"aws-iso-e":  {always: []string{"eu-isoe-west-1"}},
	"aws-iso-f":  {always: []string{"us-isof-east-1", "us-isof-south-1"}},
}

// everyRegion lists the Regions of a partition, those that an account may not have enabled too.
func everyRegion(partition string) []string {
	return slices.Concat(regionsOf[partition].always, regionsOf[partition].optIn)
}

// optIn tells whether an account may be without the Region.
func optIn(region string) bool { return slices.Contains(regionsOf["aws"].optIn, region) }
