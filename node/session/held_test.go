package session

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
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
			next := o.connect(TCport, &tlibpb.OpenSession{ResumeToken: w.link.GetServer().GetSessionToken()})
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

func TestHeld_ASessionThatIsNeverOpenedGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		o.control.cfg.MaxSessions = 1
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
		if e := w.ask(agentLogin("1001", "7")); e.GetMessage() != tlibpb.Message_EVENT_ERROR || e.GetErrorCode() == tlibpb.ErrorCode_INTERNAL_ERROR {
			t.Fatalf("request %d: %v", i, e)
		}
		w.heard()
	}
}

// TestHeld_RoutesOfASession: each end of a call that was routed makes room for
// another route.
func TestHeld_RoutesOfASession(t *testing.T) {
	o := newOffice(t)
	o.control.SetRouter(&clerk{})
	router := o.connect(DefaultPort, nil)
	router.ask(registerAddress("9000", shared))
	ends := []tlibpb.Message{tlibpb.Message_EVENT_ROUTE_USED, tlibpb.Message_EVENT_RELEASED, tlibpb.Message_EVENT_QUEUED, tlibpb.Message_EVENT_ABANDONED}
	for i := range len(ends) * (maxAsked/2 + 10) {
		ref := router.post(toDN("1001"))
		w := router
		w.says("EVENT_ERROR 1001 IN_SAME_STATE", toDN("1001"))
		o.tell(ends[i%len(ends)], "1001")
		w.wait(fmt.Sprint("the answer to route ", i), func(e *tlibpb.Event) bool {
			return e.GetReferenceId() == ref && e.GetErrorCode() != tlibpb.ErrorCode_INTERNAL_ERROR
		})
		w.heard()
	}
}

// crowd is an exchange whose queues have one place.
func crowd(t *testing.T) *exchange {
	x := newExchange(t)
	x.r.places = 1
	return x
}

// TestHeld_NothingIsLeftOfAnyVisit: each way for a call to leave a routing point
// gives back its place in the queue, what it reserved, and all else.
func TestHeld_NothingIsLeftOfAnyVisit(t *testing.T) {
	answers := func(out Outcome) map[string]Outcome { return map[string]Outcome{"1003": out} }
	for name, visit := range map[string]struct {
		in      *script
		caller  time.Duration // how long it waits; 0 for ever
		free    bool          // the agent is there
		outcome int
	}{
		"an agent takes it":          {&script{answers: answers(overAtOnce())}, 0, true, 0},
		"the agent is busy":          {&script{answers: answers(Outcome{Code: 486})}, 59 * time.Second, true, 487},
		"the agent declines":         {&script{answers: answers(Outcome{Code: 603})}, 0, true, 603},
		"the agent is not reached":   {&script{answers: answers(Outcome{Code: 480, Retry: true})}, 59 * time.Second, true, 487},
		"it gives up in the queue":   {&script{}, 20 * time.Second, false, 487},
		"it gives up while it rings": {&script{}, 3 * time.Second, true, 487},
		"nobody comes":               {&script{}, 0, false, 480},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := crowd(t)
				if visit.free {
					x.table.Register("1003", dn.Registered)
				}
				for range 3 {
					ctx, cancel := context.WithCancel(t.Context())
					if visit.caller > 0 {
						ctx, cancel = context.WithTimeout(t.Context(), visit.caller)
					}
					in := &script{called: "9001", origin: trunk, answers: visit.in.answers}
					in.serve(ctx, x.r)
					cancel()
					if in.rejected != visit.outcome {
						t.Errorf("%d, want %d", in.rejected, visit.outcome)
					}
					leftover.None(t, time.Minute, x.r, leftover.But(x.calls, "call_readers"), x.control.cfg.Agents)
				}
			})
		})
	}
}

// TestHeld_ACallWithoutAPlaceIsRefused, and those that have one keep it.
func TestHeld_ACallWithoutAPlaceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := crowd(t)
		ctx, cancel := context.WithCancel(t.Context())
		first := &script{called: "9001", origin: trunk}
		go first.serve(ctx, x.r)
		<-time.After(2 * time.Second)
		second := &script{called: "9001", origin: trunk}
		second.serve(t.Context(), x.r)
		if second.rejected != 503 {
			t.Error(second.rejected)
		}
		cancel()
		leftover.None(t, time.Minute, x.r)
	})
}

// TestHeld_DeletedDNsAreForgotten by the strategy too, however many come and go.
func TestHeld_DeletedDNsAreForgotten(t *testing.T) {
	o := newOffice(t)
	r := NewRouting(RoutingConfig{Controller: o.control, Calls: o.traffic, Announcer: o.control, Log: slog.New(slog.DiscardHandler)})
	r.use("1001")
	for i := range 10 * sweepUsed {
		r.use(dn.Number(fmt.Sprint("9", i))) // not configured any more
	}
	if len(r.lastUsed) > sweepUsed || r.used("1001") == 0 {
		t.Errorf("%d DNs are remembered, 1001 was used at %d", len(r.lastUsed), r.used("1001"))
	}
}
