package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// corpus is log files of the shapes of real records.
type corpus struct {
	Dir      string
	Files    int
	JSON     int64 // bytes unpacked, about, until it is written
	Packed   int64
	Records  int
	Interest int // records of calls that change a trail
}

// write makes the files, unless the folder is there from an earlier run.
func (c *corpus) write(shapes [][]byte) error {
	note := filepath.Join(c.Dir, "corpus.note")
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, c) == nil {
		return nil
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, uint64(c.Files)))
	perFile := int(c.JSON) / c.Files
	c.JSON = 0
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range c.Files {
		at = at.Add(5 * time.Minute)
		text := []byte(`{"Records":[`)
		for i := 0; len(text) < perFile; i++ {
			if i > 0 {
				text = append(text, ',')
			}
			shape := shapes[random.IntN(len(shapes))]
			c.Records++
			if random.IntN(10_000) == 0 {
				shape = []byte(stop)
				c.Interest++
			}
			text = append(text, vary(shape, random, at)...)
		}
		text = append(text, "]}"...)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		name := fmt.Sprintf("111122223333_CloudTrail_eu-central-1_%s_%016x.json.gz", at.Format("20060102T1504Z"), random.Uint64())
		if err := os.WriteFile(filepath.Join(c.Dir, name), packed.Bytes(), 0o644); err != nil {
			return err
		}
		c.JSON += int64(len(text))
		c.Packed += int64(packed.Len())
		if n == c.Files-1 {
			break
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(note, text, 0o644)
}

const stop = `{"eventVersion":"1.09","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLEEXAMPLE00","arn":"arn:aws:iam::111122223333:user/mallory",` +
	`"accountId":"111122223333","accessKeyId":"AKIAEXAMPLEEXAMPLE00","userName":"mallory"},"eventTime":"2026-01-01T00:00:00Z",` +
	`"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","awsRegion":"eu-central-1","sourceIPAddress":"203.0.113.7",` +
	`"userAgent":"aws-cli/2.15","requestParameters":{"name":"main"},"responseElements":null,"requestID":"81b29abe-4966-4aeb-9f05-8f92ee89d0a3",` +
	`"eventID":"205b0abb-e2dc-4ed9-bea3-68e03b2da869","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,` +
	`"recipientAccountId":"111122223333","eventCategory":"Management"}`

var (
	ids   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`"eventTime":"[^"]*"`)
)

// vary gives a record ids and a time of its own.
func vary(record []byte, random *rand.Rand, at time.Time) []byte {
	record = ids.ReplaceAllFunc(record, func([]byte) []byte {
		a, b := random.Uint64(), random.Uint64()
		return fmt.Appendf(nil, "%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
	})
	when := at.Add(-time.Duration(random.IntN(600)) * time.Second).Format(time.RFC3339)
	return times.ReplaceAll(record, []byte(`"eventTime":"`+when+`"`))
}

// shapes are the real records of a folder, but for those that change a trail.
func shapes(folder string) ([][]byte, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var file struct{ Records []json.RawMessage }
		if err := json.Unmarshal(text, &file); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		for _, r := range file.Records {
			var call struct{ EventSource, EventName string }
			if err := json.Unmarshal(r, &call); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, err)
			}
			reads := strings.HasPrefix(call.EventName, "Describe") || strings.HasPrefix(call.EventName, "Get") || strings.HasPrefix(call.EventName, "L")
			if call.EventSource == "cloudtrail.amazonaws.com" && !reads {
				continue
			}
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read shapes: no records in %s", folder)
	}
	return all, nil
}
