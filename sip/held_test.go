package sip

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// places are what a server of these tests has for calls that are being set up;
// each ending is played more often.
const places = 2

// ending is a way in which calls, or requests, end.
type ending struct {
	*script
	n1, n2   *world
	home     *world // of the phone that is called
	from, to *siptest.UA
}

// endings are all ways, by name.
var endings = map[string]func(e *ending){
	"the caller hangs up": func(e *ending) {
		out, in := e.up(e.from, e.to, "1002")
		e.do(out, "BYE", 200)
		e.expect(in, "BYE")
	},
	"the called one hangs up": func(e *ending) {
		out, in := e.up(e.from, e.to, "1002")
		e.do(in, "BYE", 200)
		e.expect(out, "BYE")
	},
	"the BYE is not answered": func(e *ending) {
		out, _ := e.up(e.from, e.to, "1002")
		e.to.Mute(true)
		defer e.to.Mute(false)
		ctx, cancel := context.WithTimeout(e.ctx, 20*time.Millisecond)
		defer cancel()
		if res, err := out.Do(ctx, "BYE"); err == nil {
			e.t.Error(res)
		}
	},
	"after a refresh": func(e *ending) {
		out, in := e.up(e.from, e.to, "1002")
		e.do(out, "INVITE", 200)
		e.ok(out.Ack())
		e.expect(in, "ACK")
		e.do(in, "UPDATE", 200)
		e.expect(out, "UPDATE")
		e.do(in, "BYE", 200)
		e.expect(out, "BYE")
	},
	"the 2xx is not acknowledged": func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Answer())
		e.await(out, 200)
		e.do(out, "BYE", 200)
		e.expect(in, "BYE")
	},
	"the caller gives up while it rings": func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		out.Cancel()
		e.expect(in, "CANCEL")
		e.ok(in.Refuse(487, "Request Terminated"))
		e.await(out, 487)
	},
	"the phone does not heed the CANCEL": func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		out.Cancel()
		e.expect(in, "CANCEL")
		e.await(out, 487) // by the last words' time
	},
	"the answer crosses the CANCEL": func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		out.Cancel()
		e.expect(in, "CANCEL")
		e.ok(in.Answer())
		e.await(out, 200)
		e.ok(out.Ack())
		e.expect(in, "ACK")
		e.do(out, "BYE", 200)
		e.expect(in, "BYE")
	},
	"busy":           refused(486),
	"not acceptable": refused(488),
	"server error":   refused(500),
	"declined":       refused(603),
	"no answer": func(e *ending) {
		e.noAnswer(20 * time.Second)
		defer e.noAnswer(0)
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.expect(in, "CANCEL")
		e.ok(in.Refuse(487, "Request Terminated"))
		e.await(out, 408)
	},
	"it rings for ever": func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.expect(in, "CANCEL") // timer C
		e.ok(in.Refuse(487, "Request Terminated"))
		e.await(out, 408)
	},
	"the phone says nothing": func(e *ending) {
		e.to.Mute(true)
		defer e.to.Mute(false)
		e.await(e.place(e.from, "1002"), 408)
	},
	"a MESSAGE is answered":   outOfDialog("MESSAGE", 200),
	"a MESSAGE is refused":    outOfDialog("MESSAGE", 486),
	"a MESSAGE has no answer": outOfDialog("MESSAGE", 0),
	"a REFER is answered":     outOfDialog("REFER", 202),
	"a REFER has no answer":   outOfDialog("REFER", 0),
	"a SUBSCRIBE is answered": outOfDialog("SUBSCRIBE", 200),
	"a SUBSCRIBE is refused":  outOfDialog("SUBSCRIBE", 489),
	"not registered":          func(e *ending) { e.await(e.place(e.from, "1003"), 480) },
	"unknown":                 func(e *ending) { e.await(e.place(e.from, "4711"), 404) },
	"a re-INVITE that is refused": func(e *ending) {
		out, in := e.up(e.from, e.to, "1002")
		e.to.Mute(true)
		ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
		defer cancel()
		if res, err := out.Do(ctx, "INVITE"); err != nil || res.Code != 408 {
			e.t.Error(res, err)
		}
		e.to.Mute(false)
		e.do(in, "BYE", 200)
	},
	"a request within the call that is not answered": func(e *ending) {
		out, in := e.up(e.from, e.to, "1002")
		e.to.Mute(true)
		ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
		defer cancel()
		if res, err := out.Do(ctx, "INFO"); err == nil {
			e.t.Error(res)
		}
		e.to.Mute(false)
		e.do(in, "BYE", 200)
	},
	"its session timer runs out": func(e *ending) {
		out := e.place(e.from, "1002", "Supported: timer")
		in := e.take(e.to)
		e.ok(in.Answer("Session-Expires: 90;refresher=uac", "Require: timer"))
		e.await(out, 200)
		e.ok(out.Ack())
	},
	"nobody decides": func(e *ending) {
		e.n1.plan(func(context.Context, *proxy.Call) {})
		defer e.n1.plan(e.n1.toOwner)
		e.await(e.place(e.from, "1002"), 500)
	},
	"the decision panics": func(e *ending) {
		e.n1.plan(func(context.Context, *proxy.Call) { panic("as a test") })
		defer e.n1.plan(e.n1.toOwner)
		e.await(e.place(e.from, "1002"), 500)
	},
	"it is rung and refused": func(e *ending) {
		e.n1.plan(func(_ context.Context, c *proxy.Call) {
			c.Ring()
			c.Reject(486, "Busy Here")
		})
		defer e.n1.plan(e.n1.toOwner)
		e.await(e.place(e.from, "1002"), 486)
	},
	"a second try": func(e *ending) {
		e.n1.plan(func(ctx context.Context, c *proxy.Call) {
			try(ctx, c, invite.Target{Deliver: "1003"}, nil)
			e.n1.toOwner(ctx, c)
		})
		defer e.n1.plan(e.n1.toOwner)
		refused(486)(e)
	},
	"the caller gives up while nobody has decided": func(e *ending) {
		e.n1.plan(func(ctx context.Context, c *proxy.Call) {
			c.Ring()
			<-ctx.Done()
			c.Reject(480, "Temporarily Unavailable")
		})
		defer e.n1.plan(e.n1.toOwner)
		out := e.place(e.from, "1002")
		e.await(out, 180)
		out.Cancel()
		e.await(out, 487)
	},
}

// broken are the endings by the end of a connection, that of the phone with the
// number 0 (caller) or 1.
var broken = [2]map[string]func(e *ending){
	{
		"the caller's connection ends while it rings": func(e *ending) {
			out := e.place(e.from, "1002")
			in := e.take(e.to)
			e.ok(in.Ring())
			e.await(out, 180)
			e.from.Close()
			e.expect(in, "CANCEL")
			e.ok(in.Refuse(487, "Request Terminated"))
		},
		"the caller's connection ends in the call": func(e *ending) {
			_, in := e.up(e.from, e.to, "1002")
			e.from.Close()
			synctest.Wait()
			e.do(in, "BYE", 200)
		},
	},
	{
		"the called one's connection ends while it rings": func(e *ending) {
			out := e.place(e.from, "1002")
			e.ok(e.take(e.to).Ring())
			e.await(out, 180)
			e.to.Close()
			e.await(out, 480)
		},
		"the called one's connection ends in the call": func(e *ending) {
			out, _ := e.up(e.from, e.to, "1002")
			e.to.Close()
			synctest.Wait()
			e.do(out, "BYE", 200)
		},
		"the called one's connection ends before it answers an INFO":     cutOff("INFO"),
		"the called one's connection ends before it answers a re-INVITE": cutOff("INVITE"),
		"the called one's connection ends before it answers a BYE":       cutOff("BYE"),
		"the called one's connection ends before it rings": func(e *ending) {
			e.to.Mute(true)
			out := e.place(e.from, "1002")
			e.to.Close()
			e.await(out, 480)
		},
	},
}

func refused(code int) func(e *ending) {
	return func(e *ending) {
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		e.ok(in.Refuse(code, "No"))
		e.await(out, code)
	}
}

// outOfDialog is a request outside of calls that is answered with the code; with 0
// it is not answered.
func outOfDialog(method string, code int) func(e *ending) {
	return func(e *ending) {
		e.to.OnRequest(func(m *siptest.Message) bool { return e.to.Respond(m, code, "So", "x") == nil })
		e.to.Mute(code == 0)
		defer e.to.Mute(false)
		ctx, cancel := context.WithTimeout(e.ctx, time.Minute)
		defer cancel()
		res, err := e.from.Do(ctx, siptest.Request{Method: method, URI: uriTo("1002"), To: "<" + uriTo("1002") + ">"})
		if code == 0 && err == nil || code != 0 && (err != nil || res.Code != code) {
			e.t.Error(method, code, res, err)
		}
	}
}

// cutOff is a request within a call over a connection that ends before it is
// answered: its sender hears so at once. A BYE ends the call all the same.
func cutOff(method string) func(e *ending) {
	code := 500
	if method == "BYE" {
		code = 200
	}
	return func(e *ending) {
		out, _ := e.up(e.from, e.to, "1002")
		e.to.Mute(true)
		began := time.Now()
		time.AfterFunc(time.Second, e.to.Close)
		e.do(out, method, code)
		if late := time.Since(began) - time.Second; late > time.Second {
			e.t.Errorf("%s: told %v after the end of the connection", method, late)
		}
		if method != "BYE" {
			e.do(out, "BYE", 200)
		}
	}
}

func (e *ending) noAnswer(d time.Duration) { e.n1.noAnswer.Store(int64(d)) }

// TestHeld_NothingIsLeftOfAnyEnding: at one node and at two, with datagrams and
// connections, each way for a call to end gives its place back, and after its
// timers nothing of it is left.
func TestHeld_NothingIsLeftOfAnyEnding(t *testing.T) {
	type way struct {
		nodes    int
		from, to string
	}
	ways := []way{{2, "udp", "tcp"}, {1, "tcp", "tcp"}, {1, "udp", "udp"}, {2, "tcp", "udp"}}
	if testing.Short() {
		ways = ways[:1]
	}
	for _, way := range ways {
		t.Run(fmt.Sprintf("%s to %s, nodes %d", way.from, way.to, way.nodes), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, way.nodes)
				for name, play := range endings {
					e.phones(way.from, way.to)
					for range places + 2 {
						play(e)
					}
					e.nothingLeft(name)
				}
				e.breakConnections(way.from, way.to)
			})
		})
	}
}

// breakConnections plays the endings of the connections that there are.
func (e *ending) breakConnections(from, to string) {
	for i, network := range []string{from, to} {
		for name, play := range broken[i] {
			for range places + 2 {
				if network == "tcp" {
					e.phones(from, to)
					play(e)
					e.nothingLeft(name)
				}
			}
		}
	}
}

// newEnding opens two nodes on a network in memory; with nodes 1 both phones are
// at the first.
func newEnding(t *testing.T, nodes int) *ending { return newEndingOf(t, nodes, nil) }

func newEndingOf(t *testing.T, nodes int, change func(*Config)) *ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	t.Cleanup(cancel)
	e := &ending{script: &script{t, ctx}}
	network, opened := siptest.NewNetwork(), 0
	e.n1, e.n2 = twoNodesOf(t, func(c *Config) {
		opened++
		addr := fmt.Sprintf("192.0.2.%d:5060", opened)
		c.Network, c.UDP, c.TCP, c.MaxCalls = network, addr, addr, places
		if change != nil {
			change(c)
		}
	})
	e.home = e.n2
	if nodes == 1 {
		e.home = e.n1
		e.n1.remote.Clear()
	} else {
		e.n1.knows("n2", "1002")
	}
	for _, w := range []*world{e.n1, e.n2} {
		w.put(phoneDN("1003")) // never registered
		w.outcomes = nil
	}
	return e
}

// phones are new ones, whose registrations are the only ones.
func (e *ending) phones(from, to string) {
	e.from, e.to = e.n1.ua(from, "1001"), e.home.ua(to, "1002")
}

// leave takes a phone away; one whose connection ended is gone already.
func (e *ending) leave(u *siptest.UA) {
	_, _ = u.UnregisterAll(e.ctx)
	u.Close()
}

// ofCalls is what calls hold of a server beside themselves: goroutines, and
// places at the phones' connections.
type ofCalls struct{ *Server }

// Held implements leftover.Holder.
func (s ofCalls) Held() map[string]int {
	held := s.Server.Held()
	return map[string]int{"sip_call_goroutines": held["sip_call_goroutines"], "sip_relays": held["sip_relays"]}
}

// nothingLeft wants what calls hold to end while the phones stay.
// Then it closes the phones, and wants the servers to let go of everything.
func (e *ending) nothingLeft(name string) {
	e.t.Helper()
	leftover.None(e.t, time.Minute*5, ofCalls{e.n1.server}, ofCalls{e.n2.server})
	e.leave(e.from)
	e.leave(e.to)
	leftover.None(e.t, time.Minute*5, e.n1.server, e.n2.server)
	if e.t.Failed() {
		e.t.Fatal(name)
	}
}
