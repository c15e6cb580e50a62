package wire

import (
	"net"
	"net/netip"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/sip/location"
)

// TestDialer_ToWhereNobodyListens: whoever had something sent there hears of that, and what is
// sent meanwhile fails at once; only then another connection is tried.
func TestDialer_ToWhereNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := Remote{Transport: location.TCP, Addr: netip.MustParseAddrPort(l.Addr().String())}
	l.Close()
	d := newDialer(location.TCP, nil, nil)
	defer d.Close()
	type cut struct {
		stood bool
		again error
	}
	cuts := make(chan cut, 1)
	d.over = func(at Remote, stood bool) { cuts <- cut{stood, d.Send(at, []byte("meanwhile"))} }
	for range 2 {
		patience.Until(t, "it is tried", func() bool { return d.Send(to, []byte("first")) == nil })
		if c := patience.Receive(t, "the end", cuts); c.stood || c.again == nil {
			t.Errorf("%+v", c)
		}
	}
}

// TestDialer_ToAGateway: of what comes back it is known how long that has waited, and where the
// connection has ended the next message opens another one.
func TestDialer_ToAGateway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	to := Remote{Transport: location.TCP, Addr: netip.MustParseAddrPort(l.Addr().String())}
	p := newPipes()
	d := newDialer(location.TCP, nil, p.l.flow)
	defer d.Close()
	cuts := make(chan error, 1)
	d.over = func(at Remote, stood bool) {
		if !stood {
			t.Error("there was a connection")
		}
		cuts <- d.Send(at, []byte("second"))
	}
	if err := d.Send(to, []byte("first")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		gateway, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer gateway.Close()
		c, err := d.Accept()
		if err != nil {
			t.Fatal(err)
		}
		f := c.(*Flow)
		buf := make([]byte, 16)
		if n, err := gateway.Read(buf); err != nil || string(buf[:n]) != want {
			t.Fatal(string(buf[:n]), err)
		}
		if f.waits == nil {
			t.Error("nobody knows how long what comes has waited")
		}
		if want == "first" {
			f.Close()
			if err := patience.Receive(t, "the end", cuts); err != nil {
				t.Error(err)
			}
		}
	}
}
