package sim

import "net/http"

func newS3(w *World) *service {
	w.buckets = &buckets{world: w, byName: map[string]*bucket{}}
	return &service{name: "s3", source: "s3.amazonaws.com", protocol: rest, route: func(*http.Request) string { return "" }}
}

// buckets are all S3 buckets of the world: their names are one namespace.
type buckets struct {
	world  *World
	byName map[string]*bucket
}

type bucket struct{ name, account, region, policy string }
