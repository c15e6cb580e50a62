package watch

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
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
