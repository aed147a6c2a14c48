package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tool is a command that counts the records of StopLogging.
type tool struct {
	name  string
	share float64 // of the files; slow tools get a part
	limit bool    // it unpacks and counts nothing
	args  []string
	count func(out []byte) (int, error)

	took  []float64 // seconds
	cpu   []float64 // seconds of all its processors
	peak  int64     // KiB of memory
	found int
}

func (t *tool) median() float64 { return median(t.took) }

func (t *tool) medianCPU() float64 { return median(t.cpu) }

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// measure runs it once.
func (t *tool) measure() error {
	c := exec.Command(t.args[0], t.args[1:]...)
	var out, notes bytes.Buffer
	c.Stdout, c.Stderr = &out, &notes
	if t.limit {
		c.Stdout = nil
	}
	began := time.Now()
	err := c.Run()
	t.took = append(t.took, time.Since(began).Seconds())
	t.cpu = append(t.cpu, (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds())
	if code := c.ProcessState.ExitCode(); err != nil && code != 1 && code != 3 { // 3: findings
		return fmt.Errorf("run %s: %w: %s", t.name, err, notes.String())
	}
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		t.peak = max(t.peak, usage.Maxrss)
	}
	if t.limit {
		return nil
	}
	if t.found, err = t.count(out.Bytes()); err != nil {
		return fmt.Errorf("run %s: %w: %s", t.name, err, notes.String())
	}
	return nil
}

func number(out []byte) (int, error) { return strconv.Atoi(strings.TrimSpace(string(out))) }

func lines(out []byte) (int, error) { return bytes.Count(out, []byte("\n")), nil }

// ours counts what the JSON report says.
func ours(out []byte) (int, error) {
	var report struct {
		Findings []struct {
			EventName string `json:"event_name"`
			Copies    int
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return 0, err
	}
	n := 0
	for _, f := range report.Findings {
		if f.EventName == "StopLogging" {
			n += f.Copies
		}
	}
	return n, nil
}

const withOrjson = `
import glob, gzip, multiprocessing, orjson, sys
def count(name):
    with gzip.open(name, 'rb') as f:
        return sum(1 for r in orjson.loads(f.read())['Records'] if r['eventName'] == 'StopLogging' and r['eventSource'] == 'cloudtrail.amazonaws.com')
with multiprocessing.Pool() as pool:
    print(sum(pool.imap_unordered(count, glob.glob(sys.argv[1] + '/*.gz'), chunksize=8)))
`

const withDuckDB = `
import { DuckDBInstance } from '@duckdb/node-api';
const c = await (await DuckDBInstance.create(':memory:')).connect();
const r = await c.runAndReadAll("select count(*)::int from (select unnest(Records) as r from read_json('" + process.argv[2] + "/*.gz', " +
  "columns={Records: 'STRUCT(eventSource VARCHAR, eventName VARCHAR)[]'}, maximum_object_size=67108864)) " +
  "where r.eventName = 'StopLogging' and r.eventSource = 'cloudtrail.amazonaws.com'");
console.log(r.getRows()[0][0]);
`

// peers are the tools that are installed, ours first.
func peers(c *corpus, bin, duckdb string) []tool {
	cores := strconv.Itoa(runtime.NumCPU())
	all := []tool{{name: "trailwarden scan", share: 1, args: []string{bin, "scan", "-q", "--no-activity", "-o", "json", c.Dir}, count: ours}}
	add := func(command string, t tool) {
		if _, err := exec.LookPath(command); err == nil {
			all = append(all, t)
		}
	}
	add("rg", tool{name: "ripgrep -z", share: 1, count: lines, args: []string{"rg", "-z", "-o", "-I", `"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging"`, c.Dir}})
	if duckdb != "" {
		script := filepath.Join(duckdb, "scanbench.mjs")
		if err := os.WriteFile(script, []byte(withDuckDB), 0o600); err == nil {
			add("node", tool{name: "DuckDB (npm)", share: 1, count: number, args: []string{"node", script, c.Dir}})
		}
	}
	if exec.Command("python3", "-c", "import orjson").Run() == nil {
		add("python3", tool{name: "Python, orjson, " + cores + " processes", share: 1, count: number, args: []string{"python3", "-c", withOrjson, c.Dir}})
	}
	// jq takes minutes for all: it gets a tenth of the files.
	const part = 10
	files, _ := filepath.Glob(filepath.Join(c.Dir, "*.gz"))
	tenth := files[:len(files)/part]
	add("jq", tool{name: "zcat and jq, " + cores + " at a time", share: 1.0 / part, count: lines, args: []string{"sh", "-c",
		"printf '%s\\0' \"$@\" | xargs -0 -P " + cores + " -n 10 sh -c 'zcat \"$@\" | jq -c \".Records[]|select(.eventName==\\\"StopLogging\\\")|.eventID\"' x", "x"}})
	if last := &all[len(all)-1]; strings.Contains(last.name, "jq") {
		last.args = append(last.args, tenth...)
	}
	each := func(command string) []string {
		return []string{"sh", "-c", "find \"$1\" -name '*.gz' -print0 | xargs -0 -P " + cores + " -n 10 " + command + " >/dev/null", "x", c.Dir}
	}
	add("libdeflate-gzip", tool{name: "limit: libdeflate-gzip -dc, " + cores + " at a time", share: 1, limit: true, args: each("libdeflate-gzip -dc")})
	add("pigz", tool{name: "limit: pigz -dc, " + cores + " at a time", share: 1, limit: true, args: each("pigz -dc -p 1")})
	return all
}
