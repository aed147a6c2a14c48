package main

import (
	"flag"
	"log"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", "/tmp/scanbench", "where the corpora are, or are made")
	flag.Parse()
	all, err := shapes("internal/event/testdata/real/invictus-aws_dataset")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range []*corpus{
		{Dir: filepath.Join(*dir, "large"), Files: 200, JSON: 978 << 20},
		{Dir: filepath.Join(*dir, "small"), Files: 10_000, JSON: 487 << 20},
	} {
		if err := c.write(all); err != nil {
			log.Fatal(err)
		}
		log.Printf("%s: %d files, %.0f MB packed, %.0f MB of JSON, %d records, %d of interest", c.Dir, c.Files, float64(c.Packed)/1e6, float64(c.JSON)/1e6, c.Records, c.Interest)
	}
}
