package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
)

// fetch asks a server for files, 64 at a time, and drops what comes: no verification over HTTP can be faster.
func fetch(base string, keys []string) error {
	const connections = 64
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	next, failed := make(chan string), make(chan error, connections)
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			buf := make([]byte, 64<<10)
			for key := range next {
				if err := drop(transport, base+key, buf); err != nil {
					failed <- err
					break
				}
			}
		})
	}
	for _, key := range keys {
		select {
		case next <- key:
		case err := <-failed:
			return err
		}
	}
	close(next)
	all.Wait()
	return nil
}

func drop(from *http.Transport, url string, buf []byte) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := from.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch %s: %s", url, res.Status)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, buf)
	return err
}
