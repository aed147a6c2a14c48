package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/archive/page"
)

// Formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatLines = "jsonl"
)

// result is the data that a verb gives, in each format that it can be had in. A nil field means that
// it cannot be had in that format.
type result struct {
	Table func(io.Writer) // for people: newTable and fmt.Fprint
	JSON  any             // one document, which embeds head
	Lines []any           // one document a line
	Text  []byte          // in place of the others: the one form that there is
	More  []format        // forms that few verbs have, such as csv
}

// format is a form of a verb's own.
type format struct {
	Name  string // as -o has it
	Write func(io.Writer) error
}

// head begins every JSON document.
type head struct {
	SchemaVersion int  `json:"schema_version"` // of this shape
	Partial       bool `json:"partial"`        // something that belongs to it could not be read or done
}

// write prints a verb's data in the format that -o asks for, to the place that --out names.
func (a *app) write(c *cobra.Command, r result) error {
	b := draft{to: a.stdout}
	if a.outFile != "" {
		b.to = nil
	}
	more := slices.IndexFunc(r.More, func(f format) bool { return f.Name == a.format })
	switch {
	case more >= 0:
		if err := r.More[more].Write(&b); err != nil {
			return fmt.Errorf("write %s: %w", a.format, err)
		}
	case r.Text != nil:
		if c.Flags().Changed("output") {
			return usage("leave -o out", "%s has one format of its own", c.CommandPath())
		}
		b.Write(r.Text)
	case !slices.Contains(r.formats(), a.format):
		return a.unprintable(c, r.formats())
	case a.format == formatTable:
		r.Table(&b)
	case a.format == formatJSON:
		if err := encode(&b, r.JSON, "  "); err != nil {
			return err
		}
	case a.format == formatLines:
		for _, line := range r.Lines {
			if err := encode(&b, line, ""); err != nil {
				return err
			}
		}
	}
	if a.outFile != "" {
		return replace(a.outFile, b.Bytes())
	}
	if _, err := a.stdout.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write data: %w", err)
	}
	return nil
}

// formats are those that the data can be had in.
func (r result) formats() (names []string) {
	if r.Table != nil {
		names = append(names, formatTable)
	}
	if r.JSON != nil {
		names = append(names, formatJSON)
	}
	if r.Lines != nil {
		names = append(names, formatLines)
	}
	for _, f := range r.More {
		names = append(names, f.Name)
	}
	return names
}

func (a *app) unprintable(c *cobra.Command, formats []string) error {
	return usage("use -o "+strings.Join(formats, " or -o "), "%s cannot print %q", c.CommandPath(), a.format)
}

// printable says whether write will be able to do what -o and --out ask. A verb that changes something asks before it
// begins: a command line that is not valid changes nothing.
func (a *app) printable(c *cobra.Command, formats ...string) error {
	if !slices.Contains(formats, a.format) {
		return a.unprintable(c, formats)
	}
	if a.outFile == "" {
		return nil
	}
	if err := tryWrite(a.outFile); err != nil {
		return fail(exitError, "name a file with --out that you may write; nothing was done", fmt.Errorf("write data: %w", err))
	}
	return nil
}

// tryWrite does what replace does, but for the data: the file that is there stays as it is.
func tryWrite(path string) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case err == nil && !info.Mode().IsRegular():
		return nil
	}
	temporary := temporaryOf(path)
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(temporary))
}

func temporaryOf(path string) string { return fmt.Sprintf("%s.%d.tmp", path, os.Getpid()) }

func encode(w io.Writer, document any, indent string) error { return page.Encode(w, document, indent) }

// replace writes a file as a whole: whoever reads it at the same time sees the old or the new one. What
// is no plain file, such as /dev/stderr, is written to as it is.
func replace(path string, data []byte) error {
	err := func() error {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return os.WriteFile(path, data, 0)
		}
		temporary := temporaryOf(path)
		f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(temporary, path)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(temporary))
		}
		return err
	}()
	if err != nil {
		return fail(exitError, "name a file with --out that you may write", fmt.Errorf("write data: %w", err))
	}
	return nil
}

// table lines up columns.
type table struct{ w *tabwriter.Writer }

// newTable begins a table with its headings.
func newTable(w io.Writer, headings ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(headings...)
	return t
}

// row adds a row. Cells may come from records: they are escaped here.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, plain(cell))
	}
	fmt.Fprintln(t.w)
}

// end prints the table.
func (t table) end() { t.w.Flush() }

// plain escapes what a terminal would act on: text that comes from records may be an attacker's.
func plain(s string) string { return page.Plain(s) }

// plainLines is plain of a text that may have several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = plain(strings.ReplaceAll(line, "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// Styles for paint.
const (
	bold   = "1"
	red    = "1;31"
	green  = "32"
	yellow = "33"
)

// paint styles a text that goes to w: only on a terminal, and only if nobody asked for none.
func (a *app) paint(w io.Writer, style, s string) string {
	if a.noColor || a.getenv("NO_COLOR") != "" || a.getenv("TERM") == "dumb" || !terminal(w) {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// draft is what is going to be written: as a whole, or not at all. Whether it is for a terminal is known before.
type draft struct {
	bytes.Buffer
	to io.Writer // nil for a file of a name
}

// fileOf is the file that w leads to, if it is one.
func fileOf(w any) (*os.File, bool) {
	if d, ok := w.(*draft); ok {
		w = d.to
	}
	f, ok := w.(*os.File)
	return f, ok
}

// terminal says whether w leads to a person.
func terminal(w any) bool {
	f, ok := fileOf(w)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
