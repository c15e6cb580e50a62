package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// attaches is an acknowledged RegisterAddress by a gateway in the node's own site.
func (r *run) attaches(t float64, node, dn, session string) *run {
	return r.attachesFrom(t, node, node, dn, session)
}

func (r *run) attachesFrom(t float64, home, node, dn, session string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.RegisterAddress, Process: session, Home: home, Node: node, Key: dn, Arg: session})
}

func (r *run) detaches(t float64, node, dn, session string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.UnregisterAddress, Process: session, Home: node, Node: node, Key: dn, Arg: session})
}

func (r *run) hangsUp(t float64, node, dn, session string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.HangUp, Process: session, Home: node, Node: node, Key: dn, Arg: session})
}

func TestSessions(t *testing.T) {
	lost := oos("7", "", "desktop-lost")
	stands := func() *run { return newRun().attaches(1, "n1", "7", "g1").allSee(5, 9, in("7", "n1")) }
	remote := func() *run {
		return newRun().attachesFrom(1, "n3", "n1", "7", "g1").allSee(5, 9, in("7", "n1")).cutOff(20, 40)
	}
	expect(t, []sample{
		{"a gateway that is gone takes its DN out", stands().hangsUp(20, "n1", "7", "g1").sees(22.9, "n1", in("7", "n1")).sees(23.1, "n1", lost), nil},
		{"a gateway that is gone is not noticed", stands().hangsUp(20, "n1", "7", "g1").sees(24, "n1", in("7", "n1")), []ID{"S4"}},
		{"a desktop at another node has its DN back", stands().attaches(20, "n2", "7", "g2").hangsUp(25, "n2", "7", "g2").allSee(30, 32, in("7", "n1")), nil},
		{"lost while its session stands", stands().sees(20, "n1", lost), []ID{"S4"}},
		{"out for a fault elsewhere", stands().cutOff(20, 30).sees(25, "n1", oos("7", "", "admin")), []ID{"S2"}},
		{"an old gateway's end takes the new one's registration down", stands().attaches(20, "n1", "7", "g2").
			hangsUp(21, "n1", "7", "g1").sees(22, "n1", lost), []ID{"S4"}},
		{"an old gateway's end at the old node", stands().attaches(20, "n2", "7", "g2").hangsUp(21, "n1", "7", "g1").
			allSee(25, 27, in("7", "n2")), nil},
		{"un-registered", stands().detaches(20, "n1", "7", "g1").sees(21, "n2", in("7", "n1")), []ID{"S4"}},
		{"a gateway's end takes a phone's DN out", newRun().registers(1, "n1", "7", "b", 0).sees(20, "n1", lost), []ID{"S2"}},
		{"a killed node forgets its gateways", stands().down(20, 22, "n1").sees(22.2, "n1", lost), nil},
		{"a killed node brings a gateway's DN back", stands().down(20, 22, "n1").sees(23, "n1", in("7", "n1")), []ID{"S4"}},
		{"a machine that is cut off", remote().sees(22, "n1", in("7", "n1")).sees(25, "n1", lost), nil},
		{"a machine that is cut off is not noticed", remote().sees(25, "n1", in("7", "n1")), []ID{"S4"}},
		{"a request whose outcome nobody knows ends with its session", newRun().op(1, 5, history.Op{Kind: history.RegisterAddress, Process: "g1",
			Home: "n1", Node: "n1", Key: "7", Arg: "g1", Outcome: history.Unknown}).hangsUp(5.1, "n1", "7", "g1").sees(7, "n1", in("7", "n1")), nil},
	})
}

// asks is an acknowledged request about the agent.
func (r *run) asks(t float64, node, dn, agent string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.Agent, Process: "g-" + node, Home: node, Node: node, Key: dn, Arg: agent})
}

func staffed(row history.Row, agent string) history.Row {
	row.Agent = agent
	return row
}

func TestAgents(t *testing.T) {
	ready := staffed(in("7", "n1"), "ready 70 1")
	logged := func() *run {
		return newRun().attaches(1, "n1", "7", "g1").asks(3, "n1", "7", "ready 70 1").allSee(5, 9, ready)
	}
	moved := staffed(in("7", "n2"), "ready 70 1")
	passedOn := func() *run { // n3 hears n1, and not n2
		return logged().fault(20, 40, "cut-pair", history.Effect{Cut: ways([]string{"n3"}, "n2")}).attaches(23, "n2", "7", "g2")
	}
	phone := func() *run {
		return newRun().registers(1, "n1", "7", "b", 0).asks(3, "n2", "7", "ready 70 1").allSee(5, 9, ready)
	}
	expect(t, []sample{
		{"the newest request counts", logged().asks(10, "n1", "7", "not-ready 70 2").allSee(11, 12, staffed(in("7", "n1"), "not-ready 70 2")), nil},
		{"an old state", logged().asks(10, "n1", "7", "not-ready 70 2").sees(12, "n2", ready), []ID{"S5"}},
		{"a request whose outcome nobody knows", logged().op(10, 13, history.Op{Kind: history.Agent, Process: "g1", Home: "n1", Node: "n1",
			Key: "7", Arg: "not-ready 70 2", Outcome: history.Unknown}).sees(15, "n1", ready).sees(16, "n1", staffed(in("7", "n1"), "not-ready 70 2")), nil},
		{"goes along", logged().attaches(20, "n2", "7", "g2").allSee(21, 22, moved), nil},
		{"lost by a move", logged().attaches(20, "n2", "7", "g2").sees(22, "n3", in("7", "n2")), []ID{"S5"}},
		{"frozen during a cut", phone().cutOff(20, 30).sees(25, "n3", staffed(oos("7", "n1", "peer-lost"), "ready 70 1")), nil},
		{"logged out by a cut", phone().cutOff(20, 30).sees(25, "n3", oos("7", "n1", "peer-lost")), []ID{"S5"}},
		{"said in a cut that the other side did not hear", phone().cutOff(20, 30).asks(25, "n1", "7", "not-ready 70 2").
			sees(27, "n3", staffed(oos("7", "n1", "peer-lost"), "ready 70 1")), nil},
		{"the last owner is heard, the present one is not", passedOn().sees(27, "n3", staffed(oos("7", "", "owner-moved"), "ready 70 1")), nil},
		{"forgotten with the last owner's registration", passedOn().sees(27, "n3", oos("7", "", "")), []ID{"S5"}},
		{"goes along from the last owner", passedOn().attaches(28, "n3", "7", "g3").sees(30, "n3", staffed(in("7", "n3"), "ready 70 1")), nil},
		{"lost with the last owner's registration", passedOn().attaches(28, "n3", "7", "g3").sees(30, "n3", in("7", "n3")), []ID{"S5"}},
		{"the last owner was started again", passedOn().down(26, 26.5, "n1").attaches(28, "n3", "7", "g3").sees(30, "n3", in("7", "n3")), nil},
		{"two nodes differ in the end", phone().op(10, 13, history.Op{Kind: history.Agent, Process: "g-n2", Home: "n2", Node: "n2",
			Key: "7", Arg: "not-ready 70 2", Outcome: history.Unknown}).op(14, 14.1, history.Op{Kind: history.Agent, Process: "g-n2", Home: "n2",
			Node: "n2", Key: "7", Arg: "ready 70 3", Outcome: history.Fail}).down(15, 16, "n2").
			sees(95, "n1", ready).sees(95, "n2", staffed(in("7", "n1"), "not-ready 70 2")), []ID{"S5"}},
		{"lost by a restart of the owner", phone().down(20, 21, "n1").sees(22, "n1", in("7", "n1")), []ID{"S7"}},
		{"a desktop's loss leaves nobody ready", logged().hangsUp(20, "n1", "7", "g1").allSee(25, 27, staffed(oos("7", "", "desktop-lost"), "not-ready 70")), nil},
		{"ready without a desktop", logged().hangsUp(20, "n1", "7", "g1").sees(25, "n2", staffed(oos("7", "", "desktop-lost"), "ready 70 1")), []ID{"S5"}},
		{"who was not ready stays", logged().asks(10, "n1", "7", "not-ready 70 2").hangsUp(20, "n1", "7", "g1").
			allSee(25, 27, staffed(oos("7", "", "desktop-lost"), "not-ready 70 2")), nil},
		{"the next desktop inherits no ready", logged().hangsUp(20, "n1", "7", "g1").attaches(25, "n2", "7", "g2").
			allSee(27, 29, staffed(in("7", "n2"), "not-ready 70")), nil},
		{"the next desktop inherits ready", logged().hangsUp(20, "n1", "7", "g1").attaches(25, "n2", "7", "g2").sees(27, "n1", moved), []ID{"S5"}},
		{"a desktop that moves is not lost", logged().attaches(20, "n2", "7", "g2").sees(22, "n3", staffed(in("7", "n2"), "not-ready 70")), []ID{"S5"}},
		{"a node's end takes no desktop away", logged().down(20, 22, "n1").attaches(25, "n1", "7", "g2").allSee(27, 29, ready), nil},
		{"a node's end takes the desktop away", logged().down(20, 22, "n1").attaches(25, "n1", "7", "g2").
			sees(27, "n1", staffed(in("7", "n1"), "not-ready 70")), []ID{"S7"}},
		{"a desktop does not come back to its node", logged().down(20, 22, "n1").allSee(60, 62, staffed(oos("7", "", "desktop-lost"), "not-ready 70")), nil},
		{"a disk was lost", phone().fault(20, 21, "lost-disk", history.Effect{Down: []string{"n1"}, Wiped: []string{"n1"}}).
			sees(40, "n2", oos("7", "", "")), nil},
	})
}

func TestStreams_TellTheAgents(t *testing.T) {
	begun := func() *run {
		r := newRun().registers(1, "n1", "7", "b", 0).item(5, "n1", history.Item{Kind: history.Opened})
		r.item(5, "n1", history.Item{Kind: history.Started, Incarnation: 1, Agents: true})
		r.item(5, "n1", history.Item{Kind: history.Event, Snapshot: true, Row: staffed(in("7", "n1"), "logged-in 70")})
		return r.item(5, "n1", history.Item{Kind: history.EndOfSnapshot, Seq: 4}).sees(6, "n1", staffed(in("7", "n1"), "logged-in 70 1"))
	}
	told := func(r *run, seq uint64, agent string) *run {
		return r.item(10, "n1", history.Item{Kind: history.AgentEvent, Seq: seq, Row: history.Row{DN: "7", Agent: agent}})
	}
	ready := staffed(in("7", "n1"), "ready 70 2")
	expect(t, []sample{
		{"told", told(begun(), 5, "ready 70 2").sees(12, "n1", ready).beats("n1", 5, 13, 15), nil},
		{"left out", begun().sees(12, "n1", ready).beats("n1", 5, 13, 15), []ID{"S6"}},
		{"told twice", told(told(begun(), 5, "ready 70 2"), 5, "ready 70 2"), []ID{"S6"}},
	})
}

func TestAll_DoesNotBlameTheClusterForTheMachine(t *testing.T) {
	r := newRun().registers(1, "n1", "7", "b", 0).sees(20, "n1", oos("7", "", "admin"))
	r.h.Stalls = []history.Stall{{From: at(19), To: at(21)}}
	if v := r.verdict(); v.Result != Invalid || len(v.Findings) == 0 {
		t.Errorf("the run is %s with %d findings: %q", v.Result, len(v.Findings), v.Reasons)
	}
}

func TestReservation(t *testing.T) {
	reserves := func(r *run, t, life float64, node, router string) *run {
		return r.op(t, t+0.1, history.Op{Kind: history.Reserve, Process: router, Home: node, Node: node, Key: "7", Arg: router, Expires: at(life)})
	}
	release := history.Op{Kind: history.Release, Process: "r1", Home: "n1", Node: "n1", Key: "7", Arg: "r1"}
	owned := func() *run { return newRun().registers(1, "n1", "7", "b", 0) }
	twoOwners := newRun().registers(1, "n1", "7", "b", 0).cutOff(20, 40).registers(25, "n3", "7", "c", 0)
	expect(t, []sample{
		{"one after the other", reserves(reserves(owned(), 10, 2, "n1", "r1"), 12.1, 2, "n2", "r2"), nil},
		{"two at a time", reserves(reserves(owned(), 10, 2, "n1", "r1"), 11, 2, "n2", "r2"), []ID{"S19"}},
		{"taken back before", reserves(reserves(owned(), 10, 2, "n1", "r1").op(10.5, 10.6, release), 11, 2, "n2", "r2"), nil},
		{"hung up before", reserves(reserves(owned(), 10, 2, "n1", "r1").hangsUp(10.5, "n1", "", "r1"), 11, 2, "n2", "r2"), nil},
		{"hung up behind", reserves(reserves(owned(), 10, 2, "n1", "r1"), 11, 2, "n2", "r2").hangsUp(11.5, "n1", "", "r1"), []ID{"S19"}},
		{"at its end all is open", reserves(reserves(owned(), 10, 2, "n1", "r1"), 11.95, 2, "n2", "r2"), nil},
		{"the owner's side of a cut", reserves(owned().cutOff(20, 40), 25, 2, "n2", "r2"), nil},
		{"the other side of a cut", reserves(owned().cutOff(20, 40), 25, 2, "n3", "r3"), []ID{"S19"}},
		{"each side of a cut has its own owner", reserves(reserves(twoOwners, 30, 2, "n1", "r1"), 30.5, 2, "n3", "r3"), nil},
	})
}
