package intake

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/api/access"
)

// Crowd bounds the connections of those of whom nobody knows yet who they are. A
// newcomer always finds a place: the oldest one leaves of the source that has most,
// so whoever fills all places pushes out himself and not a node that comes in.
type Crowd struct {
	// Most places there are, and Each of them for one source.
	Most, Each int

	mu    sync.Mutex
	conns []*stranger // the oldest first
}

type stranger struct {
	conn   net.Conn
	source netip.Addr
}

// Enter returns what gives the place back.
func (c *Crowd) Enter(conn net.Conn) (leave func()) {
	s := &stranger{conn, access.Network(conn.RemoteAddr().String())}
	c.mu.Lock()
	defer c.mu.Unlock()
	if out := c.crowdedOut(s.source); out != nil {
		c.remove(out)
		_ = out.conn.Close()
	}
	c.conns = append(c.conns, s)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.remove(s)
	}
}

// crowdedOut is who has to go for one more of that source, nil for nobody.
func (c *Crowd) crowdedOut(source netip.Addr) *stranger {
	of, biggest := map[netip.Addr]int{}, source
	for _, s := range c.conns {
		if of[s.source]++; of[s.source] > of[biggest] {
			biggest = s.source
		}
	}
	switch {
	case of[source] >= c.Each:
		biggest = source
	case len(c.conns) < c.Most:
		return nil
	}
	at := slices.IndexFunc(c.conns, func(s *stranger) bool { return s.source == biggest })
	return c.conns[at]
}

func (c *Crowd) remove(s *stranger) {
	if at := slices.Index(c.conns, s); at >= 0 {
		c.conns = slices.Delete(c.conns, at, at+1)
	}
}
