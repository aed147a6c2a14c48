// Package stdout tells of incidents as JSON lines: one document a line, for whatever collects a program's output. The
// documents are those that other machines get (schemas/notification.v1.json), or events of the Open Cybersecurity Schema
// Framework. No text of a record can break a line, or move a terminal.
package stdout

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/trailwarden/trailwarden/internal/incident"
	"github.com/trailwarden/trailwarden/internal/notify"
	"github.com/trailwarden/trailwarden/internal/notify/ocsf"
)

// Limit is how many bytes one line has at most: collectors cut longer ones, or drop them. CloudWatch Logs takes 256 KiB.
const Limit = 200 << 10

// Formats of the lines.
const (
	JSON = "json" // the notification for machines
	OCSF = "ocsf" // a Detection Finding, and a Remediation Activity for each repair call
)

// Channel writes lines to W. It is safe for use by several goroutines; a document is written in one piece.
type Channel struct {
	W       io.Writer
	Format  string // JSON or OCSF; empty is JSON
	Version string // trailwarden's own

	mu sync.Mutex
}

var _ notify.Notifier = (*Channel)(nil)

// Notify writes the lines of the incident.
func (c *Channel) Notify(_ context.Context, inc incident.Incident) error {
	lines, err := c.Render(inc)
	if err != nil {
		return notify.Permanent(fmt.Errorf("compose lines: %w", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.W.Write(lines); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// Render gives the lines as they are written.
func (c *Channel) Render(inc incident.Incident) ([]byte, error) {
	if c.Format == OCSF {
		return ocsf.Lines(inc, c.Version)
	}
	line, err := notify.Machine(inc, Limit)
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}
