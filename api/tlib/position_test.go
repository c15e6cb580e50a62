package tlib_test

import (
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
)

// What a session's monitor is resumed behind is the place up to which its
// snapshot and all behind it were told: nothing of before its end counts, nor
// anything of another incarnation, of DNs or of calls.
func TestReconnect_PlacesOfAMonitor(t *testing.T) {
	ends := func(l *link, m *tlibpb.ClientMessage, seq uint64) {
		l.says(seq, answering(m.GetReferenceId(), tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT)))
	}
	restarted := &tlibpb.ServerInfo{Node: "sip1", Incarnation: 8}
	for name, tc := range map[string]struct {
		first func(l *link, m *tlibpb.ClientMessage)
		again *tlibpb.ServerInfo
		// then is what the second connection says before it is lost too.
		then       func(l *link, m *tlibpb.ClientMessage)
		want, last string
		open       string // the cursor with which the last session is opened
	}{
		"its snapshot did not end": {
			func(l *link, _ *tlibpb.ClientMessage) { l.says(6) }, sip1, func(l *link, _ *tlibpb.ClientMessage) { l.says(7) },
			"monitor sales ", "monitor sales ", "7",
		},
		"it ended": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, sip1, func(*link, *tlibpb.ClientMessage) {},
			"monitor sales 6", "monitor sales 6", "6",
		},
		"the node is another one since": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, restarted, func(*link, *tlibpb.ClientMessage) {},
			"monitor sales 6", "monitor sales 6", "",
		},
		"and has told everything again": {
			func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 4); l.says(6) }, restarted, func(l *link, m *tlibpb.ClientMessage) { ends(l, m, 2) },
			"monitor sales 6", "monitor sales 2", "2",
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
				if string(open.GetResumeCursor()) != tc.open {
					t.Errorf("the session is opened behind %q, want %q", open.GetResumeCursor(), tc.open)
				}
			})
		})
	}
}
