package stack

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// sharedAtLeast is how many executions Lambda keeps for all functions without a reservation.
const sharedAtLeast = 100

// reservations are the parameters that reserve executions; -1 is none.
var reservations = []string{"ReactReservedConcurrency", "SweepReservedConcurrency"}

// Reserve looks at the account's quota before a stack reserves more executions than it did: CloudFormation would fail half way. A
// stack that reserves none asks nothing.
func (d *Deployer) Reserve(ctx context.Context, before, after map[string]string) error {
	more := reserved(after) - reserved(before)
	if more <= 0 {
		return nil
	}
	unreserved, said, err := Unreserved(ctx, d.Config)
	if err != nil {
		return explain("read how many executions the account has to reserve", err)
	}
	if !said {
		return &Error{Text: "Lambda does not say how many executions the account has to reserve", Tip: "do it again, or reserve none"}
	}
	free := max(0, unreserved-sharedAtLeast)
	if more > free {
		return &Error{Text: fmt.Sprintf("%d executions are to be reserved and the account has %d: Lambda keeps %d for functions without a reservation", more, free, sharedAtLeast),
			Tip: "ask for more (console: Service Quotas, Lambda, Concurrent executions), or reserve none: --react-reserved-concurrency -1 --sweep-reserved-concurrency -1"}
	}
	return nil
}

// Unreserved is how many executions of the account at a time no function has reserved; not said where Lambda leaves it out.
func Unreserved(ctx context.Context, cfg aws.Config) (free int, said bool, err error) {
	out, err := lambda.NewFromConfig(cfg, func(o *lambda.Options) { o.Retryer = retryer() }).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		return 0, false, err
	}
	return int(*out.AccountLimit.UnreservedConcurrentExecutions), true, nil
}

func reserved(parameters map[string]string) (sum int) {
	for _, name := range reservations {
		if n, err := strconv.Atoi(parameters[name]); err == nil && n > 0 {
			sum += n
		}
	}
	return sum
}
