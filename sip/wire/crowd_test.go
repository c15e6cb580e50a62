package wire

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
)

// TestFlows_AStrangerGivesWay: who has proved who he is keeps his connection, whoever
// comes; of the others the oldest goes, of the source that has too many or of all.
func TestFlows_AStrangerGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := NewFlows(200) // twenty strangers of a source
		l := &listener{transport: location.TCP, flows: fl}
		port := uint16(0)
		comes := func(from string) (*Flow, error) {
			port++
			_, phone := newTestPipe(t)
			f := &Flow{l: l, Conn: phone, peer: netip.AddrPortFrom(netip.MustParseAddr(from), port)}
			_, err := fl.add(f)
			return f, err
		}
		there := func(f *Flow) bool { return fl.Get(f.key()) == f }
		known, kept := must2(comes("192.0.2.1"))(t), must2(comes("192.0.2.1"))(t)
		fl.Attach(known.key(), "1001")
		fl.Keep(kept.key())
		var silent []*Flow
		for range 20 {
			silent = append(silent, must2(comes("192.0.2.1"))(t))
		}
		if _, err := comes("192.0.2.1"); err == nil {
			t.Error("in a rush one more stranger has a place")
		}
		other := must2(comes("192.0.2.2"))(t)
		<-time.After(settled)
		young := must2(comes("192.0.2.1"))(t)
		if there(silent[0]) || !there(silent[1]) || !there(young) || !there(other) {
			t.Error("it wasn't the oldest of the source that went")
		}
		var all []*Flow
		for i := range 200 - fl.Len() {
			f := must2(comes(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()))(t)
			fl.Attach(f.key(), "1002")
			all = append(all, f)
		}
		<-time.After(settled)
		must2(comes("192.0.2.3"))(t)
		if there(silent[1]) || !there(known) || !there(kept) || fl.Len() != 200 {
			t.Errorf("with all places taken the oldest stranger stays, or %d connections", fl.Len())
		}
		for _, f := range append(all, known, kept, other, young) {
			fl.remove(f)
		}
		for _, f := range silent {
			fl.remove(f)
		}
		if fl.strangers.len() != 1 || len(fl.strangers.of) != 1 {
			t.Errorf("%d strangers are left of %d sources", fl.strangers.len(), len(fl.strangers.of))
		}
	})
}

// TestFlows_NobodyKnownGivesWay.
func TestFlows_NobodyKnownGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fl := NewFlows(2)
		l := &listener{transport: location.TCP, flows: fl}
		for i, want := range []error{nil, nil, errTooMany} {
			_, phone := newTestPipe(t)
			f := &Flow{l: l, Conn: phone, peer: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5060)}
			if _, err := fl.add(f); !errors.Is(err, want) {
				t.Errorf("connection %d: %v", i, err)
			}
			fl.Attach(f.key(), "1001")
			<-time.After(time.Hour)
		}
	})
}

// TestHandshakes_OneSourceLeavesRoom: silent ones of a source take a part of the places,
// and of them the oldest goes.
func TestHandshakes_OneSourceLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHandshakes(nil, nil, maxHandshakes, nil)
		from := func(host string) *fromPipe {
			server, _ := newTestPipe(t)
			return &fromPipe{Conn: server, addr: host}
		}
		first := h.enter(from("192.0.2.1"))
		for range maxHandshakes/handshakesShare - 1 {
			h.enter(from("192.0.2.1"))
		}
		if h.enter(from("192.0.2.1")) != nil {
			t.Error("in a rush one more has a place")
		}
		if h.enter(from("192.0.2.2")) == nil {
			t.Error("another source has none")
		}
		<-time.After(settled)
		if h.enter(from("192.0.2.1")) == nil || first.all != nil {
			t.Error("the oldest of the source did not go")
		}
		if n := h.len(); n != maxHandshakes/handshakesShare+1 {
			t.Errorf("%d are there", n)
		}
	})
}

// fromPipe is a connection from an address.
type fromPipe struct {
	net.Conn
	addr string
}

func (f *fromPipe) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.addr), Port: 5060} }

func newTestPipe(t *testing.T) (server, phone net.Conn) {
	server, phone = net.Pipe()
	t.Cleanup(func() { server.Close(); phone.Close() })
	return server, phone
}

func must2(f *Flow, err error) func(*testing.T) *Flow {
	return func(t *testing.T) *Flow {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}
