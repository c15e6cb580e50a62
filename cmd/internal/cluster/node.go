// Package cluster is the commands about nodes: list, remove and drain them, and
// how one sees the others.
package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
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
	placeJSON
}

// placeJSON is how the asked node sees a node.
type placeJSON struct {
	// Role is "voter", "non-voter", "learner", or "" when that is not known; Leader: it leads.
	Role   string `json:"role"`
	Leader bool   `json:"leader"`
	// Alive: the asked node hears it, or is it. DeadSince is when that ended, and Reason why.
	Alive     bool   `json:"alive"`
	Reason    string `json:"reason"`
	DeadSince string `json:"dead_since"`
	// LagEntries and LagS are how far it is behind the configuration; null: unknown.
	LagEntries *uint64  `json:"lag_entries"`
	LagS       *float64 `json:"lag_s"`
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
	status, err := client.Unary(ctx, cl, cl.Cluster.Status, &tcpb.StatusRequest{})
	if err != nil {
		return fmt.Errorf("node list: %w", err)
	}
	if !c.JSON() {
		return c.Print(nodeTable(roster.Nodes, status, c.Now()))
	}
	a, places := console.NewJSONArray(c.Out), placesOf(status)
	for _, n := range roster.Nodes {
		if err := a.Add(nodeJSON{n.Name, n.Site, n.Id, n.SipAddr, n.DefaultAddr, n.TcAddr, n.ClusterAddr, n.GossipAddr, n.HttpAddr, !n.NonVoter, n.Draining, places[n.Name].json()}); err != nil {
			return err
		}
	}
	return a.End()
}

// place is how the asked node sees a node; the zero value is one that it doesn't know.
type place struct {
	asked, leads bool
	*tcpb.PeerStatus
}

// placesOf has a place for each node by name.
func placesOf(s *tcpb.StatusResponse) map[string]place {
	r := s.GetRaft()
	all := map[string]place{s.GetNode(): {asked: true, leads: r.GetLeader() == s.GetNode(), PeerStatus: &tcpb.PeerStatus{Reachable: true, Role: r.GetRole(), LagEntries: r.LagEntries, LagMs: r.LagMs}}}
	for _, p := range s.GetPeers() {
		all[p.GetNode()] = place{leads: r.GetLeader() == p.GetNode(), PeerStatus: p}
	}
	return all
}

func (p place) json() placeJSON {
	j := placeJSON{Role: p.GetRole(), Leader: p.leads, Alive: p.GetReachable(), Reason: p.GetReason()}
	if p.PeerStatus == nil {
		return j
	}
	j.LagEntries = p.LagEntries
	if p.LagMs != nil {
		j.LagS = new(*p.LagMs / 1000)
	}
	if !p.Reachable && p.Since != nil {
		j.DeadSince = view.RFC3339(p.Since)
	}
	return j
}

// seen is whether the asked node hears it, and for how long it has not.
func (p place) seen(now time.Time) console.Cell {
	switch {
	case p.PeerStatus == nil:
		return console.Tinted("○ unknown", console.Red)
	case p.asked:
		return console.Tinted("● asked", console.Green)
	case !p.Reachable:
		return console.Tinted("○ "+p.Reason+" "+view.Age(now, p.Since), console.Red)
	}
	return console.Tinted("● heard", console.Green)
}

func (p place) role(n *configpb.Node) string {
	role := console.Dash(p.GetRole())
	if p.leads {
		role = "leader"
	}
	if n.GetDraining() {
		role += ", draining"
	}
	return role
}

// lag is in entries, and in time when there are any.
func (p place) lag() console.Cell {
	switch {
	case p.PeerStatus == nil || p.LagEntries == nil:
		return console.Text("-")
	case *p.LagEntries == 0:
		return console.Text("0")
	}
	return console.Tinted(fmt.Sprintf("%d, %s", *p.LagEntries, view.Span(time.Duration(p.GetLagMs()*float64(time.Millisecond)))), console.Yellow)
}

func nodeTable(nodes []*configpb.Node, s *tcpb.StatusResponse, now time.Time) *console.Table {
	places := placesOf(s)
	t := &console.Table{Head: []string{"NODE", "SITE", "SEEN", "ROLE", "LAG", "SIP", "TCPORT", "CLUSTER"}}
	for _, n := range nodes {
		p := places[n.Name]
		t.Add(console.Text(n.Name), console.Text(n.Site), p.seen(now), console.Text(p.role(n)), p.lag(), console.Text(n.SipAddr), console.Text(n.TcAddr), console.Text(n.ClusterAddr))
	}
	return t
}
