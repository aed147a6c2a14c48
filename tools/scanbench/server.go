package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"
)

// served is a bucket that another process serves, as S3 and CloudTrail do.
type served struct {
	URL           string
	Keys          []string
	Logs, Digests int
	Bytes         int64 // of the log files, unpacked

	process *exec.Cmd
	end     io.Closer
}

// asked is what the other process is asked.
type asked struct {
	Corpus corpus
	Most   int           // log files
	Delay  time.Duration // of each answer
	Copy   string        // folder to make a local copy in; "" for none
}

// startServer serves a bucket from another process, so that memory and time of this one stay out of it.
func startServer(a asked) (*served, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	what, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	s := &served{process: exec.Command(self, "-serve", string(what))}
	s.process.Stderr = os.Stderr
	if s.end, err = s.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(out).Decode(s); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	return s, nil
}

func (s *served) stop() error {
	if err := s.end.Close(); err != nil {
		return err
	}
	return s.process.Wait()
}

// serve is the other process. It ends with its standard input.
func serve(what string) error {
	var a asked
	if err := json.Unmarshal([]byte(what), &a); err != nil {
		return err
	}
	b, err := newBucket(&a.Corpus, a.Most)
	if err != nil {
		return err
	}
	b.delay = a.Delay
	if a.Copy != "" {
		if err := b.copyTo(a.Copy); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go b.answer(conn)
		}
	}()
	err = json.NewEncoder(os.Stdout).Encode(served{URL: "http://" + listener.Addr().String(), Keys: b.keys, Logs: len(b.files), Digests: len(b.digests), Bytes: b.bytes})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// answer serves one connection. The server shares the processors with whom it serves, which S3 does not: for
// files it has whole answers in memory.
func (b *bucket) answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return // the client is gone
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		time.Sleep(b.delay)
		if whole, ok := b.answers[strings.TrimPrefix(req.URL.Path, "/"+bucketName+"/")]; ok && req.Method == http.MethodGet {
			if _, err := conn.Write(whole); err != nil {
				return
			}
			continue
		}
		out := httptest.NewRecorder()
		b.ServeHTTP(out, req)
		res := out.Result()
		res.ContentLength = int64(out.Body.Len())
		if err := res.Write(conn); err != nil {
			log.Print(err)
			return
		}
	}
}

// wholeAnswer is an answer with a file.
func wholeAnswer(data []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: AmazonS3\r\nETag: \"x\"\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n%s\r\n", len(data), strings.Join(headers, ""))
	b.Write(data)
	return b.Bytes()
}

// ServeHTTP pages its lists as S3 does, in the old way for the AWS CLI and in the new one.
func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "ListPublicKeys") {
		fmt.Fprintf(w, `{"PublicKeyList":[{"Fingerprint":"f1","Value":%q,"ValidityStartTime":1,"ValidityEndTime":9999999999}]}`, b.public)
		return
	}
	key := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"+bucketName), "/")
	q := r.URL.Query()
	switch {
	case q.Has("location"):
		fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-central-1</LocationConstraint>`)
		return
	case key == "":
		type entry struct{ Key string }
		page := struct {
			XMLName               xml.Name `xml:"ListBucketResult"`
			IsTruncated           bool
			NextMarker            string
			NextContinuationToken string
			Contents              []entry
		}{}
		after := max(q.Get("marker"), q.Get("continuation-token"))
		for _, k := range b.keys {
			if k <= after || !strings.HasPrefix(k, q.Get("prefix")) {
				continue
			}
			if len(page.Contents) == 1000 {
				page.IsTruncated, page.NextMarker = true, page.Contents[999].Key
				page.NextContinuationToken = page.NextMarker
				break
			}
			page.Contents = append(page.Contents, entry{k})
		}
		if err := xml.NewEncoder(w).Encode(page); err != nil {
			return // the client is gone
		}
		return
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
}
