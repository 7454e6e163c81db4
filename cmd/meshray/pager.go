package main

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"strings"
	"syscall"
)

// page calls write with standard output, buffered, or with a pager in front of it where a person
// reads it and has not turned the pager off.
func (e env) page(off bool, write func(io.Writer) error) error {
	pager := e.startPager(off)
	if pager == nil {
		return buffered(e.stdout, write)
	}
	err := buffered(pager, write)
	pager.input.Close()
	// The pager's own exit code says nothing about the capture.
	_ = pager.command.Wait()
	return err
}

// buffered lets a failure to write win over a verdict, which nobody got to see.
func buffered(w io.Writer, write func(io.Writer) error) error {
	out := bufio.NewWriterSize(w, 64<<10)
	err := write(out)
	if flushErr := out.Flush(); flushErr != nil && (err == nil || errors.Is(err, errFindings)) {
		return flushErr
	}
	return err
}

type pager struct {
	command *exec.Cmd
	input   io.WriteCloser
	left    bool // the reader has quit it
}

// Write drops what comes after the pager was quit: quitting changes nothing about the result.
func (p *pager) Write(data []byte) (int, error) {
	if p.left {
		return len(data), nil
	}
	n, err := p.input.Write(data)
	if errors.Is(err, syscall.EPIPE) {
		p.left = true
		return len(data), nil
	}
	return n, err
}

// startPager returns nil where the output goes straight to standard output, also if the pager
// does not start.
func (e env) startPager(off bool) *pager {
	if off || !e.stdoutIsTerminal {
		return nil
	}
	words := e.pagerCommand(exec.LookPath)
	if len(words) == 0 {
		return nil
	}
	command := exec.Command(words[0], words[1:]...)
	command.Stdout, command.Stderr = e.stdout, e.stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil
	}
	if err := command.Start(); err != nil {
		return nil
	}
	return &pager{command: command, input: input}
}

// pagerCommand is MESHRAY_PAGER, else PAGER, else less -FRX where there is one, split at spaces:
// no shell reads it. Empty or cat means none.
func (e env) pagerCommand(lookPath func(string) (string, error)) []string {
	for _, name := range []string{"MESHRAY_PAGER", "PAGER"} {
		if value, set := e.lookupEnv(name); set {
			words := strings.Fields(value)
			if len(words) == 1 && words[0] == "cat" {
				return nil
			}
			return words
		}
	}
	if _, err := lookPath("less"); err != nil {
		return nil
	}
	return []string{"less", "-FRX"}
}
