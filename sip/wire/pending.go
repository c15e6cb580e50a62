package wire

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// MaxUnanswered is how many requests of a connection may wait for answers;
	// sipgo serves each in a goroutine of its own.
	MaxUnanswered = 64
	// lostAnswer is after how long a request that sipgo never answered no longer
	// counts: by then every write of before has ended, one way or the other.
	lostAnswer = 2 * stuckWrite
)

// pending are the requests of a connection that sipgo was given and that have
// no final answer yet. A request that comes again before its answer gets one
// answer for both (RFC 3261 §17.2.2), so it counts once and goes no further.
type pending struct {
	seed     maphash.Seed
	answered wake.Signal

	mu   sync.Mutex
	open map[uint64]time.Time // by key: since when
}

func newPending(seed maphash.Seed) *pending {
	return &pending{seed: seed, answered: wake.New(), open: map[uint64]time.Time{}}
}

// add notes a tidy request; false says that it is the repetition of one whose
// answer is still to come.
func (p *pending) add(request []byte, now time.Time) bool {
	k := TransactionKey(p.seed, request)
	p.mu.Lock()
	defer p.mu.Unlock()
	if since, ok := p.open[k]; ok && now.Sub(since) < lostAnswer {
		return false
	}
	p.open[k] = now
	return true
}

// done notes a final answer.
func (p *pending) done(response []byte) {
	k := TransactionKey(p.seed, response)
	p.mu.Lock()
	delete(p.open, k)
	p.mu.Unlock()
	p.answered.Send()
}

func (p *pending) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// full tells whether another request has to wait.
func (p *pending) full(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) < MaxUnanswered {
		return false
	}
	for k, since := range p.open {
		if now.Sub(since) >= lostAnswer {
			delete(p.open, k)
		}
	}
	return len(p.open) >= MaxUnanswered
}

// wait returns true when enough says so after an answer, and false when that
// takes too long.
func (p *pending) wait(within time.Duration, enough func() bool) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	for !enough() {
		select {
		case <-p.answered:
		case <-t.C:
			return false
		}
	}
	return true
}

// TransactionKey is what makes a request and its answers, each in the tidy form, one
// transaction for sipgo: branch, sent-by and method (RFC 3261 §17.2.3). A
// branch of RFC 2543 may be in many, so there Call-ID and CSeq belong to it.
func TransactionKey(seed maphash.Seed, b []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	part := func(v []byte) {
		_, _ = h.Write(v)
		_ = h.WriteByte(0)
	}
	via, _ := topVia(b)
	branch, _ := message.Param(via.Params, "branch")
	cseq, method, _ := message.ParseCSeq(tidyHeader(b, "\r\nCSeq: "))
	port := bytes.TrimLeft(via.Port, "0")
	if len(port) == 0 {
		port = []byte("5060")
	}
	part(branch)
	part(bytes.Trim(via.Host, "[]"))
	part(port)
	part(method)
	if len(branch) <= len(message.MagicCookie) || string(branch[:len(message.MagicCookie)]) != message.MagicCookie {
		part(tidyHeader(b, "\r\nCall-ID: "))
		part(binary.BigEndian.AppendUint32(nil, cseq))
	}
	return h.Sum64()
}

// tidyHeader is the value of the first header line of a tidy message that
// begins so.
func tidyHeader(b []byte, name string) []byte {
	i := bytes.Index(b, []byte(name))
	if i < 0 {
		return nil
	}
	v, _, _ := bytes.Cut(b[i+len(name):], []byte("\r\n"))
	return v
}
