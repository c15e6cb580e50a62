package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// dual has the phone 7 registered at n1 and at n2, and again.
func (r *run) dual() *run {
	for _, t := range []float64{1, 8} {
		for i, n := range []string{"n1", "n2"} {
			r.way(history.RegisterWay, t+float64(i), n)
		}
	}
	return r.allSee(5, 12, in("7", "n1"))
}

func (r *run) way(kind history.Kind, t float64, node string) *run {
	return r.op(t, t+0.01, history.Op{Kind: kind, Node: node, Key: "7", Arg: node, Expires: at(600), Process: "way-" + node})
}

// dials is a call to it by way of n3.
func (r *run) phones(t float64, o history.Outcome, code string) *run {
	return r.op(t, t+0.1, history.Op{Kind: history.CallWay, Node: "n3", Key: "7", From: "4001", Outcome: o, Code: code, Process: "caller"})
}

func TestStandby(t *testing.T) {
	killed := func() *run { return newRun().dual().down(20, 30, "n1") }
	cut := func() *run {
		return newRun().dual().fault(20, 40, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2", "n3")})
	}
	expect(t, []sample{
		{"refreshes change nothing", newRun().dual(), nil},
		{"a refresh changes the owner", newRun().dual().sees(13, "n3", in("7", "n2")), []ID{"S23"}},
		{"one node has another owner", newRun().dual().sees(9.8, "n2", in("7", "n2")), []ID{"S23"}},
		{"at a node where it never registered", newRun().dual().sees(13, "n2", in("7", "n3")), []ID{"S23"}},
		{"out of service in peace", newRun().dual().sees(13, "n3", oos("7", "", "expired")), []ID{"S23"}},

		{"another owner while phones don't reach it", newRun().dual().fault(12, 14, "sip-port", history.Effect{CutPorts: ways([]string{"n1"}, "n2"), Ports: []string{"sip"}}).
			sees(13, "n3", in("7", "n2")), nil},
		{"the owner is killed", killed().sees(20.3, "n3", in("7", "n2")).sees(21, "n2", in("7", "n2")), nil},
		{"and out of service", killed().sees(20.3, "n3", oos("7", "n1", "peer-lost")), []ID{"S23"}},
		{"and an event says so", killed().watches(1, "n3", 1, 1, in("7", "n1")).told(20.1, "n3", 2, oos("7", "n1", "peer-lost")).
			told(20.1, "n3", 3, in("7", "n2")), []ID{"S23"}},
		{"and has it for too long", killed().sees(20.1, "n3", in("7", "n1")).sees(21, "n3", in("7", "n1")), []ID{"S23"}},
		{"calls go by the standby", killed().phones(20.3, history.OK, "200"), nil},
		{"calls are refused", killed().phones(20.3, history.Fail, "480"), []ID{"S23"}},
		{"calls are refused before that can be noticed", killed().phones(20.01, history.Fail, "480"), nil},

		{"both sides of a cut have it", cut().sees(25, "n1", in("7", "n1")).sees(25, "n2", in("7", "n2")).sees(25, "n3", in("7", "n2")), nil},
		{"one side has not", cut().sees(25, "n2", oos("7", "n1", "peer-lost")), []ID{"S23"}},
		{"one owner behind it", cut().allSee(45, 46, in("7", "n1")), nil},
		{"two owners behind it", cut().sees(45, "n1", in("7", "n1")).sees(45, "n2", in("7", "n2")), []ID{"S23"}},
		{"the standby is forgotten at the heal", cut().allSee(43, 44, in("7", "n1")).down(60, 70, "n1").sees(61, "n3", oos("7", "n1", "peer-lost")), []ID{"S23"}},

		{"one way is taken back", newRun().dual().way(history.UnregisterWay, 15, "n1").allSee(18.5, 20, in("7", "n2")), nil},
		{"and the other one goes along", newRun().dual().way(history.UnregisterWay, 15, "n2").sees(16, "n3", oos("7", "n1", "unregistered")), []ID{"S23"}},
		{"and the DN stays where it was", newRun().dual().way(history.UnregisterWay, 15, "n1").sees(18.5, "n3", in("7", "n1")), []ID{"S23"}},
		{"both are taken back", newRun().dual().way(history.UnregisterWay, 15, "n1").way(history.UnregisterWay, 15, "n2").sees(18.5, "n3", oos("7", "n1", "unregistered")), nil},
	})
}
