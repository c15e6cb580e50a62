package cluster

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
)

func (c commands) nodeRemoveCommand() *cobra.Command {
	var force bool
	cmd := c.Asking(&cobra.Command{
		Use: "remove NAME", Short: "Remove a node from the cluster; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Remove a node from the cluster. Its DNs are out of service everywhere until their
phones register elsewhere, and its calls are not known any more; to avoid that, drain it first.
Of a node that has DNs in service or calls this asks first, and without a terminal
it refuses unless --force. It refuses too what would leave no quorum of nodes that
answer, and says which those are; with --force the configuration can't be changed
any more until enough of them are back. A leader hands that over first. A removed node does not come back with its old data
directory: give it a new one and --join.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			if !force {
				err = c.checkUnused(cmd.Context(), cl, args[0])
			}
			var answer *tcpb.RemoveNodeResponse
			if err == nil {
				answer, err = client.Changed(cmd.Context(), cl, cl.Cluster.RemoveNode, &tcpb.RemoveNodeRequest{Name: args[0], Force: force})
			}
			if err != nil {
				return fmt.Errorf("node remove %s: %w", args[0], err)
			}
			if lost := answer.GetLost(); lost != "" {
				fmt.Fprintf(c.Err, "forced: %s\n", lost)
			}
			_, err = fmt.Fprintf(c.Out, "node %s removed\n", args[0])
			return err
		},
	})
	cmd.Flags().BoolVar(&force, "force", false, "also when it has DNs in service, or calls, or no quorum is left without it")
	return cmd
}

// checkUnused is nil when nothing is lost with the node, or the operator says so.
func (c commands) checkUnused(ctx context.Context, cl *client.Client, name string) error {
	var use *tcpb.WatchNodeResponse
	err := cl.WatchNode(ctx, name, func(m *tcpb.WatchNodeResponse) (bool, error) {
		use = m
		return true, nil
	})
	switch {
	case client.Refused(err, codes.NotFound):
		return nil // the node says so itself, of the request
	case err != nil:
		return err
	case !use.GetHeard(): // out of service already
		use.Left = 0
	}
	if use.GetLeft()+use.GetCalls() == 0 {
		return nil
	}
	what := fmt.Sprintf("it has %s in service and %s up", count(use.GetLeft(), "DN"), count(use.GetCalls(), "call"))
	if !c.IsTerminal(c.In) {
		return fmt.Errorf("%s: drain it first (node drain %s --wait), or use --force", what, name)
	}
	fmt.Fprintf(c.Err, "node %s: %s. Remove it all the same? [y/N] ", name, what)
	answer, _ := bufio.NewReader(c.In).ReadString('\n')
	if !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return fmt.Errorf("%s: not removed", what)
	}
	return nil
}

// count is a number with its noun.
func count(n uint64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
