package tcontroller

import (
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/nowait"
)

// Every bound of the verdict is one for a peer beside this node, and more by what a round
// trip to the peer takes: a silent cut is seen within 0.75 s and three round trips, and
// within 2.7 s where so many packets were lost just before it that every trip seemed longer.
const (
	// longestTimeout and longestSilence are the bounds however far a peer is.
	longestTimeout = 2200 * time.Millisecond
	longestSilence = 2600 * time.Millisecond
	// gossipReach is the round trip up to which gossip's word counts: its probes wait no
	// longer for an answer, so beyond that it doubts everybody.
	gossipReach = 30 * time.Millisecond
)

// userTimeout is how long the kernel waits until what was sent is acknowledged. It leaves
// room for a lost packet that is repeated, and for a route that becomes longer in one step.
func userTimeout(trip time.Duration) time.Duration {
	return min(UserTimeout+trip*9/4, longestTimeout)
}

// silence is how long nothing may have come from a peer whose link is broken: longer than
// userTimeout by redialGrace at the least.
func silence(near, trip time.Duration) time.Duration {
	return min(near+trip*5/2, max(near, longestSilence))
}

// far is the round trip to the peer: one in ten of the last ones took less. Those that a
// lost packet held up, with all behind it, must not count, nor a machine without time; what
// the way itself takes more than that is within what each bound has for a near peer.
func (ts trips) far() time.Duration {
	if len(ts) == 0 {
		return 0
	}
	recent := ts[max(0, len(ts)-recentTrips):]
	took := make([]time.Duration, len(recent))
	for i, t := range recent {
		took[i] = t.rtt
	}
	slices.Sort(took)
	return took[len(took)/10]
}

// recentTrips are those that tell how far a peer is: of some two seconds, while it is far or
// just became so.
const recentTrips = 20

// timed is a connection between nodes that the kernel ends when the peer's machine is not
// there any more: the time for that follows the round trip that the kernel measures.
type timed struct {
	net.Conn
	tcp  *net.TCPConn
	next atomic.Int64 // when to look again, since epoch
}

var epoch = time.Now()

// unacknowledged tells whether something was sent on a connection, and nothing came back for
// that long. The kernel's own time begins with the first packet that it repeats, and where
// the round trip is longer than the time between two pings it puts that off at each of them.
func unacknowledged(conn net.Conn, long time.Duration) (gone bool) {
	info, ok := tcpInfo(rawOf(conn))
	return ok && info.Unacked > 0 && time.Duration(info.Last_ack_recv)*time.Millisecond >= long
}

// tcpInfo is what the kernel says of a connection; not ok when it is closed, or none of TCP.
func tcpInfo(raw syscall.RawConn) (info *unix.TCPInfo, ok bool) {
	if raw == nil {
		return nil, false
	}
	err := raw.Control(func(fd uintptr) {
		i, err := nowait.TCPInfo(int(fd))
		info, ok = i, err == nil
	})
	return info, ok && err == nil
}

// retimeEvery is how long a round trip is believed.
const retimeEvery = 250 * time.Millisecond

// Timed makes conn, whose socket is tcp, one that ends when sent bytes stay unacknowledged
// for UserTimeout, and longer where the peer is far (TCP_USER_TIMEOUT, RFC 5482). The kernel
// keeps that time also while this process gets no CPU.
func Timed(conn net.Conn, tcp *net.TCPConn) (net.Conn, error) {
	c := &timed{Conn: conn, tcp: tcp}
	return c, c.retime()
}

// NetConn is the connection below.
func (c *timed) NetConn() net.Conn { return c.Conn }

// Write implements net.Conn.
func (c *timed) Write(b []byte) (int, error) {
	if now := int64(time.Since(epoch)); now >= c.next.Load() {
		_ = c.retime() // one that is closed says so by itself
	}
	return c.Conn.Write(b)
}

func (c *timed) retime() error {
	c.next.Store(int64(time.Since(epoch) + retimeEvery))
	raw, err := c.tcp.SyscallConn()
	if err != nil {
		return err
	}
	info, ok := tcpInfo(raw)
	if !ok {
		return net.ErrClosed
	}
	d := userTimeout(time.Duration(info.Rtt) * time.Microsecond)
	var set error
	err = raw.Control(func(fd uintptr) {
		set = nowait.SetOption(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d/time.Millisecond))
	})
	if err != nil {
		return err
	}
	return set
}
