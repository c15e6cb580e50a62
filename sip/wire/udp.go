package wire

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/crew"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// batch is how many datagrams are read and answered by one system call,
	// and made durable by one flush.
	batch = 64
	// MaxTidy is the longest message over UDP that sipgo, which keeps as much room for each
	// connection, is given.
	MaxTidy = 16 << 10
	// longestDatagram is more than any: none is cut.
	longestDatagram = 64 << 10
	// MaxDatagram is the longest that can be sent: what IPv4 has, without the headers of IP
	// and UDP.
	MaxDatagram = 1<<16 - 1 - 20 - 8
)

// placeholderSource is the source that sipgo sees of every datagram. sipgo remembers each
// source for ever and can be made to by forged ones; of this one it may. Where
// a response goes is found out from its Via, which Tidy filled in.
var placeholderSource = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 5060}

// datagrams is the UDP socket as sipgo gets it (net.PacketConn). From the first ReadFrom
// on a goroutine reads batches and serves all but a few messages; ReadFrom returns those
// that sipgo shall see.
type datagrams struct {
	socket  packetIO
	out     *sendBatch
	exits   *Exits // what is sent while a batch is served goes out together
	handler handler
	// flush makes durable what was stored. false: it took too long, and meanwhile goOn was
	// called instead by another goroutine.
	flush func(goOn func()) bool
	goOn  func()

	begins sync.Once
	tidy   chan []byte // for sipgo; closed when nobody reads any more
	ended  error       // why; good when tidy is closed

	// Below is the reader's own; there is one. While a batch is served each hand has its own,
	// and of the batch what was dealt to it.
	in      [batch][]byte
	sizes   [batch]int
	sources [batch]netip.AddrPort
	hands   []hand
	crew    *crew.Crew
	dealer  dealer
	arrived time.Time // the first of the batch, in the kernel
	shed    shed
	sieve   sieve
	load    load
	dropped uint32 // by the kernel, so far
	// loaded is told of datagrams that the kernel had no room for, and when it begins or
	// ends that more comes than is served; nil is nobody.
	loaded func(dropped uint32, begins, ends bool)
	// held is told of datagrams that are not looked at, and when that begins of the
	// source of most.
	held func(n uint32, begins bool, from netip.AddrPort)
	// took is told how long so many registrations took; nil is nobody.
	took func(d time.Duration, registrations uint64)
}

func newDatagrams(s packetIO, hands int, h handler, flush func(func()) bool, held func(uint32, bool, netip.AddrPort)) *datagrams {
	d := &datagrams{socket: s, out: newSendBatch(s, hands), handler: h, flush: flush, held: held, tidy: make(chan []byte, batch), hands: make([]hand, hands)}
	d.goOn = d.relieve
	d.exits = &Exits{Datagrams: d.out}
	d.crew = crew.New(hands, d.part)
	d.dealer.seed = maphash.MakeSeed()
	for i := range d.hands {
		d.hands[i].arrival.Hand = i
	}
	for i := range d.in {
		d.in[i] = make([]byte, longestDatagram)
	}
	return d
}

// ReadFrom implements net.PacketConn for sipgo's reader.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	d.begin()
	m, ok := <-d.tidy
	if !ok {
		return 0, nil, d.ended
	}
	return copy(b, m), placeholderSource, nil
}

func (d *datagrams) begin() { d.begins.Do(func() { go d.read() }) }

// read serves batches until the socket is closed, or somebody has taken its place.
func (d *datagrams) read() {
	for {
		n, err := d.socket.read(d.in[:], d.sizes[:], d.sources[:])
		if err != nil {
			d.ended = err
			d.crew.Close()
			close(d.tidy)
			return
		}
		if !d.serve(n) {
			return
		}
	}
}

// serve handles one batch: all decisions, then one flush, then all answers. It is false
// for who was relieved.
func (d *datagrams) serve(n int) bool {
	for i := range d.hands {
		d.hands[i].count, d.hands[i].durable = 0, 0
	}
	lost := d.sense(n)
	begins := d.shed.look(d.sources[:n], d.load.hopeless())
	d.exits.Hold()
	dealt := len(d.hands) > 1 && n >= leastDealt
	d.dealer.begin()
	for i := range n {
		switch {
		case !d.shed.serves(d.sources[i]):
			d.held(1, begins, d.sources[i])
			begins = false
		case d.sizes[i] == 0:
		case dealt:
			d.dealer.put(i, d.in[i][:d.sizes[i]])
		default:
			d.one(&d.hands[0], i)
		}
	}
	d.crew.Do(d.dealer.used)
	d.exits.Release()
	for _, a := range d.sieve.look(d.socket, &d.shed, d.sources[:n], lost, d.load.overloaded.Load()) {
		d.held(0, true, netip.AddrPortFrom(a, 0))
	}
	if d.durable() > 0 && !d.flush(d.goOn) {
		return false
	}
	d.answer()
	return true
}

// part serves a part of what was dealt out.
func (d *datagrams) part(hand, part int) {
	for _, i := range d.dealer.parts[part] {
		d.one(&d.hands[hand], int(i))
	}
}

// durable is how many messages of the batch have changed what is stored.
func (d *datagrams) durable() (n uint64) {
	for i := range d.hands {
		n += d.hands[i].durable
	}
	return n
}

// sense notes how late a batch is read, and tells for how many before it there was no room.
func (d *datagrams) sense(n int) (lost uint32) {
	waited, dropped := d.socket.queued()
	more := dropped - d.dropped
	d.dropped = dropped
	if d.sieve.dropped() && more > 0 {
		d.held(more, false, netip.AddrPort{})
		more = 0
	}
	now := time.Now()
	d.arrived = now.Add(-waited)
	begins, ends := d.load.read(now, n, waited, more > 0)
	if d.loaded != nil && (more > 0 || begins || ends) {
		d.loaded(more, begins, ends)
	}
	return more
}

// answer sends the answers of a batch.
func (d *datagrams) answer() {
	d.out.Hold()
	for i := range d.hands {
		h := &d.hands[i]
		for _, r := range h.replies[:h.count] {
			d.out.Send(r.text, r.to)
		}
	}
	d.out.Release()
	if n := d.durable(); n > 0 && d.took != nil {
		d.took(time.Since(d.arrived), n)
	}
}

// relieve takes the place of a reader that waits for the disk.
func (d *datagrams) relieve() {
	d.answer()
	go d.read()
}

// one has a hand handle the i-th datagram of the batch.
func (d *datagrams) one(h *hand, i int) {
	data, source := d.in[i][:d.sizes[i]], d.sources[i]
	if data[0] < ' ' && len(bytes.Trim(data, "\r\n\x00")) == 0 {
		return // keep-alive
	}
	if isSTUN(data) {
		if text := appendSTUN(h.replies[h.count].text[:0], data, source); len(text) > 0 {
			h.reply(text, source)
			return
		}
	}
	in := &h.arrival
	in.Begin(data, source, location.UDP, h.replies[h.count].text)
	d.handler.Serve(in)
	if in.Durable {
		h.durable++
	}
	if len(in.Tidy) > 0 {
		d.tidy <- bytes.Clone(in.Tidy)
	}
	if len(in.Reply) > 0 {
		h.reply(in.Reply, in.ReplyTo)
	}
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
