// Command scanbench measures `trailwarden scan` and `verify` beside the tools that people use for the same question, on
// log files that it makes of the shapes of real records: who stopped a trail? Tools that are not installed
// are left out. The answers are compared: a fast wrong one does not count. It is run by `make bench`.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	dir := flag.String("dir", filepath.Join(os.TempDir(), "scanbench"), "where the corpora are, or are made")
	bin := flag.String("trailwarden", "bin/trailwarden", "the built program")
	records := flag.String("shapes", "internal/event/testdata/real/invictus-aws_dataset", "log files to take the shapes of records from")
	rounds := flag.Int("rounds", 5, "measurements of each, of which the median is told")
	duckdb := flag.String("duckdb", "", "folder with node_modules/@duckdb/node-api")
	from := flag.String("fetch", "", "fetch the files that are named from here, and do nothing else: what verify is compared with")
	what := flag.String("serve", "", "serve a bucket, and do nothing else")
	only := flag.String("only", "", "scan or verify; both if empty")
	flag.Parse()
	if *from != "" || *what != "" {
		err := error(nil)
		if *from != "" {
			err = fetch(*from, flag.Args())
		} else {
			err = serve(*what)
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
	all, err := shapes(*records)
	if err != nil {
		log.Fatal(err)
	}
	large := &corpus{Dir: filepath.Join(*dir, "large"), Files: 200, JSON: 978 << 20}
	small := &corpus{Dir: filepath.Join(*dir, "small"), Files: 10_000, JSON: 487 << 20}
	for _, c := range []*corpus{large, small} {
		if err := c.write(all); err != nil {
			log.Fatal(err)
		}
		if *only == "verify" {
			continue
		}
		if err := compare(c, *bin, *duckdb, *rounds); err != nil {
			log.Fatal(err)
		}
	}
	if *only == "scan" {
		return
	}
	for _, v := range []struct {
		of    *corpus
		files int
		delay time.Duration
	}{{large, 67, 0}, {small, 3334, 0}, {small, 3334, 20 * time.Millisecond}} {
		times := *rounds
		if v.delay > 0 {
			times = 1 // the AWS CLI takes minutes
		}
		if err := compareVerify(v.of, v.files, v.delay, *bin, times); err != nil {
			log.Fatal(err)
		}
	}
}

// compare prints a Markdown table.
func compare(c *corpus, bin, duckdb string, rounds int) error {
	fmt.Printf("\n%s: %d files, %.0f MB packed, %.0f MB of JSON, %d records, %d of interest; medians of %d interleaved runs, load %s at first\n\n",
		filepath.Base(c.Dir), c.Files, float64(c.Packed)/1e6, float64(c.JSON)/1e6, c.Records, c.Interest, rounds, load())
	tools := peers(c, bin, duckdb)
	for range rounds {
		for i := range tools {
			if err := tools[i].measure(); err != nil {
				return err
			}
		}
	}
	fmt.Println("| tool | s | CPU s | GB/s of JSON | peak MiB | trailwarden is faster by | answer |")
	fmt.Println("|---|---|---|---|---|---|---|")
	ours := float64(c.JSON) / tools[0].median()
	for _, t := range tools {
		share := t.share
		rate := float64(c.JSON) * share / t.median()
		answer := "right"
		switch {
		case t.limit:
			answer = "(unpacks only)"
		case share < 1:
			answer = "(a part of the files)"
		case t.found != c.Interest:
			answer = fmt.Sprintf("WRONG: %d", t.found)
		}
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %d | %s | %s |\n", t.name, t.median(), t.medianCPU(), rate/1e9, t.peak>>10, factor(ours/rate), answer)
	}
	return nil
}

// load says how busy the machine is: medians of a busy one say less than processor time does.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func factor(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0") + " times" }
