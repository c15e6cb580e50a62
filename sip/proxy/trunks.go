package proxy

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// trunks knows the gateways by the addresses that they call from.
type trunks struct {
	machine *fsm.Machine

	mu     sync.RWMutex
	byDN   map[dn.Number]*trunk
	byAddr map[netip.AddrPort]dn.Number
	byIP   map[netip.Addr]dn.Number
}

type trunk struct {
	address string // host:port as configured
	addr    netip.AddrPort
}

// resolveEvery is how often the names of gateways are looked up again.
const resolveEvery = time.Minute

func newTrunks(m *fsm.Machine) *trunks {
	t := &trunks{machine: m, byDN: map[dn.Number]*trunk{}}
	v := m.View()
	for d := range v.DNs("") {
		t.take(d.GetNumber(), d)
	}
	t.index()
	return t
}

// take notes what the configuration says of a DN; true when that is news.
func (t *trunks) take(number string, d *configpb.DN) bool {
	address := d.GetTrunk().GetAddress()
	if d.GetKind() != configpb.DNKind_DN_KIND_TRUNK || d.GetDisabled() {
		address = ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byDN[dn.Number(number)]
	switch {
	case address == "" && old == nil, old != nil && old.address == address:
		return false
	case address == "":
		delete(t.byDN, dn.Number(number))
	default:
		addr, _ := netip.ParseAddrPort(address)
		t.byDN[dn.Number(number)] = &trunk{address: address, addr: addr}
	}
	return true
}

// index makes the maps by address anew.
func (t *trunks) index() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byAddr, t.byIP = map[netip.AddrPort]dn.Number{}, map[netip.Addr]dn.Number{}
	for n, k := range t.byDN {
		if !k.addr.IsValid() {
			continue
		}
		// Of gateways with one address the first by number counts.
		if old, ok := t.byAddr[k.addr]; !ok || n < old {
			t.byAddr[k.addr] = n
		}
		if old, ok := t.byIP[k.addr.Addr()]; !ok || n < old {
			t.byIP[k.addr.Addr()] = n
		}
	}
}

// from finds the trunk that calls from an address. A gateway opens its
// connections from any port.
func (t *trunks) from(source netip.AddrPort, connected bool) (dn.Number, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n, ok := t.byAddr[source]; ok {
		return n, true
	}
	n, ok := t.byIP[source.Addr()]
	return n, ok && connected
}

// has tells whether an address is one of a trunk's now.
func (t *trunks) has(n dn.Number, addr netip.AddrPort, connected bool) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k := t.byDN[n]
	return k != nil && k.addr.IsValid() && (k.addr == addr || connected && k.addr.Addr() == addr.Addr())
}

// address is the host:port of a trunk; "" when there is none.
func (t *trunks) address(n dn.Number) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if k := t.byDN[n]; k != nil {
		return k.address
	}
	return ""
}

// follow keeps up with the configuration, and with the names' addresses.
func (t *trunks) follow(ctx context.Context) error {
	changes := make(chan fsm.Changes)
	go func() {
		defer close(changes)
		w := t.machine.Watch()
		defer w.Close()
		for {
			c, err := w.Next(ctx)
			if err != nil {
				return
			}
			select {
			case changes <- c:
			case <-ctx.Done():
				return
			}
		}
	}()
	again := time.NewTicker(resolveEvery)
	defer again.Stop()
	for t.resolve(ctx); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
			t.resolve(ctx)
		case c, ok := <-changes:
			if !ok {
				return ctx.Err()
			}
			if t.changed(c) {
				t.resolve(ctx)
			}
		}
	}
}

func (t *trunks) changed(c fsm.Changes) (news bool) {
	v := t.machine.View()
	if c.All {
		for d := range v.DNs("") {
			news = t.take(d.GetNumber(), d) || news
		}
		for _, n := range t.numbers() {
			news = t.take(string(n), v.DN(string(n))) || news
		}
	}
	for _, n := range c.DNs {
		news = t.take(n, v.DN(n)) || news
	}
	return news
}

func (t *trunks) numbers() (list []dn.Number) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for n := range t.byDN {
		list = append(list, n)
	}
	return list
}

// resolve looks names up; one that is not found keeps its last address.
func (t *trunks) resolve(ctx context.Context) {
	for _, n := range t.numbers() {
		t.mu.RLock()
		k := t.byDN[n]
		t.mu.RUnlock()
		if k == nil {
			continue
		}
		if addr, err := lookUp(ctx, k.address); err == nil {
			t.mu.Lock()
			if t.byDN[n] == k {
				t.byDN[n] = &trunk{address: k.address, addr: addr}
			}
			t.mu.Unlock()
		}
	}
	t.index()
}
