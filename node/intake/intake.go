// Package intake is who gets a connection: the listeners of ports to which strangers come
// bound how many are open, all in all and of one source, so that whoever takes all keeps
// out himself; and they have the kernel notice machines that are gone. It knows nothing of
// what is said on a connection. Called by package node.
package intake

import (
	"container/list"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/internal/security"
)

const (
	// maxConns are open at a port for clients, maxConnsEach of them from one source:
	// as many sessions as that may have, and some more.
	maxConns, maxConnsEach = 16_384, 4608
	// MaxSIP are open at the SIP port.
	MaxSIP = 10_000
	// keptBack are the descriptors that strangers can't have, whatever port they come to:
	// for files, for the other nodes (some 16 for each), and for who asks why. It is a
	// quarter of all, but not less.
	keptBack = 72
)

// Share is how many connections may be open where at most that many would do: a part of
// the process's descriptors that are not kept back. The parts of all ports are no more
// than the whole, so who fills one, or all, keeps no node out.
func Share(most, part int) int { return shareOf(descriptors(), most, part) }

func shareOf(descriptors, most, part int) int {
	free := descriptors - max(keptBack, descriptors/4)
	return max(min(most, free/part), 2)
}

// The parts.
const (
	PhonesPart, ClientsPart             = 4, 4
	HTTPPart, OpeningPart, EnteringPart = 16, 16, 16
)

// Listener is the listener of a port for clients: it bounds the connections, all in all
// and of one source. Of those that have not made a request yet the oldest one leaves
// for a newcomer, so that silent ones keep nobody out.
type Listener struct {
	net.Listener
	port   string
	room   *access.Room
	events *security.Events

	mu sync.Mutex
	// silent are the connections without a request, the oldest first.
	silent *list.List
	places map[string]*list.Element // by address of the other end
	guests map[*guest]struct{}      // all
}

// New bounds the connections of a port for clients; it is told of in events by that name.
func New(ln net.Listener, port string, events *security.Events) *Listener {
	all := Share(maxConns, ClientsPart)
	return NewOf(ln, port, all, min(maxConnsEach, all-all/16), events)
}

// NewOf bounds them to all, and to each of one source.
func NewOf(ln net.Listener, port string, all, each int, events *security.Events) *Listener {
	return &Listener{Listener: ln, port: port, room: access.NewRoom(all, each), events: events, silent: list.New(), places: map[string]*list.Element{}, guests: map[*guest]struct{}{}}
}

// descriptors are how many files the process may have open.
func descriptors() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil || l.Cur > 1<<20 {
		return 1 << 20
	}
	return int(l.Cur)
}

// Accept implements net.Listener.
func (i *Listener) Accept() (net.Conn, error) {
	for {
		conn, err := i.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := i.take(conn); c != nil {
			return c, nil
		}
	}
}

// take gives the connection a place, or closes it.
func (i *Listener) take(conn net.Conn) net.Conn {
	addr := conn.RemoteAddr().String()
	source := access.Network(addr)
	entered := i.room.Enter(source)
	for entered != access.In && i.dropSilent(source, entered) {
		entered = i.room.Enter(source)
	}
	if entered != access.In {
		i.events.Event(security.Limited, "what", "connections", "port", i.port, "source", addr)
		_ = conn.Close()
		return nil
	}
	watchMachine(conn)
	c := &guest{Conn: conn, in: i, source: source, addr: addr}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.places[addr] = i.silent.PushBack(c)
	i.guests[c] = struct{}{}
	return c
}

// connections are those that are open.
func (i *Listener) connections() []*guest {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Collect(maps.Keys(i.guests))
}

// dropSilent ends the oldest silent connection, of that source when only that has
// too many; false when there is none.
func (i *Listener) dropSilent(source netip.Addr, full access.Entered) bool {
	i.mu.Lock()
	var oldest *guest
	for e := i.silent.Front(); e != nil && oldest == nil; e = e.Next() {
		if c := e.Value.(*guest); full == access.Full || c.source == source {
			oldest = c
		}
	}
	i.mu.Unlock()
	if oldest == nil {
		return false
	}
	_ = oldest.Close()
	return true
}

// Spoke notes that a request was taken on the connection from an address.
func (i *Listener) Spoke(addr string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e := i.places[addr]; e != nil {
		i.silent.Remove(e)
		delete(i.places, addr)
	}
}

// guest is a connection that has a place.
type guest struct {
	net.Conn
	in     *Listener
	source netip.Addr
	addr   string
	once   sync.Once
}

// NetConn is the connection below.
func (g *guest) NetConn() net.Conn { return g.Conn }

// Close gives the place back.
func (g *guest) Close() error {
	g.once.Do(func() {
		g.in.mu.Lock()
		if e := g.in.places[g.addr]; e != nil && e.Value.(*guest) == g {
			g.in.silent.Remove(e)
			delete(g.in.places, g.addr)
		}
		delete(g.in.guests, g)
		g.in.mu.Unlock()
		g.in.room.Leave(g.source)
	})
	return g.Conn.Close()
}
