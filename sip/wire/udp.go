package wire

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// batch is how many datagrams are read and answered by one system call,
	// and made durable by one flush.
	batch = 64
	// MaxDatagram is the longest message over UDP. A longer one is cut by the
	// kernel, found incomplete, and answered 400.
	MaxDatagram = 16 << 10
)

// placeholderSource is the source that sipgo sees of every datagram. sipgo remembers each
// source for ever and can be made to by forged ones; of this one it may. Where
// a response goes is found out from its Via, which Tidy filled in.
var placeholderSource = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 5060}

// datagrams is the UDP socket as sipgo gets it (net.PacketConn). ReadFrom is
// where the work is done: it reads a batch, serves all but a few messages, and
// returns only what sipgo shall see.
type datagrams struct {
	socket  packetIO
	out     *sendBatch
	exits   *Exits // what is sent while a batch is served goes out together
	handler handler
	flush   func()

	// Below is the reader's own; there is one.
	in      [batch][]byte
	sizes   [batch]int
	sources [batch]netip.AddrPort
	replies [batch]outgoing
	count   int      // of the replies
	waiting [][]byte // tidy messages for sipgo
	arrival Arrival
	durable bool
	shed    shed
	// held is told of each datagram that is not looked at, and when that begins of the
	// source of most.
	held func(begins bool, from netip.AddrPort)
}

// outgoing is an answer that waits for the end of the batch.
type outgoing struct {
	text []byte
	to   netip.AddrPort
}

func newDatagrams(s packetIO, h handler, flush func(), held func(bool, netip.AddrPort)) *datagrams {
	d := &datagrams{socket: s, out: &sendBatch{socket: s}, handler: h, flush: flush, held: held}
	d.exits = &Exits{Datagrams: d.out}
	for i := range d.in {
		d.in[i] = make([]byte, MaxDatagram)
	}
	return d
}

// ReadFrom implements net.PacketConn for sipgo's reader.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	for len(d.waiting) == 0 {
		n, err := d.socket.read(d.in[:], d.sizes[:], d.sources[:])
		if err != nil {
			return 0, nil, err
		}
		d.serve(n)
	}
	n := copy(b, d.waiting[0])
	d.waiting = d.waiting[1:]
	return n, placeholderSource, nil
}

// serve handles one batch: all decisions, then one flush, then all answers.
func (d *datagrams) serve(n int) {
	d.count, d.waiting, d.durable = 0, d.waiting[:0], false
	begins := d.shed.look(d.sources[:n])
	d.exits.Hold()
	for i := range n {
		if !d.shed.serves(d.sources[i]) {
			d.held(begins, d.sources[i])
			begins = false
		} else if d.sizes[i] > 0 {
			d.one(d.in[i][:d.sizes[i]], d.sources[i])
		}
	}
	d.exits.Release()
	if d.durable {
		d.flush()
	}
	d.out.Hold()
	for _, r := range d.replies[:d.count] {
		d.out.Send(r.text, r.to)
	}
	d.out.Release()
}

// one handles a datagram.
func (d *datagrams) one(data []byte, source netip.AddrPort) {
	if data[0] < ' ' && len(bytes.Trim(data, "\r\n\x00")) == 0 {
		return // keep-alive
	}
	in := &d.arrival
	in.Begin(data, source, location.UDP, d.replies[d.count].text)
	d.handler.Serve(in)
	d.durable = d.durable || in.Durable
	if len(in.Tidy) > 0 {
		d.waiting = append(d.waiting, bytes.Clone(in.Tidy))
	}
	if len(in.Reply) > 0 {
		d.reply(in.Reply, in.ReplyTo)
	}
}

// reply queues an answer, for which the next place in replies has the buffer.
func (d *datagrams) reply(text []byte, to netip.AddrPort) {
	d.replies[d.count] = outgoing{text, to}
	d.count++
}

// LocalAddr implements net.PacketConn.
func (d *datagrams) LocalAddr() net.Addr { return d.socket.addr() }

// Close implements net.PacketConn.
func (d *datagrams) Close() error { return d.socket.close() }

// SetDeadline implements net.PacketConn; nobody sets one.
func (d *datagrams) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline implements net.PacketConn.
func (d *datagrams) SetReadDeadline(t time.Time) error { return d.SetDeadline(t) }

// SetWriteDeadline implements net.PacketConn.
func (d *datagrams) SetWriteDeadline(t time.Time) error { return d.SetDeadline(t) }

// WriteTo implements net.PacketConn for sipgo: a response goes where its Via says.
func (d *datagrams) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("sip: no UDP address: %v", addr)
	}
	dest := to.AddrPort()
	if to.IP.Equal(placeholderSource.IP) && bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		via, _ := topVia(b)
		if dest, ok = via.ReplyTo(); !ok {
			return 0, fmt.Errorf("sip: no way back in the Via of a response")
		}
	}
	d.out.Send(b, dest)
	return len(b), nil
}

// topVia finds the first Via of a tidy message.
func topVia(b []byte) (message.Hop, bool) {
	one, _ := message.NextElement(tidyHeader(b, "\r\nVia: "))
	return message.ParseVia(one)
}
