package sip

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/dialog"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// callerFunc is a Caller that is a function which waits.
type callerFunc func(ctx context.Context, c *proxy.Call)

func (f callerFunc) Arrive(in invite.Call) {
	c := in.(*proxy.Call)
	c.Go(func(ctx context.Context) { f(ctx, c) })
}

// try is Send that waits. When ctx ends it is stopped.
func try(ctx context.Context, c *proxy.Call, t invite.Target, on func(code int)) proxy.Outcome {
	got := make(chan proxy.Outcome, 1)
	a := c.Start(t, on, func(o proxy.Outcome) { got <- o })
	select {
	case o := <-got:
		return o
	case <-ctx.Done():
		a.Stop()
		var o proxy.Outcome
		patience.Ended("the end of a try that was stopped", func() { o = <-got })
		return o
	}
}

// passOn gives the caller the failure that the last Send ended with.
func passOn(c *proxy.Call, o invite.Outcome) {
	if !o.Answered {
		c.Reject(o.Code, o.Reason)
	}
}

// toOwner is the plain call plane: each DN by the node that owns it, then by a
// trunk. It waits for the end of the dialog.
func (w *world) toOwner(ctx context.Context, c *proxy.Call) {
	v := w.machine.View()
	d := v.DN(c.Called())
	if d == nil {
		c.Reject(404, "Not Found")
		return
	}
	noAnswer := time.Duration(w.noAnswer.Load())
	remote, _ := w.remote.Load(c.Called())
	t := invite.Target{Deliver: dn.Number(c.Called()), NoAnswer: noAnswer}
	switch {
	case d.GetKind() == configpb.DNKind_DN_KIND_TRUNK:
		t = invite.Target{Trunk: dn.Number(c.Called()), Number: c.Called()}
	case remote != nil:
		t = invite.Target{Node: remote.(dn.Node), DN: dn.Number(c.Called()), NoAnswer: noAnswer}
	}
	t.Call = w.call
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	out := try(ctx, c, t, func(code int) {
		if code == invite.NoWord && w.leaves.Load() {
			leave()
		}
		if w.progress != nil {
			w.progress <- code
		}
	})
	if w.outcomes != nil {
		w.outcomes <- out
	}
	passOn(c, out.Outcome)
}

// callWorld is a running server with calls and the phones 1001 and up.
func callWorld(t testing.TB, change func(*Config), numbers ...string) *world {
	t.Helper()
	var w *world
	w = newWorld(t, func(c *Config) {
		c.Calls = callerFunc(func(ctx context.Context, c *proxy.Call) { (*w.serve.Load())(ctx, c) })
		c.RouteKeys = testKeys
		if change != nil {
			change(c)
		}
	})
	w.plan(w.toOwner)
	w.outcomes = make(chan proxy.Outcome, 64)
	for _, n := range numbers {
		w.put(phoneDN(n))
	}
	return w.run()
}

// ua is a phone of the world, registered.
func (w *world) ua(network, number string) *siptest.UA {
	w.t.Helper()
	u := w.stranger(network, number)
	ctx, cancel := siptest.Within(patience.Limit)
	defer cancel()
	if res, err := u.Register(ctx, time.Hour); err != nil || res.Code != 200 {
		w.t.Fatal(res, err)
	}
	return u
}

// stranger is a phone that did not register.
func (w *world) stranger(network, number string) *siptest.UA {
	w.t.Helper()
	addr := w.server.Addr(transportOf[network])
	memory, _ := w.cfg.Network.(*siptest.Network) // nil for that of the machine
	u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: addr.String(), Transport: network, Network: memory})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(u.Close)
	return u
}

func uriTo(number string) string { return "sip:" + number + "@" + testRealm }

// script is a test's steps, each of which may fail it.
type script struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // that of the test
}

func newScript(t testing.TB) *script {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience.Limit)
	t.Cleanup(cancel)
	return &script{t, ctx}
}

func (s *script) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) place(u *siptest.UA, number string, headers ...string) *siptest.Call {
	s.t.Helper()
	c, err := u.Place(s.ctx, uriTo(number), headers...)
	s.ok(err)
	return c
}

func (s *script) take(u *siptest.UA) *siptest.Call {
	s.t.Helper()
	c, err := u.Take(s.ctx)
	s.ok(err)
	return c
}

func (s *script) await(c *siptest.Call, code int) *siptest.Response {
	s.t.Helper()
	res, err := c.Await(s.ctx, code)
	s.ok(err)
	return res
}

func (s *script) expect(c *siptest.Call, method string) *siptest.Message {
	s.t.Helper()
	m, err := c.Expect(s.ctx, method)
	s.ok(err)
	return m
}

// takeOf takes the call that out goes on as; it has failed when out is over before.
func (s *script) takeOf(out *siptest.Call, u *siptest.UA) (in *siptest.Call) {
	s.t.Helper()
	s.unless(func(ctx context.Context) error {
		for {
			res, err := out.Next(ctx)
			switch {
			case err != nil:
				return nil //nolint:nilerr // it was not over
			case res.Code >= 200:
				return fmt.Errorf("%d %s, and nobody is called", res.Code, res.Reason)
			}
		}
	}, func(ctx context.Context) (err error) {
		in, err = u.Take(ctx)
		return err
	})
	return in
}

// awaitAlone is await of a call that must not come to u.
func (s *script) awaitAlone(out *siptest.Call, code int, u *siptest.UA) {
	s.t.Helper()
	s.unless(func(ctx context.Context) error {
		if _, err := u.Take(ctx); err != nil {
			return nil //nolint:nilerr // nobody came
		}
		return errors.New("somebody is called who must not be")
	}, func(ctx context.Context) error {
		_, err := out.Await(ctx, code)
		return err
	})
}

// unless waits until wait returns, or never does with an error: that is the test's, at once.
func (s *script) unless(never, wait func(context.Context) error) {
	s.t.Helper()
	bound, cancel := context.WithTimeout(s.ctx, patience.Limit)
	defer cancel()
	ctx, end := context.WithCancelCause(bound)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := never(ctx); err != nil {
			end(err)
		}
	}()
	err := wait(ctx)
	end(nil)
	<-ended
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	s.ok(err)
}

// do asks within the call and wants a code.
func (s *script) do(c *siptest.Call, method string, code int, headers ...string) *siptest.Response {
	s.t.Helper()
	res, err := c.Do(s.ctx, method, headers...)
	s.ok(err)
	if res.Code != code {
		s.t.Fatalf("%s: %d %s, want %d", method, res.Code, res.Reason, code)
	}
	return res
}

// over waits for the end of a dialog.
func (s *script) over(d *dialog.Dialog) dialog.Side {
	s.t.Helper()
	ended := make(chan dialog.Side, 1)
	d.Then(func(by dialog.Side) { ended <- by })
	select {
	case by := <-ended:
		return by
	case <-s.ctx.Done():
		s.t.Fatal("the call never ends")
		return dialog.Nobody
	}
}

// up makes a call that is answered.
func (s *script) up(from, to *siptest.UA, number string) (out, in *siptest.Call) {
	s.t.Helper()
	out = s.place(from, number)
	in = s.take(to)
	s.ok(in.Ring())
	s.await(out, 180)
	s.ok(in.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(in, "ACK")
	return out, in
}

func TestProxy_CallsADNOfThisNode(t *testing.T) {
	for _, networks := range [][2]string{{"udp", "udp"}, {"tcp", "tcp"}, {"udp", "tcp"}, {"tcp", "udp"}} {
		t.Run(networks[0]+" to "+networks[1], func(t *testing.T) {
			w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
			a, b := w.ua(networks[0], "1001"), w.ua(networks[1], "1002")
			out, in := s.up(a, b, "1002")
			if in.Invite.Header("Proxy-Authorization") != "" || in.Invite.Header("X-Sipcluster-Origin") != "" {
				t.Error(in.Invite)
			}
			s.do(out, "INVITE", 200)
			s.ok(out.Ack())
			s.expect(in, "ACK")
			s.do(in, "UPDATE", 200)
			s.expect(out, "UPDATE")
			s.do(out, "INFO", 200, "Content-Type: application/x")
			s.expect(in, "INFO")
			s.do(in, "REFER", 200, "Refer-To: <"+uriTo("1003")+">")
			s.expect(out, "REFER")
			s.do(in, "BYE", 200)
			s.expect(out, "BYE")
			if by := s.over((patience.Receive(t, "the outcome of the call", w.outcomes)).Dialog); by != dialog.CalledSide {
				t.Error(by)
			}
		})
	}
}

func TestProxy_CancelWhileItRings(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
	out := s.place(a, "1002")
	in := s.take(b)
	s.ok(in.Ring())
	s.await(out, 180)
	out.Cancel()
	s.expect(in, "CANCEL")
	s.ok(in.Refuse(487, "Request Terminated"))
	s.await(out, 487)
	if o := patience.Receive(t, "the outcome of the call", w.outcomes); o.Code != 487 || o.Answered {
		t.Errorf("%+v", o)
	}
}

// TestProxy_AnswerCrossesTheCancel: a phone has two seconds for its last word.
func TestProxy_AnswerCrossesTheCancel(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 1)
		e.n1.outcomes = make(chan proxy.Outcome, 1)
		e.phones("udp", "tcp")
		endings["the answer crosses the CANCEL"](e)
		if o := <-e.n1.outcomes; !o.Answered {
			t.Errorf("%+v", o)
		}
		e.nothingLeft("the answer crosses the CANCEL")
	})
}

// TestProxy_AnswerAfterTheEndIsHungUp answers when the caller has its 487.
func TestProxy_AnswerAfterTheEndIsHungUp(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 1)
		e.phones("udp", "udp")
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		out.Cancel()
		e.expect(in, "CANCEL")
		e.await(out, 487) // after the last words
		e.ok(in.Answer())
		ack, bye := e.expect(in, "ACK"), e.expect(in, "BYE")
		var invite, next int
		if _, err := fmt.Sscanf(ack.Header("CSeq")+" "+bye.Header("CSeq"), "%d ACK %d BYE", &invite, &next); err != nil || next != invite+1 {
			t.Errorf("a BYE numbered %q follows an INVITE and its ACK numbered %q", bye.Header("CSeq"), ack.Header("CSeq"))
		}
		e.nothingLeft("answered after the end")
	})
}

func TestProxy_Failures(t *testing.T) {
	for code, reason := range map[int]string{486: "Busy Here", 603: "Decline", 302: "Moved Temporarily", 480: "Temporarily Unavailable"} {
		t.Run(reason, func(t *testing.T) {
			w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
			a, b := w.ua("udp", "1001"), w.ua("udp", "1002")
			out := s.place(a, "1002")
			s.ok(s.take(b).Refuse(code, reason, "Contact: <sip:else@where.test>", "Warning: 399 x \"why\""))
			res := s.await(out, code)
			if res.Reason != reason || res.Header("Contact") != "<sip:else@where.test>" || res.Header("Warning") == "" {
				t.Error(res)
			}
			if o := patience.Receive(t, "the outcome of the call", w.outcomes); o.Code != code || o.Retry {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestProxy_NoAnswer(t *testing.T) {
	for name, noAnswer := range map[string]time.Duration{"timer C": 0, "no answer": time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEndingOf(t, 1, func(c *Config) { c.TimerC = 2 * time.Second })
				e.noAnswer(noAnswer)
				e.phones("udp", "udp")
				out := e.place(e.from, "1002")
				in := e.take(e.to)
				e.ok(in.Ring())
				e.await(out, 180)
				e.expect(in, "CANCEL")
				e.ok(in.Refuse(487, "Request Terminated"))
				e.await(out, 408)
				e.nothingLeft(name)
			})
		})
	}
}

func TestProxy_ForksToAllBindings(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b, c := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("tcp", "1002")
	out := s.place(a, "1002")
	first, second := s.take(b), s.take(c)
	s.ok(first.Ring())
	s.ok(second.Ring())
	s.await(out, 180)
	s.await(out, 180)
	s.ok(second.Answer())
	s.await(out, 200)
	s.ok(out.Ack())
	s.expect(second, "ACK")
	s.expect(first, "CANCEL")
	s.ok(first.Refuse(487, "Request Terminated"))
	s.do(out, "BYE", 200)
	s.expect(second, "BYE")
}

func TestProxy_ADeclineStopsAll(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b, c := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("udp", "1002")
	out := s.place(a, "1002")
	first, second := s.take(b), s.take(c)
	s.ok(first.Ring())
	s.await(out, 180)
	s.ok(second.Refuse(603, "Decline"))
	s.expect(first, "CANCEL")
	s.ok(first.Refuse(487, "Request Terminated"))
	s.await(out, 603)
}

func TestProxy_RingsTheBestFirst(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b, c := w.ua("udp", "1001"), w.stranger("udp", "1002"), w.stranger("udp", "1002")
	for q, u := range map[string]*siptest.UA{"0.9": b, "0.1": c} {
		res, err := u.Do(s.ctx, siptest.Request{Method: "REGISTER", Headers: []string{"Contact: <" + u.Contact() + ">;q=" + q}})
		s.ok(err)
		if res.Code != 200 {
			t.Fatal(res)
		}
	}
	out := s.place(a, "1002")
	s.ok(s.take(b).Refuse(486, "Busy Here"))
	s.ok(s.take(c).Answer())
	s.await(out, 200)
}

// TestProxy_EachAnswerGoesToTheCaller has two phones answer at once: the caller
// gets both dialogs, and hangs up the one that it does not want.
func TestProxy_EachAnswerGoesToTheCaller(t *testing.T) {
	w, s := callWorld(t, nil, "1001", "1002"), newScript(t)
	a, b, c := w.ua("udp", "1001"), w.ua("udp", "1002"), w.ua("tcp", "1002")
	out := s.place(a, "1002")
	first, second := s.take(b), s.take(c)
	s.ok(second.Ring()) // there is no CANCEL before
	s.await(out, 180)
	s.ok(first.Answer())
	one := s.await(out, 200)
	s.ok(out.Ack())
	s.expect(first, "ACK")
	s.expect(second, "CANCEL")
	s.ok(second.Answer())
	two := s.await(out, 200)
	if one.Header("To") == two.Header("To") {
		t.Error(two)
	}
	s.ok(out.Ack())
	s.expect(second, "ACK")
	s.do(out, "BYE", 200)
	s.expect(second, "BYE")
}

// TestProxy_ADeclineDoesNotWaitForASilentPhone: the other one heeds no CANCEL.
func TestProxy_ADeclineDoesNotWaitForASilentPhone(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 1)
		e.phones("udp", "udp")
		another := e.home.ua("udp", "1002")
		out := e.place(e.from, "1002")
		first, second := e.take(e.to), e.take(another)
		e.ok(first.Ring())
		e.await(out, 180)
		e.ok(second.Refuse(603, "Decline"))
		e.expect(first, "CANCEL")
		e.await(out, 603)
		e.nothingLeft("declined beside a silent phone")
	})
}
