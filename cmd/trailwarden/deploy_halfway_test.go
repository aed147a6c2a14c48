package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/trailwarden/trailwarden/internal/sim"
)

// front stands between the command line and the simulated AWS. Each call of CloudFormation is given to look, which may change the answer.
func (s *site) front(look func(form url.Values, answer string) string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, err := url.ParseQuery(string(body))
		if err != nil || !strings.Contains(r.Header.Get("Authorization"), "/cloudformation/") {
			s.world.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		s.world.ServeHTTP(answer, r)
		text := look(form, answer.Body.String())
		for name, values := range answer.Header() {
			if name != "Content-Length" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(answer.Code)
		io.WriteString(w, text)
	}))
	s.t.Cleanup(server.Close)
	s.t.Setenv("AWS_ENDPOINT_URL", server.URL)
}

// interrupted is one command that somebody ends with Ctrl-C as soon as CloudFormation has answered a call.
func (s *site) interrupted(at string, args ...string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	s.front(func(form url.Values, answer string) string {
		if form.Get("Action") == at {
			cancel()
		}
		return answer
	})
	var out, errs strings.Builder
	code = run(ctx, args, strings.NewReader(""), &out, &errs, os.Environ())
	return code, out.String(), errs.String()
}

// slowly has CloudFormation take time for each resource.
func slowly(r sim.StackRequest) sim.Blueprint {
	b := blueprint(r)
	b.Step = time.Hour
	return b
}

// failing has CloudFormation fail at a role.
func failing(r sim.StackRequest) sim.Blueprint {
	b := blueprint(r)
	b.Fails, b.Reason = "ReactRole", "Resource handler returned message: (RequestToken: 1, HandlerErrorCode: AccessDenied)"
	return b
}

// leavesRolledBack has a deployment fail where it may not remove the stack, and mends both for the next one.
func (s *site) leavesRolledBack() {
	s.world.Blueprints(failing)
	allow := s.world.Deny("*deployer*", "cloudformation:DeleteStack")
	s.deploy()
	allow()
	s.world.Blueprints(blueprint)
}

// A deployment that ends half way, by Ctrl-C or because of CloudFormation, says what is there and how to be rid of it.
func TestDeployEndsHalfway(t *testing.T) {
	for name, test := range map[string]struct {
		blueprint func(sim.StackRequest) sim.Blueprint // of the deployment that ends half way
		run       func(*site) (int, string, string)
		end
	}{
		"Ctrl-C while the stack is made": {
			blueprint: slowly,
			run: func(s *site) (int, string, string) {
				return s.interrupted("ExecuteChangeSet", s.deploying()...)
			},
			end: end{code: exitInterrupted, there: "trailwarden CREATE_IN_PROGRESS, bucket",
				says: []string{"left: the stack trailwarden, on its way", "trailwarden destroy", "left: the bucket", "left: the zip s3://"}},
		},
		"Ctrl-C while the change set is made": {
			run: func(s *site) (int, string, string) {
				return s.interrupted("CreateChangeSet", s.deploying()...)
			},
			end: end{code: exitInterrupted, there: "trailwarden REVIEW_IN_PROGRESS, bucket",
				says: []string{"left: the change set", "aws cloudformation delete-change-set", "left: the stack trailwarden, empty, in review", "aws cloudformation delete-stack", "left: the bucket"}},
		},
		"Ctrl-C while an update is made": {
			blueprint: slowly,
			run: func(s *site) (int, string, string) {
				s.world.Blueprints(blueprint)
				s.deploy()
				s.world.Blueprints(func(r sim.StackRequest) sim.Blueprint {
					b := slowly(r)
					for i := range b.Resources {
						b.Resources[i].Physical += "-anew"
					}
					return b
				})
				return s.interrupted("ExecuteChangeSet", "deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", "rate(5 minutes)")
			},
			end: end{code: exitInterrupted, there: "trailwarden UPDATE_IN_PROGRESS, bucket",
				says: []string{"left: the update of the stack trailwarden, on its way", "aws cloudformation cancel-update-stack"}},
		},
		"Ctrl-C while the stack is removed": {
			run: func(s *site) (int, string, string) {
				s.deploy()
				s.world.Blueprints(slowly)
				s.run("deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", "rate(5 minutes)") // changes no resource here
				return s.interrupted("DeleteStack", "destroy", "--yes")
			},
			end: end{code: exitInterrupted, there: "trailwarden DELETE_IN_PROGRESS, bucket", says: []string{"the stack trailwarden is in state DELETE_IN_PROGRESS"}},
		},
		"CloudFormation makes no change set": {
			run: func(s *site) (int, string, string) {
				s.front(func(form url.Values, answer string) string {
					if form.Get("Action") == "DescribeChangeSet" {
						return strings.Replace(answer, "<Status>CREATE_COMPLETE</Status>", "<Status>FAILED</Status><StatusReason>Template error: of that kind</StatusReason>", 1)
					}
					return answer
				})
				return s.deploy()
			},
			end: end{code: exitError, there: "trailwarden REVIEW_IN_PROGRESS, bucket",
				says: []string{"cannot make the change set: Template error: of that kind", "left: the change set", "left: the stack trailwarden, empty, in review", "left: the bucket"}},
		},
		"there is nothing to make": {
			blueprint: func(r sim.StackRequest) sim.Blueprint { return sim.Blueprint{} },
			run:       func(s *site) (int, string, string) { return s.deploy() },
			end:       end{code: exitError, there: "bucket", says: []string{"nothing to make in the template", "left: the bucket", "left: the zip s3://"}},
		},
		"rolled back, and not to be removed": {
			blueprint: failing,
			run: func(s *site) (int, string, string) {
				s.world.Deny("*deployer*", "cloudformation:DeleteStack")
				return s.deploy()
			},
			end: end{code: exitError, there: "trailwarden ROLLBACK_COMPLETE, bucket",
				says: []string{"ReactRole (AWS::IAM::Role)", "it was rolled back, and could not be removed", "left: the stack trailwarden, rolled back", "aws cloudformation delete-stack"}},
		},
		"an earlier one stays in ROLLBACK_COMPLETE": {
			run: func(s *site) (int, string, string) {
				s.leavesRolledBack()
				return s.deploy()
			},
			end: end{code: exitError, there: "trailwarden ROLLBACK_COMPLETE, bucket", says: []string{"is in state ROLLBACK_COMPLETE", "trailwarden destroy --stack-name trailwarden"}},
		},
		"an earlier one in ROLLBACK_COMPLETE is removed, and it is deployed again": {
			run: func(s *site) (int, string, string) {
				s.leavesRolledBack()
				s.run("destroy", "--yes")
				return s.deploy()
			},
			end: end{code: exitFindings, there: "trailwarden CREATE_COMPLETE, bucket"},
		},
		"an update goes back by itself": {
			run: func(s *site) (int, string, string) {
				s.deploy()
				s.world.Blueprints(failing)
				return s.run("deploy", "--update", "--yes", "--zip", s.zip, "--sweep-schedule", "rate(5 minutes)")
			},
			end: end{code: exitError, there: "trailwarden UPDATE_ROLLBACK_COMPLETE, bucket", says: []string{"ReactRole (AWS::IAM::Role)", "the stack is what it was before"}},
		},
		"somebody else is at work on the stack": {
			blueprint: slowly,
			run: func(s *site) (int, string, string) {
				s.interrupted("ExecuteChangeSet", s.deploying()...)
				return s.deploy()
			},
			end: end{code: exitError, there: "trailwarden CREATE_IN_PROGRESS, bucket", says: []string{"somebody is at work on it", "wait until it is done"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if test.blueprint != nil {
				s.world.Blueprints(test.blueprint)
			}
			code, stdout, stderr := test.run(s)
			test.end.held(t, s, code, stdout, stderr)
		})
	}
}
