package consensus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/internal/security"
)

const (
	// maxGreeting bounds each word of a greeting, in bytes.
	maxGreeting  = 255
	helloTimeout = 5 * time.Second
)

// greeting opens a connection of Raft: of which cluster it is, which node is meant,
// and who comes, by their ids.
type greeting struct{ cluster, to, from string }

func (g greeting) encode() []byte {
	var b bytes.Buffer
	for _, word := range []string{g.cluster, g.to, g.from} {
		word = word[:min(len(word), maxGreeting)]
		b.WriteByte(byte(len(word)))
		b.WriteString(word)
	}
	return b.Bytes()
}

func readGreeting(r io.Reader) (g greeting, err error) {
	for _, word := range []*string{&g.cluster, &g.to, &g.from} {
		var n [1]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return g, err
		}
		b := make([]byte, n[0])
		if _, err := io.ReadFull(r, b); err != nil {
			return g, err
		}
		*word = string(b)
	}
	return g, nil
}

// caller is a connection that another node opened. It reads the greeting with the
// first Read, on Raft's goroutine of the connection: a silent caller holds up nobody.
type caller struct {
	net.Conn
	// want is the greeting of whoever may come: its from is that of the connection,
	// "" where nobody is asked who he is.
	want func() greeting
	from string // as the greeting says; set by the first Read
	// events is told of those who come in another's name.
	events *security.Events

	greeted sync.Once
	err     error
	closing sync.Once
	ended   chan struct{}
}

// named is a connection of which the port knows who is at the other end.
type named interface{ PeerID() string }

func peerOf(conn net.Conn) string {
	for c := any(conn); c != nil; {
		if n, ok := c.(named); ok {
			return n.PeerID()
		}
		below, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return ""
		}
		c = below.NetConn()
	}
	return ""
}

func newCaller(conn net.Conn, clusterID func() string, self string) *caller {
	return &caller{Conn: conn, ended: make(chan struct{}), want: func() greeting {
		return greeting{cluster: clusterID(), to: self, from: peerOf(conn)}
	}}
}

func (c *caller) Read(b []byte) (int, error) {
	c.greeted.Do(func() { c.err = c.hello() })
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

func (c *caller) hello() error {
	_ = c.SetReadDeadline(time.Now().Add(helloTimeout))
	got, err := readGreeting(c.Conn)
	if err != nil {
		return err
	}
	want := c.want()
	switch {
	case want.cluster == "" || got.cluster != want.cluster:
		return otherCluster(got.cluster, want.cluster)
	case got.to != want.to:
		return fmt.Errorf("node %.64q is meant, this is %s: the address belongs to another node now", got.to, want.to)
	case got.from == "" || want.from != "" && got.from != want.from:
		return c.liar(fmt.Errorf("it calls itself %.64q and is %s", got.from, want.from))
	}
	c.from = got.from
	return c.SetReadDeadline(time.Time{})
}

// liar tells of who came in another's name, where it is known who that is.
func (c *caller) liar(why error) error {
	if peer := c.want().from; peer != "" {
		c.events.Event(security.IdentityRefused, "peer", peer, "protocol", "raft", "why", why.Error())
	}
	return why
}

// Close ends its transport too.
func (c *caller) Close() error {
	c.closing.Do(func() { close(c.ended) })
	return c.Conn.Close()
}

// speaks tells whether a request is in the name of the node that sent it.
func (c *caller) speaks(rpc raft.RPC) bool {
	r, ok := rpc.Command.(raft.WithRPCHeader)
	return ok && string(r.GetRPCHeader().ID) == c.from
}

// single is a raft.StreamLayer of one connection.
type single struct {
	*stream
	conn   chan net.Conn
	closed chan struct{}
}

// Accept yields the connection, once.
func (s single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conn:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept; the connection is the caller's. It is called once.
func (s single) Close() error {
	close(s.closed)
	return nil
}

var errOtherName = errors.New("a node of the cluster spoke in the name of another one")
