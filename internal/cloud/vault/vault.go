// Package vault reads secrets that AWS keeps: in Secrets Manager, and in Parameter Store. It is what a secret.Ref that names
// one of them is resolved by.
package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/trailwarden/trailwarden/internal/awscall"
)

// Timeout is how long reading one secret may take, three tries included.
const Timeout = 5 * time.Second

// Vault reads with the credentials of Config, in the Region that an ARN names, else in Config's. It is safe for use by several
// goroutines, and keeps nothing.
type Vault struct{ Config aws.Config }

// hints say what a person can do, by the error's code.
var hints = map[string]string{
	"ResourceNotFoundException": "there is no such secret in this account and Region: see `aws secretsmanager list-secrets`",
	"ParameterNotFound":         "there is no such parameter in this account and Region: see `aws ssm describe-parameters`",
	"DecryptionFailure":         "allow kms:Decrypt on its key to the role that trailwarden runs as",
	"InvalidKeyId":              "the parameter's KMS key does not exist or is disabled",
	"InvalidRequestException":   "the secret is marked for deletion: restore it",
}

// Secret reads the current version: kind is "secretsmanager" or "ssm", name a name or an ARN. No error holds any of it.
func (v *Vault) Secret(ctx context.Context, kind, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	switch kind {
	case "secretsmanager":
		var out struct {
			SecretString *string
			SecretBinary []byte
		}
		if err := v.ask(ctx, awscall.SecretsManager, name, "secretsmanager.GetSecretValue", map[string]any{"SecretId": name}, &out); err != nil {
			return "", failure(err, "secretsmanager:GetSecretValue")
		}
		if out.SecretString == nil {
			return string(out.SecretBinary), nil
		}
		return *out.SecretString, nil
	case "ssm":
		var out struct{ Parameter *struct{ Value string } }
		if err := v.ask(ctx, awscall.SSM, name, "AmazonSSM.GetParameter", map[string]any{"Name": name, "WithDecryption": true}, &out); err != nil {
			return "", failure(err, "ssm:GetParameter")
		}
		if out.Parameter == nil {
			return "", errors.New("the answer has no parameter")
		}
		return out.Parameter.Value, nil
	}
	return "", fmt.Errorf("AWS keeps no secrets in %q", kind)
}

func (v *Vault) ask(ctx context.Context, s awscall.Service, name, target string, in, out any) error {
	c := awscall.Caller{Config: v.Config, Agent: "trailwarden", Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second })}
	return c.JSON(ctx, s, regionOf(name), target, in, out)
}

// regionOf is the Region that an ARN names; "" for a name.
func regionOf(name string) string {
	part := strings.Split(name, ":")
	if len(part) < 6 || part[0] != "arn" {
		return ""
	}
	return part[3]
}

// Error is AWS's refusal to give a secret. Its text holds nothing of AWS's own words, which may quote policies and keys.
type Error struct {
	Code string // AWS's error code
	Hint string // what a person can do about it; empty where waiting may help
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Code
	}
	return e.Code + ": " + e.Hint
}

// failure is an error by its code.
func failure(err error, permission string) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	failed := &Error{Code: api.ErrorCode(), Hint: hints[api.ErrorCode()]}
	if strings.HasPrefix(failed.Code, "AccessDenied") {
		failed.Hint = "allow " + permission + " on it, and kms:Decrypt on its key, to the role that trailwarden runs as"
	}
	return failed
}
