package awscall

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/trailwarden/trailwarden/internal/trail"
)

// Service is the first part of a service's host name, which is also what its requests are signed for.
type Service string

// The services that can be called, and no others: each has its place and its settings held against the SDK's.
const (
	CloudTrail     Service = "cloudtrail"
	DynamoDB       Service = "dynamodb"
	EC2            Service = "ec2"
	EventBridge    Service = "events"
	IAM            Service = "iam"
	Lambda         Service = "lambda"
	Organizations  Service = "organizations"
	S3             Service = "s3"
	Scheduler      Service = "scheduler"
	SecretsManager Service = "secretsmanager"
	SecurityHub    Service = "securityhub"
	SNS            Service = "sns"
	SQS            Service = "sqs"
	SSM            Service = "ssm"
	STS            Service = "sts"
)

// id is the SDK's name of the service, which its settings have: AWS_ENDPOINT_URL_SECRETS_MANAGER.
func (s Service) id() string {
	switch s {
	case CloudTrail:
		return "CloudTrail"
	case DynamoDB:
		return "DynamoDB"
	case EventBridge:
		return "EventBridge"
	case Lambda:
		return "Lambda"
	case Organizations:
		return "Organizations"
	case Scheduler:
		return "Scheduler"
	case SecretsManager:
		return "Secrets Manager"
	case SecurityHub:
		return "SecurityHub"
	}
	return strings.ToUpper(string(s))
}

// place is the address that a request goes to, and the Region that it is signed for.
func (c Caller) place(ctx context.Context, r Request) (address, signed string, err error) {
	fips, dual, err := c.variants(ctx)
	if err != nil {
		return "", "", err
	}
	host, signed := host(r.Service, r.Region, fips, dual)
	base, err := c.base(ctx, r.Service)
	switch {
	case err != nil:
		return "", "", err
	case base != "" && (fips || dual):
		return "", "", errors.New("a FIPS or dual-stack endpoint and an endpoint of one's own exclude each other: take one of the two out of the settings")
	case base != "":
		return strings.TrimSuffix(base, "/") + under(r.Bucket, r.Path), r.Region, nil
	case r.Region == "":
		return "", "", errors.New("no Region is set: set AWS_REGION, or region in the configuration")
	case strings.Trim(r.Region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return "", "", fmt.Errorf("%q is no Region: set AWS_REGION, or region in the configuration", r.Region)
	case r.Bucket != "" && !strings.Contains(r.Bucket, "."):
		return "https://" + r.Bucket + "." + host + under("", r.Path), signed, nil
	}
	return "https://" + host + under(r.Bucket, r.Path), signed, nil // a certificate for *.s3… does not fit a name with dots
}

// Address is where a service's requests go, without a slash at its end: what a queue's URL begins with.
func (c Caller) Address(ctx context.Context, s Service) (string, error) {
	address, _, err := c.place(ctx, Request{Service: s, Region: c.Config.Region})
	return strings.TrimSuffix(address, "/"), err
}

func under(bucket, path string) string {
	path = "/" + strings.TrimPrefix(path, "/")
	switch {
	case bucket == "":
		return path
	case path == "/":
		return "/" + bucket
	}
	return "/" + bucket + path
}

// variants are the kinds of endpoints that are asked for, by the settings from which Config was loaded.
func (c Caller) variants(ctx context.Context) (fips, dual bool, err error) {
	useFIPS, err := setting(c.Config.ConfigSources, func(s interface {
		GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
	}) (aws.FIPSEndpointState, bool, error) {
		return s.GetUseFIPSEndpoint(ctx)
	})
	if err != nil {
		return false, false, err
	}
	useDual, err := setting(c.Config.ConfigSources, func(s interface {
		GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
	}) (aws.DualStackEndpointState, bool, error) {
		return s.GetUseDualStackEndpoint(ctx)
	})
	return useFIPS == aws.FIPSEndpointStateEnabled, useDual == aws.DualStackEndpointStateEnabled, err
}

// base is another AWS where one is configured, for the service or for all; "" for AWS itself. What the environment says for
// all services goes before what a file says for one.
func (c Caller) base(ctx context.Context, s Service) (string, error) {
	all := aws.ToString(c.Config.BaseEndpoint)
	_, forAll := os.LookupEnv("AWS_ENDPOINT_URL")
	_, forOne := os.LookupEnv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(s.id(), " ", "_")))
	if forAll && !forOne {
		return all, nil
	}
	ignored, err := setting(c.Config.ConfigSources, func(s interface {
		GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
	}) (bool, bool, error) {
		return s.GetIgnoreConfiguredEndpoints(ctx)
	})
	if err != nil || ignored {
		return all, err
	}
	own, err := setting(c.Config.ConfigSources, func(from interface {
		GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
	}) (string, bool, error) {
		return from.GetServiceBaseEndpoint(ctx, s.id())
	})
	if own != "" {
		return own, err
	}
	return all, err
}

// setting is what the first source that knows it says.
func setting[Source, Value any](sources []any, ask func(Source) (Value, bool, error)) (Value, error) {
	var none Value
	for _, s := range sources {
		if source, ok := s.(Source); ok {
			if value, found, err := ask(source); found || err != nil {
				return value, err
			}
		}
	}
	return none, nil
}

// host is where a service is in a Region, and the Region that its requests are signed for.
func host(s Service, region string, fips, dual bool) (name, signed string) {
	partition := trail.PartitionOf(region)
	first := string(s)
	if fips && !(partition == "aws-us-gov" && plainInGov(s, dual)) {
		first += "-fips"
	}
	suffix, both := suffixes(partition)
	switch {
	case dual && s == S3:
		first += ".dualstack"
	case dual && s == SecretsManager && partition != "aws-eusc" && !strings.HasPrefix(partition, "aws-iso"):
		// is reached both ways at its usual name
	case dual:
		suffix = both
	}
	switch s {
	case IAM:
		return ofIAM(first, partition, suffix, dual)
	case Organizations:
		region = trail.GlobalRegion(partition)
	}
	return first + "." + region + "." + suffix, region
}

// ofIAM is where IAM is, which has one place for all Regions of a partition.
func ofIAM(first, partition, suffix string, dual bool) (name, signed string) {
	region := trail.GlobalRegion(partition)
	if partition == "aws-cn" {
		region = "cn-north-1"
	}
	middle := region + "."
	switch {
	case partition == "aws-us-gov":
		middle = "us-gov."
	case dual && (partition == "aws" || partition == "aws-cn" || partition == "aws-eusc"):
		middle = "global."
	case partition == "aws":
		middle = ""
	}
	return first + "." + middle + suffix, region
}

// plainInGov says whether a service's endpoint in GovCloud is FIPS's by itself.
func plainInGov(s Service, dual bool) bool {
	switch s {
	case IAM, EventBridge:
		return true
	case CloudTrail, DynamoDB, EC2, Organizations, SNS, SQS, SSM, STS:
		return !dual
	}
	return false
}

// suffixes are the ends of a partition's host names: of endpoints for IPv4, and of those for both.
func suffixes(partition string) (one, both string) {
	switch partition {
	case "aws-cn":
		return "amazonaws.com.cn", "api.amazonwebservices.com.cn"
	case "aws-iso":
		return "c2s.ic.gov", "api.aws.ic.gov"
	case "aws-iso-b":
		return "sc2s.sgov.gov", "api.aws.scloud"
	case "aws-iso-e":
		return "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"
	case "aws-iso-f":
		return "csp.hci.ic.gov", "api.aws.hci.ic.gov"
	case "aws-eusc":
		return "amazonaws.eu", "api.amazonwebservices.eu"
	}
	return "amazonaws.com", "api.aws"
}
