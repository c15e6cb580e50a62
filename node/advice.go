package node

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/port"
)

// adviseJoining says what to look at when nobody lets this node in: whether nodes are
// asked who they are was decided when the cluster was made.
func (n *Node) adviseJoining(ctx context.Context) string {
	for _, addr := range n.cfg.Join {
		switch {
		case n.who != nil && n.answers(ctx, addr, greetsInClear):
			return "the node at " + addr + " talks in the clear: its cluster was made with --insecure, so start this node with --insecure too, or join another one"
		case n.who == nil && n.answers(ctx, addr, greetsByKey):
			return "the node at " + addr + " wants to know who asks: start this node without --insecure and --cluster-key-file, with --invite-file FILE (sipcluster node invite, at a member)"
		}
	}
	for _, addr := range n.cfg.Join {
		if n.who == nil && n.answers(ctx, addr, func(conn net.Conn) bool { return n.key != nil || !greetsInClear(conn) }) {
			return "somebody listens at " + addr + ": does this node have the --cluster-key-file of the members, or none if they have none?"
		}
	}
	return "check that --join names the cluster port of a running member"
}

func (n *Node) answers(ctx context.Context, addr string, greets func(net.Conn) bool) bool {
	conn, err := n.fabric.Dial(ctx, addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(port.OpenTimeout))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	return greets(conn)
}

// greetsByKey tells whether nodes with keys of their own are served there.
func greetsByKey(conn net.Conn) bool {
	c := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{identity.Join},
		InsecureSkipVerify: true, // nothing is told, and nothing believed
	})
	return c.Handshake() == nil && c.ConnectionState().NegotiatedProtocol == identity.Join
}

// greetsInClear tells whether HTTP/2 is served there without TLS.
func greetsInClear(conn net.Conn) bool {
	const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings); err != nil {
		return false
	}
	head := make([]byte, len(settings))
	_, err := io.ReadFull(conn, head)
	return err == nil && head[3] == settings[3]
}
