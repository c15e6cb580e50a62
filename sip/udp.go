package sip

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"

	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// batch is how many datagrams are read and answered by one system call,
	// and made durable by one flush.
	batch = 64
	// maxDatagram is the longest message over UDP. A longer one is cut by the
	// kernel, found incomplete, and answered 400.
	maxDatagram = 16 << 10
)

// nobody is the source that sipgo sees of every datagram. sipgo remembers each
// source for ever and can be made to by forged ones; of this one it may. Where
// a response goes is found out from its Via, which Tidy filled in.
var nobody = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 5060}

// datagrams is the UDP socket as sipgo gets it (net.PacketConn). ReadFrom is
// where the work is done: it reads a batch, serves what takes the fast way and
// what is broken, and returns only what sipgo shall see.
type datagrams struct {
	*net.UDPConn
	pc    *ipv4.PacketConn
	gate  *gate
	fast  *fast
	mail  *mail // of the proxy
	flush func()
	stats *counters
	log   *slog.Logger

	// Below is the reader's own; there is one.
	in      []ipv4.Message
	out     []ipv4.Message
	replies [][]byte
	waiting [][]byte // tidy messages for sipgo
	arrival arrival
	durable bool
}

func listenUDP(addr string) (*net.UDPConn, error) {
	a, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("sip: UDP address %s: %w", addr, err)
	}
	c, err := net.ListenUDP("udp", a)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	// A burst of phones must not be lost while one batch is served.
	_ = c.SetReadBuffer(4 << 20)
	_ = c.SetWriteBuffer(4 << 20)
	return c, nil
}

func newDatagrams(c *net.UDPConn, g *gate, f *fast, stats *counters, flush func(), log *slog.Logger) *datagrams {
	pc := ipv4.NewPacketConn(c)
	d := &datagrams{UDPConn: c, pc: pc, gate: g, fast: f, mail: newMail(pc), flush: flush, stats: stats, log: log}
	d.in = make([]ipv4.Message, batch)
	d.out = make([]ipv4.Message, batch)
	d.replies = make([][]byte, batch)
	for i := range d.in {
		d.out[i].Buffers = make([][]byte, 1)
		d.in[i].Buffers = [][]byte{make([]byte, maxDatagram)}
	}
	return d
}

// ReadFrom implements net.PacketConn for sipgo's reader.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	for len(d.waiting) == 0 {
		n, err := d.pc.ReadBatch(d.in, 0)
		if err != nil {
			if again(err) {
				continue
			}
			return 0, nil, net.ErrClosed
		}
		d.serve(d.in[:n])
	}
	n := copy(b, d.waiting[0])
	d.waiting = d.waiting[1:]
	return n, nobody, nil
}

// again tells errors that say something about one datagram from those that end
// the socket.
func again(err error) bool { return !isClosed(err) }

// serve handles one batch: all decisions, then one flush, then all answers.
func (d *datagrams) serve(in []ipv4.Message) {
	d.out, d.waiting, d.durable = d.out[:0], d.waiting[:0], false
	d.mail.hold()
	for i := range in {
		m := &in[i]
		from, ok := m.Addr.(*net.UDPAddr)
		if !ok || m.N == 0 {
			continue
		}
		d.one(i, m.Buffers[0][:m.N], from)
	}
	d.mail.release()
	if d.durable {
		d.flush()
	}
	d.send()
}

// one handles a datagram; a panic costs only that one.
func (d *datagrams) one(i int, data []byte, from *net.UDPAddr) {
	source := from.AddrPort()
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	defer func() {
		if p := recover(); p != nil {
			d.panicked(p, i, data, source, from)
		}
	}()
	if data[0] < ' ' && len(bytes.Trim(data, "\r\n\x00")) == 0 {
		return // keep-alive
	}
	reply := d.replies[i][:0]
	if reply, to, durable, ok := d.fast.serve(reply, data, source); ok {
		d.durable = d.durable || durable
		d.reply(i, reply, to, source, from)
		return
	}
	a := &d.arrival
	d.gate.check(a, data, source, location.UDP)
	switch {
	case a.proxied:
		d.gate.proxied(a, source, location.UDP)
	case len(a.tidy) > 0:
		d.waiting = append(d.waiting, bytes.Clone(a.tidy))
	}
	if len(a.reply) > 0 {
		d.reply(i, append(reply, a.reply...), a.replyTo, source, from)
	}
}

// reply queues an answer; its buffer belongs to the place in the batch.
func (d *datagrams) reply(i int, reply []byte, to, source netip.AddrPort, from *net.UDPAddr) {
	d.replies[i] = reply
	if to != source {
		from = net.UDPAddrFromAddrPort(to)
	}
	n := len(d.out)
	d.out = d.out[:n+1]
	d.out[n].Buffers[0], d.out[n].Addr = reply, from
}

// panicked answers 500 to a message that made something panic.
func (d *datagrams) panicked(p any, i int, data []byte, source netip.AddrPort, from *net.UDPAddr) {
	d.stats.panics.Add(1)
	d.log.Error("a message made the SIP port panic; it was answered 500", "panic", p)
	a := &arrival{answer: answer{code: 500, reason: "Server Internal Error"}}
	if a.msg.Parse(data, false) == nil && a.msg.IsRequest() {
		d.gate.refuse(a, source)
		if len(a.reply) > 0 {
			d.reply(i, a.reply, a.replyTo, source, from)
		}
	}
}

// send writes the answers. What one destination refuses must not keep the
// others from theirs.
func (d *datagrams) send() {
	for out := d.out; len(out) > 0; {
		n, err := d.pc.WriteBatch(out, 0)
		if err != nil && n <= 0 {
			n = 1
		}
		out = out[n:]
	}
}

// WriteTo implements net.PacketConn for sipgo: a response goes where its Via says.
func (d *datagrams) WriteTo(b []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("sip: no UDP address: %v", addr)
	}
	dest := to.AddrPort()
	if to.IP.Equal(nobody.IP) && bytes.HasPrefix(b, []byte("SIP/2.0 ")) {
		via, _ := topVia(b)
		if dest, ok = via.ReplyTo(); !ok {
			return 0, fmt.Errorf("sip: no way back in the Via of a response")
		}
	}
	return d.UDPConn.WriteToUDPAddrPort(b, netip.AddrPortFrom(dest.Addr(), dest.Port()))
}

// topVia finds the first Via of a tidy message.
func topVia(b []byte) (message.Hop, bool) {
	one, _ := message.NextElement(tidyHeader(b, "\r\nVia: "))
	return message.ParseVia(one)
}
