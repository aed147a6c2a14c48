package sim

func newCloudTrail(w *World) *service {
	w.trails = &trails{world: w}
	return &service{
		name: "cloudtrail", source: "cloudtrail.amazonaws.com", protocol: json11,
		targets: []string{"CloudTrail_20131101", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"},
	}
}

type trails struct{ world *World }

func (t *trails) catchUp() {}

// cover says whether the event bus of this account and Region gets the management events that change something.
func (t *trails) cover(account, region string) bool { return false }
