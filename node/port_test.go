package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
)

func secret(b byte) *clusterKey {
	k, err := newClusterKey(bytes.Repeat([]byte{b}, MinClusterKey))
	if err != nil {
		panic(err)
	}
	return k
}

// openPort serves a cluster port whose connections of either kind are echoed
// after the name of their kind.
func openPort(t *testing.T, key *clusterKey) *clusterPort {
	t.Helper()
	leftover.Check(t)
	p, err := listenCluster("127.0.0.1:0", key, newFabric(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.run(ctx) })
	for name, h := range map[string]*handover{"grpc ": p.grpc, "raft ": p.raft} {
		wg.Go(func() {
			for {
				c, err := h.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					defer c.Close()
					_, _ = c.Write([]byte(name))
					_, _ = io.CopyN(c, c, int64(len(grpcPreamble)))
				})
			}
		})
	}
	t.Cleanup(func() { cancel(); patience.Done(t, "the end of the cluster port", wg.Wait) })
	return p
}

func talk(t *testing.T, c net.Conn, say string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write([]byte(say))
	got, _ := io.ReadAll(c)
	return string(got)
}

func TestClusterPort_SortsConnections(t *testing.T) {
	for name, key := range map[string]*clusterKey{"in clear": nil, "with a key": secret(1)} {
		t.Run(name, func(t *testing.T) {
			p := openPort(t, key)
			addr := p.ln.Addr().String()
			c, err := p.dial(t.Context(), addr)
			if err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c, grpcPreamble); got != "grpc "+grpcPreamble {
				t.Errorf("gRPC got %q", got)
			}
			if c, err = p.dialRaft(t.Context(), addr); err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c, "12345678"); got != "raft 12345678" {
				t.Errorf("Raft got %q", got)
			}
		})
	}
}

func TestClusterPort_TurnsStrangersAway(t *testing.T) {
	p := openPort(t, secret(1))
	addr := p.ln.Addr().String()
	for name, say := range map[string]string{"noise": "GET / HTTP/1.1\r\n\r\n", "gRPC in clear": grpcPreamble + "2.0\r\n\r\nSM\r\n\r\n", "Raft in clear": raftPreamble + "........"} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c, say); bytes.Contains([]byte(got), []byte("grpc")) || bytes.Contains([]byte(got), []byte("raft")) {
				t.Errorf("let in: %q", got)
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		other := &clusterPort{key: secret(2), fabric: newFabric()}
		if c, err := other.dial(t.Context(), addr); err == nil {
			t.Errorf("let in: %q", talk(t, c, grpcPreamble))
		}
		if _, err := other.dialRaft(t.Context(), addr); err == nil || len(other.fabric.conns) > 0 {
			t.Errorf("%v; %d connections are known, none is open", err, len(other.fabric.conns))
		}
	})
	t.Run("TLS without a certificate", func(t *testing.T) {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		if got := talk(t, c, grpcPreamble); got != "" {
			t.Errorf("let in: %q", got)
		}
	})
	// And it still serves its own.
	c, err := p.dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if got := talk(t, c, grpcPreamble); got != "grpc "+grpcPreamble {
		t.Errorf("afterwards a node got %q", got)
	}
}

// A connection leaves its place among those that have not said what they are,
// however its opening ends.
func TestClusterPort_TakesMoreThanMayOpenAtOnce(t *testing.T) {
	for name, x := range map[string]struct {
		say    string
		leaves bool
	}{"a node's": {say: grpcPreamble}, "unknown": {say: "GET / HT"}, "half of it": {say: "PRI", leaves: true}, "no word": {leaves: true}, "silent": {}} {
		t.Run(name, func(t *testing.T) {
			p := openPort(t, nil)
			for range maxOpening + 10 {
				c, err := net.Dial("tcp", p.ln.Addr().String())
				if err == nil && x.say != "" {
					_, err = c.Write([]byte(x.say))
				}
				if err != nil {
					t.Fatal(err)
				}
				switch {
				case x.leaves:
					_ = c.Close()
				case x.say != "":
					talk(t, c, "")
				default:
					t.Cleanup(func() { _ = c.Close() })
				}
			}
			patience.Until(t, "another connection is served", func() bool {
				c, err := net.Dial("tcp", p.ln.Addr().String())
				return err == nil && talk(t, c, grpcPreamble) == "grpc "+grpcPreamble
			})
		})
	}
}

func TestFabric_CutEndsConnectionsAndSwallowsDials(t *testing.T) {
	p := openPort(t, nil)
	addr := p.ln.Addr().String()
	c, err := p.dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	p.fabric.set([]string{addr})
	_ = c.SetReadDeadline(time.Now().Add(openTimeout / 2)) // the other end gives up later
	if _, err := c.Read(make([]byte, 99)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the open connection goes on: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.dial(ctx, addr); err == nil || ctx.Err() == nil {
		t.Errorf("dialling into a cut: %v, before its time was over", err)
	}
	p.fabric.set(nil)
	if c, err = p.dial(t.Context(), addr); err != nil {
		t.Fatalf("after the heal: %v", err)
	}
	if len(p.fabric.conns) != 1 {
		t.Errorf("%d connections are known, want the open one", len(p.fabric.conns))
	}
	if _ = c.Close(); len(p.fabric.conns) != 0 {
		t.Errorf("%d connections are known, none is open", len(p.fabric.conns))
	}
}

func TestClusterKey_ShortSecretsAreRefused(t *testing.T) {
	if _, err := newClusterKey([]byte("secret")); err == nil {
		t.Error("a secret of 6 bytes was taken")
	}
}

func TestHandover_ClosedTurnsAway(t *testing.T) {
	h := newHandover(&net.TCPAddr{})
	_ = h.Close()
	_ = h.Close()
	if _, err := h.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	a, b := net.Pipe()
	h.give(t.Context(), a)
	if _, err := b.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stayed open")
	}
}
