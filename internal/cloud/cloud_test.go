package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/google/go-cmp/cmp"

	"github.com/trailwarden/trailwarden/internal/trail"
)

var home = trail.ARN{Partition: "aws", Region: "eu-central-1", Account: "111122223333", Name: "main"}

// answering guards the lists of every answers: a Read asks for several things at once.
var answering sync.Mutex

// answers is an AWS that answers each operation from a list, the last entry again and again.
type answers map[string][]answer

type answer struct {
	status int
	body   string
}

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if op == "" {
		op = "GetCallerIdentity"
	}
	answering.Lock()
	list := a[op]
	if len(list) > 1 {
		a[op] = list[1:]
	}
	answering.Unlock()
	if len(list) == 0 {
		<-r.Context().Done() // AWS does not answer
		return nil, r.Context().Err()
	}
	if list[0].status == 0 {
		return nil, errors.New(list[0].body)
	}
	h := http.Header{"X-Amzn-Requestid": {"request-1"}, "Content-Type": {"application/x-amz-json-1.1"}}
	return &http.Response{StatusCode: list[0].status, Header: h, Body: io.NopCloser(strings.NewReader(list[0].body)), Request: r}, nil
}

func failing(code string, status int) answer {
	return answer{status, `{"__type":"` + code + `","message":"no"}`}
}

func client(a http.RoundTripper) *Client {
	return &Client{Version: "test", Config: aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient: &http.Client{Transport: a},
	}}
}

// TestErrorsOfTheModel holds the table of codes against the model that it was made from.
func TestErrorsOfTheModel(t *testing.T) {
	data, err := os.ReadFile("testdata/errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		Errors map[string]struct{ Class string }
	}
	if err := json.Unmarshal(data, &model); err != nil {
		t.Fatal(err)
	}
	if len(model.Errors) < 50 {
		t.Fatalf("the model lists %d errors", len(model.Errors))
	}
	for code, e := range model.Errors {
		got, known := codes[code]
		want := trail.Class(strings.ToLower(e.Class))
		if want == "obsolete" {
			want = got // said to be no longer in use
		}
		if !known || got != want {
			t.Errorf("%s is of class %q, the model says %q", code, got, want)
		}
	}
}

// TestE14ErrorsOfTheSDK fails the build when a newer SDK declares an error, for an operation on trails, that the table
// does not know. (FAULTS.md E14)
func TestE14ErrorsOfTheSDK(t *testing.T) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/cloudtrail").Output()
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "deserializers.go"))
	if err != nil {
		t.Fatal(err)
	}
	operations := strings.Fields(`CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging PutEventSelectors PutInsightSelectors
		PutEventConfiguration AddTags RemoveTags ListTags GetTrail DescribeTrails GetTrailStatus GetEventSelectors
		GetInsightSelectors GetEventConfiguration ListTrails LookupEvents ListPublicKeys`)
	declared := regexp.MustCompile(`case strings.EqualFold\("([A-Za-z0-9]+)", errorCode\)`)
	for _, op := range operations {
		_, rest, ok := strings.Cut(string(src), "func awsAwsjson11_deserializeOpError"+op+"(")
		if !ok {
			t.Errorf("the SDK has no %s any more, or this test does not read its source rightly", op)
			continue
		}
		body, _, _ := strings.Cut(rest, "\n}\n")
		names := declared.FindAllStringSubmatch(body, -1)
		if len(names) == 0 {
			t.Errorf("%s declares no error: does this test still read the SDK's source rightly?", op)
		}
		for _, name := range names {
			if _, known := codes[name[1]]; !known {
				t.Errorf("%s may answer %s, which has no class", op, name[1])
			}
		}
	}
}

func TestClasses(t *testing.T) {
	tests := []struct {
		name   string
		answer answer
		want   trail.Class
	}{
		{"denied", failing("AccessDeniedException", 400), trail.ClassDenied},
		{"denied by the old name", failing("AccessDenied", 403), trail.ClassDenied},
		{"gone", failing("TrailNotFoundException", 400), trail.ClassGone},
		{"home Region", failing("InvalidHomeRegionException", 400), trail.ClassWrongPlace},
		{"expired", failing("ExpiredTokenException", 400), trail.ClassLogin},
		{"clock", failing("SignatureDoesNotMatch", 403), trail.ClassLogin},
		{"organization", failing("NotOrganizationMasterAccountException", 400), trail.ClassOrg},
		{"quota", failing("MaximumNumberOfTrailsExceededException", 400), trail.ClassQuota},
		{"exists", failing("TrailAlreadyExistsException", 400), trail.ClassExists},
		{"bucket policy", failing("InsufficientS3BucketPolicyException", 400), trail.ClassDependency},
		{"our own request", failing("InvalidParameterCombinationException", 400), trail.ClassInput},
		{"unknown code", failing("BrandNewException", 400), trail.ClassUnknown},
		{"unknown code, server error", failing("BrandNewException", 503), trail.ClassRetry},
		{"unknown code, too many", failing("BrandNewException", 429), trail.ClassRetry},
		{"throttled", failing("ThrottlingException", 400), trail.ClassRetry},
		{"conflict", failing("ConflictException", 400), trail.ClassRetry},
		{"reset connection", answer{0, "connection reset"}, trail.ClassRetry},
		{"HTML", answer{200, "<html>proxy</html>"}, trail.ClassUnknown},
		{"empty body", answer{200, ""}, trail.ClassUnknown},
		{"garbage", answer{200, `{"IsLogging":"perhaps"}`}, trail.ClassUnknown},
		{"says nothing", answer{200, `{}`}, trail.ClassUnknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := client(answers{"GetTrailStatus": {test.answer}}).Status(t.Context(), home)
			if err == nil {
				t.Fatal("no error")
			}
			if got := trail.ClassOf(err); got != test.want {
				t.Errorf("class %q, want %q: %v", got, test.want, err)
			}
			if call, ok := errors.AsType[*trail.CallError](err); !ok || call.Hint == "" {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if !strings.Contains(err.Error(), home.String()) {
				t.Errorf("the error does not name the trail: %v", err)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	c := client(answers{})
	c.Config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("none in the chain")
	})
	_, err := c.Status(t.Context(), home)
	call, ok := errors.AsType[*trail.CallError](err)
	if !ok || call.Class != trail.ClassLogin || !strings.Contains(call.Hint, "credentials") {
		t.Errorf("got %+v", err)
	}
}

// TestRetry: throttling and conflicts are waited out, whatever their number; what cannot get better is not tried again.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := make([]answer, 0, 31)
		for i := range 30 {
			busy = append(busy, failing([]string{"ThrottlingException", "ConflictException", "InternalFailure"}[i%3], 400))
		}
		c := client(answers{"StartLogging": append(busy, answer{200, "{}"})})
		id, err := c.Do(t.Context(), trail.Start(home), "inc-1")
		if err != nil || id != "request-1" {
			t.Errorf("got %q, %v", id, err)
		}
	})
}

func TestRetryEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		_, err := client(answers{"StartLogging": {failing("ThrottlingException", 400)}}).Do(ctx, trail.Start(home), "")
		call, _ := errors.AsType[*trail.CallError](err)
		if call == nil || call.Code != "ThrottlingException" || call.Tries < 10 {
			t.Errorf("after a minute: %+v", err)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestHangingAWS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		_, err := client(answers{}).Status(t.Context(), home)
		if trail.ClassOf(err) != trail.ClassRetry || time.Since(begin) != attempt {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
	})
}

// whole is an AWS with one trail that has everything.
func whole() answers {
	return answers{
		"GetTrail": {{200, `{"Trail":{"Name":"main","S3BucketName":"logs","S3KeyPrefix":"p","SnsTopicARN":"topic","KmsKeyId":"key",
			"CloudWatchLogsLogGroupArn":"group","CloudWatchLogsRoleArn":"role","IncludeGlobalServiceEvents":true,"IsMultiRegionTrail":true,
			"IsOrganizationTrail":true,"LogFileValidationEnabled":true}}`}},
		"GetTrailStatus": {failing("ThrottlingException", 400),
			{200, `{"IsLogging":true,"StartLoggingTime":1763899200.5,"LatestDeliveryError":"AccessDenied"}`}},
		"GetEventSelectors": {{200, `{"EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"ExcludeManagementEventSources":["kms.amazonaws.com"],
			"DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}],
			"AdvancedEventSelectors":[{"Name":"n","FieldSelectors":[{"Field":"eventCategory","Equals":["Data"],"NotEquals":["a"],"StartsWith":["b"],
			"NotStartsWith":["c"],"EndsWith":["d"],"NotEndsWith":["e"]}]}]}`}},
		"GetInsightSelectors": {{200, `{"InsightSelectors":[{"InsightType":"ApiCallRateInsight","EventCategories":["Management"]}]}`}},
		"GetEventConfiguration": {{200, `{"MaxEventSize":"Large","ContextKeySelectors":[{"Type":"TagContext","Equals":["team"]}],
			"AggregationConfigurations":[{"EventCategory":"Data","Templates":["API_ACTIVITY"]}]}`}},
		"ListTags": {{200, `{"ResourceTagList":[{"TagsList":[{"Key":"owner","Value":"security"}]}]}`}},
	}
}

func TestRead(t *testing.T) {
	got, err := client(whole()).Read(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	got.ReadAt = time.Time{}
	want := trail.State{
		ARN: home, Exists: true, Read: []trail.Group{trail.GroupSettings, trail.GroupLogging, trail.GroupSelectors, trail.GroupInsights, trail.GroupEventConfig, trail.GroupTags},
		Status: trail.Status{Logging: true, Started: time.UnixMilli(1763899200500).UTC(), DeliveryError: "AccessDenied"},
		Settings: trail.Settings{
			Logging: true, Bucket: "logs", Prefix: "p", Topic: "topic", Key: "key", LogGroup: "group", LogRole: "role",
			GlobalEvents: true, MultiRegion: true, Organization: true, Validation: true,
			Selectors: trail.Selectors{
				Basic: []trail.Selector{{ReadWrite: "All", Management: true, ExcludeSources: []string{"kms.amazonaws.com"},
					Data: []trail.DataResource{{Type: "AWS::S3::Object", Values: []string{"arn:aws:s3"}}}}},
				Advanced: []trail.AdvancedSelector{{Name: "n", Fields: []trail.FieldSelector{{Field: "eventCategory", Equals: []string{"Data"},
					NotEquals: []string{"a"}, StartsWith: []string{"b"}, NotStartsWith: []string{"c"}, EndsWith: []string{"d"}, NotEndsWith: []string{"e"}}}}},
			},
			Insights: []trail.Insight{{Type: "ApiCallRateInsight", Categories: []string{"Management"}}},
			EventConfig: trail.EventConfig{MaxEventSize: "Large", ContextKeys: []trail.ContextKeys{{Type: "TagContext", Equals: []string{"team"}}},
				Aggregations: []trail.Aggregation{{Category: "Data", Templates: []string{"API_ACTIVITY"}}}},
			Tags: map[string]string{"owner": "security"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestReadOfADeletedTrail(t *testing.T) {
	gone := answers{}
	for _, op := range []string{"GetTrail", "GetTrailStatus", "GetEventSelectors", "GetInsightSelectors", "GetEventConfiguration"} {
		gone[op] = []answer{failing("TrailNotFoundException", 400)}
	}
	gone["ListTags"] = []answer{failing("ResourceNotFoundException", 400)}
	got, err := client(gone).Read(t.Context(), home)
	if err != nil || got.Exists {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestReadWithoutAPermission: what can be read is compared, and the error says what could not.
func TestReadWithoutAPermission(t *testing.T) {
	aws := whole()
	aws["GetInsightSelectors"] = []answer{failing("InsightNotEnabledException", 400)} // is no error
	aws["GetEventConfiguration"] = []answer{failing("AccessDeniedException", 400)}
	got, err := client(aws).Read(t.Context(), home)
	if trail.ClassOf(err) != trail.ClassDenied || !strings.Contains(err.Error(), "GetEventConfiguration") {
		t.Errorf("error %v", err)
	}
	if slices.Contains(got.Read, trail.GroupEventConfig) || !slices.Contains(got.Read, trail.GroupInsights) || got.Bucket != "logs" {
		t.Errorf("read %v", got.Read)
	}
}

// TestEverySDKFieldIsRead fails when the SDK learns of a setting that is neither read nor left out for a written reason.
func TestEverySDKFieldIsRead(t *testing.T) {
	notASetting := map[string]string{
		"Trail.HasCustomEventSelectors": "GetEventSelectors tells more", "Trail.HasInsightSelectors": "GetInsightSelectors tells more",
		"Trail.HomeRegion": "part of the ARN", "Trail.Name": "part of the ARN", "Trail.TrailARN": "it was asked for by it",
		"Trail.SnsTopicName": "obsolete, SnsTopicARN tells it",
		"GetTrailStatusOutput.LatestDeliveryAttemptSucceeded": "obsolete", "GetTrailStatusOutput.LatestDeliveryAttemptTime": "obsolete",
		"GetTrailStatusOutput.LatestNotificationAttemptSucceeded": "obsolete", "GetTrailStatusOutput.LatestNotificationAttemptTime": "obsolete",
		"GetTrailStatusOutput.TimeLoggingStarted": "obsolete, StartLoggingTime tells it", "GetTrailStatusOutput.TimeLoggingStopped": "obsolete, StopLoggingTime tells it",
		"GetEventSelectorsOutput.TrailARN": "it was asked for by it", "GetInsightSelectorsOutput.TrailARN": "it was asked for by it",
		"GetInsightSelectorsOutput.EventDataStoreArn": "of event data stores", "GetInsightSelectorsOutput.InsightsDestination": "of event data stores",
		"GetEventConfigurationOutput.TrailARN": "it was asked for by it", "GetEventConfigurationOutput.EventDataStoreArn": "of event data stores",
		"ListTagsOutput.NextToken": "how the list goes on", "ResourceTag.ResourceId": "it was asked for by it",
	}
	source, err := os.ReadFile("read.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		types.Trail{}, types.EventSelector{}, types.DataResource{}, types.AdvancedEventSelector{}, types.AdvancedFieldSelector{}, types.InsightSelector{},
		types.AggregationConfiguration{}, types.ContextKeySelector{}, types.Tag{}, types.ResourceTag{}, cloudtrail.GetTrailStatusOutput{},
		cloudtrail.GetEventSelectorsOutput{}, cloudtrail.GetInsightSelectorsOutput{}, cloudtrail.GetEventConfigurationOutput{}, cloudtrail.ListTagsOutput{},
	} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" || notASetting[typ.Name()+"."+f.Name] != "" {
				continue
			}
			if !strings.Contains(string(source), "."+f.Name) {
				t.Errorf("%s.%s of the SDK is neither read nor left out for a reason", typ.Name(), f.Name)
			}
		}
	}
}

// TestDo: a request holds what the action sends and nothing else: what is empty and sent is cleared.
func TestDo(t *testing.T) {
	full := trail.Settings{
		Bucket: "logs", Prefix: "p", Topic: "topic", LogGroup: "group", LogRole: "role", GlobalEvents: true, MultiRegion: true, Validation: true,
		Selectors: trail.Selectors{Basic: []trail.Selector{{ReadWrite: "All", Management: true, Data: []trail.DataResource{{Type: "AWS::S3::Object", Values: []string{"arn:aws:s3"}}}}}},
		Insights:  []trail.Insight{{Type: "ApiCallRateInsight"}},
		Tags:      map[string]string{"b": "2", "a": "1"},
	}
	tests := []struct {
		name   string
		action trail.Action
		want   string
	}{
		{"clear a key, change nothing else", trail.Action{Op: trail.UpdateTrail, Send: []trail.Field{trail.FieldKey}, Set: full}, `{"Name":"ARN","KmsKeyId":""}`},
		{"both booleans", trail.Action{Op: trail.UpdateTrail, Send: []trail.Field{trail.FieldMultiRegion, trail.FieldGlobalEvents}, Set: full},
			`{"Name":"ARN","IsMultiRegionTrail":true,"IncludeGlobalServiceEvents":true}`},
		{"create", trail.Action{Op: trail.CreateTrail, Send: []trail.Field{trail.FieldBucket, trail.FieldPrefix, trail.FieldValidation, trail.FieldTags}, Set: full},
			`{"Name":"main","S3BucketName":"logs","S3KeyPrefix":"p","EnableLogFileValidation":true,"TagsList":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`},
		{"selectors", trail.Action{Op: trail.PutEventSelectors, Send: []trail.Field{trail.FieldSelectors}, Set: full},
			`{"TrailName":"ARN","EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[{"Type":"AWS::S3::Object","Values":["arn:aws:s3"]}]}]}`},
		{"insights off", trail.Action{Op: trail.PutInsightSelectors, Send: []trail.Field{trail.FieldInsights}}, `{"TrailName":"ARN","InsightSelectors":[]}`},
		{"event size", trail.Action{Op: trail.PutEventConfiguration, Send: []trail.Field{trail.FieldEventSize}, Set: trail.Settings{EventConfig: trail.EventConfig{MaxEventSize: "Standard"}}},
			`{"TrailName":"ARN","MaxEventSize":"Standard"}`},
		{"no aggregation", trail.Action{Op: trail.PutEventConfiguration, Send: []trail.Field{trail.FieldAggregations}}, `{"TrailName":"ARN","AggregationConfigurations":[]}`},
		{"tags added", trail.Action{Op: trail.AddTags, Send: []trail.Field{trail.FieldTags}, Set: full}, `{"ResourceId":"ARN","TagsList":[{"Key":"a","Value":"1"},{"Key":"b","Value":"2"}]}`},
		{"tags removed", trail.Action{Op: trail.RemoveTags, Keys: []string{"x"}}, `{"ResourceId":"ARN","TagsList":[{"Key":"x"}]}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.action.Target = home
			var sent map[string]any
			record := roundTrip(func(r *http.Request) (*http.Response, error) {
				if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
					return nil, err
				}
				return answers{string(test.action.Op): {{200, "{}"}}}.RoundTrip(r)
			})
			if _, err := client(record).Do(t.Context(), test.action, "inc-00000000000000aa"); err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			if err := json.Unmarshal([]byte(strings.ReplaceAll(test.want, `"ARN"`, `"`+home.String()+`"`)), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, sent); d != "" {
				t.Errorf("request (-want +got):\n%s", d)
			}
		})
	}
}

// TestDeleted: a trail counts as deleted on proof only. (FAULTS.md A23, E6)
func TestDeleted(t *testing.T) {
	self := func(account string) answer {
		return answer{200, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:sts::` + account + `:assumed-role/t/s</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`}
	}
	gone, there := failing("TrailNotFoundException", 400), answer{200, `{"Trail":{"Name":"main"}}`}
	empty := answer{200, `{"Trails":[]}`}
	listed := answer{200, `{"Trails":[{"TrailARN":"` + home.String() + `","HomeRegion":"eu-central-1"}]}`}
	logging := answer{200, `{"IsLogging":true}`}
	tests := []struct {
		name      string
		aws       answers
		explained bool
		want      bool
		fails     bool
	}{
		{"explained by a record", answers{"GetCallerIdentity": {self(home.Account)}, "ListTrails": {empty}}, true, true, false},
		{"twice, without a record", answers{"GetCallerIdentity": {self(home.Account)}, "ListTrails": {empty}, "GetTrail": {gone}, "GetTrailStatus": {gone}}, false, true, false},
		{"credentials of another account", answers{"GetCallerIdentity": {self("999999999999")}, "ListTrails": {empty}}, true, false, false},
		{"still listed", answers{"GetCallerIdentity": {self(home.Account)}, "ListTrails": {listed}}, true, false, false},
		{"there the second time", answers{"GetCallerIdentity": {self(home.Account)}, "ListTrails": {empty}, "GetTrail": {there}, "GetTrailStatus": {logging}}, false, false, false},
		{"the list cannot be read", answers{"GetCallerIdentity": {self(home.Account)}, "ListTrails": {failing("AccessDeniedException", 400)}}, true, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := client(test.aws).Deleted(t.Context(), home, test.explained)
				if got != test.want || (err != nil) != test.fails {
					t.Errorf("got %t, %v", got, err)
				}
			})
		})
	}
}

func TestTrailsReadsEveryPageOrFails(t *testing.T) {
	page := func(n int, token string) answer {
		return answer{200, fmt.Sprintf(`{"Trails":[{"TrailARN":"arn:aws:cloudtrail:us-east-1:111122223333:trail/trail%d","HomeRegion":"us-east-1"}],"NextToken":%q}`, n, token)}
	}
	got, err := client(answers{"ListTrails": {page(1, "a"), page(2, "b"), page(3, "")}}).Trails(t.Context(), "us-east-1")
	if err != nil || len(got) != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := client(answers{"ListTrails": {page(1, "a"), page(2, "a")}}).Trails(t.Context(), "us-east-1"); err == nil {
		t.Errorf("a list that repeats a page was taken for complete: %v", got)
	}
}

// TestHomeRegion: whatever Region the client is configured for, calls go to the trail's home.
func TestHomeRegion(t *testing.T) {
	var hosts []string
	seen := roundTrip(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host+" "+r.Header.Get("User-Agent"))
		return answers{"StartLogging": {{200, "{}"}}}.RoundTrip(r)
	})
	china := home
	china.Partition, china.Region = "aws-cn", "cn-north-1"
	for _, a := range []trail.ARN{home, china} {
		if _, err := client(seen).Do(t.Context(), trail.Start(a), "inc-00000000000000aa"); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"cloudtrail.eu-central-1.amazonaws.com", "cloudtrail.cn-north-1.amazonaws.com.cn"} {
		if !strings.HasPrefix(hosts[i], want+" ") || !strings.Contains(hosts[i], "inc-00000000000000aa") {
			t.Errorf("call went to %s, want %s and the incident's id", hosts[i], want)
		}
	}
}

// TestOddIncident: no name of an incident keeps a trail from being started.
func TestOddIncident(t *testing.T) {
	c := client(http.DefaultTransport)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-Requestid", r.UserAgent())
		io.WriteString(w, "{}")
	}))
	defer server.Close()
	c.Config.BaseEndpoint = &server.URL
	if id, err := c.Do(t.Context(), trail.Start(home), "inc-7\r\nX: y\x00"); err != nil || !strings.HasSuffix(id, " inc-7Xy") {
		t.Errorf("%q, %v", id, err)
	}
}

func TestWarmOpensTheConnection(t *testing.T) {
	connections := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, `{"IsLogging":true}`)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections++
		}
	}
	server.Start()
	defer server.Close()
	c := client(http.DefaultTransport)
	c.Config.BaseEndpoint = &server.URL
	c.Warm(t.Context(), home.Region)
	if _, err := c.Status(t.Context(), home); err != nil || connections != 1 {
		t.Errorf("%d connections, %v: the first call did not use the one that was opened", connections, err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestUnplannedCallIsAnError(t *testing.T) {
	if _, err := client(answers{}).Do(t.Context(), trail.Action{Op: "DeleteTrail", Target: home}, ""); err == nil ||
		!strings.Contains(err.Error(), "no repair makes the call DeleteTrail") {
		t.Errorf("got %v", err)
	}
}
