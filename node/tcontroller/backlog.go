package tcontroller

import (
	"context"
	"net"
	"sync"
	"syscall"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Socket is what waits in the kernel at this end of a connection, in bytes;
// with a cluster key as TLS encrypted it. 0 where the system does not tell
// (all but Linux).
type Socket struct {
	// Unacked was written here and is not acknowledged by the peer's kernel.
	Unacked uint64
	// Unread has arrived and was not read here.
	Unread uint64
}

// Backlog is what waits on the link by which a peer follows this node; 0 while
// there is none.
type Backlog struct {
	// Changes of this node's DNs, refreshes included, that were not yet handed
	// to the link. The rows of a snapshot are not counted.
	Changes uint64
	// CallEvents of this node's calls that were not yet handed to the link.
	CallEvents uint64
	Socket
}

// Backlog of a follower's newest link, measured now.
func (s *Server) Backlog(follower dn.Node) Backlog {
	l := s.links.get(follower)
	if l == nil {
		return Backlog{}
	}
	sent := l.sentCalls.Load() // first: the head only grows
	return Backlog{Changes: l.waiting(), CallEvents: l.calls.Head() - sent, Socket: socketOf(l.conn)}
}

// waiting counts the changes behind the position that was handed to the link.
func (l *publisherLink) waiting() uint64 {
	sent := l.sent.Load() // first: the head only grows
	return l.records.Head() - sent
}

// links are the newest link of each follower.
type links struct {
	mu sync.Mutex
	of map[dn.Node]*publisherLink
}

func (ls *links) get(follower dn.Node) *publisherLink {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.of[follower]
}

// add returns what takes the link away again, unless a newer one took its place.
func (ls *links) add(follower dn.Node, l *publisherLink) (remove func()) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.of[follower] = l
	return func() {
		ls.mu.Lock()
		defer ls.mu.Unlock()
		if ls.of[follower] == l {
			delete(ls.of, follower)
		}
	}
}

// Credentials are those of a gRPC server whose connections are secured
// beforehand or not at all. By them a Server knows the socket of a link;
// without them it sees the changes that wait, but not the bytes.
func Credentials() credentials.TransportCredentials { return accepted{insecure.NewCredentials()} }

type accepted struct {
	credentials.TransportCredentials
}

// connInfo hands the connection to the calls on it.
type connInfo struct {
	credentials.AuthInfo
	conn net.Conn
}

// NetConn is the connection below the call.
func (c connInfo) NetConn() net.Conn { return c.conn }

func (a accepted) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := a.TransportCredentials.ServerHandshake(conn)
	return conn, connInfo{info, conn}, err
}

func (a accepted) Clone() credentials.TransportCredentials {
	return accepted{a.TransportCredentials.Clone()}
}

// connOf is the connection below a call, nil when the server lacks Credentials.
func connOf(ctx context.Context) net.Conn {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(connInfo); ok {
			return info.conn
		}
	}
	return nil
}

// socketOf is what waits on a connection.
func socketOf(conn net.Conn) Socket {
	if raw := rawOf(conn); raw != nil {
		return measureSocket(raw)
	}
	return Socket{}
}

// rawOf looks below what wraps the socket, as tls.Conn does with NetConn; nil when there is none.
func rawOf(conn net.Conn) syscall.RawConn {
	for conn != nil {
		switch c := conn.(type) {
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
	return nil
}
