package intake

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/nowait"
)

const (
	// pulseAfter is how long a client's connection may say nothing until the kernel
	// asks whether its machine is there (SO_KEEPALIVE); pulseEach how often it asks
	// again, when there is no answer.
	pulseAfter, pulseEach = time.Second, 300 * time.Millisecond
	// clientTimeout is how long the kernel waits for a sign of life of a client's
	// machine (TCP_USER_TIMEOUT, RFC 5482): what is not acknowledged for so long ends
	// the connection. With pulseEach a machine that was unplugged is noticed after 2.5 s;
	// the DNs of its gateway go out of service then.
	clientTimeout = 2200 * time.Millisecond
)

// watchMachine has the kernel notice that a client's machine is gone. No answer of
// the client's program is needed: many of them read nothing while they are idle.
func watchMachine(conn net.Conn) {
	tcp := Below(conn)
	if tcp == nil {
		return
	}
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: pulseAfter, Interval: pulseAfter, Count: 9}) // fails only when closed
	control(tcp, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(clientTimeout/time.Millisecond))
	})
}

// control has fn do something with a socket, unless it is closed.
func control(tcp *net.TCPConn, fn func(fd int)) {
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { fn(int(fd)) })
	}
}

// Below is the connection beneath all that is spoken on one; nil when it is no TCP.
func Below(conn net.Conn) *net.TCPConn {
	for {
		switch c := conn.(type) {
		case *net.TCPConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// FeelPulses asks those again who did not answer, until the context ends: by itself
// the kernel does it once a second, so two lost packets would be a death. And it ends
// the connections of those who are gone: the kernel counts from what was sent last, and
// begins anew when there is something to say to the dead.
func (i *Listener) FeelPulses(ctx context.Context) {
	t := beat.New(pulseEach)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Again()
		}
		for _, c := range i.connections() {
			if feel(c) {
				_ = c.Close()
			}
		}
	}
}

// feel tells whether the machine at the other end is gone, and sends one more probe where
// one is not answered: to set when the first one is due makes that moment now.
func feel(conn net.Conn) (gone bool) {
	tcp := Below(conn)
	if tcp == nil {
		return false
	}
	control(tcp, func(fd int) {
		info, err := nowait.TCPInfo(fd)
		switch {
		case err != nil:
		case noPulse(info):
			gone = true
		case info.Probes > 0:
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(pulseAfter/time.Second))
		}
	})
	return gone
}

// noPulse judges by what the kernel has seen, so a process that gets no CPU errs about
// nobody: something waits for an answer, and none of any kind has come for too long.
func noPulse(info *unix.TCPInfo) bool {
	silence := time.Duration(info.Last_ack_recv) * time.Millisecond
	return silence >= clientTimeout && (info.Probes > 0 || info.Unacked > 0)
}
