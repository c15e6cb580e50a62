// Command sipcluster is the one program of the cluster: a node (server), a
// whole cluster on one machine (dev), and the operator's commands. Flags,
// environment and files are read here and nowhere else.
//
// Exit status: 0 done; 1 failed, with one line on stderr that says what failed
// and what to do; 2 wrong usage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

func main() {
	args := takeArgs(os.Args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a good end; the next one, with its default
	// action back, ends the process at once.
	context.AfterFunc(ctx, stop)
	c := &console.Console{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv:   os.Getenv,
		Now:      time.Now,
		Terminal: func(fd uintptr) bool { return term.IsTerminal(int(fd)) },
	}
	os.Exit(run(ctx, c, args))
}
