package dn

import (
	"runtime"
	"testing"
)

// What keeps the groups' indexes costs where an entry is told.
func BenchmarkTable_Told(b *testing.B) {
	all := manyNumbers()
	groups := []string{"all"}
	tab := New(Config{Self: "a", Incarnation: 1, Configured: func(Number) (Class, []string) { return Served, groups }})
	for _, n := range all {
		tab.Register(n, Registered)
	}
	told := map[string]func(n Number, i int){
		"refresh": func(n Number, _ int) { tab.Register(n, Registered) },
		"moves": func(n Number, _ int) {
			r, _ := tab.Own(n)
			tab.End(n, r.ClaimTime, Expired)
			tab.Register(n, Registered)
		},
		"agent": func(n Number, i int) {
			r, _ := tab.Own(n)
			r.Agent = &Agent{ID: "agent " + string(n), State: Ready - AgentState(i&1), Since: int64(i)}
			tab.Amend(r)
		},
	}
	for _, asked := range []string{"kept", "asked"} {
		if asked == "asked" {
			ask(tab)
		}
		for _, what := range []string{"refresh", "moves", "agent"} {
			b.Run(asked+"/"+what, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					told[what](all[i%manyDNs], i/manyDNs)
				}
			})
		}
	}
}

// What a DN takes in memory, whose group was asked for or not.
func BenchmarkTable_Memory(b *testing.B) {
	const dns = 100_000
	groups := []string{"all"}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for name, asked := range map[string]bool{"kept": false, "asked": true} {
		b.Run(name, func(b *testing.B) {
			var each float64
			for b.Loop() {
				before := heap()
				tab := New(Config{Self: "a", Incarnation: 1, Configured: func(Number) (Class, []string) { return Served, groups }})
				for i := range dns {
					tab.Register(numbered(i), Registered)
				}
				if asked {
					ask(tab)
				}
				each = float64(heap()-before) / dns
				runtime.KeepAlive(tab)
			}
			b.ReportMetric(each, "B/DN")
		})
	}
}

func ask(tab *Table) Status {
	s, _ := tab.LongestIdle("all", Choice{Here: func(Node) bool { return true }, May: func(*Status) bool { return true }})
	return s
}
