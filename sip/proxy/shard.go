package proxy

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"hash/maphash"
	"math/rand/v2"

	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// shardCount is how many parts the calls are dealt out to.
const shardCount = 16

// shard holds the transactions of calls, and is their lock.
type shard struct {
	*transaction.Layer
	stats   *answer.Counters
	tagSeed maphash.Seed
	// out is where the next message is written; senders copy it. viaBuf is where
	// its Via is.
	out, viaBuf []byte
	// settingUp are the INVITEs without final answer.
	settingUp map[uint64]struct{}
	// arrived are the loop marks of those that came from outside: the same one by another
	// branch is a call that somebody has forked, here by two ways.
	arrived map[[13]byte]struct{}
	// waiting are the calls whose callers have an early dialog with us.
	waiting map[string]*Call
}

// via is our Via of the next message.
func (sh *shard) via(to *hop, branch string) []byte {
	sh.viaBuf = to.via(sh.viaBuf[:0], branch)
	return sh.viaBuf
}

// forward writes a message as it goes on.
func (sh *shard) forward(m *message.Message, c *message.Changes) []byte {
	sh.out = m.AppendForwarded(sh.out[:0], c)
	return sh.out
}

// answer writes a response of our own.
func (sh *shard) answer(m *message.Message, a *answer.Answer) []byte {
	out := message.Answer{Code: a.Code, Reason: a.Reason, Lines: a.Lines}
	var tag [16]byte
	cseq, _, _ := message.ParseCSeq(m.Get(message.CSeq))
	if a.Code > 100 {
		out.ToTag = answer.AppendToTag(tag[:0], sh.tagSeed, m.Get(message.CallID), cseq)
	}
	sh.out = m.AppendAnswer(sh.out[:0], m.Source, &out)
	return sh.out
}

// refuse answers without a transaction: the same request again gets the same.
func (sh *shard) refuse(m *message.Message, in *packet, a *answer.Answer) {
	if string(m.Method) == "ACK" {
		return
	}
	sh.stats.Answered(a.Code)
	_ = in.back(m).Send(sh.answer(m, a)) // the request comes again
}

// endCalls gives up what has no answer yet.
func (sh *shard) endCalls() {
	sh.Lock()
	defer sh.Unlock()
	for _, user := range sh.Users() {
		switch x := user.(type) {
		case *Call:
			x.stop()
		case *relay:
			x.settled()
		}
	}
}

// shards are all of them; a Call-ID always finds the same one.
type shards struct {
	seed maphash.Seed
	list [shardCount]*shard
}

func newShards(cfg *Config, panicked func(any)) *shards {
	s := &shards{seed: maphash.MakeSeed()}
	for i, l := range transaction.NewLayers(shardCount, cfg.Timers, panicked) {
		s.list[i] = &shard{Layer: l, stats: cfg.Stats, tagSeed: cfg.TagSeed, settingUp: map[uint64]struct{}{}, arrived: map[[13]byte]struct{}{}, waiting: map[string]*Call{}}
	}
	return s
}

func (s *shards) of(callID []byte) *shard {
	return s.list[maphash.Bytes(s.seed, callID)%shardCount]
}

// idOf makes a Call-ID of a shard.
func (s *shards) idOf(sh *shard) string {
	for {
		if id := cryptorand.Text(); s.of([]byte(id)) == sh {
			return id
		}
	}
}

// close ends all transactions.
func (s *shards) close() {
	for _, sh := range s.list {
		sh.endCalls()
		sh.Lock()
		sh.Close()
		sh.Unlock()
	}
}

func (s *shards) held(held map[string]int) {
	for _, sh := range s.list {
		sh.Lock()
		held["sip_transactions"] += sh.Len()
		sh.Unlock()
	}
	held["sip_alarms"] = s.list[0].Alarms() // the shards share their clock
}

// maxRefused bounds the datagrams that the network refused and nobody looked at.
const maxRefused = 256

// refusals are datagrams that the network did not take.
type refusals struct {
	shards *shards
	queue  chan []byte
}

func newRefusals(s *shards) *refusals {
	return &refusals{shards: s, queue: make(chan []byte, maxRefused)}
}

func (r *refusals) note(b []byte) {
	select {
	case r.queue <- b:
	default: // a timer says the same, later
	}
}

// run tells transactions that the network refused their requests.
func (r *refusals) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-r.queue:
			if method, branch := ours(b); branch != nil {
				r.shards.unsent(branch, method)
			}
		}
	}
}

// ours are the method and the branch of a request that we sent: its first lines
// are there even where the network brings back a part. No branch: it is none.
func ours(b []byte) (method, branch []byte) {
	start, rest, _ := bytes.Cut(b, []byte("\r\n"))
	method, _, _ = bytes.Cut(start, []byte(" "))
	via, _, whole := bytes.Cut(rest, []byte("\r\n"))
	value, found := bytes.CutPrefix(via, []byte("Via: "))
	if !whole || !found {
		return nil, nil
	}
	hop, _ := message.ParseVia(value)
	branch, _ = message.Param(hop.Params, "branch")
	if !IsBranch(branch) {
		return nil, nil
	}
	return method, branch
}

// unsent tells the transaction of a request, whose Call-ID may have been cut off.
func (s *shards) unsent(branch, method []byte) {
	for _, sh := range s.list {
		sh.Lock()
		sh.Unsent(branch, method)
		sh.Unlock()
	}
}

func topBranch(m *message.Message) []byte {
	via, _ := m.TopVia()
	branch, _ := message.Param(via.Params, "branch")
	return branch
}

// newBranch makes the branch of a request that goes on.
func newBranch(mark [13]byte) string {
	var b [len(branchPrefix) + 26]byte
	id := base32(rand.Uint64())
	copy(b[:], branchPrefix)
	copy(b[len(branchPrefix):], mark[:])
	copy(b[len(branchPrefix)+13:], id[:])
	return string(b[:])
}
