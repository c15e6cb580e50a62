package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func plan(nodes, sites, dns int) *Plan {
	return &Plan{Nodes: nodes, Sites: sites, DNs: dns, Refresh: time.Minute, Calls: float64(nodes) * 5, Sample: 200, Span: 2 * time.Second, NodeEvery: 24 * time.Hour, SiteEvery: 48 * time.Hour, Cut: time.Minute}
}

// The real links and verdicts, in virtual time: whatever machine this runs on, the octets and
// the times are the same.
func TestSimulate(t *testing.T) {
	p, u := plan(7, 3, 42_000), &units{}
	if err := u.simulate(t, p); err != nil {
		t.Fatal(err)
	}
	for what, x := range map[string]struct{ got, least, most float64 }{
		"octets/s of an idle line": {u.idle, 500, 10_000},
		"octets of a refresh":      {u.refresh, 25, 300},
		"octets of a call":         {u.called, 100, 3_000},
		"octets of a row":          {u.row, 25, 300},
		"seconds to a loss":        {u.lost.Seconds(), 0.4, 1},
		"seconds to its end":       {u.back.Seconds(), 0, 1},
	} {
		if x.got < x.least || x.got > x.most {
			t.Errorf("%s: %.2f, want %.2f to %.2f", what, x.got, x.least, x.most)
		}
	}
}

// What grows with what: the formula.
func TestSize(t *testing.T) {
	u := &units{own: 400, copied: 300, idle: 1000, refresh: 50, called: 500, row: 60, refreshCPU: time.Microsecond, callCPU: 10 * time.Microsecond}
	p := plan(10, 5, 600_000) // 60,000 each, 1,000 refreshes/s; 5 calls/s
	s := u.size(p)
	for what, x := range map[string]struct{ got, want float64 }{
		"line":     {s.line, 1000 + 1000*50 + 5*500},
		"node":     {s.node, 9 * (1000 + 1000*50 + 5*500)},
		"cpu":      {s.cpu, 0.0065 + 9*0.0041 + 0.076 + 5*574e-6 + 9*(0.001+50e-6)},
		"memory":   {s.memory, 27<<20 + 60_000*400 + 540_000*300 + 600_000*300},
		"snapshot": {s.snapshot, 60_000 * 60},
		"healed":   {s.healed, 60_000 * 50},
		"failures": {s.failures, 10},
		"cuts":     {s.cuts, 2.5},
		"nodeOOS":  {float64(s.nodeOOS), 60_000},
		"siteOOS":  {float64(s.siteOOS), 120_000},
	} {
		if math.Abs(x.got-x.want) > 1e-6*x.want {
			t.Errorf("%s is %v, want %v", what, x.got, x.want)
		}
	}
	out := &strings.Builder{}
	s.print(out, p, u)
	if got := out.String(); !strings.Contains(got, "428.0 kbit/s") || !strings.Contains(got, "3.9 Mbit/s") {
		t.Error(got)
	}
}

// A DN is one entry of a table and a record, wherever it is registered.
func TestMemory(t *testing.T) {
	if u := memory(); u.own < 150 || u.own > 450 || u.copied < 150 || u.copied > 450 {
		t.Errorf("a DN takes %.0f octets at its node and %.0f at another one", u.own, u.copied)
	}
}

func TestOnWire(t *testing.T) {
	for _, c := range []struct{ n, there, back int }{
		{1, 1 + 22 + 52, 52}, {1448 - 22, 1448 + 52, 52}, {1448 - 21, 1449 + 2*52, 52}, {20_000, 20_000 + 2*22 + 14*52, 7 * 52},
	} {
		if there, back := onWire(c.n); there != c.there || back != c.back {
			t.Errorf("%d octets are %d and %d on the wire, want %d and %d", c.n, there, back, c.there, c.back)
		}
	}
}

func TestPlan_Check(t *testing.T) {
	if err := plan(100, 20, 1000).check(); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string]*Plan{"one node": plan(1, 1, 10), "too many nodes": plan(251, 1, 1000), "no site": plan(3, 0, 10), "more sites than nodes": plan(3, 4, 10), "no DN for a node": plan(10, 1, 9)} {
		if bad.check() == nil {
			t.Errorf("%s passes", name)
		}
	}
}
