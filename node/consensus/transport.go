package consensus

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sipcluster/sipcluster/internal/security"
)

// maxHold bounds how long a failure is held back, so that a leader of old ends too.
const maxHold = 30 * time.Second

// transport is Raft's TCP transport that also notes when each follower answers
// and how far its log reaches: Raft itself does not tell.
type transport struct {
	*raft.NetworkTransport
	settings raft.NetworkTransportConfig
	stream   *stream
	listener net.Listener
	requests chan raft.RPC // what Raft consumes: the network's and our own
	done     chan struct{}
	// paused: nothing goes out or comes in, for the time being.
	paused  atomic.Bool
	closing sync.Once
	closed  error
	events  *security.Events // told of nodes that speak for others; nil: nobody is
	more    func()           // has Raft send again

	mu        sync.Mutex
	followers map[raft.ServerID]*follower
	heartbeat func(raft.RPC) // Raft's short way for heartbeats
}

// newTransport dials by the stream, which is that of the settings, and takes what
// the listener yields; it closes both.
func newTransport(c raft.NetworkTransportConfig, s *stream, ln net.Listener, events *security.Events, more func()) *transport {
	c.Stream = s
	t := &transport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(&c), settings: c, stream: s, listener: ln,
		requests: make(chan raft.RPC), done: make(chan struct{}), followers: map[raft.ServerID]*follower{}, events: events, more: more,
	}
	go t.accept()
	return t
}

// accept takes connections until the listener is closed.
func (t *transport) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			select {
			case <-t.done:
				return
			case <-time.After(acceptPause): // out of file descriptors, say
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		select {
		case <-t.done: // whoever made it makes another, for whom it is meant
			_ = conn.Close()
			return
		default:
		}
		c := newCaller(conn, t.stream.clusterID, t.stream.self)
		c.events = t.events
		go t.serve(c)
	}
}

// acceptPause is how long nothing is accepted after an error.
const acceptPause = 50 * time.Millisecond

// serve gives the connection a transport of its own, so that it is known from whom
// each request is: a node speaks in its own name alone. It returns when one of
// both is closed.
func (t *transport) serve(c *caller) {
	settings, first := t.settings, make(chan net.Conn, 1)
	first <- c
	settings.Stream = single{t.stream, first, make(chan struct{})}
	network := raft.NewNetworkTransportWithConfig(&settings)
	defer network.Close()
	defer c.Close()
	network.SetHeartbeatHandler(func(rpc raft.RPC) { t.take(c, rpc, t.shortWay()) })
	for {
		select {
		case rpc := <-network.Consumer():
			t.take(c, rpc, t.request)
		case <-c.ended:
			return
		case <-t.done:
			return
		}
	}
}

// take hands a request to Raft, or ends the connection by which it came.
func (t *transport) take(c *caller, rpc raft.RPC, to func(raft.RPC)) {
	if t.paused.Load() {
		rpc.Respond(nil, errPaused)
		return
	}
	if c.speaks(rpc) {
		to(rpc)
		return
	}
	rpc.Respond(nil, c.liar(errOtherName))
	t.settings.Logger.Warn(errOtherName.Error(), "peer", c.from)
	_ = c.Close()
}

// SetHeartbeatHandler implements raft.Transport.
func (t *transport) SetHeartbeatHandler(fn func(raft.RPC)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heartbeat = fn
}

func (t *transport) shortWay() func(raft.RPC) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heartbeat == nil {
		return t.request
	}
	return t.heartbeat
}

func (t *transport) request(rpc raft.RPC) {
	select {
	case t.requests <- rpc:
	case <-t.done:
	}
}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.requests }

// errPaused is the answer of a node whose disk does not.
var errPaused = errors.New("the disk of this node does not answer")

// pause ends all connections and makes no new ones until it is over.
func (t *transport) pause(on bool) {
	t.stream.pause(on)
	t.paused.Store(on)
}

// Close implements raft.WithClose; a second one returns what the first did.
func (t *transport) Close() error {
	_ = t.listener.Close()
	return t.leave()
}

// leave ends all but the listener, which another transport will have.
func (t *transport) leave() error {
	t.closing.Do(func() {
		close(t.done)
		t.closed = t.NetworkTransport.Close()
	})
	return t.closed
}

// electNow lets Raft stand for election without waiting for the heartbeat
// timeout, which is 2 s lost where there is no other voter to hear from.
func (t *transport) electNow(self raft.ServerID) {
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(self), Addr: []byte(t.LocalAddr())}
	t.request(raft.RPC{Command: &raft.TimeoutNowRequest{RPCHeader: header}, RespChan: make(chan raft.RPCResponse, 1)})
}

// follower is what the transport knows of one.
type follower struct {
	pace    pace
	lastLog uint64
	at      time.Time     // of the last answer
	heard   chan struct{} // closed and replaced at each answer to a heartbeat
}

func (t *transport) follower(id raft.ServerID) *follower {
	f := t.followers[id]
	if f == nil {
		f = &follower{heard: make(chan struct{})}
		t.followers[id] = f
	}
	return f
}

// AppendEntries implements raft.Transport.
func (t *transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	heard, pace := t.hearing(id)
	var octets int
	args.Entries, octets = pace.fit(args.Entries)
	began := time.Now()
	heartbeat := args.LeaderCommitIndex == 0 && args.PrevLogEntry == 0 && len(args.Entries) == 0
	err := t.NetworkTransport.AppendEntries(id, meant(id, target), args, resp)
	switch {
	case err != nil && !heartbeat:
		pace.failed()
		t.hold(heard)
	case err == nil && resp.Success:
		pace.took(octets, time.Since(began))
		t.answered(id, resp.LastLog, heartbeat)
	}
	return err
}

// InstallSnapshot implements raft.Transport.
func (t *transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	heard, _ := t.hearing(id)
	err := t.NetworkTransport.InstallSnapshot(id, meant(id, target), args, resp, data)
	if err != nil {
		t.hold(heard)
	}
	return err
}

// AppendEntriesPipeline implements raft.Transport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.NetworkTransport.AppendEntriesPipeline(id, meant(id, target))
	if err != nil {
		return nil, err
	}
	_, pace := t.hearing(id)
	return paced{p, pace, t.more}, nil
}

// RequestVote implements raft.Transport.
func (t *transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return t.NetworkTransport.RequestVote(id, meant(id, target), args, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (t *transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.NetworkTransport.RequestPreVote(id, meant(id, target), args, resp)
}

// TimeoutNow implements raft.Transport.
func (t *transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.NetworkTransport.TimeoutNow(id, meant(id, target), args, resp)
}

// EncodePeer implements raft.Transport: what others are told is an address alone.
func (t *transport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// hold keeps a failure of the replication back until the follower answers a
// heartbeat. Raft doubles its pause with each failure up to 10 s: a follower
// would get no log for that long after a cut was healed. Then it has Raft send again, which
// would wait for commitTimeout.
func (t *transport) hold(heard <-chan struct{}) {
	limit := time.NewTimer(maxHold)
	defer limit.Stop()
	select {
	case <-heard:
		t.more()
	case <-limit.C:
	case <-t.done:
	}
}

func (t *transport) hearing(id raft.ServerID) (<-chan struct{}, *pace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.follower(id)
	return f.heard, &f.pace
}

func (t *transport) answered(id raft.ServerID, lastLog uint64, heartbeat bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.follower(id)
	f.lastLog, f.at = lastLog, time.Now()
	if heartbeat {
		close(f.heard)
		f.heard = make(chan struct{})
	}
}

// reached returns the last log index that the follower reported within the
// last d, 0 when it was silent.
func (t *transport) reached(id raft.ServerID, d time.Duration) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.followers[id]
	if f == nil || time.Since(f.at) > d {
		return 0
	}
	return f.lastLog
}

// silent is how long the follower has not answered, at most since then.
func (t *transport) silent(id raft.ServerID, since *time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var last time.Time
	if since != nil {
		last = *since
	}
	if f := t.followers[id]; f != nil && f.at.After(last) {
		last = f.at
	}
	return time.Since(last)
}

// addresses resolves a server's id by the roster, which is newer than the
// address in Raft's own configuration after a node moved.
type addresses func(id string) string

func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if s := a(string(id)); s != "" {
		return meant(id, raft.ServerAddress(s)), nil
	}
	return "", fmt.Errorf("node %s is not in the roster", id)
}

// meant is an address together with the node that is meant to be there: the stream
// reaches no other one, wherever the address came from.
func meant(id raft.ServerID, addr raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "/" + addr
}
