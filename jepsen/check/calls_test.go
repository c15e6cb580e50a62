package check

import (
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// enrols registers telephones: 301 at n1, 302 at n2, 303 at n3.
func (r *run) enrols() *run {
	for i, n := range []string{"n1", "n2", "n3"} {
		dn := "30" + n[1:]
		r.op(1+float64(i)/100, 1.1, history.Op{Kind: history.Enrol, Node: n, Home: n, Key: dn, Process: "t" + dn})
	}
	return r
}

func home(dn string) string { return "n" + dn[2:] }

// dials is a call that is answered by a telephone at once.
func (r *run) dials(t float64, id, from, to string) *run {
	r.op(t, t+0.3, history.Op{Kind: history.Dial, Node: home(from), Home: home(from), From: from, Key: to, Arg: id, Code: "200"})
	return r.op(t+0.1, t+0.35, history.Op{Kind: history.Ring, Node: home(to), Home: home(to), From: from, Key: to, Arg: id, Code: "200", Process: "r" + id})
}

// talks is the called telephone's part, to the caller's BYE at its end.
func (r *run) talks(begin, end float64, id, from, to string) *run {
	r.op(begin, end+0.05, history.Op{Kind: history.Talk, Node: home(to), Home: home(to), From: from, Key: to, Arg: id, Process: "r" + id})
	return r.op(end, end+0.1, history.Op{Kind: history.Within, Node: home(from), Home: home(from), From: "BYE", Key: from, Arg: id, Code: "200"})
}

// follows is a session of an observer of calls at the node.
func (r *run) follows(t float64, node string) *run {
	r.calls(t, node, history.Item{Kind: history.CallsOpened})
	return r.calls(t+0.05, node, history.Item{Kind: history.CallsWhole})
}

func (r *run) calls(t float64, node string, i history.Item) *run {
	i.At, i.Node, i.Observer = at(t), node, "calls-"+node
	r.h.Items = append(r.h.Items, i)
	return r
}

// shows is an event of a call from 301 to 302 at n1, for both of them.
func (r *run) shows(t float64, node, id, state string) *run {
	for _, dn := range []string{"302", "301"} {
		r.calls(t, node, history.Item{Kind: history.CallTold, Row: history.Row{DN: dn, Owner: "n1"},
			Call: &history.Call{ID: id, State: state, Caller: "301", Called: "302"}})
	}
	return r
}

func TestCallsSurvive(t *testing.T) {
	followed := func() *run {
		r := newRun().enrols()
		for _, n := range []string{"n1", "n2", "n3"} {
			r.follows(2, n)
		}
		return r.allSee(5, 6)
	}
	called := func() *run {
		return followed().dials(20, "c", "301", "302").shows(20.3, "n1", "x", "established").shows(20.4, "n2", "x", "established").shows(20.4, "n3", "x", "established")
	}
	told := func(r *run, t float64) *run {
		return r.shows(t, "n1", "x", "released").shows(t, "n2", "x", "released").shows(t, "n3", "x", "released")
	}
	bye := func(r *run, o history.Outcome, code string) *run {
		r.op(20.4, 30, history.Op{Kind: history.Talk, Node: "n2", Home: "n2", From: "301", Key: "302", Arg: "c", Process: "rc"})
		return r.op(25, 29, history.Op{Kind: history.Within, Node: "n1", Home: "n1", From: "BYE", Key: "301", Arg: "c", Outcome: o, Code: code})
	}
	expect(t, []sample{
		{"a call and its end", told(called().talks(20.4, 25, "c", "301", "302"), 25.1), nil},
		{"a BYE without an answer", told(bye(called(), history.Unknown, ""), 25.1), []ID{"S12"}},
		{"a BYE that nobody knows", told(bye(called(), history.Fail, "481"), 25.1), []ID{"S12"}},
		{"a request that crosses the other one's BYE", told(called().talks(20.4, 25, "c", "301", "302"), 25.1).op(25.01, 25.04, history.Op{Kind: history.Within,
			Node: "n2", Home: "n2", From: "INFO", Key: "302", Arg: "c", Outcome: history.Fail, Code: "481", Process: "crosses"}), nil},
		{"a request that nobody knows", told(called().talks(20.4, 25, "c", "301", "302"), 25.1).op(23, 23.1, history.Op{Kind: history.Within,
			Node: "n2", Home: "n2", From: "INFO", Key: "302", Arg: "c", Outcome: history.Fail, Code: "481", Process: "crosses"}), []ID{"S12"}},
		{"a BYE across a cut", told(bye(called().fault(22, 40, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2")}), history.Unknown, ""), 25.1), nil},
		{"a BYE beside a cut", told(bye(called().cutOff(22, 40), history.Unknown, ""), 45), []ID{"S12"}},
		{"shown for ever at one node", told(called().talks(20.4, 25, "c", "301", "302"), 25.1).shows(25.2, "n3", "x", "established"), []ID{"S12"}},
		{"shown for ever", called().talks(20.4, 25, "c", "301", "302"), []ID{"S12"}},
		{"shown during a cut, and for a moment after it", told(called().cutOff(22, 40).talks(20.4, 25, "c", "301", "302"), 25.1).
			shows(25.2, "n3", "x", "established").shows(41, "n3", "x", "released"), nil},
		{"refused and shown for ever", followed().op(20, 21, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "302", Arg: "c", Code: "486", Outcome: history.Fail}).
			shows(20.3, "n2", "x", "ringing"), []ID{"S12"}},
		{"not shown at one node", called().talks(20.4, 35, "c", "301", "302").shows(24, "n3", "x", "released").
			shows(35, "n1", "x", "released").shows(35, "n2", "x", "released"), []ID{"S12"}},
		{"released by a cut", told(called().fault(22, 40, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2")}).talks(20.4, 35, "c", "301", "302"), 23), []ID{"S12"}},
		{"unknown after the heal", followed().cutOff(18, 24).dials(20, "c", "301", "302").talks(20.4, 35, "c", "301", "302").
			shows(20.4, "n1", "x", "established").shows(20.4, "n2", "x", "established").shows(35, "n1", "x", "released").shows(35, "n2", "x", "released"), []ID{"S12"}},
		{"unknown during the cut only", followed().cutOff(18, 24).dials(20, "c", "301", "302").talks(20.4, 35, "c", "301", "302").
			shows(20.4, "n1", "x", "established").shows(20.4, "n2", "x", "established").shows(25, "n3", "x", "established").
			shows(35, "n1", "x", "released").shows(35, "n2", "x", "released").shows(35, "n3", "x", "released"), nil},
		{"a connection's grace is over", told(called().op(22, 22, history.Op{Kind: history.Silence, Node: "n1", Home: "n1", Key: "301", Arg: "c", From: "tcp"}).
			talks(20.4, 35, "c", "301", "302"), 25.1), nil},
		{"a killed node's call", called().down(22, 32, "n1").calls(22.1, "n1", history.Item{Kind: history.CallsClosed}).
			shows(22.2, "n2", "x", "released").shows(22.2, "n3", "x", "released"), nil},
		{"a killed node's call is shown", called().down(22, 32, "n1").calls(22.1, "n1", history.Item{Kind: history.CallsClosed}).
			shows(22.2, "n2", "x", "released").shows(31, "n3", "x", "released"), []ID{"S12"}},
	})
}

func TestRouted(t *testing.T) {
	ring := func(r *run, from, to float64, dn, code string) *run {
		o := history.Fail
		if code == "200" {
			o = history.OK
		}
		return r.op(from, to, history.Op{Kind: history.Ring, Node: home(dn), Home: home(dn), From: "301", Key: dn, Arg: "c", Code: code, Outcome: o, Process: "r" + dn})
	}
	talk := func(r *run, from, to float64, dn string) *run {
		return r.op(from, to, history.Op{Kind: history.Talk, Node: home(dn), Home: home(dn), From: "301", Key: dn, Arg: "c", Process: "r" + dn})
	}
	dial := func(from, to float64, number, code string) *run {
		o := history.OK
		switch code {
		case "":
			o = history.Unknown
		case "200":
		default:
			o = history.Fail
		}
		return newRun().enrols().allSee(5, 6).op(from, to, history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: number, Arg: "c", Code: code, Outcome: o})
	}
	tooMany := func(r *run, n int, op history.Op) *run {
		op.Kind, op.Node, op.Home, op.From, op.Key, op.Outcome, op.Process = history.Dial, "n1", "n1", "301", "303", history.Fail, "again"
		for i := range n {
			r.op(25+float64(i), 25.1+float64(i), op)
		}
		return r
	}
	served := func() *run {
		r := dial(20, 20.5, "390", "200")
		for i := range 30 {
			r.op(21+float64(i), 21.1+float64(i), history.Op{Kind: history.Dial, Node: "n1", Home: "n1", From: "301", Key: "390", Code: "486", Outcome: history.Fail, Process: "other"})
		}
		return r
	}
	overload := history.Op{Code: "503", Error: "Service Unavailable", Later: true}
	expect(t, []sample{
		{"an overloaded node says when to call again", tooMany(served(), 3, overload), nil},
		{"it does so too often", tooMany(served(), 4, overload), []ID{"S13"}},
		{"it does not say when", tooMany(served(), 1, history.Op{Code: "503", Error: "Service Unavailable"}), []ID{"S13"}},
		{"another reason", tooMany(served(), 1, history.Op{Code: "503", Error: "The trunk does not answer", Later: true}), []ID{"S13"}},
		{"another code", tooMany(served(), 1, history.Op{Code: "480", Error: "Service Unavailable", Later: true}), []ID{"S13"}},
		{"it rang already", tooMany(served(), 1, history.Op{Code: "503", Error: "Service Unavailable", Later: true, Arg: "d"}).
			op(25.02, 25.09, history.Op{Kind: history.Ring, Node: "n3", Home: "n3", From: "301", Key: "303", Arg: "d", Code: "487", Outcome: history.Fail, Process: "r303"}), []ID{"S13"}},
		{"one after the other", ring(ring(dial(20, 26, "390", "200"), 20.1, 22, "302", "487"), 22.1, 26, "303", "200"), nil},
		{"two at a time", ring(ring(dial(20, 26, "390", "200"), 20.1, 26, "302", "487"), 22.1, 26, "303", "200"), []ID{"S13"}},
		{"the first is lost while it rings", ring(ring(dial(20, 26, "390", "200"), 20.1, 26, "302", "487"), 22.1, 26, "303", "200").
			fault(21, 40, "cut", history.Effect{Cut: ways([]string{"n1"}, "n2")}), nil},
		{"two answer", talk(talk(dial(20, 20.5, "390", "200"), 20.6, 23, "302"), 20.7, 23, "303"), []ID{"S13"}},
		{"the second comes too late", talk(talk(dial(20, 20.5, "390", "200"), 20.6, 23, "302"), 20.7, 20.9, "303"), nil},
		{"at another telephone", ring(dial(20, 21, "302", "200"), 20.1, 21, "303", "200"), []ID{"S13"}},
		{"the owner was just lost", dial(20.2, 20.3, "303", "480").cutOff(20, 40), nil},
		{"into the void", dial(20.2, 29.2, "303", "487").cutOff(20, 40), []ID{"S13"}},
		{"the loss is known, and the caller waits for a time-out", dial(22, 26, "303", "408").cutOff(20, 40), []ID{"S13"}},
		{"the loss is not known yet", dial(20.3, 24.3, "303", "408").cutOff(20, 40), nil},
		{"lost while it rings", ring(dial(20, 29.2, "303", ""), 20.1, 29, "303", "487").cutOff(22, 40), []ID{"S13", "S22"}},
		{"healed before the bound", dial(20.2, 29.2, "303", "487").cutOff(20, 23), nil},
		{"refused in peace", dial(20, 20.1, "303", "480"), []ID{"S13"}},
		{"no answer in peace", dial(20, 29, "303", ""), []ID{"S13"}},
		{"the run ended before an answer", dial(20, 20.1, "303", ""), nil},
		{"busy", dial(20, 20.1, "303", "486"), nil},
	})
}
