package nemesis

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// probePort is where the prober listens at each node's host, over UDP.
const probePort = 19999

// cutWithin is how long a probe may take that is not lost: between two hosts of
// the test network it takes microseconds.
const cutWithin = 40 * time.Millisecond

// prober sends datagrams from node to node to see what arrives.
type prober struct {
	far   time.Duration // how much longer a probe may take
	mu    sync.Mutex
	socks map[*cluster.Node]net.PacketConn
	wait  map[string]*tally // by token
}

// tally is what arrived of one round of probes.
type tally struct {
	mu   sync.Mutex
	got  int
	done chan struct{}
	want int
}

func (t *tally) add() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.got++; t.got == t.want {
		close(t.done)
	}
}

func (t *tally) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.got
}

func (p *prober) sock(ctx context.Context, n *cluster.Node) (net.PacketConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.socks[n]; s != nil {
		return s, nil
	}
	s, err := n.Place().ListenPacket(ctx, probePort)
	if err != nil {
		return nil, fmt.Errorf("prober at %s: %w", n.Name(), err)
	}
	// Many probes may arrive before the receiver gets the CPU.
	if udp, ok := s.(*net.UDPConn); ok {
		if raw, err := udp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) })
		}
	}
	if p.socks == nil {
		p.socks, p.wait = map[*cluster.Node]net.PacketConn{}, map[string]*tally{}
	}
	p.socks[n] = s
	go p.receive(s)
	return s, nil
}

// receive ends with its socket.
func (p *prober) receive(s net.PacketConn) {
	buf := make([]byte, 64)
	for {
		n, _, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		t := p.wait[string(buf[:n])]
		p.mu.Unlock()
		if t != nil {
			t.add()
		}
	}
}

func (p *prober) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.socks {
		_ = s.Close()
	}
}

// send sends probes one way and returns how many arrived in time.
func (p *prober) send(ctx context.Context, w cluster.Way, probes int, within time.Duration) (int, error) {
	from, err := p.sock(ctx, w.From)
	if err != nil {
		return 0, err
	}
	if _, err := p.sock(ctx, w.To); err != nil {
		return 0, err
	}
	token := rand.Text()
	t := &tally{done: make(chan struct{}), want: probes}
	p.mu.Lock()
	p.wait[token] = t
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.wait, token)
		p.mu.Unlock()
	}()
	to := net.UDPAddrFromAddrPort(w.To.Addr(cluster.SIP))
	to.Port = probePort
	for i := range probes {
		if i%20 == 19 {
			wait(ctx, time.Millisecond) // let the receiver keep up
		}
		if _, err := from.WriteTo([]byte(token), to); err != nil {
			return 0, fmt.Errorf("probe: %w", err)
		}
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	return t.count(), ctx.Err()
}

// eachWay runs a probe for all ways at once and returns the first error.
func eachWay(ways []cluster.Way, probe func(cluster.Way) error) error {
	errs := make(chan error, len(ways))
	for _, w := range ways {
		go func() { errs <- probe(w) }()
	}
	var first error
	for range ways {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// silent is nil when nothing arrives on any of the ways.
func (p *prober) silent(ctx context.Context, ways []cluster.Way) error {
	return eachWay(ways, func(w cluster.Way) error {
		got, err := p.send(ctx, w, 3, cutWithin+p.far)
		if err == nil && got > 0 {
			err = fmt.Errorf("%d of 3 probes went from %s to %s", got, w.From.Name(), w.To.Name())
		}
		return err
	})
}

// through waits until something arrives on each of the ways.
func (p *prober) through(ctx context.Context, ways []cluster.Way) error {
	_, err := cluster.Eventually(ctx, 10*time.Second, "probes go through", func(ctx context.Context) error {
		return eachWay(ways, func(w cluster.Way) error {
			got, err := p.send(ctx, w, 3, cutWithin+p.far)
			if err == nil && got == 0 {
				err = fmt.Errorf("none goes from %s to %s", w.From.Name(), w.To.Name())
			}
			return err
		})
	})
	return err
}

// lossy is nil when about that share of the packets is lost on each way.
func (p *prober) lossy(ctx context.Context, ways []cluster.Way, percent int) error {
	const probes = 400
	return eachWay(ways, func(w cluster.Way) error {
		got, err := p.send(ctx, w, probes, 5*cutWithin+p.far)
		lost := probes - got
		if most := probes*percent*3/100 + 20; err == nil && lost > most {
			err = fmt.Errorf("%d of %d lost from %s to %s", lost, probes, w.From.Name(), w.To.Name())
		}
		if err == nil && lost == 0 && percent > 1 {
			err = fmt.Errorf("nothing lost from %s to %s", w.From.Name(), w.To.Name())
		}
		return err
	})
}

// shut is nil when no connection comes about on any of the ways to the port.
func (p *prober) shut(ctx context.Context, ways []cluster.Way, k cluster.Kind) error {
	return eachWay(ways, func(w cluster.Way) error {
		if p.connects(ctx, w, k) == nil {
			return fmt.Errorf("%s still reaches %s", w.From.Name(), w.To.Addr(k))
		}
		return nil
	})
}

// connects opens a connection on the way, from the site's phones for SIP.
func (p *prober) connects(ctx context.Context, w cluster.Way, k cluster.Kind) error {
	ctx, cancel := context.WithTimeout(ctx, 2*(cutWithin+p.far))
	defer cancel()
	from := w.From.Place()
	if k == cluster.SIP {
		from = w.From.Phones()
	}
	conn, err := from.Dial(ctx, "tcp4", w.To.Addr(k).String())
	if err == nil {
		_ = conn.Close()
	}
	return err
}

// reachable waits until connections come about again on all the ways.
func (p *prober) reachable(ctx context.Context, ways []cluster.Way, k cluster.Kind) error {
	_, err := cluster.Eventually(ctx, 10*time.Second, "the port is open", func(ctx context.Context) error {
		return eachWay(ways, func(w cluster.Way) error { return p.connects(ctx, w, k) })
	})
	return err
}

// Check begins with the probes, and is nil when every node's probes reach every other node.
func (a *Arena) Check(ctx context.Context) error {
	nodes := a.Cluster.Nodes()
	a.prober.far = a.Trip
	return a.prober.through(ctx, both(nodes, nodes))
}

// Close ends the prober; ends of processes are no longer anybody's concern.
func (a *Arena) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.prober.close()
}
