// Command sizing says what a cluster of some size costs each of its nodes and each line
// between two of them: octets, processor time, memory, and how long losses take. It starts no
// processes: one node with the links to all others runs in virtual time, with the real tables
// (node/dn, node/call), links and verdicts (node/tcontroller) and their encoding. What it can't
// hold it takes as linear in the number of DNs: memory, snapshots. docs/sizing.md explains the
// columns.
//
//	go run ./jepsen/sizing -nodes 100 -sites 20 -dns 10000000 -refresh 300s
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"testing"
	"time"
)

// Plan is the cluster that is asked about.
type Plan struct {
	// Nodes, dealt out to Sites; DNs of the cluster, each registered at one node.
	Nodes, Sites, DNs int
	// Refresh is how often each phone registers anew.
	Refresh time.Duration
	// Calls a second in the whole cluster.
	Calls float64
	// NodeEvery and SiteEvery are how often a node is restarted or fails, and a site is cut off;
	// 0: never. Cut is for how long.
	NodeEvery, SiteEvery, Cut time.Duration
	// Sample is how many DNs of each node are simulated; they refresh as often, all together,
	// as all of the node's would.
	Sample int
	// Span is the virtual time that is measured.
	Span time.Duration
}

func (p *Plan) check() error {
	switch {
	case p.Nodes < 2 || p.Nodes > 250:
		return fmt.Errorf("-nodes %d: want 2 to 250: a table names a node by one octet", p.Nodes)
	case p.Sites < 1 || p.Sites > p.Nodes:
		return fmt.Errorf("-sites %d: want 1 to the number of nodes", p.Sites)
	case p.DNs < p.Nodes:
		return fmt.Errorf("-dns %d: want one for each node at the least", p.DNs)
	case p.Refresh < time.Second:
		return errors.New("-refresh: want a second at the least")
	case p.Sample < 1 || p.Span < time.Second || p.Calls < 0 || p.Cut < 0 || p.NodeEvery < 0 || p.SiteEvery < 0:
		return errors.New("-sample, -span, -calls, -cut, -node-every and -site-every: want what is not negative, a DN and a second")
	}
	return nil
}

func main() {
	p := Plan{}
	flags := flag.NewFlagSet("sizing", flag.ExitOnError)
	flags.IntVar(&p.Nodes, "nodes", 100, "nodes of the cluster")
	flags.IntVar(&p.Sites, "sites", 20, "sites that they are dealt out to")
	flags.IntVar(&p.DNs, "dns", 10_000_000, "DNs, each registered at one node")
	flags.DurationVar(&p.Refresh, "refresh", 5*time.Minute, "how often each phone registers anew")
	flags.Float64Var(&p.Calls, "calls", 0, "calls a second in the whole cluster; 0: one for each 10,000 DNs")
	flags.DurationVar(&p.NodeEvery, "node-every", 90*24*time.Hour, "how often each node restarts or fails")
	flags.DurationVar(&p.SiteEvery, "site-every", 180*24*time.Hour, "how often each site is cut off")
	flags.DurationVar(&p.Cut, "cut", 10*time.Minute, "for how long a site is cut off")
	flags.IntVar(&p.Sample, "sample", 1000, "DNs of each node that are simulated")
	flags.DurationVar(&p.Span, "span", 10*time.Second, "virtual time that is measured")
	table := flags.Bool("table", false, "print the table of docs/sizing.md: -nodes, -sites, -dns and -calls don't count")
	_ = flags.Parse(os.Args[1:])
	if p.Calls == 0 {
		p.Calls = float64(p.DNs) / 10_000
	}
	if err := p.check(); err != nil {
		fmt.Fprintln(os.Stderr, "sizing:", err)
		os.Exit(2)
	}
	inBubble(os.Stdout, func(t *testing.T, out io.Writer) {
		if *table {
			printTable(t, out, &p)
			return
		}
		u := memory()
		if err := u.simulate(t, &p); err != nil {
			t.Fatal(err)
		}
		u.size(&p).print(out, &p, u)
	})
}

// inBubble runs fn where there may be virtual time: testing/synctest wants a test. It does not
// return.
func inBubble(out *os.File, fn func(t *testing.T, out io.Writer)) {
	os.Args = os.Args[:1] // those were ours
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sizing:", err)
		os.Exit(1)
	}
	os.Stdout = null // which says PASS
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{{Name: "sizing", F: func(t *testing.T) { fn(t, out) }}}, nil, nil)
}
