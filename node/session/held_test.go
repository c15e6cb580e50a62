package session

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/routing"
)

// TestHeld_NothingIsLeftOfAnySession: each way for a session to end gives its
// place back, and leaves nothing of what it registered and monitored.
func TestHeld_NothingIsLeftOfAnySession(t *testing.T) {
	const places = 2
	for name, end := range map[string]func(o *office, w *wire){
		"closed in good order": func(_ *office, w *wire) { close(w.closed) },
		"its connection ends":  func(_ *office, w *wire) { w.hangUp() },
		"it reads nothing":     func(_ *office, w *wire) { w.reading.Store(false) },
		"it is taken over": func(o *office, w *wire) {
			next := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: w.link.GetLinkConnected().GetSessionToken()})
			_ = patience.Receive(o.t, "the end of the one that was taken over", w.ended)
			w.ended <- nil
			close(next.closed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(t)
				o.control.cfg.MaxSessions = places
				synctest.Wait()
				dns, calls := leftover.Above(o.table), leftover.Above(o.traffic)
				for range 2 * places {
					w := o.connect(TCport, nil)
					w.ask(registerAddress("2001", private))
					w.ask(registerAddress("9000", shared))
					w.ask(monitorAll(&tlibpb.MonitorAll{}))
					end(o, w)
					_ = patience.Receive(t, "the end of the session", w.ended)
					leftover.None(t, time.Minute, o.control, dns, calls)
				}
			})
		})
	}
}

// TestHeld_AMonitorReplacesTheOneBefore: who monitors again and again is read for once.
func TestHeld_AMonitorReplacesTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		w := o.connect(TCport, nil)
		again := func() {
			w.ask(monitorAll(&tlibpb.MonitorAll{}))
			synctest.Wait()
		}
		again()
		dns, calls := leftover.Above(o.table), leftover.Above(o.traffic)
		for range 5 {
			again()
		}
		leftover.None(t, time.Minute, dns, calls)
	})
}

func TestHeld_ASessionThatIsNeverOpenedGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.control.room = access.NewRoom(1, 1)
		for range 3 {
			w := o.wire(DefaultPort)
			synctest.Wait()
			if err := patience.Receive(t, "the refusal of one more", o.wire(DefaultPort).ended); status.Code(err) != codes.ResourceExhausted {
				t.Error(err)
			}
			if err := patience.Receive(t, "its end", w.ended); status.Code(err) != codes.DeadlineExceeded {
				t.Error(err)
			}
			leftover.None(t, time.Minute, o.control)
		}
	})
}

// TestHeld_OfAGraceEndsWithIt: what outlives its connection does so for that time.
func TestHeld_OfAGraceEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 30}}})
		for range 3 {
			w := o.connect(TCport, nil)
			w.ask(registerAddress("2001", private))
			w.hangUp()
			synctest.Wait()
			if held := o.control.Held(); held["tlib_in_grace"] != 1 || held["tlib_addresses"] != 1 || held["tlib_sessions"] != 0 {
				t.Error(held)
			}
			<-time.After(31 * time.Second)
			leftover.AtOnce(t, o.control)
		}
	})
}

// TestHeld_RequestsOfASession: each answer, of whatever kind, makes room for
// another request.
func TestHeld_RequestsOfASession(t *testing.T) {
	o := newOffice(t)
	o.says(lease("1001")) // of a node that can't be reached
	w := o.connect(TCport, nil)
	w.ask(registerAddress("2001", shared))
	w.ask(registerAddress("1001", shared))
	for i := range maxAsked + 10 {
		w.ask(agentLogin("2001", fmt.Sprint(i)))
		w.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "2001"}}})
		if e := w.ask(agentLogin("1001", "7")); e.GetMessage() != tlibpb.Message_MESSAGE_EVENT_ERROR || e.GetError().GetCode() == tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR {
			t.Fatalf("request %d: %v", i, e)
		}
		w.heard()
	}
}

// TestHeld_RoutesOfASession: each end of a call that was routed makes room for
// another route.
func TestHeld_RoutesOfASession(t *testing.T) {
	o := newOffice(t)
	c := newClerk()
	o.control.cfg.Router = c
	router := o.connect(DefaultPort, nil)
	router.ask(registerAddress("9000", shared))
	for i := range 2 * (maxAsked/2 + 10) {
		ref := router.post(toDN("1001"))
		w := router
		c.await(t)
		v := routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_ROUTE_USED, RP: "9000", Answers: c.route.Request}
		if i%2 == 1 {
			v.Message, v.Refused = tlibpb.Message_MESSAGE_EVENT_ERROR, refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "nobody")
		}
		o.announcer.Announce(v)
		w.wait(fmt.Sprint("the answer to route ", i), func(e *tlibpb.Event) bool {
			return e.GetReferenceId() == ref && e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR
		})
		w.heard()
	}
}
