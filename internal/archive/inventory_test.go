package archive

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// stocked is a bucket of log files and other things, and an S3 inventory of it in two lists.
func stocked(t *testing.T, change func(objects map[string][]byte)) Inventory {
	t.Helper()
	objects := map[string][]byte{}
	var lists [2]strings.Builder
	row := func(n int, key string, data []byte, latest bool) {
		fmt.Fprintf(&lists[n%2], "\"logs\",\"%s\",\"v%d\",\"%t\",\"false\",\"%d\"\n", strings.NewReplacer("+", "%2B", " ", "+", "=", "%3D").Replace(key), n, latest, len(data))
	}
	for n, f := range sample() {
		key := "of account=1/a b+c/" + f.name
		objects[key] = f.data
		row(n, key, f.data, true)
		row(n, key, f.data, false)
	}
	row(0, "readme.txt", []byte("x"), true)
	row(1, "backup.json.gz", []byte("x"), true)
	lists[0].WriteString("\"logs\",\"deleted/111122223333_CloudTrail_eu-central-1_20260102T1200Z_0000000000000000.json.gz\",\"v\",\"true\",\"true\",\"\"\n")
	var files []string
	for n := range lists {
		data := zip(lists[n].String())
		sum := md5.Sum(data)
		key := fmt.Sprintf("inventory/data/%d.csv.gz", n)
		objects[key] = data
		files = append(files, fmt.Sprintf(`{"key":%q,"size":%d,"MD5checksum":%q}`, key, len(data), hex.EncodeToString(sum[:])))
	}
	manifest := `{"sourceBucket":"logs","destinationBucket":"arn:aws:s3:::inventories","version":"2016-11-30","creationTimestamp":"1767355200000",` +
		`"fileFormat":"CSV","fileSchema":"Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size","files":[` + strings.Join(files, ",") + `]}`
	objects["inventory/manifest.json"] = []byte(manifest)
	sum := md5.Sum([]byte(manifest))
	objects["inventory/manifest.checksum"] = []byte(hex.EncodeToString(sum[:]) + "\n")
	if change != nil {
		change(objects)
	}
	return Inventory{Store: &shelf{objects: objects}, Bucket: "inventories", Key: "inventory/manifest.json"}
}

// TestInventory: what an inventory lists is the log files of the bucket, and nothing else.
func TestInventory(t *testing.T) {
	got := scanned(t, stocked(t, nil))
	if d := cmp.Diff(scanned(t, sample()), got, cmpopts.IgnoreFields(Finding{}, "File"), cmpopts.IgnoreFields(Damage{}, "File"), cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if f := got.Findings[0].File; !strings.HasPrefix(f, "s3://logs/of account=1/a b+c/AWSLogs/") {
		t.Errorf("the key came out as %q", f)
	}
}

// TestInventoryRefused: an inventory that is not whole is named, one that cannot be read is refused.
func TestInventoryRefused(t *testing.T) {
	sign := func(o map[string][]byte) {
		sum := md5.Sum(o["inventory/manifest.json"])
		o["inventory/manifest.checksum"] = []byte(hex.EncodeToString(sum[:]))
	}
	replace := func(o map[string][]byte, old, new string) {
		o["inventory/manifest.json"] = []byte(strings.Replace(string(o["inventory/manifest.json"]), old, new, 1))
		sign(o)
	}
	for _, c := range []struct {
		name, err, lost string
		change          func(map[string][]byte)
	}{
		{"ORC", "only CSV is read", "", func(o map[string][]byte) { replace(o, `"CSV"`, `"ORC"`) }},
		{"Parquet", "only CSV is read", "", func(o map[string][]byte) { replace(o, `"CSV"`, `"Parquet"`) }},
		{"another document", "only CSV is read", "", func(o map[string][]byte) { o["inventory/manifest.json"] = []byte("{}"); sign(o) }},
		{"no keys", "names no Key", "", func(o map[string][]byte) { replace(o, "Bucket, Key,", "Bucket, Kex,") }},
		{"altered manifest", "manifest.checksum", "", func(o map[string][]byte) {
			o["inventory/manifest.json"] = append(o["inventory/manifest.json"], ' ')
		}},
		{"no manifest", "does not exist", "", func(o map[string][]byte) { delete(o, "inventory/manifest.json") }},
		{"no checksum", "", "the manifest's checksum is not there", func(o map[string][]byte) { delete(o, "inventory/manifest.checksum") }},
		{"altered list", "", "its MD5 is", func(o map[string][]byte) { o["inventory/data/1.csv.gz"] = zip("") }},
		{"truncated list", "", "unexpected EOF", func(o map[string][]byte) {
			o["inventory/data/1.csv.gz"] = o["inventory/data/1.csv.gz"][:200]
		}},
		{"list gone", "", "does not exist", func(o map[string][]byte) { delete(o, "inventory/data/0.csv.gz") }},
		{"another bucket", "", `a row is about bucket "else"`, func(o map[string][]byte) {
			data := zip("\"else\",\"k\",\"v\",\"true\",\"false\",\"1\"\n")
			o["inventory/data/1.csv.gz"] = data
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Scan{Workers: 2}.Run(t.Context(), stocked(t, c.change))
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
			case err != nil || !strings.Contains(fmt.Sprint(got.Damaged), c.lost) || got.Files == 0:
				t.Errorf("error %v, %d files, damaged %+v", err, got.Files, got.Damaged)
			}
		})
	}
}
