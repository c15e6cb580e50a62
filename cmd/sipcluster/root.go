package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/agent"
	"github.com/sipcluster/sipcluster/cmd/internal/bans"
	"github.com/sipcluster/sipcluster/cmd/internal/call"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/cluster"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/dev"
	"github.com/sipcluster/sipcluster/cmd/internal/dn"
	"github.com/sipcluster/sipcluster/cmd/internal/events"
	"github.com/sipcluster/sipcluster/cmd/internal/identity"
	"github.com/sipcluster/sipcluster/cmd/internal/route"
	"github.com/sipcluster/sipcluster/cmd/internal/server"
	"github.com/sipcluster/sipcluster/cmd/internal/stats"
	"github.com/sipcluster/sipcluster/cmd/internal/support"
	"github.com/sipcluster/sipcluster/cmd/internal/watch"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run executes the command line and returns the exit status.
func run(ctx context.Context, c *console.Console, args []string) int {
	root, started := commands(c)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage console.UsageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage) || !*started:
		fmt.Fprintf(c.Err, "sipcluster: %s (see %s --help)\n", console.OneLine(err.Error()), cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(c.Err, "sipcluster: %s\n", console.OneLine(err.Error()))
		return exitFailed
	}
}

// commands builds the tree of commands. started becomes true when a command's own
// work begins: an error before is one of usage.
func commands(con *console.Console) (root *cobra.Command, started *bool) {
	c := &client.Operator{Console: con}
	started = new(bool)
	root = console.Group("sipcluster", "A cluster of SIP Servers that agree on which agents are available")
	root.Long = `A cluster of SIP Servers: phones register at any node, every node knows which
DNs are in service and routes to them, and a cut link takes only the other
side's DNs out of service.

  sipcluster dev         a whole cluster on this machine, to try it out
  sipcluster server      one node
  sipcluster dn list     what is in service, as a node sees it
  sipcluster watch       the same, the agents and their calls, live`
	root.PersistentPreRun = func(*cobra.Command, []string) { *started = true }
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = server.Version()
	root.SetVersionTemplate("sipcluster {{.Version}}\n")
	root.AddCommand(
		server.Command(con), server.ReadyCommand(con), server.RecoverCommand(con), dev.Command(c), dev.DemoCommand(c),
		cluster.StatusCommand(c), cluster.Command(c), cluster.NodeCommand(c), cluster.AuthorityCommand(c), cluster.KeyringCommand(c), dn.Command(c),
		watch.Command(c), events.Command(c), agent.Command(c), agent.ReserveCommand(c), call.Command(c), route.Command(c),
		identity.LoginCommand(c), identity.ContextCommand(c), identity.WhoAmICommand(c), identity.TokenCommand(c), identity.AuditCommand(c), bans.Command(c), stats.Command(c),
		config.ApplyCommand(c), config.ExportCommand(c), config.BackupCommand(c), config.RestoreCommand(c), support.Command(c), versionCommand(con),
	)
	root.AddCommand(manualCommand(root))
	console.CheckArgs(root)
	c.Complete(root)
	return root, started
}
