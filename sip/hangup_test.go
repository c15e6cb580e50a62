package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/bubble"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// hears wants the party of a call to get a BYE now, and not a moment before.
func (e *ending) hears(c *siptest.Call, after time.Duration, why string) {
	e.t.Helper()
	if after > 0 {
		<-time.After(after - 100*time.Millisecond) // of the bubble
		synctest.Wait()
		if len(c.Requests) > 0 {
			e.t.Fatalf("it hears %s too early", (<-c.Requests).Method)
		}
	}
	<-time.After(200 * time.Millisecond)
	synctest.Wait()
	if len(c.Requests) != 1 {
		e.t.Fatalf("%d requests came within the call, want a BYE", len(c.Requests))
	}
	m := <-c.Requests
	if m.Method != "BYE" || m.Header("Reason") != why {
		e.t.Errorf("it hears %s with the Reason %q, want %q", m.Method, m.Header("Reason"), why)
	}
}

// TestHangUp_WhenAPartysConnectionIsGone: the other one gets a BYE within the dialog
// after flow_grace_s, whichever side it is and wherever it is registered.
func TestHangUp_WhenAPartysConnectionIsGone(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		for _, way := range [][2]string{{"tcp", "udp"}, {"udp", "tcp"}, {"tcp", "tcp"}} {
			for _, grace := range []uint32{32, 5, 0} {
				t.Run(fmt.Sprintf("%s to %s, nodes %d, %d s", way[0], way[1], nodes, grace), func(t *testing.T) {
					bubble.Test(t, func(t *testing.T) {
						e := newEnding(t, nodes)
						for _, w := range []*world{e.n1, e.n2} {
							w.options(&configpb.Options{Realm: testRealm, FlowGraceS: proto.Uint32(grace)})
						}
						for side, network := range way {
							if network != "tcp" {
								continue
							}
							e.phones(way[0], way[1])
							out, in := e.up(e.from, e.to, "1002")
							e.do(out, "INFO", 200)
							e.expect(in, "INFO")
							gone, stays := e.from, in
							if side == 1 {
								gone, stays = e.to, out
							}
							gone.Close()
							e.hears(stays, time.Duration(grace)*time.Second, connectionGone)
							e.nothingLeft("a connection is gone")
						}
					})
				})
			}
		}
	}
}

// TestHangUp_ItsNumberIsBeyondTheParty: the BYE in the name of a party has a greater
// CSeq than all that it sent.
func TestHangUp_ItsNumberIsBeyondTheParty(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 2)
		e.phones("tcp", "udp")
		out, in := e.up(e.from, e.to, "1002")
		for range 40 {
			e.do(out, "INFO", 200)
			e.expect(in, "INFO")
		}
		e.do(out, "INFO", 200)
		number := func(m *siptest.Message) int {
			n, _, _ := strings.Cut(m.Header("CSeq"), " ")
			v, _ := strconv.Atoi(n)
			return v
		}
		last := number(e.expect(in, "INFO"))
		e.from.Close()
		<-time.After(33 * time.Second)
		synctest.Wait()
		if m := e.expect(in, "BYE"); number(m) <= last {
			t.Errorf("CSeq %d after %d", number(m), last)
		}
	})
}

const connectionGone = `SIP;cause=480;text="The other party's connection is gone"`

// TestHangUp_WhoIsBackIsAsked: a side whose connection is gone, and of whose DN a phone
// has registered since, is asked whether it has the call: the phone goes on with it
// wherever it is by then, and is watched in turn. One that has started anew, another phone
// of the DN, and one that says nothing are not in the call.
func TestHangUp_WhoIsBackIsAsked(t *testing.T) {
	const grace, firstWord, askEvery = 32 * time.Second, 4 * time.Second, 30 * time.Second
	answers := map[string]int{"has the call": 200, "knows no OPTIONS": 501, "has it not": 481, "says nothing": 0}
	places := map[string]struct {
		network     string
		same, other bool // contact, node
	}{
		"same contact":           {network: "tcp", same: true},
		"another port":           {network: "tcp"},
		"by UDP":                 {network: "udp"},
		"at another node":        {network: "tcp", other: true},
		"at another node by UDP": {network: "udp", other: true},
	}
	for where, place := range places {
		for what, answer := range answers {
			for side := range 2 {
				t.Run(fmt.Sprintf("%s, %s, side %d", where, what, side), func(t *testing.T) {
					bubble.Test(t, func(t *testing.T) {
						e := newEnding(t, 2)
						e.phones("tcp", "tcp")
						out, in := e.up(e.from, e.to, "1002")
						gone, stays, at, other, number := e.from, in, e.n1, e.n2, "1001"
						if side == 1 {
							gone, stays, at, other, number = e.to, out, e.n2, e.n1, "1002"
						}
						addr, first := gone.Addr(), at
						gone.Close()
						<-time.After(20 * time.Second)
						synctest.Wait()
						if place.other {
							at.knowsSince(other.table.Self(), time.Now().UnixNano(), dn.Number(number))
							at = other
						}
						back := e.back(at, number, place.network, addr, place.same, answer)
						<-time.After(grace - 20*time.Second - 100*time.Millisecond)
						if answer == 481 || answer == 0 {
							after := 100 * time.Millisecond
							if answer == 0 {
								after += firstWord
							}
							e.hears(stays, after, connectionGone)
							e.leave(back)
							e.nothingLeft(what)
							return
						}
						<-time.After(3 * time.Minute)
						synctest.Wait()
						if len(stays.Requests) > 0 {
							t.Fatalf("a %s ended the call", (<-stays.Requests).Method)
						}
						if place.other { // that node is not heard for a while, which says nothing of the phone
							first.table.SetHeard(at.table.Self(), false)
							<-time.After(3 * askEvery)
							first.table.SetHeard(at.table.Self(), true)
							<-time.After(askEvery)
							synctest.Wait()
							if len(stays.Requests) > 0 {
								t.Fatalf("a %s ended the call in a cut", (<-stays.Requests).Method)
							}
						}
						back.Close()
						if !place.other && place.network == "tcp" {
							e.hears(stays, grace, connectionGone)
						} else {
							<-time.After(askEvery + firstWord)
							e.hears(stays, 0, connectionGone)
						}
					})
				})
			}
		}
	}
}

// back is a phone of the number, which gives what is asked within a call that it does not
// know the answer, 0 for none.
func (e *ending) back(at *world, number, network, addr string, same bool, answer int) *siptest.UA {
	e.t.Helper()
	local := addr
	if !same {
		local, _, _ = strings.Cut(addr, ":")
		local += ":0"
	}
	server := at.server.TCPAddr()
	u, err := siptest.NewUA(siptest.Config{DN: number, Password: "pw" + number, Domain: testRealm, Server: server.String(), Transport: network, Local: local, Network: at.cfg.Network.(*siptest.Network)})
	e.ok(err)
	e.t.Cleanup(u.Close)
	u.OnRequest(func(m *siptest.Message) bool {
		if answer > 0 {
			_ = u.Respond(m, answer, "So", "")
		}
		return true
	})
	res, err := u.Register(e.ctx, time.Hour)
	if e.ok(err); res.Code != 200 {
		e.t.Fatal(res)
	}
	return u
}

// TestHangUp_ACallThatAnotherNodeEnded: who is left here gets a BYE, and whoever waits
// for the end is told.
func TestHangUp_ACallThatAnotherNodeEnded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 2)
		e.n1.call = "00000000000000aa"
		e.phones("udp", "udp")
		out, _ := e.up(e.from, e.to, "1002")
		e.n1.server.HangUp("00000000000000ab")
		synctest.Wait()
		if len(out.Requests) > 0 {
			t.Fatal("another call was ended")
		}
		e.n1.server.HangUp("00000000000000aa")
		synctest.Wait()
		if m := e.expect(out, "BYE"); m.Header("Reason") != `SIP;cause=200;text="The other party has hung up"` {
			t.Error(m.Header("Reason"))
		}
		e.nothingLeft("hung up for another node")
	})
}

// TestOrphans_APhoneDoesNotRingForALostNode: it gets a CANCEL at once, or after
// orphan_ring_ms unless the node is heard again by then, and when the node's process is no
// more; who answers yet is hung up.
func TestOrphans_APhoneDoesNotRingForALostNode(t *testing.T) {
	const why = `SIP;cause=480;text="The caller's node is lost"`
	for name, c := range map[string]struct {
		patience, back, gone time.Duration
		rings                bool
	}{
		"at once":        {},
		"after a while":  {patience: 3 * time.Second},
		"heard again":    {patience: 3 * time.Second, back: 2 * time.Second, rings: true},
		"heard too late": {patience: 3 * time.Second, back: 4 * time.Second},
		"heard at once":  {back: time.Millisecond},

		"it restarted while it was lost": {patience: 3 * time.Second, gone: time.Second, back: 1001 * time.Millisecond},
		"it died":                        {patience: 30 * time.Second, gone: time.Millisecond},
		"it died long after":             {patience: 3 * time.Second, gone: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 2)
				e.n2.options(&configpb.Options{Realm: testRealm, OrphanRingMs: uint32(c.patience / time.Millisecond)})
				e.phones("udp", "udp")
				out := e.place(e.from, "1002")
				in := e.take(e.to)
				e.ok(in.Ring())
				e.await(out, 180)
				e.n2.server.PeerHeard("n3", false) // another one
				synctest.Wait()
				if len(in.Requests) > 0 {
					t.Fatal("another node's loss ended it")
				}
				e.n2.server.PeerHeard("n1", false)
				for after, happens := range map[time.Duration]func(){
					c.back: func() { e.n2.server.PeerHeard("n1", true) },
					c.gone: func() { e.n2.server.PeerGone("n1") },
				} {
					if after > 0 {
						time.AfterFunc(after, happens)
					}
				}
				<-time.After(10 * time.Second)
				synctest.Wait()
				if c.rings {
					if len(in.Requests) > 0 {
						t.Fatal("it ended although the node was back")
					}
					e.n2.server.PeerHeard("n1", false)
					<-time.After(c.patience)
				}
				m := e.expect(in, "CANCEL")
				if m.Header("Reason") != why {
					t.Error(m.Header("Reason"))
				}
				e.ok(in.Answer()) // it crossed
				e.expect(in, "ACK")
				if m := e.expect(in, "BYE"); m == nil {
					t.Error("who answered is not hung up")
				}
				e.await(out, 487)
				e.nothingLeft(name)
			})
		})
	}
}

// TestOrphans_OfAnEarlierProcess: a node that began anew has no caller any more for what
// rings, heard or not; what it calls from then on rings, however often that is said.
func TestOrphans_OfAnEarlierProcess(t *testing.T) {
	for _, lost := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			e := newEnding(t, 2)
			e.n2.options(&configpb.Options{Realm: testRealm, OrphanRingMs: 30_000})
			e.phones("udp", "udp")
			out := e.place(e.from, "1002")
			in := e.take(e.to)
			e.ok(in.Ring())
			e.await(out, 180)
			if lost {
				e.n2.server.PeerHeard("n1", false)
			}
			e.n2.server.PeerGone("n1")
			synctest.Wait()
			e.expect(in, "CANCEL")
			e.ok(in.Refuse(487, "Request Terminated"))
			e.await(out, 487)
			if !lost {
				e.n2.server.PeerHeard("n1", false)
			}
			out = e.place(e.from, "1002")
			in = e.take(e.to)
			e.ok(in.Ring())
			e.await(out, 180)
			if lost {
				e.n2.server.PeerGone("n1")
			}
			e.n2.server.PeerHeard("n1", true)
			<-time.After(40 * time.Second)
			synctest.Wait()
			if len(in.Requests) > 0 {
				t.Error("the call of the next process ended")
			}
			e.ok(in.Answer())
			e.await(out, 200)
			e.ok(out.Ack())
			e.expect(in, "ACK")
			e.do(in, "BYE", 200)
			e.nothingLeft("it began anew")
		})
	}
}

// TestOrphans_WhoHasJustAnswered: a phone whose answer to a lost node got no ACK is hung
// up; one that is in a call goes on.
func TestOrphans_WhoHasJustAnswered(t *testing.T) {
	for _, acked := range []bool{false, true} {
		bubble.Test(t, func(t *testing.T) {
			e := newEnding(t, 2)
			e.phones("udp", "udp")
			out := e.place(e.from, "1002")
			in := e.take(e.to)
			e.ok(in.Answer())
			e.await(out, 200)
			if acked {
				e.ok(out.Ack())
				e.expect(in, "ACK")
			}
			e.n2.server.PeerHeard("n1", false)
			synctest.Wait()
			if (len(in.Requests) > 0) == acked {
				t.Errorf("acknowledged %v: the phone hears %d requests", acked, len(in.Requests))
			}
			if !acked {
				e.expect(in, "BYE")
				if _, err := out.Do(e.ctx, "BYE"); err != nil {
					t.Error(err)
				}
			} else {
				e.do(in, "BYE", 200)
			}
			e.nothingLeft("its node was lost as it answered")
		})
	}
}

// TestCancel_SaysWhy: the reasons of a CANCEL go along (RFC 3326), four at most.
func TestCancel_SaysWhy(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		bubble.Test(t, func(t *testing.T) {
			e := newEnding(t, nodes)
			e.phones("udp", "udp")
			out := e.place(e.from, "1002")
			in := e.take(e.to)
			e.ok(in.Ring())
			e.await(out, 180)
			out.Cancel(`Reason: SIP;cause=200;text="Call completed elsewhere"`, "Reason: Q.850;cause=16")
			m := e.expect(in, "CANCEL")
			if got := fmt.Sprint(m.Headers("Reason")); got != `[SIP;cause=200;text="Call completed elsewhere" Q.850;cause=16]` {
				t.Error(got)
			}
			e.ok(in.Refuse(487, "Request Terminated"))
			e.await(out, 487)
			e.nothingLeft("canceled with reasons")
		})
	}
}

// TestCaller_WhoWaitsIsAsked: over UDP nobody says that a caller is gone. One that waits
// is asked; who has answered once, and then no more, has given up. Who never answers
// may not know OPTIONS, and waits on; connections need none of it.
func TestCaller_WhoWaitsIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		network       string
		dies          time.Duration // after the beginning; 0: never
		deaf          bool          // it answers no OPTIONS from the start
		asked, gaveUp time.Duration // the first time, and at the latest; 0: never
	}{
		"it lives":                       {network: "udp", asked: time.Second},
		"it dies":                        {network: "udp", dies: 40 * time.Second, asked: time.Second, gaveUp: 95 * time.Second},
		"it dies at once":                {network: "udp", dies: 2 * time.Second, asked: time.Second, gaveUp: 64 * time.Second},
		"it knows no OPTIONS":            {network: "udp", deaf: true, asked: time.Second},
		"its connection tells by itself": {network: "tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				e := newEnding(t, 2)
				gone := make(chan struct{})
				e.n1.plan(func(ctx context.Context, c *proxy.Call) {
					c.Ring()
					<-ctx.Done()
					close(gone)
					c.Reject(487, "Request Terminated")
				})
				e.phones(c.network, "udp")
				var asked atomic.Int64
				e.from.OnRequest(func(*siptest.Message) bool {
					asked.Add(1)
					return c.deaf // without an answer; otherwise it is 200
				})
				out := e.place(e.from, "1002")
				e.await(out, 180)
				if c.dies > 0 {
					time.AfterFunc(c.dies, func() { e.from.Mute(true) })
				}
				<-time.After(1100 * time.Millisecond)
				synctest.Wait()
				if (asked.Load() > 0) != (c.asked > 0) {
					t.Errorf("asked %d times within a second", asked.Load())
				}
				<-time.After(max(c.gaveUp, 5*time.Minute) - 1100*time.Millisecond)
				select {
				case <-gone:
					if c.gaveUp == 0 {
						t.Error("it gave up")
					}
				default:
					if c.gaveUp > 0 {
						t.Error("it waits on")
					}
					out.Cancel()
				}
				e.from.Mute(false)
				e.n1.plan(e.n1.toOwner)
				e.nothingLeft(name)
			})
		})
	}
}

// TestRestart_OfTheOwnerWhileItRings: the caller's node cancels what rang at a node that
// was killed and started again, which then stops the phone although it knows nothing of
// the call.
func TestRestart_OfTheOwnerWhileItRings(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		e := newEnding(t, 2)
		e.phones("udp", "udp")
		out := e.place(e.from, "1002")
		in := e.take(e.to)
		e.ok(in.Ring())
		e.await(out, 180)
		network, dead := e.n2.cfg.Network.(*siptest.Network), atomic.Bool{}
		n2 := netip.MustParseAddrPort(e.n2.server.UDPAddr().String())
		network.Way(func(from, _ netip.AddrPort, _ []byte) (time.Duration, bool) { return 0, from != n2 || !dead.Load() })
		dead.Store(true) // nobody hears what it says as it stops
		e.n2.lines.cut(true)
		e.n2.restart()
		e.n2.lines.cut(false)
		dead.Store(false)
		out.Cancel(`Reason: SIP;cause=200;text="Call completed elsewhere"`)
		m := e.expect(in, "CANCEL")
		sent, _, _ := strings.Cut(in.Invite.Header("Via"), ";received")
		if !strings.HasPrefix(m.Header("Via"), sent) || m.Header("Reason") != `SIP;cause=200;text="Call completed elsewhere"` || m.URI != in.Invite.URI {
			t.Errorf("%+v, of %+v", m, in.Invite)
		}
		e.ok(in.Refuse(487, "Request Terminated"))
		e.expect(in, "ACK")
		e.await(out, 487)
		e.nothingLeft("restarted while it rang")
	})
}
