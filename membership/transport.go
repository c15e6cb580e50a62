package membership

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/sipcluster/sipcluster/internal/lasting"
	"github.com/sipcluster/sipcluster/internal/nowait"
)

// transport is what memberlist's own NetTransport is, but for two things: a cut can silence
// it towards single addresses, and a packet leaves no 64 KiB of garbage behind.
type transport struct {
	tcp     *net.TCPListener
	udp     *nowait.UDP
	packets chan *memberlist.Packet
	streams chan net.Conn
	allow   func(addr string) bool
	log     *log.Logger

	closed    chan struct{}
	closeOnce sync.Once
	readers   sync.WaitGroup
}

// maxPacket is the greatest UDP datagram.
const maxPacket = 64 << 10

// newTransport binds the addresses and reads from them until Shutdown.
func newTransport(bind netip.AddrPort, allow func(string) bool, mc *memberlist.Config) (memberlist.NodeAwareTransport, error) {
	tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(bind))
	var udp *net.UDPConn
	if err == nil {
		if udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(tcp.Addr().(*net.TCPAddr).AddrPort())); err != nil {
			_ = tcp.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("gossip address %s: %w: is it in use? choose another --gossip-addr", bind, err)
	}
	_ = udp.SetReadBuffer(readBuffer) // the kernel may give less
	if allow == nil {
		allow = func(string) bool { return true }
	}
	packets, err := nowait.NewUDP(udp)
	if err != nil {
		return nil, errors.Join(err, tcp.Close(), udp.Close())
	}
	t := &transport{
		tcp: tcp, udp: packets, allow: allow, log: log.New(mc.LogOutput, "", 0),
		packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), closed: make(chan struct{}),
	}
	t.readers.Go(t.accept)
	t.readers.Go(t.receive)
	return t, nil
}

// readBuffer of the kernel for packets that wait.
const readBuffer = 2 << 20

// pauseAfterError keeps an error that lasts from turning a reader round and round.
const pauseAfterError = 50 * time.Millisecond

// failed notes an error of a reader, which goes on after a pause; false when it has to end.
func (t *transport) failed(what string, err error) bool {
	select {
	case <-t.closed:
		return false
	default:
	}
	t.log.Printf("[ERR] %s: %v", what, err)
	pause := time.NewTimer(pauseAfterError)
	defer pause.Stop()
	select {
	case <-t.closed:
		return false
	case <-pause.C:
		return true
	}
}

func (t *transport) accept() {
	for {
		conn, err := t.tcp.AcceptTCP()
		if err != nil {
			if !t.failed("accepting a connection", err) {
				return
			}
			continue
		}
		select {
		case t.streams <- conn:
		case <-t.closed:
			_ = conn.Close()
			return
		}
	}
}

func (t *transport) receive() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := t.udp.ReadFromUDPAddrPort(buf)
		at := time.Now()
		switch {
		case err != nil:
			if !t.failed("reading a packet", err) {
				return
			}
			continue
		case n == 0:
			continue
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: bytes.Clone(buf[:n]), From: net.UDPAddrFromAddrPort(from), Timestamp: at}:
		case <-t.closed:
			return
		}
	}
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// FinalAdvertiseAddr returns what the Config says, which always has an address.
func (t *transport) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	addr, err := netip.ParseAddr(ip)
	return net.IP(addr.Unmap().AsSlice()), port, err
}

func (t *transport) WriteTo(b []byte, addr string) (time.Time, error) {
	return t.WriteToAddress(b, memberlist.Address{Addr: addr})
}

func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if !t.allow(a.Addr) {
		return time.Now(), nil // lost on the way
	}
	to, err := netip.ParseAddrPort(a.Addr)
	if err != nil {
		return time.Time{}, err
	}
	if t.crosses(to.Addr()) {
		return time.Now(), across(b, to)
	}
	_, err = t.udp.WriteToUDPAddrPort(b, to)
	return time.Now(), err
}

// crosses tells whether a host is of the other family than the address that is bound, so
// that nothing gets there from it.
func (t *transport) crosses(to netip.Addr) bool {
	bound := t.udp.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	return !bound.IsUnspecified() && bound.Unmap().Is4() != to.Unmap().Is4()
}

// across sends a packet from whatever address of the host gets there. What it is answered
// goes to the address that memberlist says, not to the one that it comes from.
func across(b []byte, to netip.AddrPort) error {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return err
	}
	_, err = c.Write(b)
	return errors.Join(err, c.Close())
}

func (t *transport) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return t.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if !t.allow(a.Addr) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}
	dialer := net.Dialer{Timeout: timeout}
	return dialer.Dial("tcp", a.Addr)
}

// Shutdown returns when nothing is read any more.
func (t *transport) Shutdown() error {
	t.closeOnce.Do(func() {
		close(t.closed)
		_ = t.tcp.Close()
		_ = t.udp.Close()
	})
	t.readers.Wait()
	return nil
}

// logWriter passes memberlist's log on, at most a line a second and level:
// a stranger who sends rubbish must not fill the disk.
type logWriter struct {
	log *slog.Logger
	// doubted is said of what comes again and again where others are far.
	doubted *lasting.Fault

	mu      sync.Mutex
	last    map[slog.Level]time.Time
	skipped int
}

func newLogWriter(log *slog.Logger) *logWriter {
	return &logWriter{
		log: log, doubted: lasting.New(log, slog.LevelInfo, "others doubt that this node is there: it is far from them, or slow", "nobody doubts it any more"),
	}
}

func (w *logWriter) Write(line []byte) (int, error) {
	level, text := slog.LevelDebug, bytes.TrimSpace(line)
	for tag, l := range map[string]slog.Level{"[ERR] ": slog.LevelWarn, "[WARN] ": slog.LevelInfo, "[INFO] ": slog.LevelDebug, "[DEBUG] ": slog.LevelDebug} {
		if _, after, ok := bytes.Cut(text, []byte(tag)); ok {
			level, text = l, after
			break
		}
	}
	if !w.log.Enabled(context.Background(), level) {
		return len(line), nil
	}
	if bytes.Contains(text, []byte("Refuting a ")) {
		w.doubted.Met("line", string(text))
		return len(line), nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.last[level]) < time.Second {
		w.skipped++
		return len(line), nil
	}
	if w.last == nil {
		w.last = map[slog.Level]time.Time{}
	}
	w.last[level] = now
	w.log.Log(context.Background(), level, string(text), "skipped", w.skipped)
	w.skipped = 0
	return len(line), nil
}
