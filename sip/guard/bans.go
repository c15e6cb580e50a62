package guard

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/internal/walk"
)

// Ban is a silence: the source is not answered about the DN.
type Ban struct {
	Source netip.Addr
	// DN is "" for all that the source has not registered.
	DN       string
	Failures int
	Left     time.Duration
}

// Bans are the silences of now, by source and DN.
func (g *Guard) Bans() []Ban { return g.brakes.bans() }

// ClearBans forgets the wrong passwords of a source, of a DN, or of both; neither
// means all. It returns how many silences that ends.
func (g *Guard) ClearBans(source netip.Addr, dn string) int { return g.brakes.clear(source, dn) }

func (b *brakes) bans() (list []Ban) {
	b.mu.Lock()
	now := b.clock()
	for k, p := range walk.Map(&b.mu, b.pairs) {
		if p.silent(now) {
			list = append(list, Ban{k.source, k.dn, p.failures, p.last + p.silence - now})
		}
	}
	for a, s := range walk.Map(&b.mu, b.sources) {
		if s.sprays(now) {
			list = append(list, Ban{a, "", tries, s.until() - now})
		}
	}
	b.mu.Unlock()
	slices.SortFunc(list, func(x, y Ban) int { return cmp.Or(x.Source.Compare(y.Source), cmp.Compare(x.DN, y.DN)) })
	return list
}

func (b *brakes) clear(source netip.Addr, dn string) (ended int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	count := func(silent bool) {
		if silent {
			ended++
		}
	}
	for a, s := range walk.Map(&b.mu, b.sources) {
		if dn == "" && (!source.IsValid() || a == source) {
			count(s.sprays(now))
			s.count = 0
		}
	}
	for k, p := range walk.Map(&b.mu, b.pairs) {
		if (!source.IsValid() || k.source == source) && (dn == "" || k.dn == dn) {
			count(p.silent(now))
			b.drop(p)
		}
	}
	return ended
}
