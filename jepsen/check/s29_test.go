package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// sits is an acknowledged request of the agent 80 at a desk of the node.
func (r *run) sits(t float64, node, dn, agent string) *run {
	return r.op(t, t+0.01, history.Op{Kind: history.Person, Process: "desk-" + dn, Home: node, Node: node, Key: dn, From: "80", Arg: agent})
}

func TestOneLogin(t *testing.T) {
	first, second := staffed(in("7", "n1"), "logged-in 80 1"), staffed(in("8", "n3"), "logged-in 80 2")
	left := staffed(in("7", "n1"), "logged-out 80")
	desks := func() *run {
		return newRun().attaches(1, "n1", "7", "g1").attaches(1, "n3", "8", "g3").sits(3, "n1", "7", "logged-in 80 1").
			allSee(5, 9, first, in("8", "n3"))
	}
	moved := func() *run { return desks().sits(10, "n3", "8", "logged-in 80 2") }
	cut := func() *run { return desks().cutOff(20, 40).sits(25, "n3", "8", "logged-in 80 2") }
	wants := func(r *run, t float64, dn string, out history.Outcome) *run {
		return r.op(t, t+0.1, history.Op{Kind: history.Reserve, Process: "r", Home: "n1", Node: "n1", Key: dn, Arg: "r", Expires: at(1), Outcome: out})
	}
	here := staffed(oos("8", "n3", "peer-lost"), "")
	expect(t, []sample{
		{"takes over", moved().allSee(11, 13, left, second), nil},
		{"at both for a moment, at another node", moved().sees(10.1, "n2", first, in("8", "n3")).sees(10.2, "n2", left, second), nil},
		{"at both in two tables", moved().sees(10.1, "n2", first, second).sees(10.2, "n2", first, second), []ID{"S29"}},
		{"at both in one table: read while he went", moved().sees(10.1, "n2", first, second).sees(10.2, "n2", left, second), nil},
		{"stays where he was", moved().sees(11, "n2", first, in("8", "n3")), []ID{"S29"}},
		{"nowhere", moved().sees(11, "n2", left, in("8", "n3")), []ID{"S29"}},
		{"each side of a cut has its own", cut().sees(27, "n1", first, here).sees(28, "n1", first, here), nil},
		{"the other side shows the one that it cannot hear", cut().sees(27, "n3", staffed(oos("7", "n1", "peer-lost"), "logged-in 80 1"), second).
			sees(28, "n3", staffed(oos("7", "n1", "peer-lost"), "logged-in 80 1"), second), []ID{"S29"}},
		{"the older one after the heal", cut().sees(60, "n1", first, staffed(in("8", "n3"), "logged-out 80")), []ID{"S29"}},
		{"the newest one after the heal", cut().allSee(60, 62, left, second), nil},
		{"two at a time: either", desks().op(10, 10.2, history.Op{Kind: history.Person, Process: "desk-7", Node: "n1", Key: "7", From: "80", Arg: "logged-in 80 2"}).
			op(10.1, 10.3, history.Op{Kind: history.Person, Process: "desk-8", Node: "n3", Key: "8", From: "80", Arg: "logged-in 80 3"}).
			allSee(11, 12, staffed(in("7", "n1"), "logged-in 80 2"), in("8", "n3")), nil},
		{"says what he does there", moved().sits(12, "n3", "8", "ready 80 3").allSee(13, 14, left, staffed(in("8", "n3"), "ready 80 3")), nil},
		{"goes home", moved().sits(12, "n3", "8", "logged-out 80 3").allSee(13, 14, left, staffed(in("8", "n3"), "logged-out 80 3")), nil},
		{"is wanted where he was", wants(moved(), 12, "7", history.Fail), nil},
		{"is given away where he was", wants(moved(), 12, "7", history.OK), []ID{"S29"}},
		{"is given away where he is", wants(moved(), 12, "8", history.OK), nil},
		{"the desk that he left in good order", wants(desks().sits(9, "n1", "7", "logged-out 80 2").sits(10, "n3", "8", "logged-in 80 3"), 12, "7", history.OK), nil},
	})
}
