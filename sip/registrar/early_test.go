package registrar

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
)

// kept is what an earlier process may have left of a DN.
func kept(luck *rand.Rand, n string, now time.Time) *location.Entry {
	e := &location.Entry{Record: dn.Record{Number: dn.Number(n), ClaimTime: 5 + luck.Int64N(1000), State: dn.InSrv, Reason: dn.Registered, Since: 5}}
	for i := range luck.IntN(3) {
		b := location.Binding{Contact: fmt.Sprintf("sip:%s@192.0.2.%d:5999", n, i), CallID: fmt.Sprint("c", i), CSeq: 1, Source: netip.MustParseAddrPort("192.0.2.1:5999"), Expires: now.Add(time.Hour)}
		switch luck.IntN(4) {
		case 0:
			b.Transport = location.TCP
		case 1:
			b.Expires = now.Add(-time.Second)
		case 2:
			b.Unresponsive = true
		}
		e.Bindings = append(e.Bindings, b)
	}
	if len(e.Bindings) == 0 {
		e.Record.State, e.Record.Reason = dn.OOS, dn.Unregistered
	}
	return e
}

// asked is a REGISTER that a phone may send when its node comes back.
func asked(luck *rand.Rand, n string, cseq uint32) *Request {
	life := int64(luck.IntN(2) * 600)
	return &Request{CallID: fmt.Append(nil, "c", luck.IntN(3)), CSeq: cseq, Expires: life, Source: netip.MustParseAddrPort("192.0.2.1:5999"),
		contacts: []contact{{uri: fmt.Appendf(nil, "sip:%s@192.0.2.%d:5999", n, luck.IntN(3)), expires: -1}}}
}

// outcome is what matters of a DN in the end.
func (w *desk) outcome(n dn.Number) string {
	own, known := w.table.Own(n)
	text := fmt.Sprint(known, own.State, own.Reason, own.Way, own.Floor != 0)
	e := w.store.Get(n)
	if e == nil {
		return text + " nothing is stored"
	}
	if known && e.Record.ClaimTime != own.ClaimTime {
		text += " stored under another claim"
	}
	for _, b := range e.Bindings {
		text += fmt.Sprint(" ", b.Contact, b.CallID, b.CSeq, b.Unresponsive)
	}
	return text
}

// TestRestore_BesideRegistersIsAsBeforeThem: phones register before, while and after their
// bindings are put back. Whatever the order, table, store, counts and answers are as if
// all had been put back before the first came.
func TestRestore_BesideRegistersIsAsBeforeThem(t *testing.T) {
	runs := 40
	if testing.Short() {
		runs = 8
	}
	const dns, hands = 60, 3
	numbers := make([]string, dns)
	for i := range numbers {
		numbers[i] = fmt.Sprint(1001 + i)
	}
	for run := range runs {
		now := time.Now()
		both := map[bool]*desk{true: newDesk(t, numbers...), false: newDesk(t, numbers...)}
		answers, silents := map[bool][dns][]int{}, map[bool][]dn.Number{}
		for early, w := range both {
			luck := rand.New(rand.NewPCG(uint64(run), 1))
			for _, n := range numbers {
				if luck.IntN(5) > 0 {
					w.store.Put(kept(luck, n, now))
				}
			}
			var got [dns][]int
			var phones sync.WaitGroup
			serve := func() {
				for hand := range hands {
					phones.Go(func() {
						luck := rand.New(rand.NewPCG(uint64(run), uint64(10+hand)))
						for cseq := range uint32(4) {
							for i := hand; i < dns; i += hands {
								if luck.IntN(3) == 0 {
									a := &answer.Answer{}
									v := w.machine.View()
									w.registrar.update(asked(luck, numbers[i], 2+cseq), v, v.DN(numbers[i]), a)
									got[i] = append(got[i], a.Code)
								}
							}
						}
					})
				}
			}
			if early {
				serve()
			}
			silents[early] = w.registrar.Restore()
			if !early {
				serve()
			}
			phones.Wait()
			answers[early] = got
		}
		for i, n := range numbers {
			if got, want := both[true].outcome(dn.Number(n)), both[false].outcome(dn.Number(n)); got != want {
				t.Fatalf("run %d: DN %s is %s\nwant %s", run, n, got, want)
			}
			if got, want := answers[true][i], answers[false][i]; !slices.Equal(got, want) {
				t.Fatalf("run %d: DN %s was answered %v, want %v", run, n, got, want)
			}
		}
		for _, n := range silents[true] {
			if !slices.Contains(silents[false], n) {
				t.Errorf("run %d: DN %s counts as silent", run, n)
			}
		}
		if got, want := both[true].registrar.cfg.Stats.Bindings.Load(), both[false].registrar.cfg.Stats.Bindings.Load(); got != want {
			t.Fatalf("run %d: %d bindings are counted, want %d", run, got, want)
		}
	}
}
