package consensus

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/internal/patience"
)

func TestPace_FollowsTheLine(t *testing.T) {
	entries := func(n, octets int) (all []*raft.Log) {
		for range n {
			all = append(all, &raft.Log{Data: make([]byte, octets-entryOctets)})
		}
		return all
	}
	p := &pace{}
	if first, octets := p.fit(entries(256, 1<<10)); len(first) != firstAppend>>10 || octets != firstAppend {
		t.Errorf("a new follower gets %d entries of %d octets", len(first), octets)
	}
	if first, _ := p.fit(entries(2, 8<<20)); len(first) != 1 {
		t.Errorf("of large entries %d go at once", len(first))
	}
	if none, octets := p.fit(nil); len(none) != 0 || octets != 0 {
		t.Error("a heartbeat has entries")
	}
	for _, x := range []struct {
		what string
		rate int // octets a second
		want int
	}{
		{"256 kbit/s", 32 << 10, 16 << 10}, {"too slow for anything", 100, minAppend},
		{"10 Gbit/s", 1 << 30, maxAppend}, {"1 Mbit/s", 128 << 10, 64 << 10},
	} {
		for range 12 {
			budget := p.budget()
			p.took(budget, time.Duration(budget)*time.Second/time.Duration(x.rate))
		}
		if got := p.budget(); got < x.want*9/10 || got > x.want*11/10 {
			t.Errorf("%s: %d octets go at once, want %d", x.what, got, x.want)
		}
	}
	p.took(100, time.Millisecond)
	p.took(0, time.Minute)
	if got := p.budget(); got < 60<<10 {
		t.Errorf("a short append or a heartbeat says that the line is slow: %d", got)
	}
	p.failed()
	if got := p.budget(); got > 17<<10 {
		t.Errorf("behind a failure %d octets go at once", got)
	}
}

// throttled is a connection by our stream to a reader that takes a piece each time
// that it is told to.
func throttled(t *testing.T) (out *outgoing, in net.Conn) {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if in, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).SetWriteBuffer(8 << 10)
	_ = in.(*net.TCPConn).SetReadBuffer(8 << 10)
	t.Cleanup(func() { _ = conn.Close(); _ = in.Close() })
	return &outgoing{Conn: conn, s: &stream{out: map[*outgoing]struct{}{}}}, in
}

// A request takes as long as its octets need, as long as some arrive; what is silent
// for the deadline has failed.
func TestOutgoing_DeadlinesAreOfTheSilence(t *testing.T) {
	const quiet = time.Second
	out, in := throttled(t)
	_ = out.SetDeadline(time.Now().Add(quiet))
	read := make(chan error, 1)
	go func() {
		piece, tick := make([]byte, 64<<10), time.NewTicker(quiet/8)
		defer tick.Stop()
		for range 14 { // nearly two times the deadline
			<-tick.C
			if _, err := io.ReadFull(in, piece); err != nil {
				read <- err
				return
			}
		}
		_, err := in.Write([]byte("done"))
		read <- err
	}()
	began := time.Now()
	if _, err := out.Write(make([]byte, 14*64<<10)); err != nil {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
	if _, err := io.ReadFull(out, make([]byte, 4)); err != nil {
		t.Fatalf("the answer, after %v: %v", time.Since(began), err)
	}
	if err := patience.Receive(t, "the reader", read); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < quiet*3/2 {
		t.Fatalf("it took only %v, the test is none", d)
	}
	if _, err := out.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reading from who is silent: %v", err)
	}

	out, _ = throttled(t)
	_ = out.SetDeadline(time.Now().Add(quiet))
	if _, err := out.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to who reads nothing: %v", err)
	}
}
