package session

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// hearing is how far a session is with what it reads: the DNs and the calls. It
// begins with the calls; when they and then the DNs have begun, both go on. Where
// one of the two needs a snapshot both get one, the calls' rows first, so that
// EndOfSnapshot speaks for everything that the client knows.
type hearing struct {
	c        *Controller
	audience *audience
	dns      *source[dn.Item]
	calls    *source[call.Item]
	phase    phase
	// snapshot: rows are on their way, and their end is not told.
	snapshot bool
	// sent is the newest place that the client heard of.
	sent place
	// resume is where the DNs are to begin when the calls can be continued.
	resume feed.Position
}

// told is the cursor up to which the client has heard everything; nil while it begins
// or a snapshot is on its way, and for one that hears nothing.
func (h *hearing) told() []byte {
	if h.snapshot || h.phase != going {
		return nil
	}
	return feed.Cursor{Incarnation: h.c.table.Incarnation(), DNs: h.sent.dn, Calls: h.sent.call}.Bytes()
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

// begin replaces what the session reads. With a cursor that knows no calls they are
// told from now on.
func (h *hearing) begin(ctx context.Context, from feed.Cursor) {
	h.end()
	*h = hearing{c: h.c, audience: h.audience}
	if from != (feed.Cursor{}) && from.Calls == 0 {
		h.readCalls(ctx, h.c.cfg.Calls.Tail())
		h.readDNs(ctx, h.c.table.Watch(from.Position()), beginningDNs)
		return
	}
	h.resume = from.Position()
	h.readCalls(ctx, h.c.cfg.Calls.Watch(feed.Position{Incarnation: from.Incarnation, Seq: from.Calls}))
}

// tail makes sure that the session hears what changes from now on.
func (h *hearing) tail(ctx context.Context) {
	if h.calls == nil {
		h.readCalls(ctx, h.c.cfg.Calls.Tail())
		h.readDNs(ctx, h.c.table.Tail(), going)
	}
}

// end stops the reading.
func (h *hearing) end() {
	h.dns.end()
	h.calls.end()
}

func (h *hearing) readCalls(ctx context.Context, from *call.Stream) {
	h.sent.call = from.Seq()
	var pace func() time.Duration
	if h.audience.monitor != nil && h.audience.port == TCport { // a router waits for nothing
		pace = h.c.pace
	}
	h.calls = newSource[call.Item](ctx, from, pace)
}

func (h *hearing) readDNs(ctx context.Context, from *dn.Stream, p phase) {
	h.phase, h.sent.dn = p, from.Seq()
	if rows := h.audience.rows(h.c.view); rows != nil {
		from.Among(rows)
	}
	var pace func() time.Duration
	if h.audience.monitor != nil {
		pace = h.c.pace
	}
	h.dns = newSource[dn.Item](ctx, from, pace)
}

// callBatches is where calls come; nil while the DNs begin.
func (h *hearing) callBatches() <-chan batch[call.Item] {
	if h.phase == beginningDNs {
		return nil
	}
	return h.calls.batches()
}

// callsBegin notes how the calls begin. True: everything has to begin anew.
func (h *hearing) callsBegin(ctx context.Context, resumed bool) (anew bool) {
	switch {
	case h.phase != beginning: // it was too slow
		return true
	case resumed:
		h.readDNs(ctx, h.c.table.Watch(h.resume), beginningDNs)
	default:
		h.snapshot = true
	}
	return false
}

// dnsBegin notes how the DNs begin. True: everything has to begin anew.
func (h *hearing) dnsBegin(resumed bool) (anew bool) {
	switch {
	case resumed:
		h.phase = going
	case h.phase == going || !h.snapshot: // it was too slow, or the calls had no snapshot
		return true
	}
	return false
}
