package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// drains has the node drain from 20 s to 40 s.
func (r *run) drains(node string) *run {
	return r.fault(20, 40, "drain", history.Effect{Drained: []string{node}})
}

// answers is what a client of the node was told.
func (r *run) answers(t float64, node string, kind history.Kind, code string, later bool) *run {
	op := history.Op{Kind: kind, Node: node, Home: node, Key: "7", From: "902", Arg: "b", Code: code, Later: later, Process: "asks-" + node}
	if code == "503" {
		op.Outcome, op.Error = history.Fail, "Node is draining"
	}
	return r.op(t, t+0.1, op)
}

func TestDrainLosesNobody(t *testing.T) {
	there := func() *run {
		r := newRun().enrols().registers(1, "n2", "7", "b", 0).allSee(5, 6, in("7", "n2")).drains("n2")
		return r.op(2, 2.1, history.Op{Kind: history.Enrol, Node: "n2", Home: "n2", Key: "902", Arg: history.Trunk, Process: "t902"})
	}
	expect(t, []sample{
		{"all stay", there().allSee(21, 45, in("7", "n2")), nil},
		{"out of service at once", there().sees(25, "n2", oos("7", "n2", "admin")), []ID{"S26"}},
		{"out of service behind it", there().sees(45, "n1", oos("7", "n2", "admin")), []ID{"S26"}},
		{"what is new is sent away", there().answers(25, "n2", history.Register, "503", true).answers(26, "n2", history.Options, "503", true).
			answers(27, "n2", history.Dial, "503", true).answers(28, "n2", history.Enrol, "503", true), nil},
		{"as it begins and ends", there().answers(19.95, "n2", history.Register, "503", true).answers(40, "n2", history.Register, "503", true).
			answers(20, "n2", history.Register, "200", false).answers(40, "n2", history.Register, "200", false), nil},
		{"nobody is told when to come back", there().answers(25, "n2", history.Register, "503", false), []ID{"S10", "S26"}},
		{"a farewell is refused", there().answers(25, "n2", history.Unregister, "503", true), []ID{"S10", "S26"}},
		{"a phone's call is refused", there().op(25, 25.1, history.Op{Kind: history.Dial, Node: "n2", Home: "n2", From: "302", Key: "303", Code: "503", Later: true,
			Error: "Node is draining", Outcome: history.Fail}), []ID{"S13", "S26"}},
		{"another node sends away", there().answers(25, "n1", history.Register, "503", true), []ID{"S10", "S26"}},
		{"long behind it", there().answers(50, "n2", history.Register, "503", true), []ID{"S26"}},
		{"it takes registrations", there().answers(25, "n2", history.Register, "200", false), []ID{"S26"}},
		{"it takes calls of trunks", there().answers(25, "n2", history.Dial, "200", false), []ID{"S26"}},
		{"OPTIONS say nothing of it", there().answers(25, "n2", history.Options, "200", false), []ID{"S26"}},
		{"it has just started again", there().down(22, 24, "n2").answers(25, "n2", history.Options, "200", false), nil},
	})
}
