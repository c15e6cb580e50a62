package proxy

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/carrier"
)

// trunks knows the gateways by where they call from, and by what they can prove.
type trunks struct {
	machine *fsm.Machine
	table   *dn.Table
	// book has their addresses.
	book *carrier.Book

	mu     sync.RWMutex
	byDN   map[dn.Number]*trunk
	byAddr map[netip.AddrPort]*trunk
	byIP   map[netip.Addr]*trunk
	// bySource are those with sources of their own, the longest prefix first.
	bySource []sourceOf
	// byName are those that are known by a certificate, byUser by a digest alone.
	byName []*trunk
	byUser map[string]*trunk
	// sought: the addresses of one that is known by them alone are looked up.
	sought bool
	// proved are the trunks that are known by their user, with where they have proved that.
	proved *recent.Set
	// nodes are the addresses of the cluster's own SIP ports. Many are at home there, so
	// that a port tells apart who sends datagrams.
	nodes map[netip.Addr]bool
	own   ownPorts
}

// maxProved is how many addresses are remembered at least at which a trunk has proved
// who it is.
const maxProved = 1024

type trunk struct {
	number dn.Number
	config *configpb.DN
	addrs  []netip.AddrPort // those that are known, as of the last index
	led    []netip.AddrPort // where its names led before
}

// sourceOf is a prefix that a trunk sends from.
type sourceOf struct {
	netip.Prefix
	of *trunk
}

func newTrunks(cfg *Config, ask func(carrier.Way, func(error)), cannot func(carrier.Way) error) *trunks {
	t := &trunks{machine: cfg.Machine, table: cfg.Table, byDN: map[dn.Number]*trunk{}, proved: recent.New(maxProved), own: ownPorts{machine: cfg.Machine, hosts: cfg.RecordRoutes, datagrams: cfg.Datagrams}}
	t.own.note()
	reached := func(n dn.Number, is bool) {
		cfg.Table.Reaches(n, is)
		if cfg.Reached != nil {
			cfg.Reached()
		}
	}
	t.book = carrier.New(carrier.Config{
		NameServers: carrier.NameServers{Servers: cfg.NameServers}, Ask: ask, Cannot: cannot, Own: t.own.has, Moved: t.index, Reached: reached, Log: cfg.Log,
		Every: func() time.Duration {
			return time.Duration(cfg.Machine.View().Options().GetTrunkOptionsS()) * time.Second
		},
	})
	v := cfg.Machine.View()
	for d := range v.Trunks() {
		t.take(d.GetNumber(), d)
	}
	t.index()
	return t
}

// take notes what the configuration says of a DN; true when that is news.
func (t *trunks) take(number string, d *configpb.DN) bool {
	if d.GetKind() != configpb.DNKind_DN_KIND_TRUNK || d.GetDisabled() {
		d = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byDN[dn.Number(number)]
	switch {
	case d == nil && old == nil, old != nil && d != nil && proto.Equal(old.config.GetTrunk(), d.GetTrunk()):
		return false
	case d == nil:
		delete(t.byDN, dn.Number(number))
		t.book.Drop(dn.Number(number))
		t.table.Remove(dn.Number(number), dn.Deleted)
	default:
		t.byDN[dn.Number(number)] = &trunk{number: dn.Number(number), config: d}
		t.book.Put(dn.Number(number), d.GetTrunk())
	}
	return true
}

// index makes what trunks are found by anew. Of several that fit the first by number
// counts.
func (t *trunks) index() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byAddr, t.byIP, t.byUser = map[netip.AddrPort]*trunk{}, map[netip.Addr]*trunk{}, map[string]*trunk{}
	t.bySource, t.byName, t.nodes, t.sought = nil, nil, t.nodeAddrs(), false
	for _, k := range t.inOrder() {
		c := k.config.GetTrunk()
		k = &trunk{number: k.number, config: k.config, addrs: t.book.Addrs(k.number), led: t.book.Led(k.number)}
		t.byDN[k.number] = k
		for _, s := range c.GetSources() {
			if p, err := fsm.ParseSource(s); err == nil {
				t.bySource = append(t.bySource, sourceOf{p, k})
			}
		}
		switch user := c.GetInboundAuth().GetUser(); {
		case c.GetTlsName() != "":
			t.byName = append(t.byName, k)
		case len(c.GetSources()) > 0:
		case user != "":
			put(t.byUser, user, k)
		default:
			t.sought = t.sought || t.book.Sought(k.number)
			for _, a := range k.addrs {
				put(t.byAddr, a, k)
				put(t.byIP, a.Addr(), k)
			}
		}
	}
	slices.SortStableFunc(t.bySource, func(a, b sourceOf) int { return b.Bits() - a.Bits() })
}

// put keeps the first value of a key.
func put[K comparable](m map[K]*trunk, key K, k *trunk) {
	if m[key] == nil {
		m[key] = k
	}
}

// inOrder are the trunks by number. The caller holds mu.
func (t *trunks) inOrder() []*trunk {
	list := make([]*trunk, 0, len(t.byDN))
	for _, k := range t.byDN {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b *trunk) int { return cmp.Compare(a.number, b.number) })
	return list
}

func (t *trunks) nodeAddrs() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, n := range t.machine.View().Nodes() {
		if a, err := netip.ParseAddrPort(n.GetSipAddr()); err == nil {
			all[a.Addr()] = true
		}
	}
	return all
}

// from finds the trunk that a packet comes from. surely: by its certificate, or the
// very address that is configured; elsewhere phones may be as well.
func (t *trunks) from(in *packet) (k *trunk, surely bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if k = t.surely(in); k != nil {
		return k, true
	}
	if k = t.byAddr[in.source]; k != nil {
		return k, false
	}
	if k = t.byIP[in.source.Addr()]; k != nil && !in.transport.Connected() && t.nodes[in.source.Addr()] {
		k = nil
	}
	for _, s := range t.bySource {
		if k != nil && !s.IsSingleIP() {
			break // a host of its own is more than one of a network
		}
		if s.Contains(in.source.Addr()) && s.of.config.GetTrunk().GetTlsName() == "" {
			return s.of, false
		}
	}
	return k, false
}

// surely is from for who asks about nobody else; the caller holds mu.
func (t *trunks) surely(in *packet) *trunk {
	for _, k := range t.byName {
		if in.shows(k.config.GetTrunk().GetTlsName()) && k.sends(in.source) {
			return k
		}
	}
	if in.transport.Connected() {
		return nil
	}
	return t.byAddr[in.source]
}

// speaks tells whether a packet comes from a trunk, as far as one can tell without
// asking it.
func (t *trunks) speaks(n dn.Number, in *packet) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k := t.byDN[n]
	if k == nil {
		return false
	}
	c := k.config.GetTrunk()
	switch {
	case c.GetTlsName() != "":
		return in.shows(c.GetTlsName()) && k.sends(in.source)
	case len(c.GetSources()) > 0:
		return k.sends(in.source)
	case c.GetInboundAuth() != nil:
		return t.proved.Has(k.at(in.source))
	case slices.Contains(k.addrs, in.source):
		return true
	}
	return k.isAt(in.source.Addr()) && (in.transport.Connected() || !t.nodes[in.source.Addr()])
}

// leads tells whether an address is one at which a trunk may be sent what belongs to its
// calls: its own, now or when the call came about, or one that it sends from.
func (t *trunks) leads(n dn.Number, addr netip.AddrPort) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k := t.byDN[n]
	switch {
	case k == nil:
		return false
	case slices.Contains(k.addrs, addr) || slices.Contains(k.led, addr) || t.proved.Has(k.at(addr)):
		return true
	case len(k.config.GetTrunk().GetSources()) > 0:
		return k.sends(addr)
	}
	return (k.isAt(addr.Addr()) || hostIn(k.led, addr.Addr())) && !t.nodes[addr.Addr()]
}

// ways are those by which a call tries to reach a trunk, as the configuration of now has it.
func (t *trunks) ways(n dn.Number) []carrier.Way {
	d := t.machine.View().DN(string(n))
	if k := t.get(n); (k == nil || k.config != d) && t.take(string(n), d) { // faster than who follows the configuration
		t.index()
	}
	return t.book.Ways(n)
}

// isAt tells whether one of the trunk's addresses is that of a host.
func (k *trunk) isAt(host netip.Addr) bool { return hostIn(k.addrs, host) }

func hostIn(list []netip.AddrPort, host netip.Addr) bool {
	return slices.ContainsFunc(list, func(a netip.AddrPort) bool { return a.Addr() == host })
}

func (t *trunks) get(n dn.Number) *trunk {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byDN[n]
}

func (k *trunk) configured() *configpb.Trunk {
	if k == nil {
		return nil
	}
	return k.config.GetTrunk()
}

// at names a trunk at an address.
func (k *trunk) at(addr netip.AddrPort) uint64 {
	return recent.Hash(struct {
		dn.Number
		netip.AddrPort
	}{k.number, addr})
}

// asked is whom the trunk has to prove to be; nil for nobody.
func (k *trunk) asked() *configpb.TrunkAuth { return k.configured().GetInboundAuth() }

// sends tells whether the trunk may send from an address, as far as it names some.
func (k *trunk) sends(addr netip.AddrPort) bool {
	sources := k.config.GetTrunk().GetSources()
	return len(sources) == 0 || slices.ContainsFunc(sources, func(s string) bool {
		p, err := fsm.ParseSource(s)
		return err == nil && p.Contains(addr.Addr())
	})
}

// ofUser is the trunk that is known by a user and its password alone.
func (t *trunks) ofUser(user []byte) *trunk {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byUser[string(user)]
}

// anyUser is one of those; nil when there is none.
func (t *trunks) anyUser() (found *trunk) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, k := range t.byUser {
		if found == nil || k.number < found.number {
			found = k
		}
	}
	return found
}

// seeks tells whether a trunk may be anywhere yet.
func (t *trunks) seeks() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sought
}

// knowsBySource tells whether a DN is a trunk that is known by where it sends from, or by
// its certificate.
func (t *trunks) knowsBySource(n dn.Number) bool {
	k := t.get(n)
	if k == nil {
		return false
	}
	c := k.config.GetTrunk()
	return c.GetTlsName() != "" || len(c.GetSources()) > 0 || c.GetInboundAuth() == nil
}

// named tells whether there are trunks that are known by a certificate.
func (t *trunks) named() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byName) > 0
}
