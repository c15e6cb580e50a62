package routing

import (
	"cmp"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// directory is the trunks by prefix. It is made anew of them when the configuration
// has changed.
type directory struct {
	mu   sync.Mutex
	view *fsm.View
	// trunks by longest prefix, then priority, then number.
	trunks []*configpb.DN
}

// fresh tells whether read would find it up to date, so that it takes no time.
func (d *directory) fresh(view *fsm.View) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view == view
}

// read brings the directory up to date. The slice that it hands out is never changed.
func (d *directory) read(view *fsm.View) (trunks []*configpb.DN) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view != view {
		d.view, d.trunks = view, slices.SortedStableFunc(view.Trunks(), byPrefix)
	}
	return d.trunks
}

// byPrefix leaves equal ones in their order, which is that of their numbers.
func byPrefix(a, b *configpb.DN) int {
	return cmp.Or(
		cmp.Compare(len(b.GetTrunk().GetPrefix()), len(a.GetTrunk().GetPrefix())),
		cmp.Compare(a.GetTrunk().GetPriority(), b.GetTrunk().GetPriority()),
	)
}
