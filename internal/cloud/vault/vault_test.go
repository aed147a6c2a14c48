package vault

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/trailwarden/trailwarden/internal/secret"
)

const canary = "xoxb-canary-1234"

var _ secret.Vault = (*Vault)(nil)

// A reference in the configuration is resolved by what AWS keeps, in every way that it can be written.
func TestOnMoto(t *testing.T) {
	cfg := moto(t)
	ctx := context.Background()
	secrets := secretsmanager.NewFromConfig(cfg)
	plain, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("trailwarden/slack"), SecretString: aws.String(canary)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("object"), SecretString: aws.String(`{"token":"` + canary + `"}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("binary"), SecretBinary: []byte(canary)}); err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/trailwarden/slack"), Value: aws.String(canary), Type: types.ParameterTypeSecureString}); err != nil {
		t.Fatal(err)
	}
	v := &Vault{Config: cfg}
	elsewhere := cfg.Copy()
	elsewhere.Region = "us-east-1"
	for _, c := range []struct {
		vault *Vault
		ref   string
		says  string // "" for success
	}{
		{v, "secretsmanager:trailwarden/slack", ""},
		{v, "secretsmanager:" + *plain.ARN, ""},
		{&Vault{Config: elsewhere}, "secretsmanager:" + *plain.ARN, ""},
		{&Vault{Config: elsewhere}, "secretsmanager:trailwarden/slack", "ResourceNotFoundException: there is no such secret"},
		{v, "secretsmanager:object#token", ""},
		{v, "secretsmanager:object#none", "no JSON object"},
		{v, "secretsmanager:binary", ""},
		{v, "ssm:/trailwarden/slack", ""},
		{v, "ssm:/none", "ParameterNotFound: there is no such parameter"},
	} {
		ref, err := secret.Parse(c.ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ref.Resolve(ctx, c.vault)
		switch {
		case c.says == "" && (err != nil || got.Reveal() != canary):
			t.Errorf("%s: %v", c.ref, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), canary)):
			t.Errorf("%s: %v, want %q", c.ref, err, c.says)
		}
	}
}

// Who may not read is told what to allow, and nothing that AWS quoted.
func TestDenied(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"AccessDeniedException","message":"User: arn:aws:iam::111122223333:user/x on `+canary+`"}`)
	}))
	defer s.Close()
	v := &Vault{Config: config(s.URL)}
	for kind, permission := range map[string]string{"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"} {
		_, err := v.Secret(context.Background(), kind, "x")
		if err == nil || !strings.Contains(err.Error(), "allow "+permission) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := v.Secret(context.Background(), "attic", "x"); err == nil {
		t.Error("a secret from nowhere")
	}
}

func config(url string) aws.Config {
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// moto is a moto server, or skips the test where there is none.
func moto(t *testing.T) aws.Config {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		t.Skip("NOT PROVEN HERE: that secrets are read from an AWS that others simulate, for moto_server is not installed")
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
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	for up := false; !up; {
		if res, err := http.Get(url + "/moto-api/"); err == nil {
			res.Body.Close()
			up = true
		} else if server.ProcessState != nil {
			t.Fatalf("moto_server ended:\n%s", output.String())
		}
	}
	return config(url)
}
