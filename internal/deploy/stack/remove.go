package stack

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Delete deletes the stack and waits until it is gone. Termination protection is switched off first.
func (d *Deployer) Delete(ctx context.Context, v View) error {
	if v.Protected {
		if err := d.Protect(ctx, false); err != nil {
			return err
		}
	}
	parts, err := d.Parts(ctx, v.ID)
	if err != nil {
		return err
	}
	calling, end := whole(ctx)
	defer end()
	if _, err := d.formation().DeleteStack(calling, &cloudformation.DeleteStackInput{StackName: &v.ID}); err != nil {
		return explain("delete the stack "+d.Name, err)
	}
	after, err := d.wait(ctx, v.ID, len(parts))
	if err != nil {
		return err
	}
	if after.Status == "DELETE_COMPLETE" || after.Status == "" {
		return nil
	}
	failed := d.why(ctx, v.ID)
	failed.Text = strings.Replace(failed.Text, "did not come about", "could not be deleted ("+after.Status+")", 1)
	return failed
}

// Kept says what is left of a stack that is deleted, and how to remove it for good. retained says of a logical id whether
// the template keeps it.
func (d *Deployer) Kept(parts []Part, retained func(id string) bool) []Leftover {
	var list []Leftover
	for _, p := range parts {
		if !retained(p.ID) || p.Physical == "" {
			continue
		}
		what, remove := p.Type+" "+p.Physical, "delete it in the console"
		switch p.Type {
		case "AWS::DynamoDB::Table":
			what = "the ledger, table " + p.Physical
			remove = fmt.Sprintf("aws dynamodb update-table --table-name %s --no-deletion-protection-enabled && aws dynamodb delete-table --table-name %[1]s", p.Physical)
		case "AWS::Logs::LogGroup":
			what, remove = "the log "+p.Physical, "aws logs delete-log-group --log-group-name "+p.Physical
		case "AWS::SQS::Queue":
			what, remove = "events that could not be handled, queue "+p.Physical, "aws sqs delete-queue --queue-url "+p.Physical
		}
		list = append(list, Leftover{what, remove})
	}
	return list
}
