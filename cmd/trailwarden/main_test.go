package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/config"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"trailwarden": main}) }

// TestScripts runs the command as its users do: testdata/*.txt reads like a manual.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return simulated(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "halt": halt, "logging": logging, "deny": deny, "tamper": tamper, "advance": advance, "edit": edit,
			"queue": queue, "post": post, "eventually": eventually, "ack": ack, "show": show, "mailed": mailed, "ears": ears},
	})
}

// exits CODE COMMAND… runs a command and demands its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func TestCodeOf(t *testing.T) {
	plain := errors.New("x")
	of := func(code int) error { return fail(code, "", plain) }
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"nothing":                  {nil, exitOK},
		"any error":                {plain, exitError},
		"configuration":            {fmt.Errorf("read: %w", config.Problems{{Message: "x"}}), exitUsage},
		"wrapped":                  {fmt.Errorf("y: %w", of(exitFindings)), exitFindings},
		"usage before error":       {errors.Join(plain, of(exitUsage)), exitUsage},
		"error before unrepaired":  {errors.Join(of(exitUnrepaired), plain), exitError},
		"unrepaired before drift":  {errors.Join(of(exitFindings), of(exitUnrepaired)), exitUnrepaired},
		"drift before partial":     {errors.Join(of(exitPartial), of(exitFindings)), exitFindings},
		"joined within joined":     {errors.Join(of(exitPartial), errors.Join(of(exitFindings), of(exitUnrepaired))), exitUnrepaired},
		"interrupted before usage": {errors.Join(of(exitUsage), of(exitInterrupted)), exitInterrupted},
	} {
		if got := codeOf(test.err); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestReport(t *testing.T) {
	var b strings.Builder
	a := &app{stderr: &b}
	a.report(errors.Join(
		fail(exitUnrepaired, "allow cloudtrail:StartLogging", errors.New("start \x1b[31m: denied")),
		fail(exitFindings, "", nil),
		errors.New("other"),
	))
	const want = "error: start \\x1b[31m: denied\nhint: allow cloudtrail:StartLogging\nerror: other\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

// What a verb of ours would do with a signal, and with an error of our own making.
func TestExecute(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	root := func(verb func() error) *cobra.Command {
		c := &cobra.Command{Use: "t", SilenceErrors: true, SilenceUsage: true,
			RunE: func(*cobra.Command, []string) error { return verb() }}
		c.SetArgs([]string{})
		return c
	}
	if err := execute(ctx, root(func() error { panic("boom") })); codeOf(err) != exitError || !strings.Contains(err.Error(), "boom") {
		t.Errorf("panic: %v", err)
	}
	if err := execute(ctx, root(func() error { return errors.New("verb failed") })); codeOf(err) != exitError {
		t.Errorf("an error of a verb is not one of usage: %v", err)
	}
	cancel()
	if code := exitCode(ctx, context.Canceled); code != exitInterrupted {
		t.Errorf("interrupted: exit code %d", code)
	}
	if code := exitCode(ctx, nil); code != exitOK {
		t.Errorf("a server that a signal ended cleanly: exit code %d", code)
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"trail-1":          "trail-1",
		"größe":            "größe",
		"a\x1b[31mb":       `a\x1b[31mb`,
		"a\nb\tc\rd\x00":   `a\nb\tc\rd\x00`,
		"a\u202eb\u2066c":  `a\u202eb\u2066c`,
		"\xff\xfe":         `\xff\xfe`,
		"\uFFFD":           "\uFFFD",
		"zero\u200bwidth":  `zero\u200bwidth`,
		"no\u00a0break":    `no\u00a0break`,
		"line\u2028break":  `line\u2028break`,
		"tag\U000e0041tag": `tag\U000e0041tag`,
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTableLinesUp(t *testing.T) {
	var b strings.Builder
	table := newTable(&b, "TRAIL", "STATE")
	table.row("a\x1b[2J", "logging")
	table.row("größe-ü", "stopped")
	table.end()
	const want = "TRAIL     STATE\na\\x1b[2J  logging\ngröße-ü   stopped\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// No colour reaches what is no terminal.
func TestPaint(t *testing.T) {
	if got := (&app{}).paint(io.Discard, red, "x"); got != "x" {
		t.Errorf("painted %q", got)
	}
}
