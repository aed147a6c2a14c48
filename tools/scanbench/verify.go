package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// compareVerify prints a Markdown table of verify and the AWS CLI.
func compareVerify(c *corpus, most int, delay time.Duration, bin string, rounds int) (err error) {
	a := asked{Corpus: *c, Most: most, Delay: delay}
	if delay == 0 {
		dir, err := os.MkdirTemp(c.Dir, "copy")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		a.Copy = dir
	}
	server, err := startServer(a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	logs := func(out []byte) (int, error) {
		var report struct {
			Verdicts []struct{ Counts map[string]map[string]int }
		}
		if err := json.Unmarshal(out, &report); err != nil {
			return 0, err
		}
		return report.Verdicts[0].Counts["log"]["valid"], nil
	}
	theirs := func(out []byte) (int, error) {
		at := bytes.LastIndex(out, []byte(" log files valid"))
		if at < 0 {
			return 0, fmt.Errorf("the AWS CLI says %s", out)
		}
		line := out[bytes.LastIndexByte(out[:at], '\n')+1 : at]
		var valid, all int
		_, err := fmt.Sscanf(string(line), "%d/%d", &valid, &all)
		return valid, err
	}
	env := []string{"env", "AWS_ENDPOINT_URL=" + server.URL, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=127.0.0.1"}
	tools := []tool{{name: "trailwarden verify", share: 1, count: logs,
		args: append(slices.Clone(env), bin, "verify", trailARN, "--bucket", bucketName, "--endpoint-url", server.URL, "-q", "-o", "json")}}
	if a.Copy != "" {
		tools = append(tools, tool{name: "trailwarden verify --dir (a local copy)", share: 1, count: logs,
			args: []string{bin, "verify", trailARN, "--dir", a.Copy, "--keys", filepath.Join(a.Copy, "keys.json"), "-q", "-o", "json"}})
	}
	if self, err := os.Executable(); err == nil {
		tools = append(tools, tool{name: "limit: a bare Go HTTP client that fetches the same files and drops them", share: 1, limit: true,
			args: append([]string{self, "-fetch", server.URL + "/" + bucketName + "/"}, server.Keys...)})
	}
	if _, err := exec.LookPath("aws"); err == nil {
		tools = append(tools, tool{name: "aws cloudtrail validate-logs", share: 1, count: theirs, args: append(slices.Clone(env), "aws", "cloudtrail", "validate-logs",
			"--trail-arn", trailARN, "--start-time", "2026-01-01T00:00:00Z", "--end-time", "2026-03-01T00:00:00Z", "--s3-bucket", bucketName, "--region", "eu-central-1",
			"--endpoint-url", server.URL)})
	}
	for range rounds {
		for i := range tools {
			if err := tools[i].measure(); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\nverify: %d log files of %s, %.0f MB of JSON, %d digest files, each answer after %s; medians of %d interleaved runs, load %s at the end\n\n", server.Logs, filepath.Base(c.Dir),
		float64(server.Bytes)/1e6, server.Digests, delay, rounds, load())
	fmt.Println("| tool | s | CPU s | peak MiB | trailwarden is faster by | answer |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, t := range tools {
		answer := "right"
		switch {
		case t.limit:
			answer = "(verifies nothing)"
		case t.found != server.Logs:
			answer = fmt.Sprintf("WRONG: %d valid", t.found)
		}
		fmt.Printf("| %s | %.2f | %.2f | %d | %s | %s |\n", t.name, t.median(), t.medianCPU(), t.peak>>10, factor(t.median()/tools[0].median()), answer)
	}
	return nil
}
