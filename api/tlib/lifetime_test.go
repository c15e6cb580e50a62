package tlib_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
	"github.com/sipcluster/sipcluster/internal/patience"
)

var sip2 = &tlibpb.ServerInfo{Node: "sip2", Incarnation: 9}

func TestDial_NamesEveryNodeThatRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ns.stop("a")
		ns.stop("b")
		_, err := tlib.Dial(t.Context(), "a", tlib.Options{More: []string{"b"}, DialOptions: ns.options()})
		if err == nil || !strings.Contains(err.Error(), "the node at a: ") || !strings.Contains(err.Error(), "the node at b: ") {
			t.Error(err)
		}
	})
}

// The context bounds the dialling: it ends with it, whatever addresses are left,
// and a session that was opened goes on.
func TestDial_TheContextIsOfTheDiallingAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := tlib.Dial(ctx, "a", tlib.Options{More: []string{"b"}, DialOptions: ns.options()})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second || strings.Contains(err.Error(), "at b") || ns.dials() != 1 {
			t.Errorf("after %v and %d dials: %v", time.Since(began), ns.dials(), err)
		}
		<-ns.at["a"].links

		ctx, cancel = context.WithCancel(t.Context())
		greeted := make(chan *link, 1)
		go func() {
			l, _ := ns.at["a"].greets(sip1, false)
			greeted <- l
		}()
		c, err := ns.dialling(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		l := <-greeted
		cancel()
		synctest.Wait()
		l.says(1, told("1001", 1))
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
	})
}

func TestDial_DefaultsAreThoseThatAreSaid(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		var l *link
		var open *tlibpb.OpenSession
		c := ns.client(tlib.Options{}, func() { l, open = ns.at["a"].greets(sip1, false) })
		defer c.Close()
		if open.GetApplication() != "tlib" {
			t.Errorf("opened as %q", open.GetApplication())
		}
		answered := func(events int) error {
			for range events {
				l.says(0, told("1001", 0))
			}
			go l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.QueryAddress(ctx, "1001")
			return err
		}
		if err := answered(1024); err != nil {
			t.Errorf("behind 1024 events: %v", err)
		}
		if err := answered(1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("behind 1025 events: %v", err)
		}
	})
}

// What comes along with EventLinkConnected is not lost, and nothing else opens a
// session.
func TestDial_TheFirstWord(t *testing.T) {
	up := tlibtest.LinkConnected(sip1, "secret", false)
	for name, tc := range map[string]struct {
		says []*tlibpb.Event
		want string
	}{
		"with events": {[]*tlibpb.Event{up, told("1001", 1), told("1002", 2)}, "1001 1002"},
		"another":     {[]*tlibpb.Event{told("1001", 1)}, "its first word is not EventLinkConnected"},
		"none":        {nil, "its first word is not EventLinkConnected"},
		"a refusal": {[]*tlibpb.Event{tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "too long")},
			"no session with the node at a: too long"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ns *nodes) {
				go func() {
					l := <-ns.at["a"].links
					l.wants()
					l.says(2, tc.says...)
				}()
				c, err := ns.dialling(t.Context())
				if err != nil {
					if !strings.Contains(err.Error(), tc.want) {
						t.Error(err)
					}
					return
				}
				defer c.Close()
				for _, dn := range strings.Fields(tc.want) {
					if e := wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE); e.GetThisDn() != dn {
						t.Error(e)
					}
				}
			})
		})
	}
}

// Close waits for the node, not for long, and for nobody else.
func TestClose_EndsInEveryState(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*testing.T, *nodes, *tlib.Client, *link)
		within time.Duration
	}{
		"the node does not answer": {func(*testing.T, *nodes, *tlib.Client, *link) {}, time.Second},
		"nobody reads": {func(_ *testing.T, _ *nodes, _ *tlib.Client, l *link) {
			l.says(3, told("1001", 1), told("1002", 2), told("1003", 3))
			go l.untilGone()
			synctest.Wait()
		}, 0},
		"no node is there": {func(t *testing.T, ns *nodes, c *tlib.Client, _ *link) {
			ns.stop("b")
			ns.stop("a")
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
			synctest.Wait()
		}, 0},
		"a node hangs that is dialled": {func(t *testing.T, ns *nodes, c *tlib.Client, l *link) {
			l.over <- errGone
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
			<-ns.at["a"].links
			synctest.Wait()
		}, time.Second},
		"nobody reads that the node is gone": {func(_ *testing.T, ns *nodes, _ *tlib.Client, l *link) {
			l.says(2, told("1001", 1), told("1002", 2))
			synctest.Wait()
			ns.stop("b")
			ns.stop("a")
			synctest.Wait()
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ns *nodes) {
				c, l := connected(ns, tlib.Options{Queue: 2})
				tc.before(t, ns, c, l)
				began := time.Now()
				if err := c.Close(); err != nil || time.Since(began) != tc.within {
					t.Errorf("closed after %v, want %v: %v", time.Since(began), tc.within, err)
				}
				for n := 0; ; n++ {
					if _, err := c.Next(t.Context()); errors.Is(err, tlib.ErrClosed) {
						break
					} else if err != nil || n > 3 {
						t.Fatalf("behind the end: %v", err)
					}
				}
				if _, err := c.QueryAddress(t.Context(), "1001"); !errors.Is(err, tlib.ErrClosed) || errors.Is(err, tlib.ErrNotConnected) {
					t.Error(err)
				}
			})
		})
	}
}

// untilGone ends the session when the client has ended its side.
func (l *link) untilGone() {
	for range l.in { // until the end
	}
	l.over <- nil
}

// A reader that takes its time is no silent node.
func TestNext_AFullQueueIsNoSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{Queue: 1})
		defer c.Close()
		l.says(3, told("1001", 1), told("1002", 2), told("1003", 3))
		minute := time.NewTimer(time.Minute)
		<-minute.C
		for range 3 {
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		}
		l.says(4, told("1004", 4))
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
	})
}

func TestNext_EndsWithItsContextButNotBeforeAnEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		for i := range 20 {
			l.says(0, told("1001", uint64(i)))
		}
		synctest.Wait()
		n := 0
		for _, err := range c.Events(ctx) {
			if n++; err != nil || n == 15 {
				break // the rest stays
			}
		}
		if n != 15 {
			t.Errorf("%d events came although the context was over", n)
		}
		for range 5 {
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		}
	})
}

// A request that the node has no room for ends with its context, and says that
// it was not sent.
func TestRequest_ThatCannotBeSentEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		heard := time.AfterFunc(2*time.Second, func() { l.says(0) })
		defer heard.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began, sent, not := time.Now(), 0, 0
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				_, err := c.QueryAddress(ctx, strings.Repeat("1", 10_000))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case !errors.Is(err, context.DeadlineExceeded):
					t.Error(err)
				case errors.Is(err, tlib.ErrUnknownOutcome):
					sent++
				case strings.Contains(err.Error(), "not sent"):
					not++
				}
			})
		}
		patience.Done(t, "the end of the requests", all.Wait)
		if time.Since(began) != time.Second || sent < 100 || not == 0 || sent+not != 200 {
			t.Errorf("after %v, %d were sent and %d not", time.Since(began), sent, not)
		}
		for range sent + 1 { // what waits to be written goes on
			patience.Receive(t, "a request that was sent", l.in)
		}
	})
}

// The address of the last session is tried first, the others in their order; only
// there the node hears the session's secret.
func TestReconnect_TheLastNodeIsAskedFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		ns.stop("a")
		var l *link
		c := ns.client(tlib.Options{}, func() { l, _ = ns.at["b"].greets(sip2, false) })
		defer c.Close()
		a := ns.start("a")
		l.says(5)
		synctest.Wait()
		l.over <- errGone
		l, open := ns.at["b"].greets(sip2, true)
		if open.GetResumeToken() != "token of sip2" || string(open.GetResumeCursor()) != "5" {
			t.Errorf("opened with %v", open)
		}
		if len(a.links) != 0 {
			t.Error("another node was asked before")
		}
		ns.stop("b")
		_, open = a.greets(sip1, false)
		if open.GetResumeToken() != "" || len(open.GetResumeCursor()) != 0 {
			t.Errorf("opened with %v at another node", open)
		}
	})
}

// What is asked again is what was granted and is still wished for.
func TestReconnect_AsksForWhatCounts(t *testing.T) {
	up := tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_REGISTERED)
	refusal := tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "")
	ended := tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
	register := func(dn string, mode tlibpb.AddressMode) func(context.Context, *tlib.Client) {
		return func(ctx context.Context, c *tlib.Client) { _, _ = c.RegisterAddress(ctx, dn, mode) }
	}
	monitor := func(group string) func(context.Context, *tlib.Client) {
		return func(ctx context.Context, c *tlib.Client) {
			_ = c.MonitorAll(ctx, &tlibpb.MonitorFilter{Group: group})
		}
	}
	type step struct {
		ask    func(context.Context, *tlib.Client)
		answer *tlibpb.Event
		seq    uint64
	}
	for name, tc := range map[string]struct {
		steps []step
		want  []string
	}{
		"a refused registration": {[]step{{register("1001", 1), refusal, 0}, {register("1002", 1), up, 0}}, []string{"register 1002 1"}},
		"the last mode":          {[]step{{register("1001", 1), up, 0}, {register("1001", 3), up, 0}}, []string{"register 1001 3"}},
		"a refused other mode":   {[]step{{register("1001", 1), up, 0}, {register("1001", 3), refusal, 0}}, []string{"register 1001 1"}},
		"a refused monitor":      {[]step{{register("1001", 1), up, 0}, {monitor("sales"), refusal, 0}}, []string{"register 1001 1"}},
		"the last monitor, behind nothing of the one before": {[]step{{monitor("sales"), ended, 4}, {monitor("support"), nil, 6}}, []string{"monitor support "}},
		"the last monitor, whose snapshot ended":             {[]step{{monitor("sales"), ended, 4}, {monitor("support"), ended, 6}}, []string{"monitor support 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ns *nodes) {
				c, l := connected(ns, tlib.Options{})
				defer c.Close()
				for _, s := range tc.steps {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					asked := make(chan struct{})
					go func() {
						defer close(asked)
						s.ask(ctx, c)
					}()
					m := l.wants()
					if s.answer != nil {
						l.says(s.seq, answering(m.GetReferenceId(), proto.CloneOf(s.answer)))
					} else {
						l.says(s.seq)
					}
					<-asked
					cancel()
				}
				synctest.Wait()
				l.over <- errGone
				l, _ = ns.at["a"].greets(&tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}, false)
				wants(t, l.asks(len(tc.want)), strings.Join(tc.want, ", "))
				synctest.Wait()
				if len(l.in) != 0 {
					t.Errorf("and more: %v", <-l.in)
				}
			})
		})
	}
}

// What answers nothing that is asked is an event: a second answer, the row of a
// snapshot that nobody waits for.
func TestNext_WhatAnswersNothingIsAnEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{})
		defer c.Close()
		row := told("1001", 0)
		row.Snapshot = true
		l.says(0, row)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE)
		go func() {
			m := l.answers(tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO))
			for range 2 {
				l.says(0, answering(m.GetReferenceId(), tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO)))
			}
		}()
		if _, err := c.QueryAddress(t.Context(), "1001"); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_ADDRESS_INFO)
		}
	})
}

// The refusal of a monitor that was replaced meanwhile says nothing to anybody.
func TestReconnect_TheRefusalOfAReplacedMonitorIsNoEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := standing(ns)
		defer c.Close()
		l.over <- errGone
		l, _ = ns.at["a"].greets(sip1, true)
		again := l.wants()
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED)
		wantNext(t, c, tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED)
		go func() {
			m := l.wants()
			l.says(0, answering(again.GetReferenceId(), tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_ERROR)))
			l.says(7, answering(m.GetReferenceId(), tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)))
		}()
		if err := c.MonitorAll(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		wantNext(t, c, tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)
	})
}

func TestNoReconnect_SaysThatTheNodeEndedTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T, ns *nodes) {
		c, l := connected(ns, tlib.Options{NoReconnect: true})
		defer c.Close()
		l.over <- nil
		if _, err := c.Next(t.Context()); !errors.Is(err, tlib.ErrClosed) || !strings.Contains(err.Error(), "the node ended the session") {
			t.Error(err)
		}
	})
}
