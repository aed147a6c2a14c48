package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/rogpeppe/go-internal/testscript"
)

func (s *stage) queues() *sqs.Client {
	return sqs.NewFromConfig(s.config(s.world.Account(demoAccount).Role("platform", "terraform"), "198.51.100.10"))
}

// queue makes a queue, and $QUEUE its URL.
func queue(ts *testscript.TestScript, _ bool, _ []string) {
	out, err := stageOf(ts).queues().CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: aws.String("trailwarden")})
	ts.Check(err)
	// The process reaches the queue where it reaches everything.
	_, path, _ := strings.Cut(strings.TrimPrefix(*out.QueueUrl, "https://"), "/")
	ts.Setenv("QUEUE", ts.Getenv("AWS_ENDPOINT_URL")+"/"+path)
}

// post FILE puts a message into the queue.
func post(ts *testscript.TestScript, _ bool, args []string) {
	body, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = stageOf(ts).queues().SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: aws.String(ts.Getenv("QUEUE")), MessageBody: aws.String(string(body))})
	ts.Check(err)
}

// eventually waits until a condition holds: logging BOOL, posted COUNT (messages in the queue), listed RULE (in t.db), exported TEXT
// (in t.db), heard NAME TEXT (what an ear of that name was sent).
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	holds := func() bool {
		s := stageOf(ts)
		switch args[0] {
		case "logging":
			v, ok := s.world.Trail(mainTrail.String())
			return ok && v.Logging == (args[1] == "true")
		case "posted":
			out, err := s.queues().GetQueueAttributes(context.Background(), &sqs.GetQueueAttributesInput{
				QueueUrl: aws.String(ts.Getenv("QUEUE")), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
			ts.Check(err)
			return out.Attributes["ApproximateNumberOfMessages"] == args[1] && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
		case "heard":
			heard, _ := os.ReadFile(ts.MkAbs(args[1] + ".heard"))
			return strings.Contains(string(heard), args[2])
		case "exported":
			return ts.Exec("trailwarden", "incidents", "export", "--ledger", "t.db") == nil && strings.Contains(ts.ReadFile("stdout"), args[1])
		default:
			return ts.Exec("trailwarden", "incidents", "list", "--ledger", "t.db") == nil && strings.Contains(ts.ReadFile("stdout"), args[1])
		}
	}
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("it never came to %q", args)
		}
	}
}

// id is the id of the incident of a stopped trail in a ledger.
func id(ts *testscript.TestScript, place string) string {
	ts.Check(ts.Exec("trailwarden", "incidents", "list", "--ledger", place, "-o", "csv"))
	found := regexp.MustCompile(`(?m)^(inc-[0-9a-f]{16}),[^,]*,trail.stop,`).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("no incident of a stopped trail in\n%s", ts.ReadFile("stdout"))
	}
	return found[1]
}

// ack LEDGER NOTE takes the incident on.
func ack(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("trailwarden", "incidents", "ack", id(ts, args[0]), "--by", "alice", "--note", args[1], "--ledger", args[0]))
}

// show LEDGER shows the incident.
func show(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("trailwarden", "incidents", "show", id(ts, args[0]), "--ledger", args[0]))
}

// ears NAME… starts receivers that take whatever they are sent, and write it to NAME.heard; $NAME_URL is where they are.
func ears(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		file, err := os.Create(ts.MkAbs(name + ".heard"))
		ts.Check(err)
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				_, err = file.Write(append(body, '\n'))
			}
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		}))
		ts.Defer(func() { server.Close(); file.Close() })
		ts.Setenv(strings.ToUpper(name)+"_URL", server.URL)
	}
}
