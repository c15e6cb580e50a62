package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// console is where an invocation of the program reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	now      func() time.Time
	// terminal tells whether a file descriptor is one.
	terminal func(fd uintptr) bool
	// output is the format that was asked for: "table" or "json".
	output string
}

// cli is who asks a node: the node's address, and how long to wait.
type cli struct {
	*console
	addr    string
	timeout time.Duration
}

// usageError says that the command line is wrong, not the world.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// run executes the command line and returns the exit status.
func run(ctx context.Context, c *console, args []string) int {
	root, started := commands(c)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage) || !*started:
		fmt.Fprintf(c.err, "sipcluster: %s (see %s --help)\n", oneLine(err.Error()), cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(c.err, "sipcluster: %s\n", oneLine(err.Error()))
		return exitFailed
	}
}

// commands builds the tree of commands. started becomes true when a command's own
// work begins: an error before is one of usage.
func commands(con *console) (root *cobra.Command, started *bool) {
	c := &cli{console: con}
	started = new(bool)
	root = group("sipcluster", "A cluster of SIP Servers that agree on which agents are available")
	root.Long = `A cluster of SIP Servers: phones register at any node, every node knows which
DNs are in service and routes to them, and a cut link takes only the other
side's DNs out of service.

  sipcluster dev         a whole cluster on this machine, to try it out
  sipcluster server      one node
  sipcluster dn list     what is in service, as a node sees it
  sipcluster watch       the same, the agents and their calls, live`
	root.PersistentPreRun = func(*cobra.Command, []string) { *started = true }
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serverCommand(con), c.devCommand(), c.demoCommand(),
		c.statusCommand(), c.nodeCommand(), c.dnCommand(),
		c.watchCommand(), c.agentCommand(), c.reserveCommand(), c.routeCommand(),
		c.applyCommand(), c.exportCommand(), versionCommand(con),
	)
	return root, started
}

// group is a command that only holds others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no command %q", cmd.CommandPath(), args[0])
			}
			if err := cmd.Help(); err != nil {
				return err
			}
			return usagef("a command is missing")
		},
	}
}

// client adds the flags that every command has which talks to a node.
func (c *cli) client(cmd *cobra.Command) *cobra.Command {
	addr := c.getenv("SIPCLUSTER_ADDR")
	if addr == "" {
		addr = "127.0.0.1:7001"
	}
	f := cmd.Flags()
	f.StringVar(&c.addr, "addr", addr, "TCport of the node to talk to, `HOST:PORT`; environment SIPCLUSTER_ADDR")
	f.DurationVar(&c.timeout, "timeout", 5*time.Second, "how long to wait for a node's answer")
	return cmd
}

// reading is client with a choice of output.
func (c *cli) reading(cmd *cobra.Command) *cobra.Command {
	c.client(cmd).Flags().StringVarP(&c.output, "output", "o", "table", "`FORMAT`: table or json")
	check := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if c.output != "table" && c.output != "json" {
			return usagef("-o %s: want table or json", c.output)
		}
		return check(cmd, args)
	}
	return cmd
}

func (c *console) json() bool { return c.output == "json" }

// isTerminal tells whether a stream is one.
func (c *console) isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && c.terminal(f.Fd())
}

// oneLine keeps a message that came from elsewhere on one line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
}
