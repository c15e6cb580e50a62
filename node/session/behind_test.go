package session

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/routing"
)

// pending is a session of the default port that does things when it is told to:
// so what comes between a request and the events before it is known.
type pending struct {
	*session
	o   *office
	ctx context.Context //nolint:containedctx // that of a session
}

func (o *office) pending() *pending {
	o.t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	out := &outbox{stats: &o.control.stats, sending: time.AfterFunc(time.Hour, func() {})}
	s := &session{c: o.control, port: DefaultPort, log: slog.New(slog.DiscardHandler), stop: cancel, out: out, asked: newAsked(), routes: routes{}}
	s.feeder = newFeeder(s)
	p := &pending{s, o, ctx}
	o.t.Cleanup(func() { s.close(true) })
	p.does(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: tlibpb.ProtocolVersion}}}, "EVENT_LINK_CONNECTED")
	return p
}

// does a request, and then says these lines.
func (p *pending) does(m *tlibpb.ClientMessage, want ...string) {
	p.o.t.Helper()
	p.handle(p.ctx, m)
	p.says("a request", want...)
}

// readsCalls reads what the table of calls says, up to its head.
func (p *pending) readsCalls(want ...string) {
	p.o.t.Helper()
	for p.feeder.hearing.sent.call < p.o.traffic.Head() {
		p.feeder.hearCalls(p.ctx, patience.Receive(p.o.t, "what the calls say", p.feeder.hearing.callBatches()))
	}
	p.says("the calls", want...)
}

// says takes what is on its way to the client.
func (p *pending) says(what string, want ...string) {
	p.o.t.Helper()
	var got []string
	for _, e := range p.out.events {
		got = append(got, line(e))
	}
	p.out.events = nil
	if !slices.Equal(got, want) {
		p.o.t.Errorf("behind %s it says %q, want %q", what, got, want)
	}
}

// A router that registers again before it has read what was before is told of
// a waiting call once: by the newer rows.
func TestWaiting_TwoRegistrationsWithoutAWordBetween(t *testing.T) {
	l := newLobby(t)
	l.router(shared)
	p := l.pending()
	p.does(registerAddress("9000", shared), "EVENT_REGISTERED 9000 InSrv") // it hears of calls from here on
	l.arrives("+1")
	l.waits("+1", true)
	p.does(registerAddress("9001", shared), "EVENT_REGISTERED 9001 InSrv")
	p.does(registerAddress("9001", shared), "EVENT_REGISTERED 9001 InSrv")
	p.readsCalls("EVENT_QUEUED 9001 +1 row", "EVENT_ROUTE_REQUEST 9001 +1 row")
	l.arrives("+2")
	l.waits("+2", true)
	p.readsCalls("EVENT_QUEUED 9001 +2", "EVENT_ROUTE_REQUEST 9001 +2")
}

// What is told of a call that answers another request is no answer to this one: neither
// that it left the routing point on an earlier visit, nor that it came back.
func TestRouteCall_WhatAnswersAnotherIsNoAnswer(t *testing.T) {
	for _, before := range []tlibpb.Message{tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, tlibpb.Message_MESSAGE_EVENT_QUEUED} {
		o := newOffice(t)
		c := newClerk()
		o.control.cfg.Router = c
		p := o.pending()
		p.does(registerAddress("9000", shared), "EVENT_REGISTERED 9000 InSrv")
		o.tell(before, "1002")
		m := toDN("1001")
		m.ReferenceId = 77
		p.does(m)
		answers := func(ref uint64) {
			t.Helper()
			for p.feeder.hearing.sent.call < o.traffic.Head() {
				p.feeder.hearCalls(p.ctx, patience.Receive(t, "what the calls say", p.feeder.hearing.callBatches()))
			}
			if len(p.out.events) != 1 || p.out.events[0].GetReferenceId() != ref {
				t.Errorf("%v before: says %v, want one event with reference %d", before, p.out.events, ref)
			}
			p.out.events = nil
		}
		answers(0)
		o.announcer.Announce(routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, Call: &call.Call{ID: callHere, Info: &call.Info{}}, RP: "9000", To: "1001", Answers: c.route.Request})
		answers(77)
	}
}
