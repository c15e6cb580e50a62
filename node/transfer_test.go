package node

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// transfers are phones of a cluster, with who watches at each node.
type transfers struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // that of the test
	stat []*tlib.Client
	name map[string]string // of the calls by ConnID
}

// up is an answered call.
func (x *transfers) up(from, to *siptest.UA, uri string, headers ...string) (out, in *siptest.Call) {
	x.t.Helper()
	out, err := from.Place(x.ctx, uri, headers...)
	if err == nil {
		in, err = to.Take(x.ctx)
	}
	if err == nil {
		err = in.Answer()
	}
	if err == nil {
		_, err = out.Await(x.ctx, 200)
	}
	if err == nil {
		err = out.Ack()
	}
	if err == nil {
		_, err = in.Expect(x.ctx, "ACK")
	}
	if err != nil {
		x.t.Fatalf("the call to %s: %v", uri, err)
	}
	return out, in
}

func (x *transfers) bye(c *siptest.Call) {
	x.t.Helper()
	if r, err := c.Bye(x.ctx); err != nil || r.Code != 200 {
		x.t.Fatalf("BYE: %v %v", r, err)
	}
}

// refer has one party ask the other one to call a URI, and returns that as it comes.
func (x *transfers) refer(from, to *siptest.Call, uri string) (comes string) {
	x.t.Helper()
	if r, err := from.Do(x.ctx, "REFER", "Refer-To: <"+uri+">"); err != nil || r.Code != 200 {
		x.t.Fatalf("REFER: %v %v", r, err)
	}
	m, err := to.Expect(x.ctx, "REFER")
	if err != nil {
		x.t.Fatal(err)
	}
	comes, _, _ = strings.Cut(strings.Trim(m.Header("Refer-To"), "<>"), "?")
	return comes
}

// tells wants every observer to be told that, in any order of the DNs and in this one for each.
func (x *transfers) tells(want ...string) {
	x.t.Helper()
	for at, c := range x.stat {
		left := append([]string{}, want...)
		for len(left) > 0 {
			e, err := c.Next(x.ctx)
			if err != nil {
				x.t.Fatalf("observer %d is not told %q: %v", at, left, err)
			}
			got := x.brief(e)
			i := 0
			for i < len(left) && strings.Fields(left[i])[1] != e.GetThisDn() {
				i++
			}
			if i == len(left) || left[i] != got {
				x.t.Fatalf("observer %d is told %q, want one of %q", at, got, left)
			}
			left = append(left[:i], left[i+1:]...)
		}
	}
}

func (x *transfers) brief(e *tlibpb.Event) string {
	c := e.GetCall()
	if x.name[c.GetConnId()] == "" {
		x.name[c.GetConnId()] = fmt.Sprint("c", len(x.name)+1)
	}
	s := strings.TrimPrefix(e.GetMessage().String(), "MESSAGE_EVENT_") + " " + e.GetThisDn() + " " + x.name[c.GetConnId()] + " with " + c.GetOtherDn()
	if third := e.GetThirdPartyDn(); third != "" {
		s += " third " + third
	}
	if p := c.GetPreviousConnId(); p != "" {
		s += " was " + x.name[p]
	}
	if c.GetCallState() == tlibpb.CallState_CALL_STATE_TRANSFERRED {
		s += " transferred"
	}
	return s
}

// TestTransfer_TheConnIDStays: whoever hangs up when, and wherever the phones are.
func TestTransfer_TheConnIDStays(t *testing.T) {
	a, b := twoNodes(t, nil)
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"), phoneDN("1003"))
	customer, agent, other := a.phone(t, "1001"), b.phone(t, "1002"), a.phone(t, "1003")
	a.says(t, "1002", "IN_SRV n2@site-n2")
	b.says(t, "1001", "IN_SRV n1@site-n1")
	b.says(t, "1003", "IN_SRV n1@site-n1")
	ctx, cancel := siptest.Within(2 * soon)
	defer cancel()
	x := &transfers{t: t, ctx: ctx, name: map[string]string{}}
	for _, m := range []*member{a, b} {
		c := opened(t, m.cfg.TCAddr)
		if err := c.MonitorAll(ctx, &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_CALL}}); err != nil {
			t.Fatal(err)
		}
		hears(t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
		x.stat = append(x.stat, c)
	}
	t.Run("who transfers waits for the answer", func(t *testing.T) { x.t = t; x.waits(customer, agent, other) })
	t.Run("who transfers hangs up at once", func(t *testing.T) { x.t = t; x.hangsUp(customer, agent, other, true) })
	t.Run("who is referred tells nothing", func(t *testing.T) { x.t = t; x.hangsUp(customer, agent, other, false) })
	t.Run("who is referred calls nobody", func(t *testing.T) { x.t = t; x.stays(customer, agent) })
	t.Run("who transfers has asked before", func(t *testing.T) { x.t = t; x.asks(customer, agent, other) })
	for _, m := range []*member{a, b} {
		await(t, "nothing is left", func() bool { c := m.calls.Counts(); return c.Up == 0 && c.Own == 0 })
	}
}

func (x *transfers) begins(customer, agent *siptest.UA) (out, in *siptest.Call) {
	x.t.Helper()
	clear(x.name)
	out, in = x.up(customer, agent, "sip:1002@"+realm)
	x.tells("DIALING 1001 c1 with 1002", "RINGING 1002 c1 with 1001", "ESTABLISHED 1002 c1 with 1001", "ESTABLISHED 1001 c1 with 1002")
	return out, in
}

func (x *transfers) waits(customer, agent, other *siptest.UA) {
	out, in := x.begins(customer, agent)
	on, to := x.up(customer, other, x.refer(in, out, "sip:1003@"+realm))
	x.tells("RINGING 1003 c1 with 1001 transferred", "ESTABLISHED 1003 c1 with 1001 transferred",
		"PARTY_ADDED 1001 c1 with 1003 third 1003", "PARTY_ADDED 1002 c1 with 1001 third 1003")
	x.bye(in)
	x.tells("RELEASED 1002 c1 with 1001 transferred", "PARTY_CHANGED 1001 c1 with 1003 third 1002 transferred")
	x.bye(on)
	x.tells("RELEASED 1003 c1 with 1001", "RELEASED 1001 c1 with 1002")
	_ = to
}

func (x *transfers) hangsUp(customer, agent, other *siptest.UA, tells bool) {
	out, in := x.begins(customer, agent)
	out.TellsNothing.Store(!tells)
	says := func() {
		x.t.Helper()
		if !tells {
			return
		}
		if r, err := out.Notify(x.ctx, "100 Trying"); err != nil || r.Code != 200 {
			x.t.Fatalf("NOTIFY: %v %v", r, err)
		}
	}
	uri := x.refer(in, out, "sip:1003@"+realm)
	says()
	x.bye(in)
	x.tells("RELEASED 1002 c1 with 1001")
	_, to := x.up(customer, other, uri)
	x.tells("RINGING 1003 c1 with 1001 transferred", "ESTABLISHED 1003 c1 with 1001 transferred", "PARTY_CHANGED 1001 c1 with 1003 third 1002 transferred")
	x.bye(to)
	x.tells("RELEASED 1003 c1 with 1001", "RELEASED 1001 c1 with 1002")
}

// stays: the phone has agreed, and that is all.
func (x *transfers) stays(customer, agent *siptest.UA) {
	out, in := x.begins(customer, agent)
	x.refer(in, out, "sip:1003@"+realm)
	x.bye(in)
	x.tells("RELEASED 1002 c1 with 1001", "RELEASED 1001 c1 with 1002")
}

func (x *transfers) asks(customer, agent, other *siptest.UA) {
	out, in := x.begins(customer, agent)
	ask, asked := x.up(agent, other, "sip:1003@"+realm)
	x.tells("DIALING 1002 c2 with 1003", "RINGING 1003 c2 with 1002", "ESTABLISHED 1003 c2 with 1002", "ESTABLISHED 1002 c2 with 1003")
	uri := x.refer(in, out, "sip:1003@"+realm+"?Replaces="+ask.ID+"%3Bto-tag%3D"+asked.Tag()+"%3Bfrom-tag%3D"+ask.Tag())
	_, to := x.up(customer, other, uri, "Replaces: "+ask.ID+";to-tag="+asked.Tag()+";from-tag="+ask.Tag())
	x.tells("PARTY_CHANGED 1003 c1 with 1001 third 1002 was c2 transferred", "PARTY_ADDED 1001 c1 with 1003 third 1003", "PARTY_ADDED 1002 c1 with 1001 third 1003")
	x.bye(asked)
	x.tells("RELEASED 1002 c2 with 1003 transferred")
	x.bye(in)
	x.tells("RELEASED 1002 c1 with 1001 transferred", "PARTY_CHANGED 1001 c1 with 1003 third 1002 transferred")
	x.bye(to)
	x.tells("RELEASED 1003 c1 with 1001", "RELEASED 1001 c1 with 1002")
}
