package s3store

import (
	"context"
	"io"
	"time"
)

// watch ends its context when waiting takes longer than is left.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	began  time.Time
	left   time.Duration
}

// watchOver is a watch that runs.
func watchOver(ctx context.Context, left time.Duration) *watch {
	w := &watch{began: time.Now(), left: left}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(left, func() { w.cancel(errSlow) })
	return w
}

func (w *watch) start() {
	w.began = time.Now()
	w.timer.Reset(w.left)
}

// stop is for the time in which nobody waits.
func (w *watch) stop() {
	w.timer.Stop()
	w.left -= time.Since(w.began)
}

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// cause says why the context ended, where that is why something failed.
func (w *watch) cause(err error) error {
	if cause := context.Cause(w.ctx); cause != nil && cause != context.Canceled {
		return cause
	}
	return err
}

// over watches over the body of the answer that was waited for.
func (w *watch) over(body io.ReadCloser) *watched {
	w.stop()
	w.left = patience
	return &watched{body: body, watch: w}
}

// watched is the body of an answer that has to bring enough while somebody waits for it.
type watched struct {
	body    io.ReadCloser
	watch   *watch
	since   int  // bytes that came since the watch was set
	brought bool // enough, at some time
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.watch.start()
	n, err := w.body.Read(p)
	w.watch.stop()
	if w.since += n; w.since >= enough {
		w.since, w.watch.left, w.brought = 0, patience, true
	}
	if err != nil && err != io.EOF {
		err = w.watch.cause(err)
	}
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error {
	err := w.body.Close()
	w.watch.end()
	return err
}
