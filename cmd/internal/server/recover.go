package server

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/node"
)

// RecoverCommand is recover.
func RecoverCommand(c *console.Console) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "recover --data-dir DIR", Short: "Go on from this node's copy when the majority is lost for good", Args: cobra.NoArgs,
		Long: `Make this node, which is stopped, the first of its cluster again when the majority
of the voters is lost for good: DNs, groups, options, tokens, keys and the roster
stay as it knows them, and so do its own registrations. What the lost nodes
acknowledged and this one never heard of is missing afterwards.

Nothing is destroyed: the former files are set aside in DIR. Other survivors don't
take part by themselves; each is started once with --join and --accept-recovery,
as this command prints. Recover one node only: two that were both recovered are two
clusters, and stay so until one of them accepts the other's recovery.`,
		RunE: func(*cobra.Command, []string) error {
			if dir == "" {
				return console.Usagef("--data-dir DIR is missing: that of the node, which must not run")
			}
			r, err := node.Recover(dir, c.Now())
			if err != nil {
				return fmt.Errorf("recover: %w", err)
			}
			return sayRecovered(c, &r)
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", c.Getenv("SIPCLUSTER_DATA_DIR"), "`DIR` of the node's data; environment SIPCLUSTER_DATA_DIR")
	return cmd
}

func sayRecovered(c *console.Console, r *node.Recovered) error {
	last := "no change is recorded"
	if !r.Last.IsZero() {
		last = "the last change that it knows is of " + r.Last.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(c.Err, "sipcluster: warning: what the lost nodes acknowledged and %s never heard of is missing: %s (index %d)\n", r.Node, last, r.Index)
	for _, m := range r.Missing {
		fmt.Fprintf(c.Err, "sipcluster: warning: %s\n", m)
	}
	fmt.Fprintf(c.Out, "%s is the first node of cluster %s again, recovery %s: %d DNs\n", r.Node, r.Cluster, r.Recovery, r.DNs)
	fmt.Fprintf(c.Out, "set aside: %s\n", cmp.Or(strings.Join(r.Aside, ", "), "nothing"))
	fmt.Fprintln(c.Out, "start it as before")
	for _, n := range r.Others {
		fmt.Fprintf(c.Out, "%s: when it survived, start it with --join %s --accept-recovery %s; else sipcluster node remove %s\n", n.GetName(), r.Self.GetClusterAddr(), r.Recovery, n.GetName())
	}
	return nil
}
