package wire

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/sip/location"
)

const (
	// dialTime is how long a connection may take to be there, with its handshake.
	dialTime = 5 * time.Second
	// maxDialled are the connections that this node has opened, or is about to.
	maxDialled = 1024
)

// Remote is an address to which this node opens connections.
type Remote struct {
	Transport location.Transport // TCP or TLS
	Addr      netip.AddrPort
	// Name that its certificate has to be of, of TLS.
	Name string
}

var (
	errTooManyDialled = errors.New("sip: too many connections are opened")
)

// Dialer opens connections, which are read as those that others open. It is a
// net.Listener, whose connections sipgo takes.
type Dialer struct {
	transport location.Transport
	// local is the address that connections come from: who is called may know us by it. The
	// zero Addr leaves that to the system.
	local  netip.Addr
	config func() (*tls.Config, error)
	flow   func(net.Conn) *Flow
	// over is told that a connection is, or that none came about (stood is false); another
	// one may be opened before. Set before the first Send; nil is nobody.
	over   func(to Remote, stood bool)
	ready  chan net.Conn
	ctx    context.Context //nolint:containedctx // ends with Close
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu     sync.Mutex
	open   map[Remote]*dialled
	failed map[Remote]error // why the last connection did not come about
	closed bool
}

// dialled is a connection that was opened, or is about to be. Guarded by Dialer.mu.
type dialled struct {
	flow  *Flow // nil before it is there
	err   error // why none came about, till all know of that for whom it was to be
	queue [][]byte
	bytes int
	ended chan struct{}
}

func newDialer(t location.Transport, config func() (*tls.Config, error), flow func(net.Conn) *Flow) *Dialer {
	d := &Dialer{transport: t, config: config, flow: flow, ready: make(chan net.Conn), open: map[Remote]*dialled{}, failed: map[Remote]error{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Send sends b over the connection to an address, which is opened when there is none. It
// does not wait, and copies b. What was sent may be lost when the connection is over.
func (d *Dialer) Send(to Remote, b []byte) error {
	d.mu.Lock()
	x, err := d.to(to)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	if f := x.flow; f != nil {
		d.mu.Unlock()
		return f.Enqueue(bytes.Clone(b))
	}
	defer d.mu.Unlock()
	if x.bytes += len(b); x.bytes > MaxQueued {
		return errStuck
	}
	x.queue = append(x.queue, bytes.Clone(b))
	return nil
}

// Ended is closed when the connection to an address is over, or none came about; one is
// opened when there is none.
func (d *Dialer) Ended(to Remote) (<-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x, err := d.to(to)
	if err != nil {
		return nil, err
	}
	return x.ended, nil
}

// to finds or begins the connection to an address; the caller holds mu.
func (d *Dialer) to(to Remote) (*dialled, error) {
	switch x := d.open[to]; {
	case x != nil && !x.over():
		return x, x.err
	case d.closed:
		return nil, errNoneTaken
	case len(d.open) >= maxDialled:
		return nil, errTooManyDialled
	}
	x := &dialled{ended: make(chan struct{})}
	d.open[to] = x
	d.all.Go(func() { d.keep(to, x) })
	return x, nil
}

// over tells whether it is a connection that has ended.
func (x *dialled) over() bool {
	if x.flow == nil {
		return false
	}
	select {
	case <-x.flow.Closed:
		return true
	default:
		return false
	}
}

// keep has the connection until it ends, and tells of that. What is sent meanwhile goes by
// another one where there was one; where none came about it fails, as what has waited does.
func (d *Dialer) keep(to Remote, x *dialled) {
	stood := d.has(to, x)
	if stood {
		d.forget(to, x)
	}
	close(x.ended)
	if d.over != nil && d.ctx.Err() == nil {
		d.over(to, stood)
	}
	if !stood {
		d.forget(to, x)
	}
}

// has is keep without those who want to know; false when there was no connection.
func (d *Dialer) has(to Remote, x *dialled) (stood bool) {
	f, err := d.connect(to)
	d.mu.Lock()
	queue := x.queue
	x.flow, x.queue, x.err = f, nil, err
	d.fail(to, err)
	d.mu.Unlock()
	if err != nil {
		return false
	}
	for _, b := range queue {
		_ = f.Enqueue(b) // whoever waits hears of the end
	}
	select {
	case d.ready <- f:
		<-f.Closed
	case <-d.ctx.Done():
		f.Close()
	}
	return true
}

// forget takes it out, unless there is another one by now.
func (d *Dialer) forget(to Remote, x *dialled) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open[to] == x {
		delete(d.open, to)
	}
}

// fail notes why a connection did not come about, nil when it did; the caller holds mu.
func (d *Dialer) fail(to Remote, err error) {
	switch {
	case err == nil:
		delete(d.failed, to)
	case len(d.failed) < maxDialled:
		d.failed[to] = err
	}
}

// Why is the reason for which the last connection to an address did not come about; nil
// when it did.
func (d *Dialer) Why(to Remote) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed[to]
}

// connect opens a connection.
func (d *Dialer) connect(to Remote) (*Flow, error) {
	ctx, cancel := context.WithTimeout(d.ctx, dialTime)
	defer cancel()
	var from net.Dialer
	if d.local.IsValid() && d.local.Is4() == to.Addr.Addr().Is4() {
		from.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.local, 0))
	}
	c, err := from.DialContext(ctx, "tcp", to.Addr.String())
	if err != nil {
		return nil, err
	}
	c = waiting(c)
	if d.config != nil {
		if c, err = d.secure(ctx, c, to.Name); err != nil {
			return nil, err
		}
	}
	f := d.flow(c)
	if f == nil {
		return nil, errNoneTaken
	}
	f.l.flows.Keep(f.key())
	return f, nil
}

// secure makes the client's side of TLS, with whom that has a certificate of a name.
func (d *Dialer) secure(ctx context.Context, raw net.Conn, name string) (net.Conn, error) {
	config, err := d.config()
	if err == nil {
		config.ServerName = name
		config.InsecureSkipVerify = true // VerifyConnection does it, also by names that only SIP has
		config.VerifyConnection = func(s tls.ConnectionState) error {
			return cmp.Or(believed(s.PeerCertificates, config.RootCAs, x509.ExtKeyUsageServerAuth), ofName(s.PeerCertificates[0], name))
		}
		c := tls.Client(raw, config)
		if err = c.HandshakeContext(ctx); err == nil {
			return secureConn{Conn: c, shown: c.ConnectionState().PeerCertificates[0]}, nil
		}
	}
	raw.Close()
	return nil, err
}

// Accept implements net.Listener.
func (d *Dialer) Accept() (net.Conn, error) {
	select {
	case c := <-d.ready:
		return c, nil
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: nobody connects to it.
func (d *Dialer) Addr() net.Addr { return &net.TCPAddr{} }

// Close implements net.Listener. It ends what was opened, and returns when that is over.
func (d *Dialer) Close() error {
	d.mu.Lock()
	d.closed = true
	flows := make([]*Flow, 0, len(d.open))
	for _, x := range d.open {
		if x.flow != nil {
			flows = append(flows, x.flow)
		}
	}
	d.mu.Unlock()
	d.cancel()
	for _, f := range flows {
		f.Close()
	}
	d.all.Wait()
	return nil
}

// openDialers makes those of the port.
func (p *Port) openDialers() {
	for _, t := range [...]location.Transport{location.TCP, location.TLS} {
		var config func() (*tls.Config, error)
		if t == location.TLS {
			config = p.clientTLS
		}
		l := p.newListener(nil, t)
		d := newDialer(t, config, l.flow)
		if a, err := netip.ParseAddrPort(cmp.Or(p.cfg.Listen[t], p.cfg.Listen[location.UDP])); err == nil && !a.Addr().IsUnspecified() {
			d.local = a.Addr().Unmap()
		}
		p.dialers = append(p.dialers, d)
	}
}

// clientTLS is what this node shows, and believes, as a client: the certificate of its own
// port when it is asked for one, and the authorities of gateways.
func (p *Port) clientTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if p.certificate == nil {
			return &tls.Certificate{}, nil
		}
		return cmp.Or(p.certificate.Certificate(), &tls.Certificate{}), nil
	}}
	if p.known != nil {
		config.RootCAs = p.known.roots.Load()
		return config, nil
	}
	roots, err := rootsOf(p.cfg.ClientCAFile)
	config.RootCAs = roots
	return config, err
}
