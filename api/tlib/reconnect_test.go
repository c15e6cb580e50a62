package tlib_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
)

var errGone = status.Error(codes.Unavailable, "the node stops")

// standing is a client that has registered 1001 and 1002 and monitors all; the
// node told it everything up to 5.
func standing(ns *nodes) (*tlib.Client, *link) {
	c, l := connected(ns, tlib.Options{})
	go func() {
		for range 3 {
			l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_REGISTERED))
		}
		l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_UNREGISTERED))
		m := l.wants()
		l.says(4, answering(m.GetReferenceId(), tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)))
		l.says(5, told("1005", 5))
	}()
	for _, dn := range []string{"1002", "1003", "1001"} {
		if _, err := c.RegisterAddress(ns.t.Context(), dn, tlibpb.AddressMode_ADDRESS_MODE_PRIVATE); err != nil {
			ns.t.Fatal(err)
		}
	}
	if _, err := c.UnregisterAddress(ns.t.Context(), "1003"); err != nil {
		ns.t.Fatal(err)
	}
	if err := c.MonitorAll(ns.t.Context(), &tlibpb.MonitorFilter{Group: "sales"}); err != nil {
		ns.t.Fatal(err)
	}
	wantNext(ns.t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
	wantNext(ns.t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
	l.says(6) // nothing happened, up to 6
	synctest.Wait()
	return c, l
}

// asks are the requests that a client begins its session with.
func (l *link) asks(n int) string {
	var all []string
	for range n {
		switch b := l.wants().GetBody().(type) {
		case *tlibpb.ClientMessage_RegisterAddress:
			all = append(all, fmt.Sprintf("register %s %d", b.RegisterAddress.GetDn(), b.RegisterAddress.GetMode()))
		case *tlibpb.ClientMessage_MonitorAll:
			all = append(all, fmt.Sprintf("monitor %s %s", b.MonitorAll.GetFilter().GetGroup(), b.MonitorAll.GetResumeCursor()))
		default:
			all = append(all, fmt.Sprintf("%T", b))
		}
	}
	return strings.Join(all, ", ")
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReconnect_ResumesTheSessionAtTheSameNode(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := standing(ns)
		defer c.Close()
		l.over <- errGone
		l, open := ns.at["a"].greets(sip1, true)
		if open.GetResumeToken() != "token of sip1" || string(open.GetResumeCursor()) != "6" {
			t.Errorf("opened with %v", open)
		}
		wants(t, l.asks(1), "monitor sales 6")
		if e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED); e.GetServer().GetNode() != "sip1" || !strings.Contains(e.GetLinkDisconnected().GetText(), "the node stops") || time.Since(e.GetTime().AsTime()) > time.Second {
			t.Error(e)
		}
		if e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED); !e.GetResumed() || e.GetLinkConnected().GetSessionToken() != "" || e.GetReferenceId() != 0 {
			t.Error(e)
		}
	})
}

func TestReconnect_RegistersAgainWhereTheSessionIsNotKnown(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, _ := standing(ns)
		defer c.Close()
		ns.stop("a")
		l, open := ns.at["b"].greets(&tlibpb.ServerInfo{Node: "sip2", Incarnation: 9}, false)
		if open.GetResumeToken() != "" {
			t.Error("another node is told the token")
		}
		wants(t, l.asks(3), "register 1001 2, register 1002 2, monitor sales 6")
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		if c.Server().GetNode() != "sip2" {
			t.Error(c.Server())
		}
	})
}

func TestReconnect_AnswersOfWhatIsAskedAgainAreEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := standing(ns)
		defer c.Close()
		l.over <- errGone
		l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
		l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_REGISTERED))
		l.answers(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, ""))
		ref := l.wants().GetReferenceId()
		row := told("1001", 0)
		row.Snapshot = true
		l.says(0, row)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_REGISTERED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_ERROR)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)

		// The snapshot did not end: the next session can't go on behind it, but
		// the place before is as good as it was.
		l.over <- errGone
		l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
		wants(t, l.asks(3), "register 1001 2, register 1002 2, monitor sales 6")
		l.says(3, answering(ref+3, tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)))
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
		l.says(0, told("1001", 4)) // a message without a place
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		l.over <- errGone
		l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
		wants(t, l.asks(3), "register 1001 2, register 1002 2, monitor sales 3")
	})
}

func TestReconnect_RequestsOnTheWayHaveAnUnknownOutcome(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		go func() {
			l.wants()
			ns.stop("b")
			ns.stop("a")
		}()
		if _, err := c.AgentReady(t.Context(), "1001", 0, nil); !errors.Is(err, tlib.ErrUnknownOutcome) {
			t.Error(err)
		}
		if _, err := c.AgentReady(t.Context(), "1001", 0, nil); !errors.Is(err, tlib.ErrNotConnected) {
			t.Error(err)
		}
	})
}

func TestReconnect_ASilentNodeIsLeftAfter3s(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		heard := time.NewTicker(time.Second)
		defer heard.Stop()
		for range 10 {
			<-heard.C
			l.says(0)
		}
		began := time.Now()
		e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("after %v: %v", d, e)
		}
		ns.at["b"].greets(&tlibpb.ServerInfo{Node: "sip2"}, false) // "a" hangs, it comes last
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("the other node was asked %v after the last word of the first", d)
		}
	})
}

func TestReconnect_PausesGrowTo5s(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, _ := connected(ns, tlib.Options{})
		defer c.Close()
		ns.stop("b")
		ns.stop("a")
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		minute := time.NewTimer(time.Minute)
		<-minute.C
		began := time.Now()
		ns.start("b").greets(sip1, false)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("connected %v after the node was there", d)
		}
		if n := ns.dials(); n < 20 || n > 80 {
			t.Errorf("dialled %d times in a minute", n)
		}
	})
}

func TestReconnect_ANodeThatEndsEverySessionIsNotStormed(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		began := time.Now()
		for range 10 {
			l.over <- errGone
			l, _ = ns.at["a"].greets(sip1, false)
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		}
		if d := time.Since(began); d < 10*time.Second {
			t.Errorf("10 sessions in %v", d)
		}
	})
}

// Pauses that grew while a node was in trouble are forgotten once a session stood.
func TestReconnect_PausesBeginAnewBehindASessionThatStood(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		ends := func() time.Duration {
			began := time.Now()
			l.over <- errGone
			l, _ = ns.at["a"].greets(sip1, false)
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
			return time.Since(began)
		}
		var grown time.Duration
		for range 10 {
			grown = ends()
		}
		for range 8 {
			second := time.NewTimer(time.Second)
			<-second.C
			l.says(0) // a node that is silent is left
		}
		ends()
		if again := ends(); grown < 2*time.Second || again > time.Second {
			t.Errorf("a pause of %v behind ten hasty sessions, and of %v behind one that stood", grown, again)
		}
	})
}

func TestNoReconnect_TheLostConnectionEndsTheClient(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{NoReconnect: true})
		defer c.Close()
		l.says(1, told("1001", 1))
		l.over <- errGone
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		if _, err := c.Next(t.Context()); !errors.Is(err, tlib.ErrClosed) || !strings.Contains(err.Error(), "the node stops") {
			t.Error(err)
		}
		if _, err := c.QueryServer(t.Context()); !errors.Is(err, tlib.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestStopMonitor_IsNotAskedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := standing(ns)
		defer c.Close()
		go l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT))
		if err := c.StopMonitor(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.over <- errGone
		l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
		wants(t, l.asks(2), "register 1001 2, register 1002 2")
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
	})
}

// A DN that another client has taken over is not taken back by a lost connection.
func TestReconnect_LeavesWhatAnotherClientHasTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := standing(ns)
		defer c.Close()
		l.says(7, &tlibpb.Event{ThisDn: "1002", Body: &tlibpb.Event_Unregistered{Unregistered: &tlibpb.EventUnregistered{Superseded: true}}})
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_UNREGISTERED)
		l.over <- errGone
		l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
		wants(t, l.asks(2), "register 1001 2, monitor sales 7")
	})
}
