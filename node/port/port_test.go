package port

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
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
	"github.com/sipcluster/sipcluster/node/intake"
)

func secret(b byte) *Key {
	k, err := NewKey(bytes.Repeat([]byte{b}, MinKey))
	if err != nil {
		panic(err)
	}
	return k
}

// openPort serves a cluster port whose connections of either kind are echoed
// after the name of their kind.
func openPort(t *testing.T, key *Key) *Port {
	t.Helper()
	leftover.Check(t)
	p, err := Listen("127.0.0.1:0", &Dialer{Key: key, Fabric: NewFabric()}, Self{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = p.Run(ctx) })
	for name, h := range map[string]*intake.Handover{"grpc ": p.GRPC, "raft ": p.Raft} {
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

// accepted is the next connection of one kind.
func accepted(t *testing.T, h *intake.Handover) net.Conn {
	t.Helper()
	conns := make(chan net.Conn, 1)
	go func() { // ends with the port
		if c, err := h.Accept(); err == nil {
			conns <- c
		}
	}()
	return patience.Receive(t, "the connection is accepted", conns)
}

func talk(t *testing.T, c net.Conn, say string) string {
	t.Helper()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience.Limit))
	_, _ = c.Write([]byte(say))
	got, _ := io.ReadAll(c)
	return string(got)
}

// atTheEnd yields a connection when nobody wants one any more.
type atTheEnd struct {
	net.Listener
	conn net.Conn
	end  func()
}

func (l atTheEnd) Accept() (net.Conn, error) { l.end(); return l.conn, nil }

// Who got in at the last moment hears that nobody is there: it would wait for an answer
// for as long as the process lasts.
func TestClusterPort_ClosesWhatCameAtItsEnd(t *testing.T) {
	p, err := Listen("127.0.0.1:0", &Dialer{Fabric: NewFabric()}, Self{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.ln.Close()
	ctx, end := context.WithCancel(t.Context())
	here, there := net.Pipe()
	p.ln = atTheEnd{p.ln, there, end}
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
	_ = here.SetDeadline(time.Now().Add(patience.Limit))
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("it is told %v", err)
	}
}

func TestClusterPort_SortsConnections(t *testing.T) {
	for name, key := range map[string]*Key{"in clear": nil, "with a key": secret(1)} {
		t.Run(name, func(t *testing.T) {
			p := openPort(t, key)
			addr := p.ln.Addr().String()
			c, err := p.Dial(t.Context(), "", addr)
			if err != nil {
				t.Fatal(err)
			}
			if got := talk(t, c, grpcPreamble); got != "grpc "+grpcPreamble {
				t.Errorf("gRPC got %q", got)
			}
			if c, err = p.DialRaft(t.Context(), "", addr); err != nil {
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
		other := &Dialer{Key: secret(2), Fabric: NewFabric()}
		if c, err := other.Dial(t.Context(), "", addr); err == nil {
			t.Errorf("let in: %q", talk(t, c, grpcPreamble))
		}
		if _, err := other.DialRaft(t.Context(), "", addr); err == nil || len(other.Fabric.conns) > 0 {
			t.Errorf("%v; %d connections are known, none is open", err, len(other.Fabric.conns))
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
	c, err := p.Dial(t.Context(), "", addr)
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

// Who has said what it is keeps its connection, however many others open theirs.
func TestClusterPort_StrangersPushOutNobodyElse(t *testing.T) {
	p := openPort(t, nil)
	addr := p.ln.Addr().String()
	c, err := p.DialRaft(t.Context(), "", addr)
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("raft "))
	if _, err := io.ReadFull(c, said); err != nil {
		t.Fatal(err)
	}
	for range 2 * maxOpeningEach {
		silent, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	other, err := p.DialRaft(t.Context(), "", addr)
	if err != nil {
		t.Fatal(err)
	}
	if got := talk(t, other, "12345678"); got != "raft 12345678" {
		t.Errorf("a newcomer got %q", got)
	}
	if got := talk(t, c, "12345678"); got != "12345678" {
		t.Errorf("the one that was there got %q", got)
	}
}

func TestFabric_CutEndsConnectionsAndSwallowsDials(t *testing.T) {
	p := openPort(t, nil)
	addr := p.ln.Addr().String()
	c, err := p.Dial(t.Context(), "", addr)
	if err != nil {
		t.Fatal(err)
	}
	p.Fabric.Set([]string{addr})
	_ = c.SetReadDeadline(time.Now().Add(OpenTimeout / 2)) // the other end gives up later
	if _, err := c.Read(make([]byte, 99)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the open connection goes on: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Dial(ctx, "", addr); err == nil || ctx.Err() == nil {
		t.Errorf("dialling into a cut: %v, before its time was over", err)
	}
	p.Fabric.Set(nil)
	if c, err = p.Dial(t.Context(), "", addr); err != nil {
		t.Fatalf("after the heal: %v", err)
	}
	if len(p.Fabric.conns) != 1 {
		t.Errorf("%d connections are known, want the open one", len(p.Fabric.conns))
	}
	if _ = c.Close(); len(p.Fabric.conns) != 0 {
		t.Errorf("%d connections are known, none is open", len(p.Fabric.conns))
	}
}

// Who never says what it is, in clear or within TLS, is hung up on after 3 s;
// who has said it may be silent for longer.
func TestClusterPort_HangsUpOnTheSilent(t *testing.T) {
	p := openPort(t, secret(1))
	addr := p.ln.Addr().String()
	said := map[string]net.Conn{}
	var err error
	if said["grpc "], err = p.Dial(t.Context(), "", addr); err == nil {
		_, err = said["grpc "].Write([]byte(grpcPreamble))
	}
	if err == nil {
		said["raft "], err = p.DialRaft(t.Context(), "", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	clear, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer clear.Close()
	secured, err := p.Dial(t.Context(), "", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer secured.Close()
	for name, c := range map[string]net.Conn{"in clear": clear, "within TLS": secured} {
		_ = c.SetReadDeadline(began.Add(patience.Limit))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) < 2900*time.Millisecond {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
	for name, c := range said {
		want := name + map[string]string{"grpc ": grpcPreamble, "raft ": "12345678"}[name]
		if got := talk(t, c, want[5:]); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Nodes of any two versions agree on what a secret means, whatever their clocks say.
func TestClusterKey_IsTheSameEverywhereAndEver(t *testing.T) {
	k := secret(1)
	for what, c := range map[string]struct {
		got  []byte
		want string
	}{
		"gossip": {k.Gossip, "9a9aec2382774d14d36a0662089c54326b196ed18d7f43ec3e91094fc9d00ace"},
		"routes": {k.Routes, "da9b088ed66e91ea7cf77b30975d94aeafed69867ccbb182608c7572f80ddd1f"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	seed, err := hex.DecodeString("cc614b94ed1cfcd923dcde4cae6d341afa88aa842dc6582277b72e224cf0431d")
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := issue(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, year := range []int{1971, 2026, 9998} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			for name, trusted := range map[string]*x509.CertPool{"server": k.server.ClientCAs, "client": k.client.RootCAs} {
				_, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: nodeRole, KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)})
				if err != nil {
					t.Errorf("%s, in %d: %v", name, year, err)
				}
			}
		}
	}
	if k.server.MinVersion != tls.VersionTLS13 || k.client.MinVersion != tls.VersionTLS13 {
		t.Error("older than TLS 1.3")
	}
}

func TestClusterKey_ShortSecretsAreRefused(t *testing.T) {
	if _, err := NewKey([]byte("secret")); err == nil {
		t.Error("a secret of 6 bytes was taken")
	}
}
