package sip

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// portsFree fails unless the server's ports can be bound again.
func (w *world) portsFree() {
	w.t.Helper()
	c, err := net.ListenPacket("udp", w.server.UDPAddr().String())
	if err != nil {
		w.t.Errorf("UDP: %v", err)
	} else {
		c.Close()
	}
	l, err := net.Listen("tcp", w.server.TCPAddr().String())
	if err != nil {
		w.t.Errorf("TCP: %v", err)
	} else {
		l.Close()
	}
}

func TestServer_CloseWithoutRun(t *testing.T) {
	w := newWorld(t, nil)
	for range 2 {
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
	}
	w.portsFree()
	if err := w.server.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}

// TestServer_CloseEndsRun closes a server that has a phone's connection, and
// again after Run has ended.
func TestServer_CloseEndsRun(t *testing.T) {
	w := newWorld(t, nil)
	done := make(chan error, 1)
	go func() { done <- w.server.Run(context.Background()) }()
	l := w.dial("tcp")
	if res := l.ask(reg{dn: "1001", callID: "c", cseq: 1, transport: "TCP"}.String()); res.code != 401 {
		t.Fatal(res)
	}
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
	if err := patience.Receive(t, "the end of Run", done); !errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
	l.wantEnd()
	w.portsFree()
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
}

// wantEnd waits for the end of the connection.
func (l *line) wantEnd() {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(patience.Limit))
	if n, err := l.conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Errorf("the connection is open: %d bytes, %v", n, err)
	}
}

func TestServer_CloseAfterRun(t *testing.T) {
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.server.Run(ctx); err != nil {
		t.Error(err)
	}
	w.portsFree()
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
}

// TestServer_TakesNoConnectionAfterClose is about one that was accepted just
// before.
func TestServer_TakesNoConnectionAfterClose(t *testing.T) {
	late := lateNetwork{accepted: make(chan struct{}), closed: make(chan struct{})}
	w := newWorld(t, func(c *Config) { c.Network = late })
	done := make(chan error, 1)
	go func() {
		_, err := w.server.port.Listeners()[0].Accept()
		done <- err
	}()
	l := w.dial("tcp")
	patience.Receive(t, "the connection is accepted", late.accepted)
	if err := w.server.Close(); err != nil {
		t.Error(err)
	}
	close(late.closed)
	if err := patience.Receive(t, "the end of Accept", done); !errors.Is(err, net.ErrClosed) || w.server.flows.Len() != 0 {
		t.Errorf("it is served: %v", err)
	}
	l.wantEnd()
}

// lateNetwork is this machine's, and returns an accepted connection only when closed.
type lateNetwork struct{ accepted, closed chan struct{} }

func (lateNetwork) ListenPacket(addr string) (net.PacketConn, error) {
	return net.ListenPacket("udp", addr)
}

func (n lateNetwork) Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	return lateListener{l, n}, err
}

type lateListener struct {
	net.Listener
	network lateNetwork
}

func (l lateListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		close(l.network.accepted)
		patience.Ended("the server is closed", func() { <-l.network.closed })
	}
	return c, err
}

// TestNew_AFailureLeavesNoPortBound: the TCP port is taken, so the UDP port
// that New bound before must be free again.
func TestNew_AFailureLeavesNoPortBound(t *testing.T) {
	w := newWorld(t, nil)
	cfg := w.cfg
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	cfg.UDP, cfg.TCP, cfg.Store = c.LocalAddr().String(), w.server.TCPAddr().String(), w.store
	if s, err := New(cfg); err == nil {
		t.Fatal(s)
	}
	if c, err = net.ListenPacket("udp", cfg.UDP); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
}

// TestNew_RefusesWhatMakesNoSense, and says what.
func TestNew_RefusesWhatMakesNoSense(t *testing.T) {
	w := newWorld(t, nil)
	for what, change := range map[string]func(*Config){
		"Machine":         func(c *Config) { c.Machine = nil },
		"Table":           func(c *Config) { c.Table = nil },
		"Store":           func(c *Config) { c.Store = nil },
		"no address":      func(c *Config) { c.UDP, c.TCP = "", "" },
		"Rate":            func(c *Config) { c.Rate = -1 },
		"TimerC":          func(c *Config) { c.TimerC = -1 },
		"MaxConnections":  func(c *Config) { c.MaxConnections = -1 },
		"MaxCalls":        func(c *Config) { c.MaxCalls = -1 },
		"UDP address":     func(c *Config) { c.UDP = "127.0.0.1" },
		"TCP":             func(c *Config) { c.TCP = "127.0.0.1" },
		"TLS needs":       func(c *Config) { c.TLS = "127.0.0.1:0" },
		"TLS needs a cer": func(c *Config) { c.WSS, c.CertFile = "127.0.0.1:0", "cert.pem" },
	} {
		cfg := w.cfg
		change(&cfg)
		if s, err := New(cfg); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v, %v", what, s, err)
		}
	}
}
