package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
)

// The JSON of node list.
type nodeJSON struct {
	Name        string `json:"name"`
	Site        string `json:"site"`
	ID          string `json:"id"`
	SIPAddr     string `json:"sip_addr"`
	DefaultAddr string `json:"default_addr"`
	TCAddr      string `json:"tc_addr"`
	ClusterAddr string `json:"cluster_addr"`
	GossipAddr  string `json:"gossip_addr"`
	HTTPAddr    string `json:"http_addr"`
	Voter       bool   `json:"voter"`
	Draining    bool   `json:"draining"`
}

func (c *cli) nodeCommand() *cobra.Command {
	cmd := group("node", "The nodes of the cluster")
	cmd.AddCommand(c.nodeListCommand(), c.nodeRemoveCommand(), c.nodeDrainCommand())
	return cmd
}

func (c *cli) nodeListCommand() *cobra.Command {
	return c.reading(&cobra.Command{
		Use: "list", Short: "List the nodes of the cluster, and how the asked node sees each", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			return c.listNodes(cmd.Context(), cl)
		},
	})
}

func (c *cli) listNodes(ctx context.Context, cl *client) error {
	roster, err := unary(ctx, cl, cl.config.ListNodes, &configpb.ListNodesRequest{})
	if err != nil {
		return fmt.Errorf("node list: %w", err)
	}
	if c.json() {
		a := newJSONArray(c.out)
		for _, n := range roster.Nodes {
			if err := a.add(nodeJSON{n.Name, n.Site, n.Id, n.SipAddr, n.DefaultAddr, n.TcAddr, n.ClusterAddr, n.GossipAddr, n.HttpAddr, !n.NonVoter, n.Draining}); err != nil {
				return err
			}
		}
		return a.end()
	}
	status, err := unary(ctx, cl, cl.cluster.Status, &tcpb.StatusRequest{})
	if err != nil {
		return fmt.Errorf("node list: %w", err)
	}
	return c.print(nodeTable(roster.Nodes, status))
}

func nodeTable(nodes []*configpb.Node, s *tcpb.StatusResponse) *table {
	peers := map[string]*tcpb.PeerStatus{}
	for _, p := range s.Peers {
		peers[p.Node] = p
	}
	t := &table{head: []string{"NODE", "SITE", "SEEN", "ROLE", "SIP", "TCPORT", "CLUSTER"}}
	for _, n := range nodes {
		seen := tinted("● heard", green)
		switch p := peers[n.Name]; {
		case n.Name == s.Node:
			seen.text = "● asked"
		case p == nil:
			seen = tinted("○ unknown", red)
		case !p.Reachable:
			seen = tinted("○ "+p.Reason, red)
		}
		role := "voter"
		switch {
		case n.Name == s.GetRaft().GetLeader():
			role = "leader"
		case n.NonVoter:
			role = "non-voter"
		}
		if n.Draining {
			role += ", draining"
		}
		t.add(text(n.Name), text(n.Site), seen, text(role), text(n.SipAddr), text(n.TcAddr), text(n.ClusterAddr))
	}
	return t
}

func (c *cli) nodeRemoveCommand() *cobra.Command {
	return c.client(&cobra.Command{
		Use: "remove NAME", Short: "Remove a node from the cluster; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Remove a node from the cluster. Its DNs are out of service everywhere until their
phones register elsewhere; to avoid that, drain it first. A removed node
does not come back with its old data directory: give it a new one and --join.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			if err := change(cmd.Context(), cl, cl.cluster.RemoveNode, &tcpb.RemoveNodeRequest{Name: args[0]}); err != nil {
				return fmt.Errorf("node remove %s: %w", args[0], err)
			}
			_, err = fmt.Fprintf(c.out, "node %s removed\n", args[0])
			return err
		},
	})
}

func (c *cli) nodeDrainCommand() *cobra.Command {
	var undo bool
	cmd := c.client(&cobra.Command{
		Use: "drain NAME", Short: "Make a node give up its DNs and accept no new ones; needs a quorum", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			defer cl.close()
			if err := change(cmd.Context(), cl, cl.cluster.DrainNode, &tcpb.DrainNodeRequest{Name: args[0], Undo: undo}); err != nil {
				return fmt.Errorf("node drain %s: %w", args[0], err)
			}
			word := "is draining"
			if undo {
				word = "takes part again"
			}
			_, err = fmt.Fprintf(c.out, "node %s %s\n", args[0], word)
			return err
		},
	})
	cmd.Flags().BoolVar(&undo, "undo", false, "end the draining: the node accepts DNs again")
	return cmd
}
