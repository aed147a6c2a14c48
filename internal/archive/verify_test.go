package archive

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func verify(store Store) Verify {
	return Verify{Store: store, Keys: newSigner(), Bucket: bucketName, Account: account, Trail: "main", HomeRegion: "eu-central-1", Region: "eu-central-1", Workers: 3}
}

// logsOf is the keys of the log files of an hour, from 1.
func logsOf(store memoryStore, hour int) []string {
	var logs []string
	for key := range store {
		if strings.Contains(key, "/CloudTrail/") && strings.Contains(key, noon.Add(time.Duration(hour-1)*time.Hour).Format("_20060102T15")) {
			logs = append(logs, strings.TrimPrefix(key, in("old-bucket")))
		}
	}
	slices.Sort(logs)
	return logs
}

// attack is something that is done to a bucket, what must be seen of it, and what the AWS CLI makes of it.
type attack struct {
	name string
	off  int
	do   func(memoryStore, []*sealed)
	want []string // kind, state and beginning of why of all that is not valid
	note string   // beginning of what is noted of a valid file
	// Files that the AWS CLI does not call invalid, with the reason why we do, or the other way round.
	only string
}

func edit(s memoryStore, key string, change func([]byte) []byte) {
	o := s[key]
	o.data = change(bytes.Clone(o.data))
	s[key] = o
}

func rewrite(s memoryStore, key, from, to string) {
	edit(s, key, func(b []byte) []byte {
		text, err := gunzip(b)
		if err != nil || !bytes.Contains(text, []byte(from)) {
			panic(fmt.Sprint(key, err))
		}
		return zip(strings.ReplaceAll(string(text), from, to))
	})
}

var attacks = []attack{
	{name: "none"},
	{name: "log altered", do: func(s memoryStore, _ []*sealed) { rewrite(s, logsOf(s, 2)[0], "mallory", "alice") },
		want: []string{"log invalid: hash value doesn't match"}},
	{name: "log deleted", do: func(s memoryStore, _ []*sealed) { delete(s, logsOf(s, 2)[1]) }, want: []string{"log missing: not found"}},
	{name: "log cut in half", do: func(s memoryStore, _ []*sealed) {
		edit(s, logsOf(s, 3)[0], func(b []byte) []byte { return b[:len(b)/2] })
	},
		want: []string{"log invalid: hash value doesn't match"}},
	{name: "log is no gzip", do: func(s memoryStore, _ []*sealed) {
		edit(s, logsOf(s, 3)[0], func(b []byte) []byte { return append([]byte("xx"), b...) })
	},
		want: []string{"log invalid: "}},
	{name: "digest altered", do: func(s memoryStore, c []*sealed) { rewrite(s, c[2].key, account+`"`, `999988887777"`) },
		want: []string{"digest invalid: signature verification failed", "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "digest deleted", do: func(s memoryStore, c []*sealed) { delete(s, c[2].key) },
		want: []string{"digest missing: not found", "log unproven: the digest file of its hour is missing", "log unproven: the digest file of its hour is missing"},
		only: "the log files of which no digest file is left: the AWS CLI does not list log files"},
	{name: "digest without signature", do: func(s memoryStore, c []*sealed) { s[c[5].key] = stored{s[c[5].key].data, nil} },
		want: []string{"digest invalid: signature verification failed", "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "digest is no JSON", do: func(s memoryStore, c []*sealed) { s[c[2].key] = stored{zip("{"), s[c[2].key].metadata} },
		want: []string{"digest invalid: invalid format", "log unproven: the digest file of its hour is invalid", "log unproven: the digest file of its hour is invalid"},
		only: "the log files of which no digest file is left: the AWS CLI does not list log files"},
	{name: "digests change places", do: func(s memoryStore, c []*sealed) { s[c[1].key], s[c[2].key] = s[c[2].key], s[c[1].key] },
		want: []string{"digest invalid: has been moved", "digest invalid: has been moved", "log unproven: ", "log unproven: ", "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "off for three hours", off: 3},
	{name: "gzip member appended to a log", do: func(s memoryStore, _ []*sealed) {
		edit(s, logsOf(s, 2)[0], func(b []byte) []byte { return append(b, zip(logText(call("x", "StopLogging", noon)))...) })
	}, want: []string{"log invalid: something was appended"}, only: "the AWS CLI hashes the first gzip member and calls the file valid"},
	{name: "end of a log cut off", do: func(s memoryStore, _ []*sealed) {
		edit(s, logsOf(s, 2)[0], func(b []byte) []byte { return b[:len(b)-8] })
	},
		want: []string{"log invalid: the end of the file is cut off"}, only: "the AWS CLI does not miss the checksum at the end of a gzip file"},
	{name: "newest digests deleted", do: func(s memoryStore, c []*sealed) { delete(s, c[5].key); delete(s, c[4].key); delete(s, c[3].key) },
		want: []string{"digest missing: the newest"}, only: "the AWS CLI begins at the newest digest file that is left"},
	{name: "log added", do: func(s memoryStore, _ []*sealed) {
		s[logName("eu-central-1", noon.Add(63*time.Minute))] = stored{zip(logText()), nil}
	},
		want: []string{"log unlisted: "}, only: "the AWS CLI does not list log files"},
	{name: "digest and its log files altered", do: func(s memoryStore, c []*sealed) {
		rewrite(s, c[2].key, account+`"`, `999988887777"`)
		rewrite(s, logsOf(s, 3)[0], "mallory", "alice")
	}, want: []string{"digest invalid: signature", "log invalid: hash", "log unproven: "}, only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "two digests deleted in a row", do: func(s memoryStore, c []*sealed) {
		for _, i := range []int{2, 3} {
			delete(s, c[i].key)
			for _, l := range logsOf(s, i+1) {
				delete(s, l)
			}
		}
	}, want: []string{"digest missing: not found", "digest missing: not found"}, only: "the AWS CLI counts one"},
	{name: "digest replaced by an older one that was signed", do: func(s memoryStore, c []*sealed) {
		// An honest digest file of the same hour, but not the one that the next names: other contents, its own signature.
		end := noon.Add(3 * time.Hour)
		for _, l := range logsOf(s, 3) {
			delete(s, l)
		}
		newSigner().seal(s, end, "", nil, c[1])
	}, want: []string{"digest invalid: the next digest file says another hash"}, only: "the AWS CLI does not compare previousDigestHashValue"},
	{name: "backfill", do: func(s memoryStore, _ []*sealed) { backfilled(s) }},
	{name: "log of a backfill altered", do: func(s memoryStore, _ []*sealed) { rewrite(s, backfilled(s), "GetObject", "PutObject") },
		want: []string{"log invalid: hash value doesn't match"}},
	{name: "backfill without its time", do: func(s memoryStore, _ []*sealed) {
		backfilled(s)
		for key, o := range s {
			if strings.Contains(key, "_backfill") {
				s[key] = stored{o.data, map[string]string{"signature": o.metadata["signature"], "signature-algorithm": "SHA256withRSA"}}
			}
		}
	}, want: []string{"backfill_digest invalid: invalid format", "log unproven: "}, only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "key not found", do: func(s memoryStore, c []*sealed) {
		signer{newSigner().key, "no such key"}.seal(s, noon.Add(6*time.Hour), "", logsOf(s, 6), c[4])
	}, want: []string{`digest invalid: public key not found for fingerprint "no such key"`, "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "two logs change places", do: func(s memoryStore, _ []*sealed) {
		l := logsOf(s, 2)
		s[l[0]], s[l[1]] = s[l[1]], s[l[0]]
	}, want: []string{"log invalid: hash value doesn't match", "log invalid: hash value doesn't match"}},
	{name: "logs change places in a digest", do: func(s memoryStore, c []*sealed) {
		l := logsOf(s, 3)
		for _, swap := range [][2]string{{l[0], "x"}, {l[1], l[0]}, {`"x"`, `"` + l[1] + `"`}} {
			rewrite(s, c[2].key, swap[0], swap[1])
		}
	}, want: []string{"digest invalid: signature", "log invalid: hash value", "log invalid: hash value"},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "digest moved to another hour", do: func(s memoryStore, c []*sealed) {
		s[strings.Replace(c[2].key, "T150000Z", "T153000Z", 1)] = s[c[2].key]
		delete(s, c[2].key)
	}, want: []string{"digest invalid: has been moved", "digest missing: not found", "log unproven: ", "log unproven: "},
		only: "a digest file that no other names: the AWS CLI follows the chain past it"},
	{name: "clock order: overlap", do: func(s memoryStore, c []*sealed) {
		newSigner().sealIn(bucketName, s, noon.Add(270*time.Minute), noon.Add(6*time.Hour), "", logsOf(s, 6), c[4])
	}, note: "its time overlaps"},
	{name: "clock order: backwards", do: func(s memoryStore, c []*sealed) {
		delete(s, c[5].key)
		newSigner().sealIn(bucketName, s, noon.Add(210*time.Minute), noon.Add(270*time.Minute), "", logsOf(s, 6), c[4])
	}, note: "time runs backwards"},
	{name: "clock order: the end before the beginning", do: func(s memoryStore, c []*sealed) {
		newSigner().sealIn(bucketName, s, noon.Add(7*time.Hour), noon.Add(6*time.Hour), "", logsOf(s, 6), c[4])
	}, note: "its time ends before it begins"},
	{name: "chain from another bucket", do: func(s memoryStore, _ []*sealed) { moved(s) }},
	{name: "log in the other bucket altered", do: func(s memoryStore, _ []*sealed) {
		moved(s)
		rewrite(s, in("old-bucket")+logsOf(s, 2)[0], "mallory", "alice")
	}, want: []string{"log invalid: hash value doesn't match"}},
	{name: "newest digest in the other bucket deleted", do: func(s memoryStore, _ []*sealed) { delete(s, in("old-bucket")+moved(s)[2].key) },
		want: []string{"digest missing: not found", "log unproven: the digest file of its hour is missing", "log unproven: the digest file of its hour is missing"},
		only: "the log files of which no digest file is left: the AWS CLI does not list log files"},
	{name: "a forged digest names another bucket", do: func(s memoryStore, c []*sealed) {
		rewrite(s, c[2].key, `"previousDigestS3Bucket":"`+bucketName, `"previousDigestS3Bucket":"mallorys`)
	}, want: []string{"digest invalid: signature", "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
	{name: "a forged digest of all time", do: func(s memoryStore, c []*sealed) {
		rewrite(s, c[4].key, `"digestStartTime":"`+noon.Add(4*time.Hour).Format(time.RFC3339), `"digestStartTime":"0001-01-02T00:00:00Z`)
	}, want: []string{"digest invalid: signature", "log unproven: ", "log unproven: "},
		only: "the log files that an invalid digest file lists: the AWS CLI does not look at them"},
}

// moved makes the bucket one to which the trail writes since the fourth hour; before it wrote to another.
func moved(s memoryStore) []*sealed {
	clear(s)
	var chain []*sealed
	var before *sealed
	for hour := 1; hour <= 6; hour++ {
		bucket := bucketName
		if hour <= 3 {
			bucket = "old-bucket"
		}
		end := noon.Add(time.Duration(hour) * time.Hour)
		var logs []string
		for i := range 2 {
			at := end.Add(-time.Duration(50-20*i) * time.Minute)
			logs = append(logs, logName("eu-central-1", at))
			s[in(bucket)+logs[i]] = stored{zip(logText(call(fmt.Sprint(hour, i), "s3.amazonaws.com:GetObject", at))), nil}
		}
		before = newSigner().sealIn(bucket, s, end.Add(-time.Hour), end, "", logs, before)
		chain = append(chain, before)
	}
	return chain
}

// backfilled adds a log file that came late, and its digest file.
func backfilled(s memoryStore) string {
	at := noon.Add(100 * time.Minute)
	key := logName("eu-central-1", at)
	s[key] = stored{zip(logText(call("late", "s3.amazonaws.com:GetObject", at))), nil}
	newSigner().seal(s, noon.Add(2*time.Hour), "_backfill", []string{key}, nil)
	return key
}

func TestVerify(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			store, chain := chained(a.off)
			if a.do != nil {
				a.do(store, chain)
			}
			got, err := verify(store).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			matches(t, got, a.want)
			if (a.off > 0) != (len(got.Windows) == 1) || a.off > 0 && (got.Windows[0].Seconds != float64(3600*a.off) || got.Windows[0].Sure != High) {
				t.Errorf("blind windows %+v", got.Windows)
			}
			if (a.note == "") != (len(got.Notes) == 0) || a.note != "" && !strings.HasPrefix(got.Notes[0].Why, a.note) {
				t.Errorf("notes %+v, want %q", got.Notes, a.note)
			}
		})
	}
}

// matches holds all that is not valid against what is wanted; "newest" may come several times.
func matches(t *testing.T, got Verdict, want []string) {
	t.Helper()
	var lines []string
	for _, c := range got.Checks {
		lines = append(lines, fmt.Sprintf("%s %s: %s", c.Kind, c.State, c.Why))
	}
	slices.Sort(lines)
	lines = slices.Compact(slices.Clone(lines))
	wanted := slices.Compact(slices.Sorted(slices.Values(want)))
	ok := len(lines) == len(wanted)
	for i := range min(len(lines), len(wanted)) {
		ok = ok && strings.HasPrefix(lines[i], wanted[i])
	}
	plain := slices.ContainsFunc(want, func(s string) bool { return strings.Contains(s, "the newest") })
	if !ok || !plain && len(got.Checks) != len(want) {
		t.Errorf("%d not valid: %q, want %d: %q", len(got.Checks), lines, len(want), want)
	}
}

// TestVerifyCopy: a local copy has no metadata. What the next digest file says of the signature serves; only
// for the newest there is nothing, unless it was kept beside it.
func TestVerifyCopy(t *testing.T) {
	store, chain := chained(0)
	dir := t.TempDir()
	for key, o := range store {
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, o.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	der, _ := newSigner().PublicKeys(t.Context(), noon, noon)
	keys, err := json.Marshal(map[string]any{"PublicKeyList": []any{map[string]any{
		"Fingerprint": newSigner().fingerprint, "Value": der[newSigner().fingerprint], "ValidityStartTime": "2026-01-01T00:00:00+00:00"}}})
	if err != nil {
		t.Fatal(err)
	}
	v := verify(Folder{dir})
	v.Bucket, v.Keys = "", KeyFile(keys)
	got, err := v.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	matches(t, got, []string{"digest invalid: signature verification failed: there is no signature", "log unproven: ", "log unproven: "})

	newest := filepath.Join(dir, filepath.FromSlash(chain[5].key)) + ".metadata.json"
	text, err := json.Marshal(store[chain[5].key].metadata)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(newest, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err = v.Run(t.Context()); err != nil || !got.Sound() {
		t.Errorf("%v, %+v", err, got.Checks)
	}
	if got.Counts[LogFile][Valid] != 12 || got.Counts[DigestFile][Valid] != 6 || len(got.Hours) != 6 || got.Hours[0].Logs[Valid] != 2 {
		t.Errorf("%+v", got)
	}
	if _, err := (Folder{dir}).Read(t.Context(), "", "../x"); err == nil {
		t.Error("a key leads out of the folder")
	}
}

// TestVerifyCopyAgrees: a copy of the bucket, with the metadata of S3 beside each digest file, gets the verdict that the
// bucket gets.
func TestVerifyCopyAgrees(t *testing.T) {
	for _, a := range attacks {
		store, chain := chained(a.off)
		if a.do != nil {
			a.do(store, chain)
		}
		if strings.Contains(fmt.Sprint(slices.Collect(maps.Keys(store))), "old-bucket") {
			continue // a copy is of one bucket
		}
		want, err := verify(store).Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for key, o := range store {
			path := filepath.Join(dir, filepath.FromSlash(key))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			files := map[string][]byte{path: o.data}
			if o.metadata != nil {
				if files[path+".metadata.json"], err = json.Marshal(o.metadata); err != nil {
					t.Fatal(err)
				}
			}
			for path, data := range files {
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		v := verify(Folder{dir})
		v.Bucket = ""
		got, err := v.Run(t.Context())
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-S3 +copy)\n%s", a.name, err, d)
		}
	}
}

func TestVerifyRange(t *testing.T) {
	store, _ := chained(0)
	v := verify(store)
	v.From, v.To = noon.Add(150*time.Minute), noon.Add(210*time.Minute)
	got, err := v.Run(t.Context())
	if err != nil || !got.Sound() || got.Counts[DigestFile][Valid] != 2 || got.Counts[LogFile][Valid] != 4 {
		t.Errorf("%v: %+v", err, got)
	}
	v.From, v.To = noon.Add(24*time.Hour), time.Time{}
	if _, err := v.Run(t.Context()); err == nil {
		t.Error("nothing was verified, and all is well")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := verify(store).Run(ctx); err == nil {
		t.Error("it was ended, and says nothing of it")
	}
}

// TestAgainstAWS runs `aws cloudtrail validate-logs` on the same buckets. Where it says something else, the
// table above says why.
func TestAgainstAWS(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("NOT PROVEN HERE: that the AWS CLI gives the same verdicts, for it is not installed")
	}
	if testing.Short() {
		t.Skip("NOT PROVEN with -short: that the AWS CLI gives the same verdicts; it is run twenty times")
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			store, chain := chained(a.off)
			if a.do != nil {
				a.do(store, chain)
			}
			server := httptest.NewServer(stub(store))
			defer server.Close()
			c := exec.CommandContext(t.Context(), aws, "cloudtrail", "validate-logs", "--trail-arn", "arn:aws:cloudtrail:eu-central-1:"+account+":trail/main",
				"--start-time", "2026-01-02T12:00:00Z", "--end-time", "2026-01-03T12:00:00Z", "--s3-bucket", bucketName, "--verbose",
				"--region", "eu-central-1", "--endpoint-url", server.URL)
			c.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+server.URL, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_EC2_METADATA_DISABLED=true",
				"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=127.0.0.1")
			text, _ := c.CombinedOutput()
			theirs := map[string]string{}
			for line := range strings.Lines(string(text)) {
				if kind, rest, ok := strings.Cut(strings.TrimSpace(line), " file\ts3://"); ok && strings.HasSuffix(kind, "igest") || strings.HasSuffix(kind, "Log") {
					key, state, _ := strings.Cut(rest, "\t")
					_, key, _ = strings.Cut(key, "/") // of the bucket
					theirs[key] = "valid"
					if strings.HasPrefix(state, "INVALID") {
						theirs[key] = "invalid"
					}
				}
			}
			if len(theirs) < 6 {
				t.Fatalf("the AWS CLI says: %s", text)
			}
			got, err := verify(store).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]string{}
			for key := range theirs {
				ours[key] = "valid"
			}
			for _, c := range got.Checks {
				if c.Key != "" {
					ours[c.Key] = "invalid"
				}
			}
			if d := cmp.Diff(theirs, ours); (d == "") != (a.only == "") && !strings.Contains(a.only, "counts one") && !strings.Contains(a.only, "begins at the newest") {
				t.Errorf("deviation %q; (-aws +ours):\n%s\n%s", a.only, d, text)
			}
			for key, state := range theirs {
				if state == "invalid" && ours[key] != "invalid" {
					t.Errorf("the AWS CLI sees what we do not: %s", key)
				}
			}
		})
	}
}

// stub serves a bucket and ListPublicKeys as far as the AWS CLI asks.
func stub(store memoryStore) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "ListPublicKeys") {
			der, _ := newSigner().PublicKeys(r.Context(), noon, noon)
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			fmt.Fprintf(w, `{"PublicKeyList":[{"Fingerprint":%q,"Value":%q,"ValidityStartTime":1,"ValidityEndTime":9999999999}]}`,
				newSigner().fingerprint, base64.StdEncoding.EncodeToString(der[newSigner().fingerprint]))
			return
		}
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch q := r.URL.Query(); {
		case q.Has("location"):
			fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>`)
		case key == "":
			type entry struct{ Key string }
			page := struct {
				XMLName     xml.Name `xml:"ListBucketResult"`
				IsTruncated bool
				Contents    []entry
			}{}
			_ = store.List(r.Context(), bucket, q.Get("prefix"), func(o Object) error {
				if o.Key > q.Get("marker") {
					page.Contents = append(page.Contents, entry{o.Key})
				}
				return nil
			})
			if err := xml.NewEncoder(w).Encode(page); err != nil {
				panic(err)
			}
		default:
			o, ok := store[in(bucket)+key]
			if !ok {
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
				return
			}
			for name, value := range o.metadata {
				w.Header()["x-amz-meta-"+name] = []string{value} // in lower case, as S3 writes it
			}
			_, _ = w.Write(o.data)
		}
	})
}

// deniedStore refuses some keys.
type deniedStore struct {
	memoryStore
	denied string
}

func (d deniedStore) Read(ctx context.Context, bucket, key string) (Content, error) {
	if strings.Contains(key, d.denied) {
		return Content{}, errors.New("access denied")
	}
	return d.memoryStore.Read(ctx, bucket, key)
}

// TestVerifyUnread: a file that cannot be read is named, and the rest is verified.
func TestVerifyUnread(t *testing.T) {
	store, chain := chained(0)
	got, err := verify(deniedStore{store, logsOf(store, 2)[0]}).Run(t.Context())
	if err != nil || got.Unread() != 1 || got.Counts[LogFile][Valid] != 11 {
		t.Errorf("%v: %+v", err, got.Counts)
	}
	matches(t, got, []string{"log unread: access denied"})
	got, err = verify(deniedStore{store, chain[3].key}).Run(t.Context())
	if err != nil || got.Unread() != 1 || got.Counts[DigestFile][Valid] != 5 {
		t.Errorf("%v: %+v", err, got.Counts)
	}
	matches(t, got, []string{"digest unread: access denied", "log unproven: the digest file of its hour is unread", "log unproven: the digest file of its hour is unread"})
}

// closedStore does not list a bucket.
type closedStore struct {
	memoryStore
	closed string
}

func (c closedStore) List(ctx context.Context, bucket, prefix string, yield func(Object) error) error {
	if bucket == c.closed {
		return errors.New("access denied")
	}
	return c.memoryStore.List(ctx, bucket, prefix, yield)
}

// TestVerifyOtherBucket: where the chain goes on in a bucket that cannot be listed, that is said, and the rest is verified.
// What is not asked for is not missed there.
func TestVerifyOtherBucket(t *testing.T) {
	store := memoryStore{}
	moved(store)
	got, err := verify(closedStore{store, "old-bucket"}).Run(t.Context())
	if err != nil || got.Unread() != 1 || got.Counts[LogFile][Valid] != 6 || got.Counts[DigestFile][Valid] != 3 {
		t.Errorf("%v: %+v", err, got.Counts)
	}
	matches(t, got, []string{"digest unread: list digest files: access denied"})
	v := verify(store)
	v.From = noon.Add(4 * time.Hour)
	if got, err := v.Run(t.Context()); err != nil || !got.Sound() || got.Counts[DigestFile][Valid] != 3 {
		t.Errorf("%v: %+v", err, got)
	}
	// However many forged digest files name other buckets, the chain is followed into the right one.
	for i := range mostPlaces {
		end := noon.Add(time.Duration(200+i) * time.Minute)
		signer{newSigner().key, "forged"}.sealIn(bucketName, store, end.Add(-time.Hour), end, "", nil, &sealed{bucket: fmt.Sprint("mallory-", i), key: "AWSLogs/x"})
	}
	got, err = verify(store).Run(t.Context())
	if err != nil || got.Counts[LogFile][Valid] != 12 || got.Counts[DigestFile][Valid] != 6 || got.Counts[DigestFile][Invalid] != mostPlaces {
		t.Errorf("%v: %+v", err, got.Counts)
	}
	if got, err := verify(closedStore{store, bucketName}).Run(t.Context()); err == nil {
		t.Errorf("the trail's bucket cannot be listed, and all is well: %+v", got)
	}
}

// TestVerifyFarFuture: a name that somebody made up costs no more than its place in the bucket.
func TestVerifyFarFuture(t *testing.T) {
	store, chain := chained(0)
	rewrite(store, chain[4].key, `"digestStartTime":"`+noon.Add(4*time.Hour).Format(time.RFC3339), `"digestStartTime":"2200-01-02T00:00:00Z`)
	delete(store, chain[3].key)
	if got, err := verify(store).Run(t.Context()); err != nil || got.Counts[DigestFile][Missing] != mostMissing {
		t.Errorf("%v: %v", err, got.Counts)
	}
	store, _ = chained(0)
	store[logName("eu-central-1", time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))] = stored{zip(logText()), nil}
	got, err := verify(store).Run(t.Context())
	if err != nil || got.Counts[DigestFile][Missing] != mostMissing {
		t.Errorf("%v: %v", err, got.Counts)
	}
}
