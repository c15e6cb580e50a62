package proxy

import (
	"errors"
	"slices"

	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// The addresses of a trunk are tried one after the other: the next one when nobody answers
// in time or there is no way, and when the answer is one of the server (5xx) or says that
// it got none (408). What the called party says is the last word.

// elsewhere tells whether the call may be taken elsewhere, after a failure.
func (b *branch) elsewhere(code int) bool {
	if b.leg.way == nil {
		return b.silent && code == 503
	}
	return code/100 == 5 || code == 408 && !b.rang // the called party was rung in vain
}

// trunkFailed is the end of a branch to which nothing came back.
func (b *branch) trunkFailed(err error) {
	if errors.Is(err, transaction.ErrUnsent) {
		b.final = b.unsent(err)
		b.tellSilent(b.to.why(err))
		return
	}
	b.final = &result{code: 408, reason: "Request Timeout", retry: !b.heard}
}

// trunkSaid is the outcome when an address of a trunk has the last word.
func (a *Attempt) trunkSaid() (Outcome, bool) {
	b := a.branches[len(a.branches)-1]
	if b.leg.way == nil || b.final == nil || b.final.retry && len(a.later) > 0 {
		return Outcome{}, false
	}
	out := verdict([]result{*b.final}, a.stopped)
	if out.domain = b.domain; out.Code == 503 {
		out.RetryAfter = a.c.in.targets.trunks.book.Left(b.leg.side.Number)
	}
	return out, true
}

// tellSilent notes that nobody answered at the address, and why. Whoever speaks there while the
// next one is tried is canceled.
func (b *branch) tellSilent(why error) {
	if b.leg.way == nil {
		return
	}
	b.cancel()
	if book := b.c.in.targets.trunks.book; b.leg.short == nil {
		book.Silent(b.leg.side.Number, *b.leg.way, why)
	} else {
		book.NoStream(b.leg.side.Number, *b.leg.way)
		b.a.shorten(b.leg.short)
	}
	b.tellTried()
}

// mostDatagram is the longest message that goes by UDP where TCP may serve (RFC 3261
// §18.1.1).
const mostDatagram = 1300

// lengthens has the branch go by TCP when its request is too long for a datagram, as far as
// that is possible at the address.
func (b *branch) lengthens(msg []byte) bool {
	l, in := b.leg, b.c.in
	if l.way == nil || len(msg) <= mostDatagram || b.asked > 0 {
		return false
	}
	w, ok := in.targets.trunks.book.Stream(l.side.Number, *l.way)
	if !ok {
		return false
	}
	long, side := *l, *l.side
	side.Transport = w.Transport
	long.to, long.side, long.way, long.short = *in.targets.exits.carrier(w), &side, &w, l
	b.leg, b.to = &long, long.to
	return true
}

// shorten has the attempt go on by datagrams where there was no connection.
func (a *Attempt) shorten(short *leg) {
	if a == nil || a.stopped != nil {
		return
	}
	a.later = slices.Insert(a.later, 0, []leg{*short})
}

// tellHeard notes that somebody answered there.
func (b *branch) tellHeard(res *message.Message) {
	if b.leg.way != nil && res.Status != 503 {
		b.c.in.targets.trunks.book.Heard(b.leg.side.Number, *b.leg.way)
	}
}

// tellLater notes that the address wants to be left alone, if it says so.
func (b *branch) tellLater(res *message.Message) {
	l := b.leg
	if l.short != nil {
		l = l.short
	}
	if d := retryAfter(res); l.way != nil && res.Status == 503 && d > 0 {
		b.c.in.targets.trunks.book.Later(l.side.Number, *l.way, d)
	}
}

// tellTried tells the routing that the address has not taken the call.
func (b *branch) tellTried() {
	if b.leg.way == nil || b.a == nil || b.a.tried == nil || b.a.stopped != nil {
		return
	}
	w := invite.Way{Address: b.leg.way.String(), Code: b.final.code, Reason: b.final.reason}
	tried := b.a.tried
	b.c.sh.After(b.c.guard(func() { tried(w) }))
}
