package cluster

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// The JSON of cluster features.
type (
	featuresJSON struct {
		Level uint32 `json:"level"`
		// Next is the greatest level that a node knows.
		Next  uint32             `json:"next"`
		Nodes []featuresNodeJSON `json:"nodes"`
		// Features are what came with the levels above 1, as the asked node knows them.
		Features []featureJSON `json:"features"`
	}
	featureJSON struct {
		Field string `json:"field"`
		Level uint32 `json:"level"`
		// Usable: the cluster's level is that or a greater one.
		Usable bool `json:"usable"`
	}
	featuresNodeJSON struct {
		Node  string `json:"node"`
		Knows uint32 `json:"knows"`
		// HoldsBack: it does not know the next level.
		HoldsBack bool `json:"holds_back"`
	}
)

// Command is cluster.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	cmd := &cobra.Command{Use: "cluster", Short: "What holds for the cluster as a whole"}
	cmd.AddCommand(c.featuresCommand())
	return cmd
}

func (c commands) featuresCommand() *cobra.Command {
	return c.Reading(&cobra.Command{
		Use: "features", Short: "Show the feature level of the cluster, and who holds back the next", Args: cobra.NoArgs,
		Long: `Show the feature level of the cluster, and who holds back the next. What the nodes make
of a change is decided by the level, not by their versions. It rises by itself when every node
on the roster knows the next one, and never falls: until then each node may be taken back to
the version before.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			s, err := client.Unary(cmd.Context(), cl, cl.Cluster.Status, &tcpb.StatusRequest{})
			if err != nil {
				return console.Doing("cluster features", err)
			}
			roster, err := client.Unary(cmd.Context(), cl, cl.Config.ListNodes, &configpb.ListNodesRequest{})
			if err != nil {
				return console.Doing("cluster features", err)
			}
			j := newFeaturesJSON(s.GetRaft(), roster.GetNodes())
			if c.JSON() {
				return console.Encode(c.Out, j)
			}
			return c.printFeatures(j)
		},
	})
}

func newFeaturesJSON(raft *tcpb.RaftStatus, roster []*configpb.Node) featuresJSON {
	level := raft.GetFeatureLevel()
	j := featuresJSON{Level: level, Next: level, Nodes: make([]featuresNodeJSON, 0, len(roster)), Features: make([]featureJSON, 0, len(raft.GetFeatures()))}
	for _, f := range raft.GetFeatures() {
		j.Features = append(j.Features, featureJSON{f.GetField(), f.GetLevel(), f.GetLevel() <= level})
	}
	for _, n := range roster {
		j.Nodes = append(j.Nodes, featuresNodeJSON{Node: n.GetName(), Knows: cmp.Or(n.GetFeatureLevel(), 1)})
		j.Next = max(j.Next, n.GetFeatureLevel())
	}
	for i := range j.Nodes {
		j.Nodes[i].HoldsBack = j.Nodes[i].Knows < j.Next
	}
	return j
}

func (c commands) printFeatures(j featuresJSON) error {
	next := "no node knows a greater one"
	if j.Next > j.Level {
		next = fmt.Sprintf("%d when every node knows it", j.Next)
	}
	fmt.Fprintf(c.Out, "feature level %d, %s\n\n", j.Level, next)
	t := &console.Table{Head: []string{"NODE", "KNOWS", ""}, Right: map[int]bool{1: true}}
	for _, n := range j.Nodes {
		holds := console.Text("")
		if n.HoldsBack {
			holds = console.Tinted("holds it back: upgrade it", console.Yellow)
		}
		t.Add(console.Text(n.Node), console.Text(strconv.FormatUint(uint64(n.Knows), 10)), holds)
	}
	if err := c.Print(t); err != nil || len(j.Features) == 0 {
		return err
	}
	fmt.Fprintln(c.Out)
	t = &console.Table{Head: []string{"LEVEL", "ADDS", "USABLE"}, Right: map[int]bool{0: true}}
	for _, f := range j.Features {
		t.Add(console.Text(strconv.FormatUint(uint64(f.Level), 10)), console.Text(f.Field), console.Text(console.YesNo(f.Usable)))
	}
	return c.Print(t)
}
