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
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// Timeout is how long reading one secret may take, tries of the SDK included.
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
	cfg := v.Config.Copy()
	if region, ok := regionOf(name); ok {
		cfg.Region = region
	}
	switch kind {
	case "secretsmanager":
		out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
		if err != nil {
			return "", failure(err, "secretsmanager:GetSecretValue")
		}
		if out.SecretString == nil {
			return string(out.SecretBinary), nil
		}
		return *out.SecretString, nil
	case "ssm":
		out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
		if err != nil {
			return "", failure(err, "ssm:GetParameter")
		}
		if out.Parameter == nil {
			return "", errors.New("the answer has no parameter")
		}
		return aws.ToString(out.Parameter.Value), nil
	}
	return "", fmt.Errorf("AWS keeps no secrets in %q", kind)
}

// regionOf is the Region that an ARN names.
func regionOf(name string) (string, bool) {
	part := strings.Split(name, ":")
	if len(part) < 6 || part[0] != "arn" || part[3] == "" {
		return "", false
	}
	return part[3], true
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
