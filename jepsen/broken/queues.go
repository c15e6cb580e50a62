package broken

import "time"

// queueFaults are those of calls that wait, and of what is counted of them and of agents.
func queueFaults() []Fault {
	const stay, fold, sums = "node/routing/stay.go", "node/statistics/fold.go", "node/statistics/sums.go"
	return []Fault{
		{
			Name: "sums-counted", Kind: Statistics, What: "what a DN did before is not taken out of the sums",
			Edits:    []Edit{{sums, "\tif had {\n\t\ts.take(old)\n\t}\n", ""}},
			Scenario: "cuts", For: 40 * time.Second, Settle: shortly, Statements: []string{"S30"},
		},
		in("./node/routing", "^TestRouteCall_VainWords", Calls, "queued-again", "a router's word in vain has the call enter its routing point again",
			Edit{stay, "\t\tif !s.waits() {\n\t\t\ts.enter()\n\t\t}\n", "\t\ts.enter()\n"}),
		in("./node/routing", "^TestRouteCall_ToAGroup", Calls, "replaced-by-anybody", "a router changes what another one said",
			Edit{"node/routing/visit.go", "v.by != \"\" && v.by != route.Holder, ", ""}),
		in("./node/routing", "^TestRouteCall_EveryRequest", Calls, "withdrawn-unanswered", "who withdraws a route hears nothing of the route",
			Edit{stay, "\tif route.Withdraw {\n\t\ts.answer(refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, \"the route was withdrawn\"))\n", "\tif route.Withdraw {\n\t\ts.asked = false\n"}),
		in("./node/routing", "^TestRoutingPoint_TheLastRouter", Calls, "dead-router-waited-for", "a router that is gone has its time to answer",
			Edit{stay, "\t\t\tif !s.r.announcer.Routers(s.v.rp) {\n\t\t\t\treturn Route{}, false\n\t\t\t}\n\t\tcase", "\t\tcase"}),
		in("./node/routing", "^TestRouteCall_ToAGroup", Calls, "overflow-forgotten", "a call whose time in a group is over does not overflow",
			Edit{stay, "append([]Route{route}, route.Overflow...)", "[]Route{route}"}),
		in("./node/call", "^TestTable_Converges", Calls, "left-waits-on", "a call that left its routing point waits there at the other nodes",
			Edit{"node/call/call.go", "\tcase Left:\n\t\tc.Queue = nil\n", "\tcase Left:\n"}),
		in("./node/call", "^TestTable_Converges", Snapshots, "queue-not-compared", "a snapshot does not say where calls wait",
			Edit{"node/call/call.go", "\tcase was == nil:\n\t\tout = append(out, to.waits())\n", "\tcase was == nil:\n"}),
		in("./node/statistics", "^TestFold_IsWhat", Statistics, "statistics-counted", "what a DN did before is not taken out of the sums",
			Edit{sums, "\tif had {\n\t\ts.take(old)\n\t}\n", ""}),
		in("./node/statistics", "^TestFold_IsWhat", Statistics, "statistics-wait-to-be-told", "what ends by its time is counted until its owner says so",
			Edit{fold, "\tif st.Reserved || st.CoolUntil != 0 || ended && st.Busy {\n", "\tif false {\n"}),
		in("./node/statistics", "^TestFold_AUse", Statistics, "statistics-use-untold", "a DN stays busy for a use that was over before it was told",
			Edit{fold, " || ended && st.Busy {\n", " {\n"}),
		in("./node/statistics", "^TestFold_WhoFellBehind", Statistics, "statistics-of-dns-gone", "who fell behind the DNs counts those that are nobody's any more",
			Edit{fold, "\t\t\t\tif began > 1 { // what is gone has no row\n\t\t\t\t\tf.lookAtAll()\n\t\t\t\t}\n", ""}),
		in("./node/statistics", "^TestFold_WhoFellBehind", Statistics, "statistics-of-calls-gone", "who fell behind the calls counts those that are over",
			Edit{fold, "\t\t\t\tif began > 1 {\n\t\t\t\t\tf.lookAtAll()\n\t\t\t\t}\n", ""}),
		in("./node/statistics", "^TestFold_IsWhat", Statistics, "statistics-order-kept", "a group that has its first agent at a site has no row there",
			Edit{sums, "\t\ts.agents[k], s.order = a, nil\n", "\t\ts.agents[k] = a\n"}),
		in("./node/statistics", "^TestFold_IsNotLate", Statistics, "statistics-gather-first", "who asks for statistics waits until changes have gathered",
			Edit{fold, "\t\t\tclose(f.hurry)\n", ""}),
		in("./api", "^TestWatchGroups_", Statistics, "statistics-place-kept", "a watch of groups keeps its place when its client is gone",
			Edit{"api/statistics.go", "\tdefer leave()\n\twanted, err", "\t_ = leave\n\twanted, err"}),
		in("./node/dn", "^TestWatch_TellsWhatChanged", Streams, "reserved-again-untold", "a reservation behind one that ended by its time is no news",
			Edit{"node/dn/merge.go", "ended := is.hold != nil && !was.hold.reserved(t.clock())", "ended := false"}),
		in("./node/statistics", "^TestFold_IsWhat", Statistics, "statistics-of-old-groups", "a DN whose groups change is counted where it was",
			Edit{fold, "\t\t\tf.look(len(c.DNs), func(i int) dn.Number { return dn.Number(c.DNs[i]) })\n", "\t\t\t_ = c.DNs\n"}),
		in("./node/site", "^Test(Of|Changed)", Links, "site-lost-with-one-node", "a site counts as lost when one of its nodes is",
			Edit{"node/site/site.go", "return len(s.Heard) == 0 && len(s.Awaited) == 0", "return len(s.Lost) > 0"}),
	}
}

// in is a fault that the tests of a package find.
func in(pkg, run string, kind Kind, name, what string, edits ...Edit) Fault {
	return Fault{Name: name, Kind: kind, What: what, Package: pkg, Run: run, Edits: edits}
}
