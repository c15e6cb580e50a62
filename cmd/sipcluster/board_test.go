package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// terminal is a pseudo-terminal: who sits before it, and what a program has as its own.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = user.Close() })
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
	}
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return user, program
}

// sitting is somebody before a board on a terminal.
type sitting struct {
	t       *testing.T
	user    *os.File
	program *os.File
	all     string
	seen    chan string
	status  chan int
}

// sitsBefore starts the board.
func (o operator) sitsBefore(t *testing.T) *sitting {
	t.Helper()
	user, program := terminal(t)
	s := &sitting{t: t, user: user, program: program, seen: make(chan string), status: make(chan int, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := clienttest.Plain()
	c.In, c.Out, c.Now, c.Terminal = program, program, time.Now, func(fd uintptr) bool { return term.IsTerminal(int(fd)) }
	go func() { s.status <- run(ctx, c.Console, []string{"watch", "--addr", o.addr}) }()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for buf := make([]byte, 1<<16); ; {
			n, err := user.Read(buf)
			if err != nil {
				return
			}
			select {
			case s.seen <- string(buf[:n]):
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if s.status != nil {
			patience.Receive(t, "the end of the command", s.status)
		}
		_ = program.Close() // its last: who reads is told
		<-read
	})
	return s
}

// shows waits for a text that is drawn. What stays where it was is not drawn again.
func (s *sitting) shows(text string) {
	s.t.Helper()
	for !strings.Contains(s.all, text) {
		s.all += patience.Receive(s.t, text+" on the screen", s.seen)
	}
}

func (s *sitting) types(keys string) {
	s.t.Helper()
	if _, err := s.user.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// ends is the status of the command.
func (s *sitting) ends() int {
	s.t.Helper()
	status := patience.Receive(s.t, "the end of the command", s.status)
	s.status = nil
	return status
}

func TestWatch_OnATerminalIsABoard(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	s := o.sitsBefore(t)
	s.shows("\x1b[?1049h")
	s.shows("seen from")
	s.shows("1001") // configured, and never registered
	o.does("secret\n", "dn", "put", "1777", "--password-file", "-")
	s.shows("1777")
	s.types("\r")
	s.shows("gets no calls")
	s.types("q")
	s.shows("\x1b[?1049l")
	if status := s.ends(); status != exitDone {
		t.Errorf("status %d", status)
	}
	mode, err := unix.IoctlGetTermios(int(s.program.Fd()), unix.TCGETS)
	if err != nil || mode.Lflag&unix.ICANON == 0 || mode.Lflag&unix.ECHO == 0 {
		t.Errorf("%v: the terminal is left raw: %+v", err, mode)
	}
}
