package notifytest

import (
	"io"
	"net/http"
)

// Slack answers as a webhook of Slack with this path does, and writes what is posted to it.
func Slack(path string, posted io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		if _, err := io.Copy(posted, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "ok")
	})
}
