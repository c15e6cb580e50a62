package watch

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// onBoard is a DN in service with an agent.
func onBoard(dn, agent string, state tcpb.AgentState) *tcpb.DNEvent {
	return &tcpb.DNEvent{
		Dn: dn, State: view.InSrv, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_REGISTERED, Time: clienttest.Since, Seq: 9, Routable: true,
		Agent: &tcpb.AgentStatus{Id: agent, State: state, WorkMode: 2, Reasons: map[string]string{"floor": "2"}, Since: timestamppb.New(clienttest.Noon.Add(-4 * time.Second))},
	}
}

const ready = tcpb.AgentState_AGENT_STATE_READY

func TestWatchJSON_IsAContract(t *testing.T) {
	e := onBoard("1001", "7001", ready)
	e.Change, e.Busy = tcpb.Change_CHANGE_AGENT, true
	e.DoNotDisturb, e.Uses = true, &tcpb.Uses{Up: 1, Ringing: 2, Reserved: 3}
	e.CoolDown = &tcpb.CoolDown{Ends: clienttest.Since, Reason: tcpb.CoolDownReason_COOL_DOWN_REASON_NO_ANSWER}
	clienttest.Same(t, clienttest.Line(t, newWatchJSON(e)), `{"event":"EventAgentReady","dn":"1001","state":"InSrv","owner":"sip1","site":"dc1","reason":"registered","time":"2026-11-22T11:59:56Z","seq":9,`+
		`"routable":true,"busy":true,"reserved":false,"agent":{"id":"7001","state":"ready","work_mode":"auto-in","reasons":{"floor":"2"},"since":"2026-11-22T11:59:56Z"},`+
		`"do_not_disturb":true,"cool_down":{"ends":"2026-11-22T11:56:48Z","reason":"no-answer"},"uses":{"up":1,"ringing":2,"reserved":3}}`+"\n")
	clienttest.Same(t, clienttest.Line(t, newWatchJSON(&tcpb.DNEvent{Dn: "1002", State: view.OOS, Snapshot: true})),
		`{"event":"EventDNOutOfService","dn":"1002","state":"OOS","owner":"","site":"","reason":"","time":"","seq":0,"routable":false,"busy":false,"reserved":false,"snapshot":true,"do_not_disturb":false,"cool_down":null,"uses":{"up":0,"ringing":0,"reserved":0}}`+"\n")
	for state, want := range map[tcpb.AgentState]string{
		tcpb.AgentState_AGENT_STATE_LOGGED_IN: "EventAgentLogin", tcpb.AgentState_AGENT_STATE_NOT_READY: "EventAgentNotReady",
		tcpb.AgentState_AGENT_STATE_LOGGED_OUT: "EventAgentLogout", ready: "EventAgentReady",
	} {
		e := onBoard("1001", "7001", state)
		e.Change = tcpb.Change_CHANGE_AGENT
		clienttest.Same(t, watchEventName(e), want)
		e.Change = tcpb.Change_CHANGE_USE
		clienttest.Same(t, watchEventName(e), "UseChanged")
		e.Snapshot = true
		clienttest.Same(t, watchEventName(e), "EventDNBackInService")
	}
}

func TestEventLines_ForPeople(t *testing.T) {
	c, out := clienttest.Plain()
	l := newEventLines(c.Console, &tcpb.WatchRequest{})
	row := onBoard("1001", "7001", ready)
	row.Snapshot = true
	change := &tcpb.DNEvent{Dn: "1001", State: view.OOS, Owner: "sip1", Site: "dc1", Reason: tcpb.Reason_REASON_PEER_LOST, Busy: true}
	for _, err := range []error{l.Event(row), l.EndOfSnapshot(9), l.Event(change)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	clock := clienttest.Noon.Local().Format("15:04:05.000")
	clienttest.Same(t, out.String(), `TIME          EVENT                 STATE    DN            OWNER     SITE      USE       REASON        AGENT / CALL
-             EventDNBackInService  ● InSrv  1001          sip1      dc1       -         registered    7001 ready, auto-in
-- end of snapshot; changes follow --
`+clock+`  EventDNOutOfService   ○ OOS    1001          sip1      dc1       busy      peer-lost     -
`)
}

// boardOf has 1001 to 1003, of which 1002 is out of service.
func boardOf(height int, req *tcpb.WatchRequest) *board {
	b := newBoard(&bytes.Buffer{}, func() time.Time { return clienttest.Noon }, func() int { return height }, false, req)
	b.Started(&tcpb.WatchStarted{Node: "sip1"})
	b.list = func(add func(*tcpb.DNStatus) error) error {
		_ = add(&tcpb.DNStatus{Dn: "1001", State: view.InSrv, Since: clienttest.Since})
		return add(&tcpb.DNStatus{Dn: "1002", State: view.OOS})
	}
	for _, e := range []*tcpb.DNEvent{onBoard("1003", "7003", tcpb.AgentState_AGENT_STATE_NOT_READY), onBoard("1001", "7001", ready)} {
		_ = b.Event(e)
	}
	_ = b.EndOfSnapshot(9)
	return b
}

// screenText is the picture without the terminal's codes.
func screenText(b *board) string {
	return strings.NewReplacer(boardHome, "", "\x1b[K", "", restGone, "").Replace(string(b.picture()))
}

func TestBoard_ShowsEveryDNInOrder(t *testing.T) {
	clienttest.Same(t, screenText(boardOf(24, &tcpb.WatchRequest{})), `seen from sip1   DNs 3   in service 2   agents ready 1   routable 2   calls 0

DN    STATE    FOR    OWNER  SITE  REASON      AGENT                    FOR  USE  ROUTABLE  CALL  WITH  FOR
1001  ● InSrv  3m12s  sip1   dc1   registered  7001 ready, auto-in      4s   -    yes       -     -     -
1002  ○ OOS    -      -      -     -           -                        -    -    no        -     -     -
1003  ● InSrv  3m12s  sip1   dc1   registered  7003 not-ready, auto-in  4s   -    yes       -     -     -`)
}

func TestBoard_ASmallScreenShowsWhatIsInService(t *testing.T) {
	got := screenText(boardOf(6, &tcpb.WatchRequest{}))
	if strings.Contains(got, "1002") || !strings.HasSuffix(got, "\n... and 1 more; narrow the list with --group, --owner or --own") || strings.Count(got, "\n") != 5 {
		t.Error(got)
	}
}

func TestBoard_ASnapshotEndsWhatItDoesNotHave(t *testing.T) {
	b := boardOf(24, &tcpb.WatchRequest{})
	b.Lost(client.ErrNobody)
	if head := b.head(); !strings.HasSuffix(head, "   no sipcluster node answers; reconnecting") {
		t.Error(head)
	}
	b.Found()
	b.Started(&tcpb.WatchStarted{Node: "sip1"})
	_ = b.Event(onBoard("1001", "7001", ready))
	_ = b.EndOfSnapshot(9)
	if got := screenText(b); strings.Contains(got, "1003") || strings.Contains(got, "trying") || !strings.Contains(got, "DNs 2 ") {
		t.Error(got)
	}
	b.Started(&tcpb.WatchStarted{Node: "sip1", Resumed: true})
	_ = b.EndOfSnapshot(9)
	if len(b.rows) != 2 {
		t.Error("a stream that went on ended rows")
	}
}

func TestBoard_ADNThatLeavesTheFilterIsGone(t *testing.T) {
	moved := onBoard("1001", "7001", ready)
	moved.Owner = "sip2"
	deleted := &tcpb.DNEvent{Dn: "1001", State: view.OOS, Owner: "sip1", Reason: tcpb.Reason_REASON_DELETED}
	for name, tc := range map[string]struct {
		req   *tcpb.WatchRequest
		event *tcpb.DNEvent
	}{
		"own":     {&tcpb.WatchRequest{OwnOnly: true}, moved},
		"owner":   {&tcpb.WatchRequest{Filter: &tcpb.Filter{Owner: "sip1"}}, moved},
		"deleted": {&tcpb.WatchRequest{}, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			b := boardOf(24, tc.req)
			if _, has := b.rows["1001"]; !has {
				t.Error("it never was there")
			}
			_ = b.Event(tc.event)
			if _, has := b.rows["1001"]; has || strings.Contains(screenText(b), "1001") {
				t.Error(screenText(b))
			}
		})
	}
}

func TestBoard_DrawsOnlyWhatChanged(t *testing.T) {
	b := boardOf(24, &tcpb.WatchRequest{})
	out := b.out.(*bytes.Buffer)
	for _, tc := range []struct {
		must, drawn bool
	}{{false, true}, {false, false}, {true, true}} {
		out.Reset()
		if err := b.draw(tc.must); err != nil || (out.Len() > 0) != tc.drawn {
			t.Errorf("%+v: %q", tc, out)
		}
	}
}
