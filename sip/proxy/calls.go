package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/transfer"
)

// Caller is told of every INVITE that begins a call at this node, and decides
// by the Call's methods.
type Caller interface {
	// Arrive must not wait: whoever has to does so in Call.Go. A call is up until
	// it has a final answer.
	Arrive(c invite.Call)
}

// calls begins the calls of this node, and holds what all of them use.
type calls struct {
	machine *fsm.Machine
	caller  Caller
	log     *slog.Logger
	shards  *shards
	tasks   *tasks
	dialogs *dialog.Table
	hanger  *hanger
	routes  *route.Reader
	targets *targets
	records *route.Recorder
	births  *births
	timerC  time.Duration
	// noteLeg is Config.Carry.
	noteLeg func(call string, of dn.Node, n dn.Number) invite.Leg
	phones  Phones
	room    room
	asked   *transfer.Book
	// find is Config.Find.
	find func(ctx context.Context, contact string) dn.Number
}

// begin makes a call of a message that is served now.
func (cs *calls) begin(sh *shard, m *message.Message, in *packet, mark [13]byte, o callOrigin) *Call {
	req := m.Clone()
	u, _ := message.ParseURI(req.URI)
	c := &Call{in: cs, sh: sh, req: req, back: in.back(m), mark: mark, origin: o, called: numbering.NumberOf(&u), invite: string(m.Method) == "INVITE"}
	c.rings = transaction.Alarm{Layer: sh.Layer, Handler: c}
	c.timer = timerOf(c)
	c.cseq, _, _ = message.ParseCSeq(req.Get(message.CSeq))
	if c.invite {
		c.transfer = cs.transferOf(&u, &c.origin, req.URI)
		c.birth = cs.births.next()
		cs.offers(c)
	}
	return c
}

// arrive gives a new call to the Caller.
func (cs *calls) arrive(c *Call, key transaction.Key) {
	if !cs.open(c, key) {
		return
	}
	c.sh.arrived[c.mark] = struct{}{}
	c.sh.stats.Calls.Add(1)
	arrive := c.guard(func() { cs.caller.Arrive(c) })
	if !cs.byContact(c) {
		c.sh.After(arrive)
		return
	}
	cs.tasks.spawn(func() {
		if cs.found(c) {
			arrive()
		}
	})
}

// carry sends a request to one target and passes back what comes of it.
func (cs *calls) carry(c *Call, key transaction.Key, t invite.Target) {
	if cs.open(c, key) {
		c.send(t, nil, c.pass)
	}
}

// open opens the server transaction.
func (cs *calls) open(c *Call, key transaction.Key) bool {
	if !cs.room.enter(cs.tasks.stopping()) {
		var a answer.Answer
		a.Overloaded()
		c.sh.stats.Overload.Add(1)
		c.sh.stats.Answered(a.Code)
		_ = c.back.Send(c.sh.answer(c.req, &a)) // it comes again
		return false
	}
	c.srv = c.sh.Open(key, c.invite, c.back, c)
	c.sh.settingUp[c.birth] = struct{}{}
	if ended := c.back.ended(); ended != nil {
		over := make(chan struct{})
		c.over = over
		cs.tasks.spawn(func() { c.watch(ended, over) })
	}
	return true
}

// noLeg is one that nobody is told of.
type noLeg struct{}

func (noLeg) Dropped() {}
func (noLeg) Over()    {}

// leg notes a call that is delivered to phones here.
func (cs *calls) leg(t *invite.Target) invite.Leg {
	if cs.noteLeg == nil || t.Deliver == "" {
		return noLeg{}
	}
	return cs.noteLeg(t.Call, t.Of, t.Deliver)
}

// room bounds the calls that are being set up.
type room struct {
	max int

	mu     sync.Mutex
	active int
}

// enter takes in one more; false when there are too many, or the door is shut.
func (r *room) enter(shut bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active >= r.max || shut {
		return false
	}
	r.active++
	return true
}

func (r *room) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
}

func (r *room) held(held map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	held["sip_calls"] = r.active
}
