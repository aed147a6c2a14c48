package deploy

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// stack is trailwarden.yaml on moto.
type stack struct {
	moto
	trail, queue, consumer string
}

// deployTemplate uploads the function's zip, makes the stack from the file itself and lists what there is.
func (m moto) deployTemplate(t *testing.T, binary string, parameters ...string) stack {
	t.Helper()
	objects := s3.NewFromConfig(m.admin, func(o *s3.Options) { o.UsePathStyle = true })
	bucket := aws.String("trailwarden-artifacts")
	ok(t)(objects.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: region}}))
	ok(t)(objects.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}}))
	packed := zipped(t, binary)
	put, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("trailwarden.zip"), Body: bytes.NewReader(packed)})
	ok(t)(put, err)
	sum := sha256.Sum256(packed)
	p := artifact(append([]string{"ArtifactBucket", *bucket, "ArtifactKey", "trailwarden.zip", "ArtifactVersion", *put.VersionId,
		"ArtifactSha256", base64.StdEncoding.EncodeToString(sum[:]), "NotificationEmail", ""}, parameters...)...)
	form := url.Values{"StackName": {"trailwarden"}, "TemplateBody": {forMoto(t, load(t, "trailwarden"), p)}, "Capabilities.member.1": {"CAPABILITY_NAMED_IAM"}}
	n := 0
	for key, value := range p {
		n++
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", n), key)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", n), value)
	}
	m.query(t, "cloudformation", "CreateStack", form)
	m.judgeable(t, "trailwarden", p)
	return stack{moto: m, trail: "arn:aws:cloudtrail:" + region + ":" + motoAccount + ":trail/main", queue: m.queueURL(t, "trailwarden-events")}
}

// judgeable puts the roles' policies again, as they are but for the resources of what they allow: moto 5.2.1 asks for the resource "*"
// whatever a call is about, so that it judges actions only (resources are judged by sim, TestPoliciesSuffice); it keeps the inline
// policies of a stack in a shape that its own enforcement cannot read; it attaches no managed policies to a stack's roles; and it asks for
// dynamodb:TransactWriteItems, where AWS asks for what the transaction's parts do.
func (m moto) judgeable(t *testing.T, template string, parameters map[string]string) {
	t.Helper()
	made := mustMake(t, template, Stack{Account: m.account, Region: m.region, Parameters: parameters})
	for _, id := range slices.Sorted(maps.Keys(made.Resources)) {
		switch r := made.Resources[id]; r.Type {
		case "AWS::IAM::Role":
			inline, _ := r.Properties["Policies"].([]any)
			for _, p := range inline {
				p := p.(map[string]any)
				m.query(t, "iam", "PutRolePolicy", url.Values{"RoleName": {r.Properties["RoleName"].(string)}, "PolicyName": {p["PolicyName"].(string)}, "PolicyDocument": {anywhere(t, p["PolicyDocument"])}})
			}
			attached, _ := r.Properties["ManagedPolicyArns"].([]any)
			for _, arn := range attached {
				m.query(t, "iam", "AttachRolePolicy", url.Values{"RoleName": {r.Properties["RoleName"].(string)}, "PolicyArn": {arn.(string)}})
			}
		case "AWS::IAM::ManagedPolicy":
			m.query(t, "iam", "CreatePolicyVersion", url.Values{"PolicyArn": {"arn:aws:iam::" + m.account + ":policy/" + r.Properties["ManagedPolicyName"].(string)},
				"PolicyDocument": {anywhere(t, r.Properties["PolicyDocument"])}, "SetAsDefault": {"true"}})
		}
	}
}

func anywhere(t *testing.T, document any) string {
	t.Helper()
	var copied map[string]any
	ok(t)(nil, json.Unmarshal([]byte(encode(t, document)), &copied))
	for _, s := range copied["Statement"].([]any) {
		s := s.(map[string]any)
		if s["Effect"] == "Allow" {
			s["Resource"] = "*"
		}
		if s["Sid"] == "KeepLedger" {
			s["Action"] = append(s["Action"].([]any), "dynamodb:TransactWriteItems")
		}
	}
	return encode(t, copied)
}

func (m moto) queueURL(t *testing.T, name string) string {
	t.Helper()
	out, err := sqs.NewFromConfig(m.admin).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	ok(t)(out, err)
	return *out.QueueUrl
}

// forMoto is the template as JSON, without two things that moto 5.2.1 does not do: it leaves null in a list where an item is
// AWS::NoValue, and makes no name of a reference to an event bus. All else is as in the file.
func forMoto(t *testing.T, template Template, parameters map[string]string) string {
	t.Helper()
	m := maker{template: template, stack: Stack{Partition: "aws", Account: motoAccount, Region: region, Parameters: parameters}, parameters: map[string]any{}}
	if err := m.take(); err != nil {
		t.Fatal(err)
	}
	void, resources := map[string]any{"Ref": "AWS::NoValue"}, section(template.Doc, "Resources")
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			var list []any
			for _, item := range v {
				if name, args, is := asCall(item); is && name == "Fn::If" {
					if choice := args.([]any); encode(t, choice[1]) == encode(t, void) || encode(t, choice[2]) == encode(t, void) {
						item = choice[2]
						if m.condition(choice[0].(string)) {
							item = choice[1]
						}
						if encode(t, item) == encode(t, void) {
							continue
						}
					}
				}
				list = append(list, walk(item))
			}
			return list
		case map[string]any:
			if id, is := v["Ref"].(string); is && resources[id] != nil && resources[id].(map[string]any)["Type"] == "AWS::Events::EventBus" {
				return map[string]any{"Fn::GetAtt": []any{id, "Name"}}
			}
			out := map[string]any{}
			for key, item := range v {
				out[key] = item
				if !strings.HasPrefix(key, "Fn::") || key == "Fn::If" {
					out[key] = walkIf(key, item, walk)
				}
			}
			return out
		}
		return v
	}
	doc := map[string]any{}
	for key, part := range template.Doc {
		doc[key] = part
	}
	doc["Resources"] = walk(template.Doc["Resources"])
	return encode(t, doc)
}

// walkIf goes on into the choices of an If, whose own list has three items always.
func walkIf(key string, v any, walk func(any) any) any {
	if list, is := v.([]any); is && key == "Fn::If" {
		return []any{list[0], walk(list[1]), walk(list[2])}
	}
	return walk(v)
}

func asCall(v any) (string, any, bool) {
	m, is := v.(map[string]any)
	if !is {
		return "", nil, false
	}
	return call(m)
}

// furnish makes a trail that is logging, and somebody who reads the deployed topic.
func (s *stack) furnish(t *testing.T) {
	t.Helper()
	s.makeTrail(t)
	queue, err := sqs.NewFromConfig(s.admin).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("consumer")})
	ok(t)(queue, err)
	s.consumer = *queue.QueueUrl
	ok(t)(sns.NewFromConfig(s.admin).Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: aws.String("arn:aws:sns:" + region + ":" + motoAccount + ":trailwarden"),
		Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + region + ":" + motoAccount + ":consumer")}))
}

// mapped switches the deployed mapping on or off on moto, where the test takes its place: moto would run the function in Docker.
func (s stack) mapped(t *testing.T, on bool) {
	t.Helper()
	var out struct {
		EventSourceMappings []struct{ UUID, FunctionArn, EventSourceArn string }
	}
	ok(t)(nil, json.Unmarshal(s.call(t, "lambda", "GET", "/2015-03-31/event-source-mappings/", ""), &out))
	if len(out.EventSourceMappings) != 1 || !strings.HasSuffix(out.EventSourceMappings[0].FunctionArn, ":trailwarden-react") || !strings.HasSuffix(out.EventSourceMappings[0].EventSourceArn, ":trailwarden-events") {
		t.Fatalf("the deployed mappings are %+v", out.EventSourceMappings)
	}
	s.call(t, "lambda", "PUT", "/2015-03-31/event-source-mappings/"+out.EventSourceMappings[0].UUID, fmt.Sprintf(`{"Enabled":%t}`, on))
}

// put puts an event about the trail on the default bus.
func (s stack) put(t *testing.T, source, name string) { s.moto.put(t, source, name, s.trail) }
