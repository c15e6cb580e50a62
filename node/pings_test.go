package node

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// A client of any library may ping once a second, and is asked for no answer itself.
func TestClientPort_PingsAreTakenAndNoneIsSent(t *testing.T) {
	leftover.Check(t)
	p, err := (&Node{log: slog.New(slog.DiscardHandler)}).listenClients("TCport", "--tc-addr", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() { cancel(); _ = patience.Receive(t, "the end of the port", ended) })
	conn, err := net.Dial("tcp", p.in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience.Limit))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	each := time.NewTicker(minPing + minPing/5)
	defer each.Stop()
	for n := byte(0); n < 5; n++ { // the third too many would be one
		<-each.C
		if err := f.WritePing(false, [8]byte{n}); err != nil {
			t.Fatal(err)
		}
		awaitPong(t, f, n)
	}
	_ = conn.SetReadDeadline(time.Now().Add(3 * minPing)) // and while nothing is said
	if frame, err := f.ReadFrame(); err == nil {
		t.Errorf("the node says %v to a client that is idle", frame)
	}
}

// awaitPong reads up to the answer to a ping.
func awaitPong(t *testing.T, f *http2.Framer, n byte) {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("ping %d: %v", n, err)
		}
		switch frame := frame.(type) {
		case *http2.PingFrame:
			if !frame.IsAck() {
				t.Error("the node asks for an answer")
			} else if frame.Data[0] == n {
				return
			}
		case *http2.GoAwayFrame:
			t.Fatalf("ping %d: sent away: %v %s", n, frame.ErrCode, frame.DebugData())
		}
	}
}
