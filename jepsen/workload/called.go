package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// take takes calls until ctx ends and all are over.
func (w *Telephone) take(ctx context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	for {
		c, err := w.ua.Take(ctx)
		if err != nil {
			return
		}
		part := fmt.Sprintf("/%d", w.rang.Add(1))
		g.Go(func() { w.rings(ctx, c, part) })
	}
}

// rings is a call that comes in.
func (w *Telephone) rings(ctx context.Context, c *siptest.Call, part string) {
	op := w.invoke(history.Op{Kind: history.Ring, Node: w.by(c), Key: w.DN, Arg: c.ID, From: userOf(c.Invite.Header("From"))}, part)
	r := w.random(op.Process)
	if !w.engaged.CompareAndSwap(false, true) {
		w.refuse(op, c, 486, "Busy Here")
		return
	}
	defer w.engaged.Store(false)
	answer, there := w.answersAfter(r)
	if !there && r.IntN(3) > 0 {
		w.refuse(op, c, 486, "Busy Here")
		return
	}
	_ = c.Ring()
	if waits(ctx, c, answer, "CANCEL") != "" || ctx.Err() != nil || !there {
		w.refuse(op, c, 487, "Request Terminated")
		return
	}
	w.answer(op, c, part, r)
}

// answersAfter is how long it rings, and whether somebody is there at all.
func (w *Telephone) answersAfter(r *rand.Rand) (d time.Duration, there bool) {
	p := r.IntN(20)
	switch {
	case w.Rings > 0:
		return w.Rings, true
	case p < 3:
		return 4 * ringOut, false
	case p < 6:
		return between(r, time.Second, 5*time.Second), true
	default:
		return between(r, 20*time.Millisecond, 800*time.Millisecond), true
	}
}

func (w *Telephone) refuse(op history.Op, c *siptest.Call, code int, reason string) {
	_ = c.Refuse(code, reason)
	w.answered(op, &siptest.Response{Code: code, Reason: reason}, nil)
}

// answer answers until the caller acknowledges, and talks.
func (w *Telephone) answer(op history.Op, c *siptest.Call, part string, r *rand.Rand) {
	came := ""
	for again := 500 * time.Millisecond; came == "" && again <= 4*time.Second; again *= 2 {
		_ = c.Answer()
		came = waits(context.Background(), c, again, "ACK", "BYE")
	}
	if came != "ACK" {
		op.Outcome, op.Error = history.Unknown, "the answer was not acknowledged"
		w.Record.Return(op)
		return
	}
	w.answered(op, &siptest.Response{Code: 200}, nil)
	talk := w.invoke(history.Op{Kind: history.Talk, Node: w.by(c), Key: w.DN, Arg: c.ID, From: op.From}, part)
	w.talk(context.Background(), c, part+"/in", length(r), false)
	talk.Outcome = history.OK
	w.Record.Return(talk)
}

// waits waits for one of the methods, and returns it; "" when the time is over.
func waits(ctx context.Context, c *siptest.Call, d time.Duration, methods ...string) string {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case m := <-c.Requests:
			for _, method := range methods {
				if m.Method == method {
					return method
				}
			}
		case <-timer.C:
			return ""
		case <-ctx.Done():
			return ""
		}
	}
}

// userOf is the user part of a From header's address.
func userOf(address string) string {
	_, rest, _ := strings.Cut(address, "sip:")
	user, _, _ := strings.Cut(rest, "@")
	return user
}
