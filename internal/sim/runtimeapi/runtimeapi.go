// Package runtimeapi is Lambda's Runtime API as a function's process sees it: it hands out events one at a time
// and takes the answers. With it a built function runs without Lambda.
package runtimeapi

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server is an http.Handler for one function process. Its address goes into AWS_LAMBDA_RUNTIME_API.
type Server struct {
	// FunctionARN is what the function is told to be.
	FunctionARN string
	// Timeout of one invocation; zero means a minute.
	Timeout time.Duration

	once  sync.Once
	mu    sync.Mutex
	count int
	queue chan invocation
	open  map[string]waiting
	ready chan struct{} // closed when the function first asks for an event
	first sync.Once
	init  string // what the function reported instead of starting
}

// waiting is an event without an answer yet.
type waiting struct {
	answer chan Answer
	handed time.Time
}

type invocation struct {
	id      string
	payload []byte
}

// Answer is what the function made of an event.
type Answer struct {
	Body   []byte
	Failed bool      // the function reported an error; Body is Lambda's error document
	Handed time.Time // when the event was handed out
}

func (s *Server) start() {
	s.once.Do(func() {
		s.queue = make(chan invocation, 1000)
		s.open = make(map[string]waiting)
		s.ready = make(chan struct{})
	})
}

// Invoke puts an event in line; the answer comes over the channel.
func (s *Server) Invoke(payload []byte) <-chan Answer {
	s.start()
	s.mu.Lock()
	s.count++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", s.count)
	answer := make(chan Answer, 1)
	s.open[id] = waiting{answer: answer}
	s.mu.Unlock()
	s.queue <- invocation{id, payload}
	return answer
}

// Ready is closed when the function has started and asks for its first event.
func (s *Server) Ready() <-chan struct{} {
	s.start()
	return s.ready
}

// InitError is what the function reported when it could not start, empty otherwise.
func (s *Server) InitError() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.init
}

const prefix = "/2018-06-01/runtime/"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.start()
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	switch {
	case ok && path == "invocation/next" && r.Method == http.MethodGet:
		s.first.Do(func() { close(s.ready) })
		s.next(w, r)
	case ok && path == "init/error" && r.Method == http.MethodPost:
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		s.mu.Lock()
		s.init = string(body)
		s.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	case ok && r.Method == http.MethodPost:
		s.answer(w, r, path)
	default:
		http.Error(w, "no such path of the Runtime API", http.StatusNotFound)
	}
}

// next hands out an event, as soon as there is one.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	var inv invocation
	select {
	case inv = <-s.queue:
	case <-r.Context().Done():
		return
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(timeout).UnixMilli()))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", s.FunctionARN)
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
	h.Set("Content-Type", "application/json")
	s.mu.Lock()
	waiting := s.open[inv.id]
	waiting.handed = time.Now()
	s.open[inv.id] = waiting
	s.mu.Unlock()
	w.Write(inv.payload)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, path string) {
	rest, ok := strings.CutPrefix(path, "invocation/")
	id, kind, ok2 := strings.Cut(rest, "/")
	s.mu.Lock()
	open := s.open[id]
	delete(s.open, id)
	s.mu.Unlock()
	if !ok || !ok2 || open.answer == nil || kind != "response" && kind != "error" {
		http.Error(w, "no such invocation", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 6<<20))
	if err != nil {
		http.Error(w, "read answer", http.StatusBadRequest)
		return
	}
	open.answer <- Answer{Body: body, Failed: kind == "error", Handed: open.handed}
	w.WriteHeader(http.StatusAccepted)
}
