package port

import (
	"crypto/tls"
	"net"
	"sync"

	"github.com/sipcluster/sipcluster/node/identity"
)

// known are the connections between nodes, by who is at the other end: they end
// when that one is not believed any more.
type known struct {
	mu    sync.Mutex
	conns map[*knownConn]struct{}
}

// knownConn is a connection of known.
type knownConn struct {
	*identity.Conn
	socket net.Conn
	of     *known
}

// NetConn is the connection below.
func (c *knownConn) NetConn() net.Conn { return c.Conn }

func (c *knownConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// know keeps a connection whose handshake is done, by the socket below it. Whoever
// was taken off the roster meanwhile is refused.
func (d *Dialer) know(socket net.Conn, secured *tls.Conn) (net.Conn, error) {
	s := secured.ConnectionState()
	c := &knownConn{Conn: &identity.Conn{Conn: secured, Key: identity.KeyOf(s)}, socket: socket, of: &d.known}
	if s.NegotiatedProtocol == identity.Join {
		return c, nil // whatever the certificate says
	}
	c.Peer = identity.IDOf(s)
	d.known.mu.Lock()
	if d.known.conns == nil {
		d.known.conns = map[*knownConn]struct{}{}
	}
	d.known.conns[c] = struct{}{}
	d.known.mu.Unlock()
	if err := d.Identity.Trust().Holds(c.Peer, c.Key); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Recheck ends the connections of those who are not believed any more, at once:
// nothing that has arrived is read.
func (d *Dialer) Recheck() (ended int) {
	t, k := d.Identity.Trust(), &d.known
	k.mu.Lock()
	var refused []*knownConn
	for c := range k.conns {
		if t.Holds(c.Peer, c.Key) != nil {
			refused = append(refused, c)
			delete(k.conns, c)
		}
	}
	k.mu.Unlock()
	for _, c := range refused {
		_ = c.socket.Close() // TLS would wait for its farewell
	}
	return len(refused)
}
