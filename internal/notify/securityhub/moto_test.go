package securityhub

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"

	"github.com/trailwarden/trailwarden/internal/notify/notifytest"
)

// TestMoto imports a life into a Security Hub that others simulate, and reads it back. Moto 5.2 knows no
// BatchUpdateFindings, so that nothing that needs one is sent.
func TestMoto(t *testing.T) {
	cfg := moto(t)
	client := securityhub.NewFromConfig(cfg)
	if _, err := client.EnableSecurityHub(t.Context(), &securityhub.EnableSecurityHubInput{}); err != nil {
		t.Fatal(err)
	}
	c, _ := open(t)
	c.Caller.Config, c.Region, c.Account = cfg, cfg.Region, account
	for _, sample := range notifytest.Life()[:5] {
		if err := c.Notify(t.Context(), sample.Incident); err != nil {
			t.Fatalf("%s: %v", sample.Name, err)
		}
	}
	out, err := client.GetFindings(t.Context(), &securityhub.GetFindingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Findings) != 1 {
		t.Fatalf("%d findings of one incident", len(out.Findings))
	}
	f := out.Findings[0]
	if stage := f.ProductFields["trailwarden/stage"]; stage != "escalated" || aws.ToString(f.Resources[0].Type) != "AwsCloudTrailTrail" {
		t.Errorf("stage %s, resource %v", stage, f.Resources[0])
	}
}

// moto is a moto server, or skips the test where there is none.
func moto(t *testing.T) aws.Config {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		t.Skip("NOT PROVEN HERE: that an AWS that others simulate takes the findings, for moto_server is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	server := exec.Command("moto_server", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	var output bytes.Buffer
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for up := false; !up; {
		if res, err := http.Get(url + "/moto-api/"); err == nil {
			res.Body.Close()
			up = true
		} else if server.ProcessState != nil {
			t.Fatalf("moto_server ended:\n%s", output.String())
		}
	}
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}
