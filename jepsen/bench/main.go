// Command bench measures a cluster of real `sipcluster server` processes from
// outside: it registers phones over UDP, watches as Stat Servers do, kills
// nodes and cuts the network between them. It prints one table and writes the
// same as JSON. It knows the servers by their public ports only.
//
//	go run ./jepsen/bench                     everything, about 18 minutes
//	go run ./jepsen/bench -full               with 10 minutes for each quiet run, and a minute of calls
//	go run ./jepsen/bench -run reg,lat        some parts
//	go run ./jepsen/bench -serve -realm R     only the cluster, for another load (peer.sh)
//
// Cuts, long lines and packet loss need root (network namespaces); without it those parts
// are skipped, and the table says so.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// options are the flags.
type options struct {
	parts    string
	json     string
	binary   string
	before   string
	dir      string
	full     bool
	minutes  float64
	trials   int
	dns      int
	seconds  int
	rate     int
	latRate  int
	clusters string
	offered  int
	profile  string
	serve    bool
	secured  bool
	realm    string
	loopback bool
	keep     bool
}

// part is one group of figures.
type part struct {
	name string
	what string
	run  func(context.Context, *bench) error
}

var parts = []part{
	{"reg", "registrations: CPU and rate", func(ctx context.Context, b *bench) error { return b.registrations(ctx) }},
	{"lat", "REGISTER to event at another node", func(ctx context.Context, b *bench) error { return b.latency(ctx) }},
	{"stat", "what 100 Stat Servers at a node cost its registrar", func(ctx context.Context, b *bench) error { return b.statServers(ctx) }},
	{"call", "calls: CPU, a routing point to the phone, lost calls, a flood", func(ctx context.Context, b *bench) error { return b.calls(ctx) }},
	{"overload", "more calls than a node does", func(ctx context.Context, b *bench) error { return b.overload(ctx) }},
	{"people", "phones that do not answer, and what lost nodes and clients leave behind", func(ctx context.Context, b *bench) error { return b.people(ctx) }},
	{"standby", "a phone with two ways whose owner is lost", func(ctx context.Context, b *bench) error { return b.standby(ctx) }},
	{"drain", "a drain that is undone", func(ctx context.Context, b *bench) error { return b.drains(ctx) }},
	{"before", "calls and registrations beside another program", func(ctx context.Context, b *bench) error { return b.compare(ctx) }},
	{"line", "calls between sites that are far from each other", func(ctx context.Context, b *bench) error { return b.longCalls(ctx) }},
	{"far", "cuts, heals and writes between sites that are far from each other", func(ctx context.Context, b *bench) error { return b.far(ctx) }},
	{"kill", "a killed node's DNs out of service elsewhere", func(ctx context.Context, b *bench) error { return b.kills(ctx) }},
	{"cut", "a silent cut to out of service", func(ctx context.Context, b *bench) error { return b.cuts(ctx) }},
	{"mem", "memory per DN, lists, and the heal of a big cluster", func(ctx context.Context, b *bench) error { return b.big(ctx) }},
	{"size", "what depends on how many DNs and nodes there are (-sizes)", func(ctx context.Context, b *bench) error { return b.sizes(ctx) }},
	{"list", "see mem", nil},
	{"heal", "see mem", nil},
	{"idle", "what nodes cost that have nothing to do", func(ctx context.Context, b *bench) error { return b.nothing(ctx) }},
	{"groups", "statistics of many groups", func(ctx context.Context, b *bench) error { return b.groups(ctx) }},
	{"quiet", "false losses under CPU load and packet loss", func(ctx context.Context, b *bench) error { return b.quiet(ctx) }},
}

// names of all parts.
func names() (all []string) {
	for _, p := range parts {
		all = append(all, p.name)
	}
	return all
}

// bench is one run of the program.
type bench struct {
	options
	report     *report
	namespaces bool
	missing    string // why there are no namespaces
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	b := &bench{report: newReport()}
	b.flags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wanted, err := b.wanted()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "sipcluster-bench-")
	if err != nil {
		return err
	}
	if b.keep {
		fmt.Fprintln(os.Stderr, "# directory:", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	b.dir = dir
	if b.binary == "" {
		if b.binary, err = cluster.Build(dir); err != nil {
			return err
		}
	}
	if b.missing = cluster.Missing(); b.missing == "" && !b.loopback {
		b.namespaces = true
	}
	if b.serve {
		return b.serveOnly(ctx)
	}
	if err := b.all(ctx, wanted); err != nil {
		return err
	}
	fmt.Print(b.report.table())
	return b.report.write(b.json)
}

func (b *bench) flags() {
	flag.StringVar(&b.parts, "run", strings.Join(names(), ","), "`parts` to run")
	flag.StringVar(&b.json, "json", "bench.json", "`file` for the figures; empty: none")
	flag.StringVar(&b.binary, "binary", "", "the sipcluster `program`; empty: build it")
	flag.StringVar(&b.before, "before", "", "another sipcluster `program`, to compare with")
	flag.StringVar(&b.dir, "dir", "", "where the nodes' directories go; empty: the system's place for temporary files")
	flag.BoolVar(&b.full, "full", false, "10 minutes for each quiet run, a minute of calls")
	flag.Float64Var(&b.minutes, "minutes", 1, "`minutes` of each quiet run")
	flag.IntVar(&b.trials, "trials", 20, "kills, and cuts of each kind")
	flag.IntVar(&b.dns, "dns", 100_000, "DNs of the big cluster")
	flag.StringVar(&b.clusters, "sizes", "", "`NODESxDNS,...` of part size (default 3x10000,3x100000; with -full also 3x1000000,5x100000,7x100000,15x100000)")
	flag.IntVar(&b.seconds, "seconds", 6, "`seconds` of each measured load")
	flag.IntVar(&b.rate, "rate", 3000, "registrations/s at which CPU is measured")
	flag.IntVar(&b.offered, "offered", 5000, "calls/s that are offered to a node in part overload")
	flag.IntVar(&b.latRate, "lat-rate", 1000, "registrations/s at which latency is measured")
	flag.StringVar(&b.profile, "profile", "", "`directory` for CPU and heap profiles of node 1")
	flag.BoolVar(&b.serve, "serve", false, "start three nodes on loopback with -dns DNs, print how to reach them, run until the input ends")
	flag.BoolVar(&b.secured, "secured", false, "clusters whose nodes have keys, and TLS between them, as without --insecure; -before stays without")
	flag.StringVar(&b.realm, "realm", "bench.test", "SIP domain")
	flag.BoolVar(&b.keep, "keep", false, "leave the nodes' directories and logs")
	flag.BoolVar(&b.loopback, "loopback", false, "no namespaces, even where they would work")
	flag.Parse()
	if b.full {
		b.minutes = 10
	}
	if b.clusters == "" {
		b.clusters = "3x10000,3x100000"
		if b.full {
			b.clusters += ",3x1000000,5x100000,7x100000,15x100000"
		}
	}
}

// wanted resolves -run; list and heal come with mem's cluster.
func (b *bench) wanted() (map[string]bool, error) {
	want := make(map[string]bool)
	for name := range strings.SplitSeq(b.parts, ",") {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("-run %s: unknown part; there are %s", name, strings.Join(names(), ", "))
		}
		want[name] = true
	}
	want["mem"] = want["mem"] || want["list"] || want["heal"]
	return want, nil
}

func (b *bench) all(ctx context.Context, wanted map[string]bool) error {
	for _, p := range parts {
		if p.run == nil || !wanted[p.name] {
			continue
		}
		start := time.Now()
		fmt.Fprintf(os.Stderr, "# %s: %s\n", p.name, p.what)
		if err := p.run(ctx, b); err != nil {
			if ctx.Err() != nil {
				return err
			}
			b.report.failed(p.name, err)
		}
		fmt.Fprintf(os.Stderr, "# %s took %v\n", p.name, time.Since(start).Round(time.Second))
	}
	return nil
}
