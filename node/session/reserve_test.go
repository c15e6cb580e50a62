package session

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

func reserveFor(n string, d time.Duration) *tlibpb.ClientMessage {
	return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: n, Duration: durationpb.New(d)}}}
}

func (o *office) reserved(n dn.Number) bool {
	st, _ := o.table.Get(n)
	return st.Reserved
}

// A session frees what it has reserved in whatever way it ends: at once, or after its
// grace when it has one. What the node has for it stays.
func TestReserve_EndsWithItsSession(t *testing.T) {
	const grace = 10 * time.Second
	leave := map[string]func(w *wire){
		"in good order": func(w *wire) { close(w.closed) },
		"without":       func(w *wire) { w.hangUp() },
	}
	for name, c := range map[string]struct {
		leave                       string
		registers, grace, back, own bool
		// left is how long it stays.
		left time.Duration
	}{
		"in good order":                         {leave: "in good order", registers: true, grace: true, left: 0},
		"lost, no grace":                        {leave: "without", registers: true, left: 0},
		"lost, registered nothing: no grace":    {leave: "without", grace: true, left: 0},
		"lost, ends with its grace":             {leave: "without", registers: true, grace: true, left: grace},
		"lost, back within its grace":           {leave: "without", registers: true, grace: true, back: true, left: time.Hour},
		"the node's, whatever the session does": {leave: "in good order", own: true, left: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: map[bool]uint32{true: uint32(grace.Seconds())}[c.grace]}}})
				o.table.Register("1001", dn.Registered)
				w := o.connect(TCport, nil)
				if c.registers {
					w.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
				}
				ask := reserveFor("1001", time.Hour)
				ask.GetReserveAgent().Detached = c.own
				w.says("EVENT_AGENT_RESERVED 1001", ask)
				<-time.After(time.Minute) // its lease is renewed
				leave[c.leave](w)
				_ = patience.Receive(t, "the end of the session", w.ended)
				if c.back {
					<-time.After(grace / 2)
					o.connect(TCport, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken()})
				}
				synctest.Wait()
				for since := time.Now(); time.Since(since) < time.Minute; <-time.After(time.Second) {
					synctest.Wait()
					if want := time.Since(since) < c.left; o.reserved("1001") != want {
						t.Fatalf("%v after the end of its connection: reserved is %v", time.Since(since), !want)
					}
				}
			})
		})
	}
}

// Whoever has the DN registered is told of a reservation and of its early end, the one
// who asked by an answer alone; not of those that calls have for themselves.
func TestReserve_IsToldToWhoHasTheDNRegistered(t *testing.T) {
	o := newOffice(t)
	router, desk, gone := o.connect(DefaultPort, nil), o.connect(TCport, nil), o.connect(TCport, nil)
	desk.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
	gone.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", watched))
	gone.says("EVENT_UNREGISTERED 2001", unregisterAddress("2001"))
	desk.awaits("EVENT_DN_BACK_IN_SERVICE 2001 n1 registered")
	router.heard()
	gone.heard()
	const event = "EVENT_AGENT_RESERVED this_dn=2001 time=now seq=+ owner=n1 site=dc1"
	router.post(reserveFor("2001", time.Minute))
	router.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1m0s")
	desk.tells(event + " outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1m0s")
	router.post(reserveFor("2001", time.Hour))
	router.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1h0m0s")
	desk.tells(event + " outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1h0m0s")
	router.post(reserveFor("2001", 0))
	router.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_CANCELLED")
	desk.tells(event + " outcome=RESERVATION_OUTCOME_OVER")
	desk.post(reserveFor("2001", time.Minute))
	desk.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_RESERVED expires_at=in 1m0s")
	desk.post(reserveFor("2001", 0))
	desk.tells("EVENT_AGENT_RESERVED reference_id=+ this_dn=2001 time=now outcome=RESERVATION_OUTCOME_CANCELLED")
	r, _ := o.table.Own("2001")
	r.Reserved = dn.Reservation{Holder: "a/call/0123456789abcdef", Left: int64(time.Minute)}
	o.table.Amend(r)
	desk.post(query("2001"))
	desk.wait("the answer", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO })
	if got := desk.heard(); len(got) != 1 {
		t.Errorf("told of a call's reservation: %q", got)
	}
	if got := gone.heard(); len(got) != 0 {
		t.Errorf("who unregistered heard %q", got)
	}
}
