package cluster

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// entry is what a node's entry of the roster is to have; what has no flag stays.
type entry struct {
	voter bool
	addrs [6]string
}

// addrFlags are the flags of its addresses, and what they are for.
var addrFlags = [...][2]string{
	{"sip-addr", "SIP"}, {"default-addr", "default port"}, {"tc-addr", "TCport"},
	{"cluster-addr", "links, Raft and joins"}, {"gossip-addr", "gossip"}, {"http-addr", "metrics and probes"},
}

func (c commands) nodeSetCommand() *cobra.Command {
	var e entry
	cmd := c.Asking(&cobra.Command{
		Use: "set NAME", Short: "Mend a node's entry of the roster by hand; needs a quorum", Args: cobra.ExactArgs(1),
		Long: `Mend a node's entry of the roster by hand: whether it counts for the quorum, and the
addresses at which others reach it, which it tells them by itself when it can. A node
that does not count follows the configuration all the same. Up to five nodes count, or
as many as the option max_voters says. Addresses stay until the node's own change.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !changed(cmd.Flags()) {
				return console.Usagef("nothing is to change: give --voter=true or --voter=false, or an address, such as --cluster-addr 192.0.2.1:7002")
			}
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			return console.Doing("node set "+args[0], c.setNode(cmd, cl, args[0], &e))
		},
	})
	f := cmd.Flags()
	f.BoolVar(&e.voter, "voter", true, "count for the quorum")
	for i, a := range addrFlags {
		f.StringVar(&e.addrs[i], a[0], "", "`HOST:PORT` of its "+a[1])
	}
	return cmd
}

// changed tells whether a flag of an entry is given.
func changed(f *pflag.FlagSet) bool {
	given := f.Changed("voter")
	for _, a := range addrFlags {
		given = given || f.Changed(a[0])
	}
	return given
}

func (c commands) setNode(cmd *cobra.Command, cl *client.Client, name string, e *entry) error {
	roster, err := client.Unary(cmd.Context(), cl, cl.Config.ListNodes, &configpb.ListNodesRequest{Linearizable: true})
	if err != nil {
		return err
	}
	for _, n := range roster.GetNodes() {
		if n.GetName() != name {
			continue
		}
		next := proto.CloneOf(n)
		next.KeySha256 = nil // the keys stay as they are
		said := e.put(cmd.Flags(), next)
		if err := cl.Write(cmd.Context(), &configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: next}, IfRevision: proto.Uint64(n.GetRevision())}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.Out, "node %s: %s\n", name, strings.Join(said, ", "))
		return err
	}
	return fmt.Errorf("no node is named %.40q", name)
}

// put has the entry say what the flags do, and returns that in words.
func (e *entry) put(f *pflag.FlagSet, n *configpb.Node) (said []string) {
	if f.Changed("voter") {
		n.NonVoter = !e.voter
		said = append(said, map[bool]string{true: "voter", false: "non-voter"}[e.voter])
	}
	fields := [...]*string{&n.SipAddr, &n.DefaultAddr, &n.TcAddr, &n.ClusterAddr, &n.GossipAddr, &n.HttpAddr}
	for i, a := range addrFlags {
		if f.Changed(a[0]) {
			*fields[i] = e.addrs[i]
			said = append(said, a[0]+" "+e.addrs[i])
		}
	}
	return said
}
