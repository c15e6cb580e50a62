package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
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

func (b *batchOf) outlet() outlet { return b }

func (b *batchOf) queued() (time.Duration, uint32) { return 0, 0 }

func (b *batchOf) write(bufs [][]byte, _ []netip.AddrPort) (int, error) {
	for _, m := range bufs {
		b.sent = append(b.sent, string(m))
	}
	return len(bufs), nil
}

func (b *batchOf) addr() *net.UDPAddr { return nil }
func (b *batchOf) close() error       { return nil }

func (b *batchOf) tells(func([]byte)) {}

func (b *batchOf) sift([]netip.Addr) error { return errors.ErrUnsupported }

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
			d := newDatagrams(b, 1, echoes{}, func(func()) bool {
				if flushed++; len(b.sent) > 0 {
					t.Error("an answer went before the flush")
				}
				return true
			}, nil)
			var took uint64
			d.took = func(d time.Duration, n uint64) {
				if took += n; d < 0 || len(b.sent) < len(b.came) {
					t.Errorf("%d took %v, with %d answers sent", n, d, len(b.sent))
				}
			}
			_, _, _ = d.ReadFrom(make([]byte, 10))
			if (took == 1) != (at >= 0) || took > 1 {
				t.Errorf("%d are said to be through", took)
			}
			if (flushed == 1) != (at >= 0) || flushed > 1 {
				t.Errorf("%d times flushed", flushed)
			}
			if !slices.Equal(b.sent, want) {
				t.Errorf("sent %q, want %q", b.sent, want)
			}
		})
	}
}

// lineOf is a UDP port: what comes, and what is sent.
type lineOf struct {
	batchOf
	in, out chan string
}

func (l *lineOf) read(bufs [][]byte, sizes []int, sources []netip.AddrPort) (int, error) {
	l.came = []string{<-l.in}
	if l.came[0] == "" {
		l.came = nil
	}
	return l.batchOf.read(bufs, sizes, sources)
}

func (l *lineOf) outlet() outlet { return l }

func (l *lineOf) write(bufs [][]byte, _ []netip.AddrPort) (int, error) {
	for _, m := range bufs {
		l.out <- string(m)
	}
	return len(bufs), nil
}

// TestDatagrams_AFlushThatTakesTooLongHoldsNobodyUp: who waits for the disk is relieved.
// The answers of his batch go out, once, and what comes is served; when the disk answers he
// is through.
func TestDatagrams_AFlushThatTakesTooLongHoldsNobodyUp(t *testing.T) {
	l := &lineOf{in: make(chan string), out: make(chan string, 10)}
	late, answers, over := make(chan func()), make(chan struct{}), make(chan struct{})
	d := newDatagrams(l, 1, echoes{}, func(goOn func()) bool {
		late <- goOn
		<-answers
		over <- struct{}{}
		return false
	}, nil)
	ended := make(chan error)
	go func() {
		_, _, err := d.ReadFrom(make([]byte, 10))
		ended <- err
	}()
	for round := range 3 { // and none of them has come back
		patience.Send(t, "somebody reads", l.in, "REGISTER")
		goOn := patience.Receive(t, "the flush", late)
		if len(l.out) != 0 {
			t.Fatalf("round %d: an answer went before the flush", round)
		}
		goOn()
		patience.Send(t, "somebody reads instead", l.in, "OPTIONS")
		if a, b := patience.Receive(t, "the answer", l.out), patience.Receive(t, "the next one's", l.out); a != "REGISTER" || b != "OPTIONS" {
			t.Fatalf("round %d: answered %q, %q", round, a, b)
		}
	}
	close(answers)
	for range 3 {
		patience.Receive(t, "the disk has answered", over)
	}
	patience.Send(t, "somebody reads on", l.in, "OPTIONS")
	if a := patience.Receive(t, "the answer", l.out); a != "OPTIONS" || len(l.out) != 0 {
		t.Errorf("after the disk has answered: %q, and %d more", a, len(l.out))
	}
	patience.Send(t, "it is read until it is closed", l.in, "")
	if err := patience.Receive(t, "the end", ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("at the end: %v", err)
	}
}
