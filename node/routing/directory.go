package routing

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// directory is what routing looks up in the configuration by other things
// than a number: trunks by prefix, agents by group. It is made anew when the
// configuration has changed.
type directory struct {
	mu   sync.Mutex
	view *fsm.View
	// trunks by longest prefix, then priority, then number.
	trunks []*configpb.DN
	groups map[string][]dn.Number
}

// fresh tells whether read would find it up to date, so that it takes no time.
func (d *directory) fresh(view *fsm.View) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view == view
}

// read brings the directory up to date. The slices that it hands out are never
// changed.
func (d *directory) read(view *fsm.View) (trunks []*configpb.DN, groups map[string][]dn.Number) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view != view {
		d.view, d.trunks, d.groups = view, nil, map[string][]dn.Number{}
		for c := range view.DNs("") {
			switch c.GetKind() {
			case configpb.DNKind_DN_KIND_TRUNK:
				d.trunks = append(d.trunks, c)
			case configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN:
				for _, g := range c.GetGroups() {
					d.groups[g] = append(d.groups[g], dn.Number(c.GetNumber()))
				}
			}
		}
		slices.SortStableFunc(d.trunks, byPrefix)
	}
	return d.trunks, d.groups
}

// byPrefix leaves equal ones in their order, which is that of their numbers.
func byPrefix(a, b *configpb.DN) int {
	return cmp.Or(
		cmp.Compare(len(b.GetTrunk().GetPrefix()), len(a.GetTrunk().GetPrefix())),
		cmp.Compare(a.GetTrunk().GetPriority(), b.GetTrunk().GetPriority()),
	)
}

// trunksFor are the trunks that a number may leave by, in the order in which
// they are tried: the longest prefix, then the smallest priority.
func trunksFor(trunks []*configpb.DN, number string) []*configpb.DN {
	var fit []*configpb.DN
	for _, t := range trunks {
		if !t.GetDisabled() && t.GetTrunk().GetAddress() != "" && strings.HasPrefix(number, t.GetTrunk().GetPrefix()) {
			fit = append(fit, t)
		}
	}
	return fit
}
