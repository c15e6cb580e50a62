// Package wire is sockets and connections: UDP in batches past Go's poller, TCP,
// TLS and WebSocket, from the first byte to whole messages and back. It hands
// each message up to a Handler and passes to sipgo, by net.PacketConn and
// net.Listener, what the handler leaves for it. It knows no method, no DN's
// state and no call.
//
// It needs Linux, as the node does: the UDP socket is read by recvmmsg(2) and
// written by sendmmsg(2).
package wire
