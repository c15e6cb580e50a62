package carrier

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// ledFor is how long an address counts to which a name does not lead any more, mostLed how
// many of a name do.
const ledFor, mostLed = 24 * time.Hour, 256

// Led are the addresses that the names of a trunk led to in the last day: calls that are up
// there stay there.
func (b *Book) Led(n dn.Number) (list []netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.trunks[n]; e != nil {
		for _, t := range e.targets {
			list = slices.AppendSeq(list, maps.Keys(t.led))
		}
	}
	return list
}

// leave notes that the target leads elsewhere from now on. Of more than mostLed those are
// forgotten that were left first.
func (t *target) leave(now time.Time) {
	if t.led == nil {
		t.led = map[netip.AddrPort]time.Time{}
	}
	for _, p := range t.places {
		for _, w := range p.Ways {
			t.led[w.Addr] = now.Add(ledFor)
		}
	}
	maps.DeleteFunc(t.led, func(_ netip.AddrPort, until time.Time) bool { return until.Before(now) })
	for len(t.led) > mostLed {
		first := slices.MinFunc(slices.Collect(maps.Keys(t.led)), func(a, b netip.AddrPort) int { return t.led[a].Compare(t.led[b]) })
		delete(t.led, first)
	}
}
