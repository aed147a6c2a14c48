package deploy

import (
	"strings"
	"testing"
)

// TestHeartbeatReachesTheWitness: what Lambda says of a sweep that came to its end passes the rule at home and the one of the witness, and
// nothing else does. moto 5.2.1 hands neither account nor resources of an event on from bus to bus, so that no moto test says it.
func TestHeartbeatReachesTheWitness(t *testing.T) {
	// Fault H5.
	home := patternIn(t, made(t, "trailwarden", artifact("HeartbeatBusArn", "arn:aws:events:"+region+":"+witnessAccount+":event-bus/trailwarden-witness")), "HeartbeatRule")
	witness := patternIn(t, mustMake(t, "witness", Stack{Account: witnessAccount, Region: region, Parameters: samples()["witness"]}), "HeartbeatRule")
	const heartbeat = `{"version":"0","id":"1","detail-type":"Lambda Function Invocation Result - Success","source":"lambda","account":"` + account + `","time":"2026-01-05T09:00:00Z","region":"` + region + `",
		"resources":["arn:aws:events:` + region + `:` + account + `:event-bus/default","arn:aws:lambda:` + region + `:` + account + `:function:trailwarden-sweep:$LATEST"],
		"detail":{"version":"1.0","requestContext":{"condition":"Success","approximateInvokeCount":1},"requestPayload":{"sweep":true},"responseContext":{"statusCode":200}}}`
	for _, c := range []struct {
		name, old, new string
		home, witness  bool
	}{
		{"a sweep", "", "", true, true},
		{"a sweep that failed", "Result - Success", "Result - Failure", false, false},
		{"the function that reacts", "trailwarden-sweep", "trailwarden-react", false, false},
		{"a function with a longer name", "trailwarden-sweep:", "trailwarden-sweep-of-mine:", true, false},
		{"the same in another account", `"account":"` + account, `"account":"666666666666`, false, false},
		{"the same in another Region", `"region":"` + region, `"region":"us-east-1`, true, false},
		{"an event of somebody's own", `"source":"lambda"`, `"source":"my.app"`, false, false},
	} {
		event := strings.Replace(heartbeat, c.old, c.new, 1)
		if at, there := matches(t, home, event), matches(t, witness, event); at != c.home || there != c.witness {
			t.Errorf("%s: taken at home %v, want %v; by the witness %v, want %v", c.name, at, c.home, there, c.witness)
		}
	}
}

// TestCodeIsPinned: both functions run one version of one object, a version of each is published with the hash that was asked for, which is what
// has Lambda refuse another zip, and no event and no timer reaches a new function before.
func TestCodeIsPinned(t *testing.T) {
	resources := section(load(t, "trailwarden").Doc, "Resources")
	gates := map[string]string{}
	for id, r := range resources {
		if r := r.(map[string]any); r["Type"] == "AWS::Lambda::Version" {
			if hash := at(t, r, "Properties", "CodeSha256", "Ref"); hash != "ArtifactSha256" {
				t.Errorf("%s is published with the hash %v", id, hash)
			}
			gates[at(t, r, "Properties", "FunctionName", "Ref").(string)] = id
		}
	}
	for function, entrance := range map[string]string{"React": "ReactMapping", "Sweep": "SweepTimer"} {
		code := encode(t, at(t, resources[function], "Properties", "Code"))
		if want := `{"S3Bucket":{"Ref":"ArtifactBucket"},"S3Key":{"Ref":"ArtifactKey"},"S3ObjectVersion":{"Ref":"ArtifactVersion"}}`; code != want {
			t.Errorf("%s runs %s, want %s", function, code, want)
		}
		if gates[function] == "" {
			t.Errorf("no version of %s is published", function)
		} else if depends := encode(t, resources[entrance].(map[string]any)["DependsOn"]); depends != `"`+gates[function]+`"` {
			t.Errorf("%s depends on %s: it lets events in before the code is known to be the one asked for (%s)", entrance, depends, gates[function])
		}
	}
	t.Log("NOT PROVEN HERE: that Lambda refuses a version with another hash: moto 5.2.1 publishes every one. TestDeployedOnMoto sees that the sweep tells of foreign code")
}
