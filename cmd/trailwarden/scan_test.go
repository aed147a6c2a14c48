package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/trailwarden/trailwarden/internal/sim"
)

var update = flag.Bool("update", false, "write the golden files")

// TestScanGolden: what people read of public records.
func TestScanGolden(t *testing.T) {
	for format, golden := range map[string]string{"table": "scan.table.golden", "html": "scan.html.golden", "csv": "scan.csv.golden"} {
		var out, notes bytes.Buffer
		args := []string{"scan", "../../internal/event/testdata/real/invictus-aws_dataset", "../../internal/event/testdata/real/stratus-red-team", "-o", format}
		if code := run(t.Context(), args, strings.NewReader(""), &out, &notes, nil); code != exitFindings {
			t.Errorf("%s: exit code %d: %s", format, code, notes.String())
		}
		path := filepath.Join("testdata", "golden", golden)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, out.Bytes()) {
			t.Errorf("%s: differs from %s; look at it, then run with -update:\n%s", format, path, out.String())
		}
	}
}

// TestScanPage opens the page in a browser: it draws, and says nothing on its console.
func TestScanPage(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("NOT PROVEN HERE: that the page draws in a browser, for no Chromium is installed")
	}
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
	var notes bytes.Buffer
	args := []string{"scan", "../../internal/event/testdata/real", "-o", "html", "--out", page}
	if code := run(t.Context(), args, strings.NewReader(""), io.Discard, &notes, nil); code == exitError {
		t.Fatalf("exit code %d: %s", code, notes.String())
	}
	c := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir="+dir,
		"--window-size=1200,1600", "--enable-logging=stderr", "--screenshot="+picture, "file://"+page)
	out, err := c.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("CONSOLE")) {
		t.Errorf("%v: %s", err, out)
	}
	if info, err := os.Stat(picture); err != nil || info.Size() < 20_000 {
		t.Errorf("there is no picture: %v", err)
	}
}

// TestScanInterrupted: what is known is printed, with a command that goes on and comes to the whole.
func TestScanInterrupted(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../../internal/event/testdata/real/stratus-red-team/aws.defense-evasion.cloudtrail-stop.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a b.json", "c.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "progress")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, notes bytes.Buffer
	args := []string{"scan", dir, "--resume", file, "-o", "json", "--severity", "high"}
	if code := run(ctx, args, strings.NewReader(""), &out, &notes, nil); code != exitInterrupted {
		t.Fatalf("exit code %d: %s", code, notes.String())
	}
	command := "trailwarden scan " + dir + " --output=json --severity=high --resume=" + file
	if !strings.Contains(notes.String(), command) || !strings.Contains(out.String(), `"partial": true`) {
		t.Errorf("want %q in:\n%s\n%s", command, notes.String(), out.String())
	}
	out.Reset()
	if code := run(t.Context(), args, strings.NewReader(""), &out, &notes, nil); code != exitFindings || !strings.Contains(out.String(), `"copies": 1`) {
		t.Errorf("going on: exit code %d\n%s", code, out.String())
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{"=1+1": "'=1+1", "@x": "'@x", "-": "-", "-1": "'-1", "plain": "plain", "\t=": `\t=`, "": ""} {
		if got := cell(in); got != want {
			t.Errorf("cell(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestOCSF holds each finding against what the schema of a Detection Finding (2004, version 1.3.0) asks for.
func TestOCSF(t *testing.T) {
	var out, notes bytes.Buffer
	args := []string{"scan", "../../internal/event/testdata/real", "-o", "ocsf"}
	if code := run(t.Context(), args, strings.NewReader(""), &out, &notes, nil); code == exitError {
		t.Fatal(notes.String())
	}
	var all []struct {
		Activity *int   `json:"activity_id"`
		Category int    `json:"category_uid"`
		Class    int    `json:"class_uid"`
		Type     int    `json:"type_uid"`
		Time     int64  `json:"time"`
		Severity *int   `json:"severity_id"`
		Status   int    `json:"status_id"`
		Message  string `json:"message"`
		Metadata struct {
			Version, UID string
			Product      struct {
				Vendor string `json:"vendor_name"`
			}
			Profiles []string
		}
		Info struct {
			UID, Title string
			Attacks    []struct {
				Technique struct{ UID string }
				Sub       struct{ UID string } `json:"sub_technique"`
			}
		} `json:"finding_info"`
		Cloud struct {
			Provider, Region string
			Account          struct{ UID string }
		}
		Resources []struct{ Type, Name string }
		Evidences []struct {
			API struct {
				Operation string
				Service   struct{ Name string }
			}
			Actor  struct{ User struct{ UID string } }
			Source struct {
				IP      string
				Service string `json:"svc_name"`
			} `json:"src_endpoint"`
		}
	}
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) < 5 {
		t.Fatalf("%v: %d findings", err, len(all))
	}
	for _, f := range all {
		if f.Activity == nil || *f.Activity != 1 || f.Category != 2 || f.Class != 2004 || f.Type != f.Class*100+*f.Activity || f.Time < 1e12 || f.Message == "" ||
			f.Severity == nil || *f.Severity < 1 || *f.Severity > 5 || f.Status != 1 || f.Metadata.Version != "1.3.0" || f.Metadata.Product.Vendor == "" ||
			f.Metadata.UID == "" || len(f.Metadata.Profiles) != 2 || f.Info.UID == "" || f.Info.Title == "" || f.Cloud.Provider != "AWS" || f.Cloud.Account.UID == "" ||
			len(f.Resources) != 1 || len(f.Evidences) != 1 || f.Evidences[0].API.Operation == "" || f.Evidences[0].API.Service.Name == "" || f.Evidences[0].Actor.User.UID == "" {
			t.Errorf("%+v", f)
		}
		if e := f.Evidences[0].Source; (e.IP == "") == (e.Service == "") || e.IP != "" && strings.Trim(e.IP, "0123456789abcdef.:") != "" {
			t.Errorf("an endpoint is an address or a service: %+v", e)
		}
		for _, a := range f.Info.Attacks {
			if strings.Contains(a.Technique.UID, ".") || !strings.HasPrefix(a.Sub.UID, a.Technique.UID) && a.Sub.UID != "" {
				t.Errorf("attack %+v", a)
			}
		}
	}
}

// TestScanInventory: what an inventory lists is scanned as the prefix is, and the command that goes on names it.
func TestScanInventory(t *testing.T) {
	world := sim.New(sim.Options{Clock: time.Now})
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	keys := world.Account(demoAccount).Role("trailwarden", "cli")
	t.Setenv("AWS_ACCESS_KEY_ID", keys.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", keys.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", keys.SessionToken)
	t.Setenv("AWS_REGION", demoRegion)
	bucket := s3.NewFromConfig(aws.Config{Region: demoRegion, BaseEndpoint: &server.URL, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)},
		func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("logs"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: demoRegion}}); err != nil {
		t.Fatal(err)
	}
	put := func(key string, text []byte) string {
		t.Helper()
		if _, err := bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: &key, Body: bytes.NewReader(text)}); err != nil {
			t.Fatal(err)
		}
		sum := md5.Sum(text)
		return hex.EncodeToString(sum[:])
	}
	stop, err := os.ReadFile("../../internal/event/testdata/real/stratus-red-team/aws.defense-evasion.cloudtrail-stop.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for n := range 20 {
		key := fmt.Sprintf("team a/AWSLogs/143434273843_CloudTrail_us-east-1_20240731T13%02dZ_%016x.json.gz", n, n)
		text := []byte(`{"Records":[]}`)
		if n == 7 {
			text = stop
		}
		put(key, text)
		fmt.Fprintf(&rows, "\"logs\",\"%s\",\"%d\"\n", strings.ReplaceAll(key, " ", "+"), len(text))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, rows.String()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sum := put("inventory/data/1.csv.gz", packed.Bytes())
	put("inventory/manifest.checksum", []byte(put("inventory/manifest.json", fmt.Appendf(nil,
		`{"sourceBucket":"logs","fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{"key":"inventory/data/1.csv.gz","MD5checksum":%q}]}`, sum))))
	scan := func(ctx context.Context, want int, args ...string) (out, notes string) {
		t.Helper()
		var o, n bytes.Buffer
		if code := run(ctx, append([]string{"scan", "--endpoint-url", server.URL, "-o", "json"}, args...), strings.NewReader(""), &o, &n, nil); code != want {
			t.Fatalf("%q: exit code %d:\n%s%s", args, code, n.String(), o.String())
		}
		return o.String(), n.String()
	}
	const manifest = "s3://logs/inventory/manifest.json"
	prefix, _ := scan(t.Context(), exitFindings, "s3://logs/team a/")
	listed, _ := scan(t.Context(), exitFindings, "--inventory", manifest)
	if prefix != listed || !strings.Contains(listed, `"files": 20`) {
		t.Errorf("the prefix:\n%s\nthe inventory:\n%s", prefix, listed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "progress")
	if _, notes := scan(ctx, exitInterrupted, "--inventory", manifest, "--resume", file); !strings.Contains(notes, "trailwarden scan --endpoint-url="+server.URL+" --inventory="+manifest+" --output=json --resume="+file) {
		t.Errorf("the command that goes on: %s", notes)
	}
	if again, _ := scan(t.Context(), exitFindings, "--inventory", manifest, "--resume", file); again != listed {
		t.Errorf("going on:\n%s", again)
	}
}

// TestScanMerged: parts, merged with a look at the files around blind windows, are the report of one scan.
func TestScanMerged(t *testing.T) {
	const root = "../../internal/event/testdata/real/"
	dir := t.TempDir()
	scan := func(args ...string) string {
		t.Helper()
		var out, notes bytes.Buffer
		if code := run(t.Context(), append([]string{"scan"}, args...), strings.NewReader(""), &out, &notes, nil); code != exitFindings {
			t.Fatalf("%q: exit code %d: %s", args, code, notes.String())
		}
		return out.String()
	}
	folders := []string{root + "invictus-aws_dataset", root + "stratus-red-team"}
	var parts []string
	for i, folder := range folders {
		part := filepath.Join(dir, fmt.Sprint(i, ".json"))
		scan(folder, "-o", "part", "--out", part)
		parts = append([]string{part}, parts...)
	}
	want := scan(append(folders, "-o", "json")...)
	if got := scan(append(parts, "--merge", "--around", strings.Join(folders, ","), "-o", "json")...); got != want || !strings.Contains(want, `"activity"`) {
		t.Errorf("merged:\n%s\none scan:\n%s", got, want)
	}
	if got := scan(append(parts, "--merge", "-o", "json")...); strings.Contains(got, `"activity"`) {
		t.Errorf("nobody read the files, and there is activity:\n%s", got)
	}
	if code := run(t.Context(), []string{"scan", folders[0], "--around", folders[0]}, strings.NewReader(""), io.Discard, io.Discard, nil); code != exitUsage {
		t.Errorf("--around without --merge: exit code %d", code)
	}
}
