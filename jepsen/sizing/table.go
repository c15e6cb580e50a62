package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// What docs/figures.md says of processes, which a simulation without any can't: processor time
// as a share of a core, and memory.
const (
	// aloneCPU is an idle node's, peerCPU what each peer adds to it (of five, TLS between them).
	aloneCPU, peerCPU = 0.0065, 0.0041
	// registrationCPU is that of a registration at its node at 3,000/s; two other nodes are in it.
	registrationCPU = 76 * time.Microsecond
	// callCPU is that of a call, three nodes together, TLS between them.
	callCPU = 574 * time.Microsecond
	// baseMemory is that of a node with no DNs, configuredMemory that of a DN's configuration.
	baseMemory, configuredMemory = 27 << 20, 300
)

// size is what a plan costs, by the units.
type size struct {
	// line is octets a second each way on the line between two nodes, node what a node gets and
	// what it sends.
	line, node float64
	// cpu of a node in cores.
	cpu float64
	// memory of a node, octets.
	memory float64
	// snapshot is what a node sends to each of the others after a restart, healed to each of
	// those outside its site after a cut, octets.
	snapshot, healed float64
	// nodeOOS and siteOOS are the DNs that are out of service at once.
	nodeOOS, siteOOS int
	// failures are restarts of nodes and cuts of sites a day.
	failures, cuts float64
}

// size is the formula of docs/sizing.md.
func (u *units) size(p *Plan) *size {
	n, each := float64(p.Nodes), float64(p.DNs)/float64(p.Nodes)
	refreshes, calls := each/p.Refresh.Seconds(), p.Calls/n
	s := &size{
		line:     u.idle + refreshes*u.refresh + calls*u.called,
		snapshot: each * u.row, healed: math.Min(each, p.Cut.Seconds()*refreshes) * u.refresh,
		nodeOOS: p.DNs / p.Nodes, siteOOS: p.DNs / p.Sites,
	}
	s.node = (n - 1) * s.line
	s.cpu = aloneCPU + (n-1)*peerCPU + refreshes*registrationCPU.Seconds() + calls*callCPU.Seconds() +
		(n-1)*(refreshes*u.refreshCPU.Seconds()+calls*u.callCPU.Seconds())
	s.memory = baseMemory + each*u.own + (float64(p.DNs)-each)*u.copied + float64(p.DNs)*configuredMemory
	if p.NodeEvery > 0 {
		s.failures = n * (24 * time.Hour).Seconds() / p.NodeEvery.Seconds()
	}
	if p.SiteEvery > 0 {
		s.cuts = float64(p.Sites) * (24 * time.Hour).Seconds() / p.SiteEvery.Seconds()
	}
	return s
}

func (s *size) print(out io.Writer, p *Plan, u *units) {
	row := func(what, value string) { _, _ = fmt.Fprintf(out, "%-62s %s\n", what, value) }
	row("cluster", fmt.Sprintf("%d nodes in %d sites, %d DNs, a refresh each %v, %.0f calls/s", p.Nodes, p.Sites, p.DNs, p.Refresh, p.Calls))
	row("simulated", fmt.Sprintf("%d DNs of each node, at the rate of all of its; %v", p.Sample, p.Span))
	row("a line between two nodes, each way", rate(s.line))
	row("  of it idle; each refresh; each call", fmt.Sprintf("%s; %.0f B; %.0f B", rate(u.idle), u.refresh, u.called))
	row("a node, each way", rate(s.node))
	row("processor time of a node", fmt.Sprintf("%.2f cores", s.cpu))
	row("  of it to tell another node: a refresh; a call", fmt.Sprintf("%v; %v", u.refreshCPU.Round(100*time.Nanosecond), u.callCPU.Round(100*time.Nanosecond)))
	row("memory of a node", octets(s.memory))
	row("  of it a DN at its node; at another; its configuration", fmt.Sprintf("%.0f B; %.0f B; %d B", u.own, u.copied, configuredMemory))
	row("a site is cut off: lost after; back after its end", fmt.Sprintf("%v; %v", u.lost, u.back))
	row("  DNs out of service; sent on each line when it heals", fmt.Sprintf("%d; %s", s.siteOOS, octets(s.healed)))
	row("a node restarts: DNs; sent on each line, and by it in all", fmt.Sprintf("%d; %s; %s", s.nodeOOS, octets(s.snapshot), octets(s.snapshot*float64(p.Nodes-1))))
	row("restarts of nodes, cuts of sites a day", fmt.Sprintf("%.2f; %.2f", s.failures, s.cuts))
}

func rate(perSecond float64) string {
	bits := perSecond * 8
	if bits >= 1e6 {
		return strconv.FormatFloat(bits/1e6, 'f', 1, 64) + " Mbit/s"
	}
	return strconv.FormatFloat(bits/1e3, 'f', 1, 64) + " kbit/s"
}

func octets(n float64) string {
	switch {
	case n >= 1<<30:
		return strconv.FormatFloat(n/(1<<30), 'f', 1, 64) + " GiB"
	case n >= 1<<20:
		return strconv.FormatFloat(n/(1<<20), 'f', 1, 64) + " MiB"
	}
	return strconv.FormatFloat(n/(1<<10), 'f', 1, 64) + " KiB"
}

// rows are those of the table in docs/sizing.md.
var rows = []Plan{
	{Nodes: 3, Sites: 3, DNs: 10_000}, {Nodes: 3, Sites: 3, DNs: 100_000}, {Nodes: 3, Sites: 3, DNs: 1_000_000},
	{Nodes: 5, Sites: 3, DNs: 100_000}, {Nodes: 5, Sites: 3, DNs: 1_000_000},
	{Nodes: 7, Sites: 3, DNs: 100_000}, {Nodes: 7, Sites: 3, DNs: 1_000_000},
	{Nodes: 15, Sites: 5, DNs: 100_000}, {Nodes: 15, Sites: 5, DNs: 1_000_000}, {Nodes: 15, Sites: 5, DNs: 10_000_000},
	{Nodes: 100, Sites: 20, DNs: 100_000}, {Nodes: 100, Sites: 20, DNs: 1_000_000}, {Nodes: 100, Sites: 20, DNs: 10_000_000},
}

// printTable has a row for each of some sizes of cluster, else as the plan says.
func printTable(t *testing.T, out io.Writer, like *Plan) {
	_, _ = fmt.Fprint(out, "| nodes | sites | DNs | a line, each way | a node, each way | cores of a node | memory of a node | a node restarts: sent by it |\n|---|---|---|---|---|---|---|---|\n")
	of := memory()
	for _, r := range rows {
		p, u := *like, *of
		p.Nodes, p.Sites, p.DNs, p.Calls = r.Nodes, r.Sites, r.DNs, float64(r.DNs)/10_000
		if err := u.simulate(t, &p); err != nil {
			t.Error(err)
			continue
		}
		s := u.size(&p)
		_, _ = fmt.Fprintf(out, "| %d | %d | %d | %s | %s | %.2f | %s | %s |\n", p.Nodes, p.Sites, p.DNs, rate(s.line), rate(s.node), s.cpu, octets(s.memory), octets(s.snapshot*float64(p.Nodes-1)))
	}
}

// memory measures what a DN takes in the table of its node, and of another one.
func memory() *units {
	const many = 50_000
	own, records := dn.New(dn.Config{Self: "a", Incarnation: 1}), make([]dn.Record, 0, many)
	empty := heap()
	for k := range many {
		own.Register(dn.Number(fmt.Sprintf("%010d", k)), dn.Registered)
	}
	full := heap()
	for k := range many {
		r, _ := own.Own(dn.Number(fmt.Sprintf("%010d", k)))
		records = append(records, r)
	}
	other := dn.New(dn.Config{Self: "b", Incarnation: 1})
	before := heap()
	copied, err := other.Sync("a", 1, false)
	for at := 0; err == nil && at < many; at += 500 {
		batch := records[at : at+500]
		for k := range batch {
			batch[k].Number = dn.Number(append([]byte(nil), batch[k].Number...)) // as a message brings it
		}
		_, err = copied.Apply(batch, 0)
	}
	if err == nil {
		err = copied.Synced(many)
	}
	if err != nil {
		panic(err) // of a table that nobody else has
	}
	after := heap()
	runtime.KeepAlive(own)
	runtime.KeepAlive(other)
	runtime.KeepAlive(records)
	return &units{own: float64(full-empty) / many, copied: float64(after-before) / many}
}

// heap is what is alive in it.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
