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

func TestWatch_OnATerminalIsABoard(t *testing.T) {
	cfg := oneNode(t)
	o := operator{t, cfg.TCAddr}
	o.does("secret\n", "dn", "put", "1001", "--password-file", "-")
	user, program := terminal(t)
	before, err := term.GetState(int(program.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _ := clienttest.Plain()
	c.In, c.Out, c.Now, c.Terminal = program, program, time.Now, func(fd uintptr) bool { return term.IsTerminal(int(fd)) }
	status := make(chan int, 1)
	go func() { status <- run(ctx, c.Console, []string{"watch", "--addr", o.addr}) }()
	seen := make(chan string)
	go func() {
		defer close(seen)
		for buf := make([]byte, 1<<16); ; {
			n, err := user.Read(buf)
			if err != nil {
				return
			}
			select {
			case seen <- string(buf[:n]):
			case <-t.Context().Done():
				return
			}
		}
	}()
	all := ""
	shows := func(text string) {
		t.Helper()
		for !strings.Contains(all, text) {
			all += patience.Receive(t, text+" on the screen", seen)
		}
	}
	shows("\x1b[?1049h")
	shows("seen from")
	shows("1001") // configured, and never registered
	o.does("secret\n", "dn", "put", "1777", "--password-file", "-")
	shows("1777")
	for _, step := range []struct{ keys, text string }{{"\r", "gets no calls"}, {"q", "\x1b[?1049l"}} {
		if _, err := user.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		shows(step.text)
	}
	if s := patience.Receive(t, "the end of the command", status); s != exitDone {
		t.Errorf("status %d", s)
	}
	after, err := term.GetState(int(program.Fd()))
	if err != nil || *after != *before {
		t.Errorf("%v: the terminal is left otherwise than it was: %+v, before %+v", err, after, before)
	}
}
