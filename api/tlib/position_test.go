package tlib_test

import (
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// What a session's monitor is resumed behind is the place up to which its
// snapshot and all behind it were told: nothing of before its end counts, nor
// anything of another incarnation, of DNs or of calls.
func TestReconnect_PlacesOfAMonitor(t *testing.T) {
	ends := func(l *link, m *tlibpb.ClientMessage, seq uint64) {
		l.says(seq, &tlibpb.Event{Message: tlibpb.Message_MESSAGE_END_OF_SNAPSHOT, ReferenceId: m.GetReferenceId()})
	}
	restarted := &tlibpb.ServerInfo{Node: "sip1", Incarnation: 8, SessionToken: "new"}
	for name, tc := range map[string]struct {
		first func(l *link, m *tlibpb.ClientMessage)
		again *tlibpb.ServerInfo
		// then is what the second connection says before it is lost too.
		then       func(l *link, m *tlibpb.ClientMessage)
		want, last string
		open       uint64 // the call position with which the last session is opened
	}{
		"its snapshot did not end": {
			func(l *link, _ *tlibpb.ClientMessage) { l.says(6) }, sip1, func(l *link, _ *tlibpb.ClientMessage) { l.says(7) },
			"monitor sales 0 0 0", "monitor sales 0 0 0", 70,
		},
		"it ended": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, sip1, func(*link, *tlibpb.ClientMessage) {},
			"monitor sales 7 6 60", "monitor sales 7 6 60", 60,
		},
		"the node is another one since": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, restarted, func(*link, *tlibpb.ClientMessage) {},
			"monitor sales 7 6 60", "monitor sales 7 6 60", 0,
		},
		"and has told everything again": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, restarted, func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 2) },
			"monitor sales 7 6 60", "monitor sales 8 2 20", 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, ns *nodes) {
				c, l := connected(ns, tlib.Options{})
				defer c.Close()
				go func() { _ = c.MonitorAll(t.Context(), &tlibpb.MonitorFilter{Group: "sales"}) }()
				tc.first(l, l.wants())
				synctest.Wait()
				l.over <- errGone
				l, _ = ns.at["a"].greets(tc.again, tc.again == sip1)
				m := l.wants()
				l.in <- m
				wants(t, l.asks(1), tc.want)
				tc.then(l, m)
				synctest.Wait()
				l.over <- errGone
				l, open := ns.at["a"].greets(tc.again, true)
				wants(t, l.asks(1), tc.last)
				if open.GetResumeCallSeq() != tc.open {
					t.Errorf("the session is opened behind %d of the calls, want %d", open.GetResumeCallSeq(), tc.open)
				}
			})
		})
	}
}
