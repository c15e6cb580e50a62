package intake

import (
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/security"
)

// TestIntake_SilentConnectionsMakeRoom: who only connects keeps nobody out who has
// something to ask, and who has asked stays.
func TestIntake_SilentConnectionsMakeRoom(t *testing.T) {
	leftover.Check(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	events := security.New(slog.New(slog.DiscardHandler))
	in := NewOf(ln, "test", 3, 3, events)
	accepted := make(chan net.Conn, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-ended })
	dial := func() (client, server net.Conn) {
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		server = patience.Receive(t, "the connection", accepted)
		t.Cleanup(func() { _ = server.Close() })
		return client, server
	}
	closed := func(c net.Conn) {
		t.Helper()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // of a net.Conn
			t.Errorf("it is open: %v", err)
		}
	}
	asked, atServer := dial()
	in.Spoke(atServer.RemoteAddr().String())
	silent, _ := dial()
	dial()
	_, third := dial() // in the place of silent
	closed(silent)
	in.Spoke(third.RemoteAddr().String())
	_, fourth := dial()
	in.Spoke(fourth.RemoteAddr().String())
	late, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	closed(late)
	if in.room.Taken() != 3 {
		t.Errorf("%d places are taken", in.room.Taken())
	}
	events.Counts(func(k security.Kind, n uint64) {
		if k == security.Limited && n != 1 {
			t.Errorf("%d were told of", n)
		}
	})
	if _, err := atServer.Write([]byte("x")); err != nil {
		t.Error("who has asked was sent away: ", err)
	}
	if _, err := asked.Read(make([]byte, 1)); err != nil {
		t.Error("who has asked was sent away: ", err)
	}
}

// TestShare_KeepsDescriptorsBack: strangers at all ports together leave the nodes and
// the files theirs.
func TestShare_KeepsDescriptorsBack(t *testing.T) {
	for _, all := range []int{96, 128, 256, 1024, 4096, 65_536, 1 << 20} {
		taken := shareOf(all, MaxSIP, PhonesPart) + 2*shareOf(all, maxConns, ClientsPart) + shareOf(all, MaxSIP, HTTPPart) +
			shareOf(all, MaxSIP, OpeningPart) + shareOf(all, MaxSIP, EnteringPart)
		if left := all - taken; left < max(keptBack, all/4) {
			t.Errorf("of %d descriptors strangers leave %d", all, left)
		}
	}
	if got := shareOf(1<<20, MaxSIP, PhonesPart); got != MaxSIP {
		t.Errorf("%d phones where there is room for all", got)
	}
	if got := shareOf(16, maxConns, ClientsPart); got < 2 {
		t.Errorf("%d clients where there is hardly room", got)
	}
}
