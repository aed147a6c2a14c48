package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// Delete deletes the stack and waits until it is gone; of one that is on its way out it only waits. Termination protection is
// switched off first, and on again where CloudFormation does not take the deletion.
func (d *Deployer) Delete(ctx context.Context, v View) error {
	parts, err := d.Parts(ctx, v.ID)
	if err != nil {
		return err
	}
	if !v.Going() {
		if err := d.remove(ctx, v); err != nil {
			return err
		}
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

func (d *Deployer) remove(ctx context.Context, v View) error {
	if v.Protected {
		if err := d.Protect(ctx, false); err != nil {
			return err
		}
	}
	calling, end := whole(ctx)
	defer end()
	_, err := d.formation().DeleteStack(calling, &cloudformation.DeleteStackInput{StackName: &v.ID})
	if err != nil && v.Protected {
		err = errors.Join(err, d.Protect(calling, true))
	}
	return explain("delete the stack "+d.Name, err)
}

// Kept says what is left of a stack that is deleted, and how to remove it for good: what the template keeps, which retained says of
// a logical id, and the bucket with the zips.
func (d *Deployer) Kept(v View, parts []Part, retained func(id string) bool) []Leftover {
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
			what, remove = "events that could not be handled, queue "+p.Physical[strings.LastIndexByte(p.Physical, '/')+1:], "aws sqs delete-queue --queue-url "+p.Physical
		}
		list = append(list, Leftover{what, remove})
	}
	if bucket := v.Parameters["ArtifactBucket"]; bucket != "" {
		list = append(list, Leftover{"every zip that was deployed, bucket " + bucket, fmt.Sprintf("aws s3api delete-objects --bucket %[1]s --delete \"$(aws s3api list-object-versions --bucket %[1]s --output json "+
			"--query '{Objects: [Versions, DeleteMarkers][] | [].{Key: Key, VersionId: VersionId}}')\" && aws s3api delete-bucket --bucket %[1]s", bucket)})
	}
	return list
}
