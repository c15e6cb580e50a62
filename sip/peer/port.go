package peer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Config of a Port.
type Config struct {
	Self dn.Node
	// Dial opens a connection to a peer's cluster port, preamble included.
	Dial func(ctx context.Context, to dn.Node) (net.Conn, error)
	// Receiver makes what serves the messages of a stream from a node: those that came
	// together, which it may change and not keep.
	Receiver func(from dn.Node) func(messages [][]byte)
	// Hold and Release are called around what came together, by whichever streams; Hold may
	// be called again before Release. nil for neither.
	Hold, Release func()
	// Hands serve streams at a time; 0 means 1.
	Hands int
	// Changed is told that streams of a pair have ended, or that one stands again: what is
	// under way may be lost. It may be told without need.
	Changed func(peer dn.Node)
	// Refused is told of a node that came in the name of another one; nil: nobody is.
	Refused func(from dn.Node, why error)
	Log     *slog.Logger
}

// Port is this node's end of the streams to all peers.
type Port struct {
	cfg    Config
	reader *reader
	pairs  atomic.Pointer[map[dn.Node]*pair]
	news   wake.Signal // for Run
	round  atomic.Uint64

	mu     sync.Mutex
	held   int
	dirty  []*stream // to be flushed when nobody holds
	spare  []*stream
	closed bool
	conns  map[net.Conn]struct{} // that others have dialled, from greeting to end
}

// maxAccepted bounds the connections that others have dialled.
const maxAccepted = 4096

// New makes a Port without peers; it starts nothing.
func New(cfg Config) *Port {
	if cfg.Hold == nil {
		cfg.Hold, cfg.Release = func() {}, func() {}
	}
	p := &Port{cfg: cfg, reader: newReader(cfg.Hold, cfg.Release, max(1, cfg.Hands)), news: wake.New(), conns: map[net.Conn]struct{}{}}
	p.pairs.Store(&map[dn.Node]*pair{})
	return p
}

// SetPeers says who the others are. What is sent to a new one waits a moment for its streams.
func (pt *Port) SetPeers(nodes []dn.Node) {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	if pt.closed {
		return
	}
	old, next := *pt.pairs.Load(), make(map[dn.Node]*pair, len(nodes))
	for _, id := range nodes {
		if id == pt.cfg.Self {
			continue
		}
		p := old[id]
		if p == nil {
			p = newPair(id)
			p.expect()
		}
		next[id] = p
	}
	pt.pairs.Store(&next)
	for id, p := range old {
		if next[id] != p {
			p.end()
		}
	}
	pt.news.Send()
}

// Expect says that a peer is there, and has it dialled at once.
func (pt *Port) Expect(peer dn.Node) {
	if p := pt.pair(peer); p != nil {
		p.expect()
	}
}

func (pt *Port) pair(id dn.Node) *pair { return (*pt.pairs.Load())[id] }

// Stands tells whether something can be sent to a peer.
func (pt *Port) Stands(to dn.Node) bool {
	p := pt.pair(to)
	return p != nil && p.standing()
}

// Send sends a message of a Group to a peer. It copies b and does not wait.
func (pt *Port) Send(to dn.Node, group uint16, b []byte) error {
	p := pt.pair(to)
	if p == nil {
		return errNone
	}
	if len(b) > MaxMessage {
		return errTooLong
	}
	s, err := p.send(group, b, pt.round.Load())
	if err != nil || s == nil {
		return err
	}
	pt.mu.Lock()
	if pt.held > 0 {
		if !s.marked {
			s.marked = true
			pt.dirty = append(pt.dirty, s)
		}
		pt.mu.Unlock()
		return nil
	}
	pt.mu.Unlock()
	s.flush()
	pt.round.Add(1)
	return nil
}

// Hold gathers what is sent until Release was called as often.
func (pt *Port) Hold() {
	pt.mu.Lock()
	pt.held++
	pt.mu.Unlock()
}

// Release writes what was gathered, one write a stream.
func (pt *Port) Release() {
	pt.mu.Lock()
	if pt.held--; pt.held > 0 || len(pt.dirty) == 0 {
		pt.mu.Unlock()
		return
	}
	pt.round.Add(1)
	list := pt.dirty
	pt.dirty, pt.spare = pt.spare[:0], nil
	for _, s := range list {
		s.marked = false
	}
	pt.mu.Unlock()
	for _, s := range list {
		s.flush()
	}
	clear(list)
	pt.mu.Lock()
	pt.spare = list[:0]
	pt.mu.Unlock()
}

// Lend says that somebody calls Wait from now on, again and again.
func (pt *Port) Lend() { pt.reader.lend() }

// Wait serves the streams until fd can be read: so one thread reads both, and what came by
// both is sent together. After Close it returns net.ErrClosed, without waiting for fd.
func (pt *Port) Wait(fd int) error { return pt.reader.wait(fd) }

// Run keeps the streams until ctx ends, and closes all then.
func (pt *Port) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer pt.Close()
	for {
		for _, p := range *pt.pairs.Load() {
			pt.start(ctx, p, &all)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-pt.news:
		}
	}
}

// start runs what keeps a pair, unless that runs.
func (pt *Port) start(ctx context.Context, p *pair, all *sync.WaitGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil || p.ended {
		return
	}
	ctx, p.cancel = context.WithCancel(ctx)
	all.Go(func() { p.tell(ctx, pt.cfg.Changed) })
	if p.node < pt.cfg.Self {
		return // it dials us
	}
	for slot := range uint8(Streams) {
		all.Go(func() {
			p.keep(ctx, slot, func(ctx context.Context) (net.Conn, error) { return pt.dial(ctx, p, slot) }, func(c net.Conn) { pt.run(p, slot, c) })
		})
	}
}

// dial opens a stream.
func (pt *Port) dial(ctx context.Context, p *pair, slot uint8) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	c, err := pt.cfg.Dial(ctx, p.node)
	if err == nil {
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		if err = (greeting{slot, pt.cfg.Self, p.node}).dialled(c); err != nil {
			_ = c.Close()
		}
		stop()
	}
	if err != nil && slot == 0 {
		pt.cfg.Log.Debug("no stream for SIP to a peer", "peer", p.node, "err", err)
	}
	return c, err
}

// run serves a stream until it ends.
func (pt *Port) run(p *pair, slot uint8, c net.Conn) {
	serve := pt.cfg.Receiver(p.node)
	s := newStream(c, pt.reader, func(messages [][]byte) {
		p.spoke()
		serve(messages)
	})
	if !p.attach(slot, s) {
		s.drop()
		return
	}
	err := s.run()
	p.detach(slot, s)
	pt.cfg.Log.Debug("a stream for SIP has ended", "peer", p.node, "stream", slot, "err", err)
}

// Serve serves a connection that a peer dialled, until it ends or the Port is closed. from
// is who that is, by its certificate; "" believes what it says.
func (pt *Port) Serve(c net.Conn, from dn.Node) {
	if !pt.enter(c) {
		_ = c.Close()
		return
	}
	defer pt.leave(c)
	p, slot, err := pt.welcome(c, from)
	if err != nil {
		pt.cfg.Log.Debug("refused a stream for SIP", "from", c.RemoteAddr(), "err", err)
		if r := (*refusal)(nil); pt.cfg.Refused != nil && from != "" && errors.As(err, &r) && r.from != from {
			pt.cfg.Refused(from, err)
		}
		return
	}
	pt.run(p, slot, c)
}

func (pt *Port) enter(c net.Conn) bool {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	if pt.closed || len(pt.conns) >= maxAccepted {
		return false
	}
	pt.conns[c] = struct{}{}
	return true
}

func (pt *Port) leave(c net.Conn) {
	_ = c.Close()
	pt.mu.Lock()
	defer pt.mu.Unlock()
	delete(pt.conns, c)
}

// welcome reads the greeting of a connection and answers it.
func (pt *Port) welcome(c net.Conn, from dn.Node) (p *pair, slot uint8, err error) {
	_ = c.SetDeadline(time.Now().Add(greetTime))
	var g greeting
	ok, err := g.read(c)
	if err != nil {
		return nil, 0, err
	}
	a, p := badVersion, (*pair)(nil)
	if ok {
		p = pt.pair(g.from)
		a = pt.judge(&g, from, p)
	}
	if _, err := c.Write([]byte{byte(a)}); err != nil {
		return nil, 0, err
	}
	if a != welcome {
		return nil, 0, &refusal{g, a}
	}
	return p, g.slot, c.SetDeadline(time.Time{})
}

// judge answers a greeting of whom the certificate says who it is.
func (pt *Port) judge(g *greeting, from dn.Node, p *pair) answer {
	switch {
	case from != "" && from != g.from, p == nil:
		return unknownNode
	case g.to != pt.cfg.Self:
		return otherNode
	case g.slot >= Streams, g.from > pt.cfg.Self:
		return wrongWay
	}
	return welcome
}

type refusal struct {
	greeting
	why answer
}

func (r *refusal) Error() string {
	return "node " + string(r.from) + " for " + string(r.to) + ": " + r.why.String()
}

// Renew has each stream open anew, one of a pair after the other: something stands all the
// time, and in the end all are under the key that this node has now. It returns when that
// is done, or ctx ends.
func (pt *Port) Renew(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, p := range *pt.pairs.Load() {
		all.Go(func() { p.renew(ctx) })
	}
}

// Close ends all streams; nothing can be sent any more. Run returns when its ctx ends.
func (pt *Port) Close() {
	pt.mu.Lock()
	pt.closed = true
	conns := make([]net.Conn, 0, len(pt.conns))
	for c := range pt.conns {
		conns = append(conns, c)
	}
	pairs := pt.pairs.Swap(&map[dn.Node]*pair{})
	pt.mu.Unlock()
	for _, p := range *pairs {
		p.end()
	}
	for _, c := range conns {
		_ = c.Close()
	}
	pt.reader.close()
}

// Queued is how many bytes wait for streams.
func (pt *Port) Queued() (n int) {
	for _, p := range *pt.pairs.Load() {
		n += p.queued()
	}
	return n
}

// Standing is how many streams stand to each peer.
func (pt *Port) Standing() map[dn.Node]int {
	all := map[dn.Node]int{}
	for id, p := range *pt.pairs.Load() {
		all[id] = p.count()
	}
	return all
}

// Peers are the nodes that SetPeers named, in order.
func (pt *Port) Peers() (list []dn.Node) {
	for id := range *pt.pairs.Load() {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}
