package sim

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// cloud is an AWS to hold the contract against: the simulated one or moto.
type cloud struct {
	near, far *cloudtrail.Client
	objects   *s3.Client
	account   string
}

// A promise is something that any AWS does, as far as CloudTrail's model and guide say so; run gives one line of outcome.
type promise struct {
	name string
	run  func(*testing.T, cloud) string
	want string
}

// contract is about trails as such; settingsContract about selectors, Insights and tags.
var contract = []promise{
	{"start and stop by name", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		seen := fmt.Sprint(c.logging(t, "main"))
		c.start("main")
		seen += fmt.Sprint(" ", c.logging(t, "main"))
		c.stop("main")
		return seen + fmt.Sprint(" ", c.logging(t, "main"))
	}, "false true false"},
	{"start and stop by ARN", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		seen := c.start(c.arn("main"))
		seen += fmt.Sprint(" ", c.logging(t, "main"))
		seen += c.stop(c.arn("main"))
		return seen + fmt.Sprint(" ", c.logging(t, "main"))
	}, " true false"},
	{"start again", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		return c.start("main") + c.start("main") + c.stop("main") + c.stop("main")
	}, ""},
	{"start an absent trail", func(t *testing.T, c cloud) string { return c.start("absent") }, "TrailNotFoundException"},
	{"status of an absent trail", func(t *testing.T, c cloud) string {
		_, err := c.near.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: aws.String("absent")})
		return code(err)
	}, "TrailNotFoundException"},
	{"absent trails are not described", func(t *testing.T, c cloud) string {
		out, err := c.near.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{TrailNameList: []string{"absent"}})
		if err != nil {
			return code(err)
		}
		return fmt.Sprint(len(out.TrailList))
	}, "0"},
	{"shadow of a multi-Region trail", func(t *testing.T, c cloud) string {
		must(t)(c.near.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true)}))
		out, err := c.far.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{})
		if err != nil || len(out.TrailList) != 1 {
			return "not one " + code(err)
		}
		return *out.TrailList[0].HomeRegion
	}, home},
	{"start from another Region", func(t *testing.T, c cloud) string {
		must(t)(c.near.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true)}))
		_, err := c.far.StartLogging(ctx(t), &cloudtrail.StartLoggingInput{Name: aws.String(c.arn("main"))})
		return code(err)
	}, "InvalidHomeRegionException"},
	{"create twice", func(t *testing.T, c cloud) string { c.create(t, "main"); return c.tryCreate("main", "logs") }, "TrailAlreadyExistsException"},
	{"name too short", func(t *testing.T, c cloud) string { return c.tryCreate("ab", "logs") }, "InvalidTrailNameException"},
	{"name with adjacent dashes", func(t *testing.T, c cloud) string { return c.tryCreate("a--b", "logs") }, "InvalidTrailNameException"},
	{"name that is an IP address", func(t *testing.T, c cloud) string { return c.tryCreate("192.168.5.4", "logs") }, "InvalidTrailNameException"},
	{"bucket absent", func(t *testing.T, c cloud) string { return c.tryCreate("main", "no-such-bucket") }, "S3BucketDoesNotExistException"},
	{"bucket without policy", func(t *testing.T, c cloud) string {
		must(t)(c.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("bare"), CreateBucketConfiguration: inRegion(home)}))
		return c.tryCreate("main", "bare")
	}, "InsufficientS3BucketPolicyException"},
	{"sixth trail", func(t *testing.T, c cloud) string {
		for i := range 5 {
			c.create(t, fmt.Sprintf("trail%d", i))
		}
		return c.tryCreate("trail5", "logs")
	}, "MaximumNumberOfTrailsExceededException"},
	{"multi-Region without global events", func(t *testing.T, c cloud) string {
		_, err := c.near.CreateTrail(ctx(t), &cloudtrail.CreateTrailInput{Name: aws.String("main"), S3BucketName: aws.String("logs"), IsMultiRegionTrail: aws.Bool(true), IncludeGlobalServiceEvents: aws.Bool(false)})
		return code(err)
	}, "InvalidParameterCombinationException"},
	{"delete by ARN", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String(c.arn("main"))})
		return code(err) + c.names(t)
	}, ""},
	{"delete an absent trail", func(t *testing.T, c cloud) string {
		_, err := c.near.DeleteTrail(ctx(t), &cloudtrail.DeleteTrailInput{Name: aws.String("absent")})
		return code(err)
	}, "TrailNotFoundException"},
	{"an empty topic clears it", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), SnsTopicName: aws.String("")})
		if err != nil {
			return code(err)
		}
		out, err := c.near.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String("main")})
		if err != nil {
			return code(err)
		}
		return fmt.Sprint(out.Trail.SnsTopicARN == nil)
	}, "true"},
	{"an empty key clears it", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.UpdateTrail(ctx(t), &cloudtrail.UpdateTrailInput{Name: aws.String("main"), KmsKeyId: aws.String("")})
		if err != nil {
			return code(err)
		}
		out, err := c.near.GetTrail(ctx(t), &cloudtrail.GetTrailInput{Name: aws.String("main")})
		if err != nil {
			return code(err)
		}
		return fmt.Sprint(out.Trail.KmsKeyId == nil)
	}, "true"},
	{"default selector", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		out, err := c.near.GetEventSelectors(ctx(t), &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("main")})
		if err != nil || len(out.EventSelectors) != 1 {
			return "not one selector " + code(err)
		}
		return fmt.Sprint(out.EventSelectors[0].ReadWriteType, *out.EventSelectors[0].IncludeManagementEvents)
	}, "Alltrue"},
	{"selectors of both kinds", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.PutEventSelectors(ctx(t), &cloudtrail.PutEventSelectorsInput{TrailName: aws.String("main"),
			EventSelectors: []types.EventSelector{{ReadWriteType: "All"}}, AdvancedEventSelectors: []types.AdvancedEventSelector{advanced(equals("eventCategory", "Management"))}})
		return code(err)
	}, "InvalidEventSelectorsException"},
	{"Insights that are off", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.GetInsightSelectors(ctx(t), &cloudtrail.GetInsightSelectorsInput{TrailName: aws.String("main")})
		return code(err)
	}, "InsightNotEnabledException"},
	{"sixty tags", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		_, err := c.near.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(c.arn("main")), TagsList: manyTags(60)})
		return code(err)
	}, "TagsLimitExceededException"},
	{"tags", func(t *testing.T, c cloud) string {
		c.create(t, "main")
		must(t)(c.near.AddTags(ctx(t), &cloudtrail.AddTagsInput{ResourceId: aws.String(c.arn("main")), TagsList: manyTags(1)}))
		out, err := c.near.ListTags(ctx(t), &cloudtrail.ListTagsInput{ResourceIdList: []string{c.arn("main")}})
		if err != nil || len(out.ResourceTagList) != 1 || len(out.ResourceTagList[0].TagsList) != 1 {
			return "not one " + code(err)
		}
		return *out.ResourceTagList[0].TagsList[0].Key
	}, "key0"},
}

// deviationsOfMoto are the cases in which moto 5.2.1 does something else than AWS's model and guide say. Besides, its
// LatestDeliveryTime is always now while a trail logs, so that a broken bucket or key is never seen; that is not tried here.
var deviationsOfMoto = map[string]string{
	"start and stop by ARN":      "an ARN is looked up as a name: KeyError, status 500",
	"start an absent trail":      "KeyError, status 500",
	"start from another Region":  "KeyError, status 500",
	"create twice":               "the trail is silently replaced",
	"name with adjacent dashes":  "accepted",
	"name that is an IP address": "accepted",
	"bucket without policy":      "bucket policies are not looked at",
	"sixth trail":                "the quota is not that of CloudTrail",
	"delete by ARN":              "answers 200 and deletes nothing",
	"delete an absent trail":     "answers 200",
	"an empty key clears it":     `kept as ""`,
	"selectors of both kinds":    "both are kept",
	"default selector":           "answers none when none was put",
	"Insights that are off":      "answers 200 with none",
	"sixty tags":                 "accepted",

	"basic selectors wipe advanced ones":                     "both are kept",
	"a selector with the default of IncludeManagementEvents": "the default is taken for false",
	"six selectors":                                     "accepted",
	"Insights replaced":                                 "added to those there are",
	"Insights switched off":                             "none given is nothing done",
	"Insights of an unknown type":                       "accepted",
	"the trail says that it has selectors and Insights": "GetTrail answers what was true at creation",
	"tags by name":                                      "kept under the name",
	"tags of an absent trail":                           "answers 200 with none",
}

func (c cloud) arn(name string) string {
	return "arn:aws:cloudtrail:" + home + ":" + c.account + ":trail/" + name
}

func (c cloud) tryCreate(name, bucket string) string {
	_, err := c.near.CreateTrail(context.Background(), &cloudtrail.CreateTrailInput{Name: &name, S3BucketName: &bucket})
	return code(err)
}

func (c cloud) create(t *testing.T, name string) {
	t.Helper()
	if code := c.tryCreate(name, "logs"); code != "" {
		t.Fatalf("create trail %s: %s", name, code)
	}
}

func (c cloud) start(name string) string {
	_, err := c.near.StartLogging(context.Background(), &cloudtrail.StartLoggingInput{Name: &name})
	return code(err)
}

func (c cloud) stop(name string) string {
	_, err := c.near.StopLogging(context.Background(), &cloudtrail.StopLoggingInput{Name: &name})
	return code(err)
}

func (c cloud) logging(t *testing.T, name string) bool {
	t.Helper()
	out, err := c.near.GetTrailStatus(ctx(t), &cloudtrail.GetTrailStatusInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *out.IsLogging
}

func (c cloud) names(t *testing.T) string {
	t.Helper()
	out, err := c.near.DescribeTrails(ctx(t), &cloudtrail.DescribeTrailsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, x := range out.TrailList {
		list = append(list, *x.Name)
	}
	return strings.Join(list, ",")
}

// logBucket makes the bucket that all cases log to.
func (c cloud) logBucket(t *testing.T) {
	t.Helper()
	must(t)(c.objects.CreateBucket(ctx(t), &s3.CreateBucketInput{Bucket: aws.String("logs"), CreateBucketConfiguration: inRegion(home)}))
	policy := strings.ReplaceAll(CloudTrailBucketPolicy("logs", c.arn("*")), "StringEquals", "StringLike")
	must(t)(c.objects.PutBucketPolicy(ctx(t), &s3.PutBucketPolicyInput{Bucket: aws.String("logs"), Policy: &policy}))
}

func TestContractOnSim(t *testing.T) {
	for _, tt := range slices.Concat(contract, settingsContract) {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, Options{})
			far := at(s.World, away, s.Account(account).User("alice"))
			c := cloud{s.trail, far.trail, s.objects, account}
			c.logBucket(t)
			if got := tt.run(t, c); got != tt.want {
				t.Errorf("outcome %q, want %q", got, tt.want)
			}
		})
	}
}

func TestContractOnMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that an independent implementation agrees with the contract; moto takes seconds")
	}
	url := startMoto(t)
	who := Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	clients := func(region string) aws.Config {
		c := configFor(New(Options{}), region, who)
		c.HTTPClient, c.BaseEndpoint = http.DefaultClient, &url
		return c
	}
	c := cloud{cloudtrail.NewFromConfig(clients(home)), cloudtrail.NewFromConfig(clients(away)), s3.NewFromConfig(clients(home), pathStyle), "123456789012"}
	for _, tt := range slices.Concat(contract, settingsContract) {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := http.Post(url+"/moto-api/reset", "", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			c.logBucket(t)
			got := tt.run(t, c)
			why, known := deviationsOfMoto[tt.name]
			switch {
			case got == tt.want && known:
				t.Logf("moto no longer deviates here: take it from the list (%s)", why)
			case got != tt.want && known:
				t.Logf("known deviation: %s (outcome %q, want %q)", why, got, tt.want)
			case got != tt.want:
				t.Errorf("outcome %q, want %q", got, tt.want)
			}
		})
	}
}

// startMoto runs a moto server for the time of the test.
func startMoto(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err == nil {
		err = exec.Command(program, "--help").Run()
	}
	if err != nil {
		t.Skipf("NOT PROVEN HERE: that an independent implementation agrees with the contract, for there is no working moto_server here (%v)", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", fmt.Sprint(address.Port))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	url := "http://" + address.String()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url + "/moto-api/data.json")
		if err == nil {
			resp.Body.Close()
			return url
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("moto_server did not answer in 30 s: %s", &said)
		}
	}
}
