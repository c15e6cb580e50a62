package agent

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// benchView has n DNs from 20000 on.
func benchView(b *testing.B, n int) *fsm.View {
	b.Helper()
	var more []*configpb.Mutation
	for i := range n {
		more = append(more, &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: fmt.Sprint(20000 + i), Kind: configpb.DNKind_DN_KIND_PSTN, External: fmt.Sprint("+1555", 20000+i),
		}}})
	}
	return twoNodes(b, append(more, collectFor(100))...)
}

// BenchmarkRegistry_SetAgent: stored agent changes of some clients at once.
func BenchmarkRegistry_SetAgent(b *testing.B) {
	const dns = 256
	for _, clients := range []int{1, 16, dns} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			k := newNode(b, "a", benchView(b, dns))
			for i := range dns {
				n := dn.Number(fmt.Sprint(20000 + i))
				k.table.Register(n, dn.Registered)
				if _, err := k.agents.SetAgent(b.Context(), n, Change{Request: login, AgentID: "7"}); err != nil {
					b.Fatal(err)
				}
			}
			done := make(chan error)
			b.ResetTimer()
			for c := range clients {
				go func() {
					n := dn.Number(fmt.Sprint(20000 + c))
					for i := c; i < b.N; i += clients {
						change := Change{Request: ready}
						if i/clients%2 == 1 {
							change.Request = notReady
						}
						if _, err := k.agents.SetAgent(b.Context(), n, change); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
			}
			for range clients {
				if err := patience.Receive(b, "the end of a client", done); err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

// BenchmarkRegistry_Reserve: how much longer than the collection a reservation
// takes, with 200 DNs asked for at once by two clients each.
func BenchmarkRegistry_Reserve(b *testing.B) {
	const dns = 200
	k := newNode(b, "a", benchView(b, dns))
	var beyond []time.Duration
	for b.Loop() {
		took := make(chan time.Duration)
		for i := range dns {
			n := dn.Number(fmt.Sprint(20000 + i))
			k.table.Register(n, dn.Registered)
			for _, holder := range []string{"x", "y"} {
				go func() {
					began := time.Now()
					err := k.agents.Reserve(b.Context(), n, Reservation{Holder: holder, Duration: time.Minute})
					took <- time.Since(began)
					if err == nil {
						_ = k.agents.Reserve(b.Context(), n, Reservation{Holder: holder})
					}
					took <- 0
				}()
			}
		}
		for range 4 * dns {
			if d := patience.Receive(b, "a change of an agent", took); d > 50*time.Millisecond {
				beyond = append(beyond, d-100*time.Millisecond)
			}
		}
	}
	slices.Sort(beyond)
	b.ReportMetric(float64(beyond[len(beyond)/2].Microseconds()), "median-µs-beyond")
	b.ReportMetric(float64(beyond[len(beyond)*99/100].Microseconds()), "p99-µs-beyond")
}
