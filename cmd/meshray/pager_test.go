package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestPagerCommand(t *testing.T) {
	found := func(string) (string, error) { return "/bin/less", nil }
	missing := func(string) (string, error) { return "", exec.ErrNotFound }
	tests := []struct {
		name      string
		variables map[string]string
		lookPath  func(string) (string, error)
		want      []string
	}{
		{"default", nil, found, []string{"less", "-FRX"}},
		{"no less", nil, missing, nil},
		{"PAGER", map[string]string{"PAGER": "most -w"}, found, []string{"most", "-w"}},
		{"own variable first", map[string]string{"MESHRAY_PAGER": "more", "PAGER": "most"}, found, []string{"more"}},
		{"cat", map[string]string{"PAGER": "cat"}, found, nil},
		{"empty", map[string]string{"PAGER": ""}, found, nil},
		{"own variable empty", map[string]string{"MESHRAY_PAGER": "", "PAGER": "most"}, found, nil},
		{"no shell", map[string]string{"PAGER": "less; id"}, found, []string{"less;", "id"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := testEnv(test.variables).pagerCommand(test.lookPath); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestPage(t *testing.T) {
	if _, err := exec.LookPath("tr"); err != nil {
		t.Skip("needs tr")
	}
	tests := []struct {
		name          string
		pager         string
		terminal, off bool
		want          string
	}{
		{"pager on a terminal", "tr a-z A-Z", true, false, "HELLO\n"},
		{"no terminal", "tr a-z A-Z", false, false, "hello\n"},
		{"turned off", "tr a-z A-Z", true, true, "hello\n"},
		{"pager that does not exist", "no-such-pager-here", true, false, "hello\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			e := testEnv(map[string]string{"MESHRAY_PAGER": test.pager})
			e.stdout, e.stdoutIsTerminal = &b, test.terminal
			err := e.page(test.off, func(w io.Writer) error {
				fmt.Fprintln(w, "hello")
				return errFindings
			})
			if !errors.Is(err, errFindings) {
				t.Errorf("got error %v, want the verdict", err)
			}
			if b.String() != test.want {
				t.Errorf("got %q, want %q", b.String(), test.want)
			}
		})
	}
}

// TestQuittingThePagerKeepsTheVerdict writes far more than a pipe holds to a pager that exits.
func TestQuittingThePagerKeepsTheVerdict(t *testing.T) {
	if _, err := exec.LookPath("true"); err != nil {
		t.Skip("needs true")
	}
	e := testEnv(map[string]string{"MESHRAY_PAGER": "true"})
	e.stdoutIsTerminal = true
	err := e.page(false, func(w io.Writer) error {
		for range 100 {
			if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
				return err
			}
		}
		return errFindings
	})
	if !errors.Is(err, errFindings) {
		t.Errorf("got error %v, want the verdict", err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestFailingToWriteIsTrouble(t *testing.T) {
	for _, verdict := range []error{nil, errFindings} {
		e := testEnv(nil)
		e.stdout = brokenWriter{err: os.ErrClosed}
		err := e.page(false, func(w io.Writer) error {
			fmt.Fprintln(w, "hello")
			return verdict
		})
		if got := exitCode(err); got != exitTrouble {
			t.Errorf("got exit code %d for verdict %v, want %d", got, verdict, exitTrouble)
		}
	}
	e := testEnv(nil)
	e.stdout = brokenWriter{err: syscall.EPIPE}
	var stderr bytes.Buffer
	complain(&stderr, e.page(false, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "hello")
		return err
	}))
	if stderr.Len() > 0 {
		t.Errorf("got %q for a closed pipe, want silence", stderr.String())
	}
}
