package broken

// policyFaults are those of what happens around an agent's calls.
func policyFaults() []Fault {
	return []Fault{
		unitFault("feature-is-a-number", "a feature's number is one outside", "./node/routing", "^TestFeature_APhone",
			Edit{"node/numbering/way.go", "w.DN != nil {\n\t\tw.By = ByDN\n", "w.DN != nil && w.DN.GetFeature() == nil {\n\t\tw.By = ByDN\n"}),
		unitFault("absent-agent-rung-again", "an agent who did not answer is the first to be rung again", "./node/routing", "^TestNoAnswer_TheAbsent",
			Edit{"node/routing/stay.go", "if (out.NoAnswer || forwards) && ctx.Err() == nil {", "if (out.NoAnswer || forwards) && ctx.Err() != nil {"}),
		unitFault("cool-down-stays-at-home", "only its owner leaves a DN alone that did not answer", "./node/agent", "^TestUnanswered_EveryNode",
			Edit{"node/dn/agent.go", "r.DoNotDisturb, r.CoolLeft = x.dnd, left(x.cool, now)", "r.DoNotDisturb = x.dnd"}),
		unitFault("cool-down-for-ever", "nobody is told that a DN takes calls again", "./node/agent", "^TestUnanswered_EveryNode",
			Edit{"node/agent/ends.go", "	if st.CoolUntil != 0 {\n", "	if st.CoolUntil < 0 {\n"}),
		unitFault("do-not-disturb-forgotten", "do not disturb ends with the owner's process", "./node/agent", "^TestRestore_WhatKeeps",
			Edit{"node/agent/restore.go", "own.DoNotDisturb, own.CoolLeft, own.AgentLeft = r.Agent, r.DoNotDisturb,", "own.DoNotDisturb, own.CoolLeft, own.AgentLeft = r.Agent, own.DoNotDisturb,"}),
		unitFault("wrap-up-behind-the-release", "an agent whose call is over takes the next one before he is told to wrap up", "./node/session", "^TestWrapUp_IsTold",
			Edit{"node/session/wrapup.go", "st.Agent.Since != e.Time {", "st.Agent.Since == e.Time {"}),
		unitFault("wrap-up-lost-in-a-move", "a wrap-up has no end any more when the DN moves", "./node/dn", "^TestWrapUp_",
			Edit{"node/dn/agent.go", "r.AgentLeft = max(1, x.ends-now) // who", "r.AgentLeft = 0 // who"},
			Edit{"node/dn/agent.go", "	z := *x\n", "	z := *x\n	z.ends = 0\n"}),
		unitFault("wrap-up-for-ever", "a wrap-up does not end after a restart", "./node/agent", "^TestWrapUp_Ends",
			Edit{"node/agent/restore.go", "r.Agent, r.DoNotDisturb, r.CoolLeft, r.AgentLeft", "r.Agent, r.DoNotDisturb, r.CoolLeft, 0"}),
		unitFault("do-not-disturb-untold", "nobody but who asked hears of do not disturb", "./node/session", "^TestDND_",
			Edit{"node/session/dnd.go", "was == on {", "was == on || it.Seq > 0 {"}),
		unitFault("spared-though-ready", "who did not answer is left alone by the call though he has said that he is ready", "./node/routing", "^TestSpared_WhoSays",
			Edit{"node/routing/journey.go", " && m.since == j.r.agentSince(n)", ""}),
		unitFault("head-of-line", "the first call in a queue keeps those behind it from an agent whom it can't have", "./node/routing", "^TestSpared_TheNext",
			Edit{"node/routing/queue.go", "		if spared { // whom", "		if spared && n != \"\" { // whom"}),
		unitFault("refused-for-five-seconds", "a call waits on beside an agent whose node hears late that he is free", "./node/routing", "^TestRefused_",
			Edit{"node/routing/queue.go", "		soon.after(refused || looks < firstLooks)\n", "		soon.after(refused && n != \"\")\n"}),
		unitFault("routed-nowhere", "a router is told that its call went to a number to which no trunk leads", "./node/routing", "^TestRouteCall_WhereNoTrunk",
			Edit{"node/routing/stay.go", "		if !s.r.goesOut(s.in, place.External) {\n", "		if !s.r.goesOut(s.in, place.External) && s.r == nil {\n"}),
		unitFault("waits-by-the-old-configuration", "a call waits on for a group that is deleted, or is the default no more", "./node/routing", "^TestWaiting_Follows",
			Edit{"node/routing/queue.go", "			if !still() {\n", "			if !still() && group == \"\" {\n"}),
		unitFault("second-call-untold", "nobody hears of the second call at a DN that takes several", "./node/dn", "^TestTable_EveryCall",
			Edit{"node/dn/merge.go", "e.told.busy != busy || calls:", "e.told.busy != busy && calls:"}),
		unitFault("cool-down-unshown", "clients don't see that a DN is left alone, and until when", "./api", "^TestStatus_SaysWhat",
			Edit{"api/dnview/dnview.go", "	if st.CoolUntil == 0 {\n", "	if st.CoolUntil != 0 {\n"}),
		unitFault("reservation-takes-nothing", "a reservation counts for nothing among what takes of a DN's capacity", "./api", "^TestStatus_SaysWhat",
			Edit{"api/dnview/dnview.go", "		m.Reserved = uint32(max(1, st.Holds))\n", "		m.Reserved = 0\n"}),
		unitFault("levels-are-not-looked-at", "the agent who is idle for the longest time comes first, whatever he is able to", "./node/dn", "^TestLongestIdle_Order$",
			Edit{"node/dn/ranks.go", "case k.level != o.level:", "case k.level != o.level && n == m:"}),
	}
}

func unitFault(name, what, pkg, run string, edits ...Edit) Fault {
	return Fault{Name: name, Kind: Agents, What: what, Edits: edits, Package: pkg, Run: run}
}
