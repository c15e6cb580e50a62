package session

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// hearing is how far a session is with what it reads: the DNs and the calls. It
// begins with the calls; when they and then the DNs have begun, both go on. Where
// one of the two needs a snapshot both get one, the calls' rows first, so that
// EndOfSnapshot speaks for everything that the client knows.
type hearing struct {
	phase phase
	// snapshot: rows are on their way, and their end is not told.
	snapshot bool
	// sent is the newest place that the client heard of.
	sent place
	// resume is where the DNs are to begin when the calls can be continued.
	resume dn.Resume
}

type phase uint8

const (
	// beginning with the calls.
	beginning phase = iota
	// beginningDNs: those of the calls that come meanwhile wait.
	beginningDNs
	// going on with both.
	going
)

// place is a position in each of the two tables' streams.
type place struct{ dn, call uint64 }

// later of each.
func (p place) later(q place) place { return place{max(p.dn, q.dn), max(p.call, q.call)} }

// listen replaces what the session reads. Without callSeq a client that resumes
// knows no calls: they are told from now on.
func (s *session) listen(ctx context.Context, from dn.Resume, callSeq uint64) {
	s.stopListening()
	if from != (dn.Resume{}) && callSeq == 0 {
		s.readCalls(ctx, s.c.cfg.Calls.Tail())
		s.readDNs(ctx, s.c.table.Watch(from), beginningDNs)
		return
	}
	s.resume = from
	s.readCalls(ctx, s.c.cfg.Calls.Watch(call.Resume{Incarnation: from.Incarnation, Seq: callSeq}))
}

// tail makes sure that the session hears what changes from now on.
func (s *session) tail(ctx context.Context) {
	if s.calls == nil {
		s.readCalls(ctx, s.c.cfg.Calls.Tail())
		s.readDNs(ctx, s.c.table.Tail(), going)
	}
}

func (s *session) stopListening() {
	s.src.end()
	s.calls.end()
	s.src, s.calls, s.hearing = nil, nil, hearing{}
	for conn, r := range s.routes { // their answers may pass unheard
		delete(s.routes, conn)
		s.refuse(r.ref, "", refusal.New(tlibpb.ErrorCode_TIMEOUT, "what became of the call's route is not known: this session began anew"))
	}
}

func (s *session) readCalls(ctx context.Context, from *call.Stream) {
	s.sent.call = from.Seq()
	var pace func() time.Duration
	if s.monitor != nil && s.port == TCport { // a router waits for nothing
		pace = s.c.pace
	}
	s.calls = newSource[call.Item](ctx, from, pace)
}

func (s *session) readDNs(ctx context.Context, from *dn.Stream, p phase) {
	s.phase, s.sent.dn = p, from.Seq()
	var pace func() time.Duration
	if s.monitor != nil {
		pace = s.c.pace
	}
	s.src = newSource[dn.Item](ctx, from, pace)
}

// callBatches is where calls come; nil while the DNs begin.
func (s *session) callBatches() <-chan batch[call.Item] {
	if s.phase == beginningDNs {
		return nil
	}
	return s.calls.batches()
}

// callsBegin notes how the calls begin. True: everything begins anew.
func (s *session) callsBegin(ctx context.Context, resumed bool) (anew bool) {
	switch {
	case s.phase != beginning: // it was too slow
		s.listen(ctx, dn.Resume{}, 0)
		return true
	case resumed:
		s.readDNs(ctx, s.c.table.Watch(s.resume), beginningDNs)
	default:
		s.snapshot = true
	}
	return false
}

// begins notes how the DNs begin. True: everything begins anew.
func (s *session) begins(ctx context.Context, resumed bool) (anew bool) {
	switch {
	case resumed:
		s.phase = going
	case s.phase == going || !s.snapshot: // it was too slow, or the calls had no snapshot
		s.listen(ctx, dn.Resume{}, 0)
		return true
	}
	return false
}
