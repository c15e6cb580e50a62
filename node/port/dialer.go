package port

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	streams "github.com/sipcluster/sipcluster/sip/peer"
)

// Dialer connects to the cluster ports of other nodes, and to nobody else than the node
// that is meant.
type Dialer struct {
	// Identity of this node; nil: nobody is asked who he is.
	Identity *identity.Identity
	// Key of a cluster that has one secret for all, then; nil: in clear.
	Key *Key
	// Fabric is the way there.
	Fabric *Fabric

	known known
}

// Dial connects to the cluster port of the node of that id for gRPC. ECONNREFUSED
// is left in the error.
func (d *Dialer) Dial(ctx context.Context, id, addr string) (net.Conn, error) {
	conn, err := d.Fabric.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if tcp := intake.Below(conn); tcp != nil {
		if conn, err = tcontroller.Timed(conn, tcp); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	if d.Identity == nil && d.Key != nil {
		secured := tls.Client(conn, d.Key.client)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%w: do both nodes have the same cluster key?", err)
		}
		return secured, nil
	}
	return d.Secure(ctx, conn, identity.GRPC, id)
}

// DialRaft connects to the cluster port of the node of that id for Raft.
func (d *Dialer) DialRaft(ctx context.Context, id, addr string) (net.Conn, error) {
	return d.dialFor(ctx, id, addr, identity.Raft, raftPreamble)
}

// DialSIP connects to the cluster port of the node of that id for SIP.
func (d *Dialer) DialSIP(ctx context.Context, id, addr string) (net.Conn, error) {
	return d.dialFor(ctx, id, addr, identity.SIP, sipPreamble)
}

// dialFor connects for a protocol other than gRPC.
func (d *Dialer) dialFor(ctx context.Context, id, addr, protocol, preamble string) (net.Conn, error) {
	conn, err := d.Fabric.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(*cuttable); ok && protocol == identity.SIP {
		c.Conn = streams.NewSocket(intake.Below(c.Conn))
	}
	if d.Identity == nil && d.Key != nil {
		conn = tls.Client(conn, d.Key.client)
	} else if conn, err = d.Secure(ctx, conn, protocol, id); err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(OpenTimeout))
	if _, err := conn.Write([]byte(preamble)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, conn.SetDeadline(time.Time{})
}

// Secure makes sure that the node of that id is at the other end, and keeps what it
// says from others; where nobody is asked who he is, it does nothing. A connection
// that it refuses is closed.
func (d *Dialer) Secure(ctx context.Context, conn net.Conn, protocol, id string) (net.Conn, error) {
	if d.Identity == nil {
		return conn, nil
	}
	if _, known := d.Identity.Trust().Keys[id]; !known {
		_ = conn.Close()
		return nil, identity.NotOnRoster // nobody has claimed to be it
	}
	secured := tls.Client(conn, d.Identity.Client(protocol, id))
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	known, err := d.know(conn, secured)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return known, nil
}
