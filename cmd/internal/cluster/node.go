// Package cluster is the commands about nodes: list, remove and drain them, and
// how one sees the others.
package cluster

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

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

// NodeCommand is node and what it holds.
func NodeCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := console.Group("node", "The nodes of the cluster")
	cmd.AddCommand(c.nodeListCommand(), c.nodeInviteCommand(), c.nodeRemoveCommand(), c.nodeDrainCommand(), c.nodeSetCommand(), c.nodeRekeyCommand(), c.nodeDistrustCommand())
	return cmd
}

func (c commands) nodeListCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "list", Short: "List the nodes of the cluster, and how the asked node sees each", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			return c.listNodes(cmd.Context(), cl)
		},
	})
}

func (c commands) listNodes(ctx context.Context, cl *client.Client) error {
	roster, err := client.Unary(ctx, cl, cl.Config.ListNodes, &configpb.ListNodesRequest{})
	if err != nil {
		return fmt.Errorf("node list: %w", err)
	}
	if c.JSON() {
		a := console.NewJSONArray(c.Out)
		for _, n := range roster.Nodes {
			if err := a.Add(nodeJSON{n.Name, n.Site, n.Id, n.SipAddr, n.DefaultAddr, n.TcAddr, n.ClusterAddr, n.GossipAddr, n.HttpAddr, !n.NonVoter, n.Draining}); err != nil {
				return err
			}
		}
		return a.End()
	}
	status, err := client.Unary(ctx, cl, cl.Cluster.Status, &tcpb.StatusRequest{})
	if err != nil {
		return fmt.Errorf("node list: %w", err)
	}
	return c.Print(nodeTable(roster.Nodes, status))
}

func nodeTable(nodes []*configpb.Node, s *tcpb.StatusResponse) *console.Table {
	peers := map[string]*tcpb.PeerStatus{}
	for _, p := range s.Peers {
		peers[p.Node] = p
	}
	t := &console.Table{Head: []string{"NODE", "SITE", "SEEN", "ROLE", "SIP", "TCPORT", "CLUSTER"}}
	for _, n := range nodes {
		seen := console.Tinted("● heard", console.Green)
		switch p := peers[n.Name]; {
		case n.Name == s.Node:
			seen.Text = "● asked"
		case p == nil:
			seen = console.Tinted("○ unknown", console.Red)
		case !p.Reachable:
			seen = console.Tinted("○ "+p.Reason, console.Red)
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
		t.Add(console.Text(n.Name), console.Text(n.Site), seen, console.Text(role), console.Text(n.SipAddr), console.Text(n.TcAddr), console.Text(n.ClusterAddr))
	}
	return t
}
