package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// logHandler writes JSON lines with the keys that people know from Powertools for AWS Lambda.
type logHandler struct {
	slog.Handler
	warm *atomic.Pointer[string] // request id of the first invocation
}

func newLog(w io.Writer) slog.Handler {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{AddSource: true, ReplaceAttr: rename})
	memory, _ := strconv.Atoi(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))
	return logHandler{h.WithAttrs([]slog.Attr{
		slog.String("service", "trailwarden"),
		slog.String("version", version),
		slog.String("function_name", os.Getenv("AWS_LAMBDA_FUNCTION_NAME")),
		slog.Int("function_memory_size", memory),
	}), new(atomic.Pointer[string])}
}

// rename gives slog's own keys the names of Powertools.
func rename(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		a.Key = "timestamp"
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	case slog.MessageKey:
		a.Key = "message"
	case slog.SourceKey:
		if src, ok := a.Value.Any().(*slog.Source); ok {
			return slog.String("location", src.Function+":"+strconv.Itoa(src.Line))
		}
	}
	return a
}

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		h.warm.CompareAndSwap(nil, &lc.AwsRequestID)
		r.AddAttrs(
			slog.String("function_arn", lc.InvokedFunctionArn),
			slog.String("function_request_id", lc.AwsRequestID),
			slog.String("correlation_id", lc.AwsRequestID),
			slog.Bool("cold_start", *h.warm.Load() == lc.AwsRequestID),
		)
		if id, ok := ctx.Value("x-amzn-trace-id").(string); ok {
			r.AddAttrs(slog.String("xray_trace_id", id))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.warm}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.warm}
}
