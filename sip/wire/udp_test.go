package wire

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
)

// batchOf is a UDP port at which one batch has come, and what was sent.
type batchOf struct {
	came []string
	sent []string
}

func (b *batchOf) read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error) {
	if len(b.came) == 0 {
		return 0, net.ErrClosed
	}
	for i, m := range b.came {
		sizes[i], sources[i] = copy(bufs[i], m), netip.MustParseAddrPort("192.0.2.1:5060")
	}
	n := len(b.came)
	b.came = nil
	return n, nil
}

func (b *batchOf) write(bufs [][]byte, _ []netip.AddrPort) (int, error) {
	for _, m := range bufs {
		b.sent = append(b.sent, string(m))
	}
	return len(bufs), nil
}

func (b *batchOf) addr() *net.UDPAddr { return nil }
func (b *batchOf) close() error       { return nil }

func (b *batchOf) tells(func([]byte)) {}

// echoes answers each message with itself; a REGISTER has to be stored before.
type echoes struct{ noHandler }

func (echoes) Serve(in *Arrival) {
	in.Reply, in.ReplyTo = append(in.Reply, in.Data...), in.Source
	in.Durable = string(in.Data) == "REGISTER"
}

// TestDatagrams_OneRegistrationMakesItsBatchDurable wherever in the batch it
// is: one flush, and all answers behind it. Nothing is flushed without one.
func TestDatagrams_OneRegistrationMakesItsBatchDurable(t *testing.T) {
	for _, at := range []int{-1, 0, 1, 2} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			b := &batchOf{came: []string{"OPTIONS", "OPTIONS", "OPTIONS"}}
			if at >= 0 {
				b.came[at] = "REGISTER"
			}
			want, flushed := slices.Clone(b.came), 0
			d := newDatagrams(b, echoes{}, func() {
				if flushed++; len(b.sent) > 0 {
					t.Error("an answer went before the flush")
				}
			}, nil)
			_, _, _ = d.ReadFrom(make([]byte, 10))
			if (flushed == 1) != (at >= 0) || flushed > 1 {
				t.Errorf("%d times flushed", flushed)
			}
			if !slices.Equal(b.sent, want) {
				t.Errorf("sent %q, want %q", b.sent, want)
			}
		})
	}
}
