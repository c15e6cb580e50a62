package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/internal/scale"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// town is a server with many DNs, all registered, and two phones and a gateway that do what
// phones and gateways do.
type town struct {
	*world
	script
	a, b    *siptest.UA // of 1001 and 1002
	gateway *siptest.UA
}

func newTown(t *testing.T, n int) *town {
	w := callWorld(t, nil, "1001", "1002")
	go drainOutcomes(t.Context(), w)
	all := make([]*configpb.Mutation, n)
	for i := range all {
		all[i] = &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
			Number: fmt.Sprintf("5%07d", i), Kind: configpb.DNKind_DN_KIND_SIP, Ha1: "0123456789abcdef0123456789abcdef",
		}}}
	}
	for some := range slices.Chunk(all, max(1, min(n/64, fsm.MaxMutations))) {
		w.apply(&peerpb.Command{Version: 1, Mutations: some})
	}
	far := netip.MustParseAddrPort("127.0.0.9:5060")
	for i := range n {
		number := dn.Number(fmt.Sprintf("5%07d", i))
		w.store.Put(&location.Entry{Record: w.table.Register(number, dn.Registered), Bindings: []location.Binding{{
			Contact: "sip:" + string(number) + "@127.0.0.9", CallID: string(number), CSeq: 1, Source: far, Expires: time.Now().Add(time.Hour),
		}}})
	}
	until(t, "the bindings are written", func() bool { return w.store.Flush() == nil })
	o := &town{world: w, script: *newScript(t), a: w.ua("udp", "1001"), b: w.ua("udp", "1002"), gateway: w.stranger("udp", "+49301234")}
	o.world.put(&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: o.gateway.Addr(), Prefix: "+"}})
	until(t, "the trunk is known", func() bool {
		known, _ := w.server.proxy.Trunk(mustAddrPort(o.gateway.Addr()), location.UDP)
		return known != ""
	})
	return o
}

// ask is a request outside of a call, which must be answered so.
func (o *town) ask(p *siptest.UA, code int, r siptest.Request) {
	o.script.t.Helper()
	res, err := p.Do(o.ctx, r)
	o.ok(err)
	if res.Code != code {
		o.script.t.Fatalf("%s %s: %d %s, want %d", r.Method, r.URI, res.Code, res.Reason, code)
	}
}

// registers wants 200.
func (o *town) registers(res *siptest.Response, err error) {
	o.script.t.Helper()
	if o.ok(err); res.Code != 200 {
		o.script.t.Fatal(res)
	}
}

// rings calls, and has the other side ring meanwhile: who places a call waits for a word.
func (o *town) rings(from, to *siptest.UA, number string) (out, in *siptest.Call) {
	o.script.t.Helper()
	rung := make(chan error, 1)
	go func() {
		var err error
		if in, err = to.Take(o.ctx); err == nil {
			err = in.Ring()
		}
		rung <- err
	}()
	out = o.place(from, number)
	o.ok(<-rung)
	o.await(out, 180)
	return out, in
}

// calls makes a call that is answered, and ends it.
func (o *town) calls(from, to *siptest.UA, number string, within func(out, in *siptest.Call)) {
	o.script.t.Helper()
	out, in := o.rings(from, to, number)
	o.ok(in.Answer())
	o.await(out, 200)
	o.ok(out.Ack())
	o.expect(in, "ACK")
	if within != nil {
		within(out, in)
	}
	o.do(out, "BYE", 200)
	o.expect(in, "BYE")
}

// refused calls a number and is refused so.
func (o *town) refused(number string, code int) {
	o.script.t.Helper()
	o.await(o.place(o.a, number), code)
}

// townRequests are what phones and gateways send, by kind.
var townRequests = map[string]func(o *town){
	"REGISTER, a refresh":         func(o *town) { o.registers(o.a.Register(o.ctx, time.Hour)) },
	"REGISTER, a query":           func(o *town) { o.registers(o.a.Query(o.ctx)) },
	"REGISTER, back and anew":     func(o *town) { o.registers(o.b.Unregister(o.ctx)); o.registers(o.b.Register(o.ctx, time.Hour)) },
	"REGISTER, all back and anew": func(o *town) { o.registers(o.b.UnregisterAll(o.ctx)); o.registers(o.b.Register(o.ctx, time.Hour)) },
	"REGISTER, a Contact of no call": func(o *town) {
		o.ask(o.a, 400, siptest.Request{Method: "REGISTER", Headers: []string{"Contact: <mailto:a@b>"}})
	},
	"OPTIONS to the server": func(o *town) { o.registers(o.a.Options(o.ctx)) },
	"MESSAGE to a DN":       func(o *town) { o.ask(o.a, 501, siptest.Request{Method: "MESSAGE", URI: uriTo("1002")}) },
	"MESSAGE to nobody":     func(o *town) { o.ask(o.a, 404, siptest.Request{Method: "MESSAGE", URI: uriTo("77")}) },
	"SUBSCRIBE to oneself": func(o *town) {
		o.ask(o.a, 489, siptest.Request{Method: "SUBSCRIBE", URI: uriTo("1001"), Headers: []string{"Event: reg"}})
	},
	"PUBLISH": func(o *town) {
		o.ask(o.a, 405, siptest.Request{Method: "PUBLISH", URI: uriTo("1001"), Headers: []string{"Event: presence"}})
	},
	"INVITE to a DN":    func(o *town) { o.calls(o.a, o.b, "1002", nil) },
	"INVITE by a trunk": func(o *town) { o.calls(o.gateway, o.b, "1002", nil) },
	"INVITE to a trunk": func(o *town) { o.calls(o.a, o.gateway, "9000", nil) },
	"INVITE to nobody":  func(o *town) { o.refused("77", 404) },
	"INVITE that is refused": func(o *town) {
		out, in := o.rings(o.a, o.b, "1002")
		o.ok(in.Refuse(486, "Busy Here"))
		o.await(out, 486)
	},
	"INVITE that is cancelled": func(o *town) {
		out, in := o.rings(o.a, o.b, "1002")
		out.Cancel()
		o.expect(in, "CANCEL")
		o.ok(in.Refuse(487, "Request Terminated"))
		o.await(out, 487)
	},
	"within a call": func(o *town) {
		o.calls(o.a, o.b, "1002", func(out, in *siptest.Call) {
			o.do(out, "INVITE", 200)
			o.ok(out.Ack())
			o.expect(in, "ACK")
			o.do(in, "UPDATE", 200)
			o.expect(out, "UPDATE")
			o.do(out, "INFO", 200, "Content-Type: application/x")
			o.expect(in, "INFO")
		})
	},
	"REFER": func(o *town) {
		o.calls(o.a, o.b, "1002", func(out, in *siptest.Call) {
			o.do(in, "REFER", 200, "Refer-To: <"+uriTo("1003")+">")
			o.expect(out, "REFER")
		})
	},
	"what is no SIP": func(o *town) {
		o.ask(o.a, 400, siptest.Request{Method: "OPTIONS", Headers: []string{"CSeq: x"}})
	},
}

// What a request costs does not follow from how many DNs there are, nor how many of them
// are registered.
func TestRequests_CostNoMoreWithManyDNs(t *testing.T) {
	small, large := scale.Sizes()
	few, many := newTown(t, small), newTown(t, large)
	for _, what := range slices.Sorted(func(yield func(string) bool) {
		for what := range townRequests {
			if !yield(what) {
				return
			}
		}
	}) {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			do := func(o *town) func() {
				return func() {
					var done context.CancelFunc
					o.script.t = t
					o.ctx, done = context.WithTimeout(t.Context(), patience.Limit)
					defer done()
					townRequests[what](o)
				}
			}
			scale.FlatTogether(t, what, do(few), do(many))
		})
	}
}
