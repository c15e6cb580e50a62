package membership

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// TestTransport_WhatCameStaysAsItIs: packets and streams come one by one, a packet keeps its
// bytes when others follow, and what nobody has taken does not hold up the end.
func TestTransport_WhatCameStaysAsItIs(t *testing.T) {
	var ends [2]memberlist.NodeAwareTransport
	var addrs [2]string
	for i := range ends {
		bind := freeAddr(t)
		tr, err := newTransport(netip.MustParseAddrPort(bind), nil, &memberlist.Config{LogOutput: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		ends[i], addrs[i] = tr, bind
	}
	send := func(text string) {
		if _, err := ends[0].WriteTo([]byte(text), addrs[1]); err != nil {
			t.Fatal(err)
		}
	}
	send("first")
	first := patience.Receive(t, "the first packet", ends[1].PacketCh())
	send("second one")
	if second := patience.Receive(t, "the second packet", ends[1].PacketCh()); string(first.Buf) != "first" || string(second.Buf) != "second one" || first.From.String() != addrs[0] {
		t.Errorf("%q from %v, then %q", first.Buf, first.From, second.Buf)
	}
	conn, err := ends[0].DialTimeout(addrs[1], patience.Limit)
	if err != nil {
		t.Fatal(err)
	}
	taken := patience.Receive(t, "the stream", ends[1].StreamCh())
	if taken.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("a stream from %v, want %v", taken.RemoteAddr(), conn.LocalAddr())
	}
	waits, err := ends[0].DialTimeout(addrs[1], patience.Limit)
	if err != nil {
		t.Fatal(err)
	}
	send("nobody takes it")
	for i, tr := range ends {
		if err := tr.Shutdown(); err != nil {
			t.Errorf("end %d: %v", i, err)
		}
	}
	for _, c := range []net.Conn{conn, taken, waits} {
		_ = c.SetDeadline(time.Now())
		_ = c.Close()
	}
	if _, err := ends[0].DialTimeout(addrs[1], patience.Limit); err == nil {
		t.Error("it accepts connections behind its end")
	}
}

// TestTransport_ReachesTheOtherFamily: a node that is bound to an address of IPv4 alone and
// one of IPv6 hear each other.
func TestTransport_ReachesTheOtherFamily(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6:", err)
	} else {
		c.Close()
	}
	var ends [2]memberlist.NodeAwareTransport
	for i, bind := range []string{"127.0.0.1:0", "[::1]:0"} {
		tr, err := newTransport(netip.MustParseAddrPort(bind), nil, &memberlist.Config{LogOutput: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		ends[i] = tr
		defer func() { _ = tr.Shutdown() }()
	}
	for i, from := range ends {
		to := ends[1-i].(*transport)
		if _, err := from.WriteTo([]byte("hello"), to.udp.LocalAddr().String()); err != nil {
			t.Error(err)
			continue
		}
		if p := patience.Receive(t, "the packet", to.PacketCh()); string(p.Buf) != "hello" {
			t.Errorf("%q", p.Buf)
		}
	}
}
