package consensus

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// maxHold bounds how long a failure is held back, so that a leader of old ends too.
const maxHold = 30 * time.Second

// transport is Raft's TCP transport that also notes when each follower answers
// and how far its log reaches: Raft itself does not tell.
type transport struct {
	*raft.NetworkTransport
	requests chan raft.RPC // what Raft consumes: the network's and our own
	done     chan struct{}
	closing  sync.Once
	closed   error

	mu        sync.Mutex
	followers map[raft.ServerID]*follower
}

func newTransport(c *raft.NetworkTransportConfig) *transport {
	t := &transport{
		NetworkTransport: raft.NewNetworkTransportWithConfig(c),
		requests:         make(chan raft.RPC), done: make(chan struct{}), followers: map[raft.ServerID]*follower{},
	}
	go t.pass()
	return t
}

// pass hands the network's requests to Raft until the transport is closed.
func (t *transport) pass() {
	for {
		select {
		case rpc := <-t.NetworkTransport.Consumer():
			t.request(rpc)
		case <-t.done:
			return
		}
	}
}

func (t *transport) request(rpc raft.RPC) {
	select {
	case t.requests <- rpc:
	case <-t.done:
	}
}

// Consumer implements raft.Transport.
func (t *transport) Consumer() <-chan raft.RPC { return t.requests }

// Close implements raft.WithClose; a second one returns what the first did.
func (t *transport) Close() error {
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
	heard := t.hearing(id)
	heartbeat := args.LeaderCommitIndex == 0 && args.PrevLogEntry == 0 && len(args.Entries) == 0
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	switch {
	case err != nil && !heartbeat:
		t.hold(heard)
	case err == nil && resp.Success:
		t.answered(id, resp.LastLog, heartbeat)
	}
	return err
}

// InstallSnapshot implements raft.Transport.
func (t *transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	heard := t.hearing(id)
	err := t.NetworkTransport.InstallSnapshot(id, target, args, resp, data)
	if err != nil {
		t.hold(heard)
	}
	return err
}

// hold keeps a failure of the replication back until the follower answers a
// heartbeat. Raft doubles its pause with each failure up to 10 s: a follower
// would get no log for that long after a cut was healed.
func (t *transport) hold(heard <-chan struct{}) {
	limit := time.NewTimer(maxHold)
	defer limit.Stop()
	select {
	case <-heard:
	case <-limit.C:
	case <-t.done:
	}
}

func (t *transport) hearing(id raft.ServerID) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.follower(id).heard
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

// addresses resolves a server's id by the roster, which is newer than the
// address in Raft's own configuration after a node moved.
type addresses func(id string) string

func (a addresses) ServerAddr(id raft.ServerID) (raft.ServerAddress, error) {
	if s := a(string(id)); s != "" {
		return raft.ServerAddress(s), nil
	}
	return "", fmt.Errorf("node %s is not in the roster", id)
}
