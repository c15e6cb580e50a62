package tlib_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
	"github.com/sipcluster/sipcluster/internal/patience"
)

var sip1 = &tlibpb.ServerInfo{Node: "sip1", Site: "dc1", Incarnation: 7, Port: tlibpb.Port_PORT_TCPORT}

// connected is a client of the node at "a".
func connected(ns *nodes, opts tlib.Options) (*tlib.Client, *link) {
	ns.t.Helper()
	var l *link
	c := ns.client(opts, func() { l, _ = ns.at["a"].greets(sip1, false) })
	return c, l
}

func TestDial_OpensTheSessionAndKnowsTheNode(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		var open *tlibpb.OpenSession
		c := ns.client(tlib.Options{Application: "board"}, func() { _, open = ns.at["a"].greets(sip1, false) })
		defer c.Close()
		if open.GetApplication() != "board" || open.GetResumeToken() != "" {
			t.Errorf("opened with %v", open)
		}
		if s := c.Server(); s.GetNode() != "sip1" {
			t.Errorf("the node is %v", s)
		}
	})
}

func TestDial_TakesTheNextAddressAndSaysWhyNone(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ns.stop("a")
		c := ns.client(tlib.Options{}, func() { ns.at["b"].greets(&tlibpb.ServerInfo{Node: "sip2"}, false) })
		if c.Server().GetNode() != "sip2" {
			t.Error(c.Server())
		}
		c.Close()
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	_, err := tlib.Dial(ctx, "127.0.0.1:1", tlib.Options{})
	if err == nil || status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
}

func TestDial_ARefusalIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ns.stop("b")
		go func() {
			l := <-ns.at["a"].links
			l.answers(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "application is too long"))
		}()
		err := failsToDial(t, ns)
		var refused *tlib.Error
		if !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE {
			t.Error(err)
		}
	})
}

func TestDial_GivesASilentNodeUp(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ns.stop("b")
		began := time.Now()
		err := failsToDial(t, ns)
		if err == nil || time.Since(began) != 3*time.Second {
			t.Error(err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ns.dialling(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestRequest_AnswersArePairedAndAreNoEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		go func() {
			var asked []*tlibpb.ClientMessage
			for range 3 {
				asked = append(asked, l.wants())
			}
			for i := range asked { // backwards, with an event between
				m := asked[2-i]
				l.says(0, told("1009", 1), answering(m.GetReferenceId(), tlibtest.About(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO, m.GetQueryAddress().GetDn())))
			}
		}()
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				dn := fmt.Sprint(1001 + i)
				if e, err := c.QueryAddress(t.Context(), dn); err != nil || e.GetThisDn() != dn {
					t.Errorf("asked about %s: %v, %v", dn, e, err)
				}
			})
		}
		wg.Wait()
		for range 3 {
			if e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE); e.GetThisDn() != "1009" {
				t.Error(e)
			}
		}
	})
}

func TestRequest_EventErrorIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		go l.answers(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN 1001 is reserved"))
		_, err := c.ReserveAgent(t.Context(), "1001", 30*time.Second, 1)
		var refused *tlib.Error
		if !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED || refused.Text != "DN 1001 is reserved" {
			t.Error(err)
		}
		if _, err := c.ReserveAgent(t.Context(), "1001", 2*time.Hour, 1); !errors.As(err, &refused) || refused.Code != tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE {
			t.Error(err)
		}
	})
}

func TestRouteCall_ReturnsWhenTheCallLeaves(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		go func() {
			m := l.wants()
			used := &tlibpb.Event{Body: &tlibpb.Event_RouteUsed{RouteUsed: &tlibpb.EventRouteUsed{
				Call: &tlibpb.Call{ConnId: m.GetRouteCall().GetConnId()}, ThirdPartyDn: m.GetRouteCall().GetDn(),
			}}}
			l.says(0, answering(m.GetReferenceId(), used), tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_DIVERTED))
		}()
		e, err := c.RouteCall(t.Context(), &tlibpb.RouteCall{ConnId: "00000000000000aa", Destination: &tlibpb.RouteCall_Dn{Dn: "1001"}})
		if err != nil || e.GetRouteUsed().GetThirdPartyDn() != "1001" {
			t.Error(e, err)
		}
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DIVERTED)
	})
}

func TestRequest_ALateAnswerIsAnEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := c.AgentReady(ctx, "1001", 0, nil)
		if !errors.Is(err, tlib.ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		l.answers(tlibtest.About(tlibpb.Message_MESSAGE_EVENT_AGENT_READY, "1001"))
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_AGENT_READY)
	})
}

func TestMonitorAll_ReturnsAtTheFirstRow(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{Queue: 1})
		defer c.Close()
		go func() {
			ref := l.wants().GetReferenceId()
			for i := range 10 {
				row := told(fmt.Sprint(1001+i), 0)
				row.Snapshot = true
				l.says(0, row)
			}
			l.says(5, answering(ref, tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)))
		}()
		if err := c.MonitorAll(t.Context(), &tlibpb.MonitorFilter{Group: "sales"}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		}
		wantNext(t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
	})
}

func TestNext_ASlowReaderHoldsTheNodeUpAndLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{Queue: 10})
		defer c.Close()
		const all = 20_000
		var sent int
		done := make(chan struct{})
		go func() {
			defer close(done)
			for sent < all {
				e := told("1001", uint64(sent+1))
				e.Site = strings.Repeat("x", 100)
				l.says(uint64(sent+1), e)
				sent++
			}
		}()
		synctest.Wait()
		if sent == all || sent > 5_000 {
			t.Errorf("%d of %d events were taken from the node, and nobody reads them", sent, all)
		}
		for i := range all {
			if e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE); e.GetSeq() != uint64(i+1) {
				t.Fatalf("event %d comes as number %d", e.GetSeq(), i+1)
			}
		}
		patience.Receive(t, "the end of the reader", done)
	})
}

func TestNext_AnswersPassAQueueWithRoomAndWaitForAFullOne(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{Queue: 2})
		defer c.Close()
		l.says(1, told("1001", 1))
		go l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO))
		if _, err := c.QueryAddress(t.Context(), "1001"); err != nil {
			t.Error("with room: ", err)
		}
		l.says(3, told("1002", 2), told("1003", 3))
		go l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.QueryAddress(ctx, "1001"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error("full: ", err)
		}
		for range 3 {
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		}
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO)
	})
}

func TestClose_EndsTheSessionInGoodOrder(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		l.says(1, told("1001", 1))
		synctest.Wait()
		go func() {
			for range l.in { // until the client's end
			}
			l.over <- nil
		}()
		began := time.Now()
		c.Close()
		c.Close()
		if d := time.Since(began); d > 0 {
			t.Errorf("took %v although the node ended its side", d)
		}
		if _, err := c.QueryServer(t.Context()); !errors.Is(err, tlib.ErrClosed) {
			t.Error(err)
		}
		var got []string
		for e, err := range c.Events(t.Context()) {
			got = append(got, e.GetThisDn(), fmt.Sprint(err))
		}
		if s := strings.Join(got, " "); s != "1001 <nil>  the session is closed" {
			t.Error(s)
		}
	})
}

func TestEventName_IsTheTLibrarys(t *testing.T) {
	for m, want := range map[tlibpb.Message]string{
		tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE: "EventDNBackInService", tlibpb.Message_MESSAGE_EVENT_ERROR: "EventError",
		tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY: "EventAgentNotReady", tlibpb.Message_MESSAGE_END_OF_SNAPSHOT: "EndOfSnapshot", 7: "7",
	} {
		if got := tlib.EventName(m); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// dialling dials "a" alone.
func (ns *nodes) dialling(ctx context.Context) (*tlib.Client, error) {
	return tlib.Dial(ctx, "a", tlib.Options{DialOptions: ns.options()})
}

func failsToDial(t *testing.T, ns *nodes) error {
	t.Helper()
	c, err := ns.dialling(t.Context())
	if err == nil {
		c.Close()
		t.Error("connected")
	}
	return err
}
