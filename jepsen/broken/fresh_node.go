package broken

// freshNodeFaults are what got past the tests when somebody who had not
// written them tried: of the commands, of streams and requests between nodes,
// and of the Go client.
func freshNodeFaults() []Fault {
	const cmd, api, link, reserve, visit = "cmd/internal/", "api/", "node/tcontroller/", "node/agent/reserve.go", "node/routing/visit.go"
	in := func(pkg, run string, kind Kind, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		in("./cmd/internal/config", "^TestApplyTwice_", Durability, "apply-writes-defaults-again", "a zero that stands for a default is a change each time",
			Edit{cmd + "config/plan.go", "has, wants := p.options.WithDefaults(), changed.WithDefaults()", "has, wants := proto.CloneOf(p.options), proto.CloneOf(changed)"}),
		in("./cmd/sipcluster", "^TestApply_WhatIsTooMuch", Bounds, "apply-large-in-one-write", "apply counts the changes of a write, not its bytes",
			Edit{cmd + "config/apply.go", " && proto.Size(once) <= applyOnceBytes", " && once != nil"}),
		in("./cmd/sipcluster", "^TestDNPut_WritesBack", Durability, "put-overwrites", "dn put undoes what somebody else wrote meanwhile",
			Edit{cmd + "dn/put.go", "\tm.Mask = configpb.Changed(old, d)\n\treturn m.Mask != nil\n", "\treturn true\n"}),
		in("./cmd/sipcluster", "^TestDNWatch_Resumes", Streams, "watch-behind-half-a-snapshot", "dn watch resumes behind a snapshot of which it has a part",
			Edit{cmd + "client/watcher.go", "w.Req.ResumeCursor = nil // only", "_ = b // only"}),
		in("./cmd/sipcluster", "^TestImport_SaysHowMuch", Durability, "import-hides-its-part", "an import that broke off does not say how much was written",
			Edit{cmd + "client/import.go", "case err != nil && written > 0:", "case err != nil && written > 1<<40:"}),
		in("./api", "^TestWatch_RowsCome", Streams, "rows-behind-the-end", "what changed during a snapshot is told behind its end",
			Edit{api + "watch.go", "\t\tif err := w.flush(); err != nil {\n\t\t\treturn err\n\t\t}\n\t\tif err := w.mark", "\t\tif err := w.mark"}),
		in("./api", "^TestDrainNode_Undoes", Durability, "drain-overwrites", "draining a node undoes what it wrote of itself meanwhile",
			Edit{api + "cluster.go", "PutNode: changed}, IfRevision: &node.Revision}", "PutNode: changed}}"}),
		in("./api", "^TestDrainNode_Undoes", Durability, "told-to-read-again", "an operator who names no revision is told that another one was wanted",
			Edit{api + "rewrite.go", "|| try == maxRewrites", "|| try > 0"}),
		in("./api", "^TestImport_GroupsCome", Consensus, "import-in-the-order-given", "an import deletes a group before its DNs have left",
			Edit{api + "configuration.go", "\t\treturn 2\n", "\t\treturn 1\n"}),
		in("./api/tlib", "^TestReconnect_ASilentNode", Latency, "silent-node-first", "a client whose node hangs asks that one first",
			Edit{api + "tlib/reconnect.go", "\t\t\tc.shun()\n", "\t\t\t_ = c\n"}),
		in("./node/tcontroller", "^TestCalls_OfAPeerThatIsRemoved", Leaks, "removed-peers-calls-stay", "the calls of a node that was removed stay",
			Edit{link + "mesh.go", "\t\t\t\tm.cfg.Calls.Forget(id)\n", ""}),
		in("./node/tcontroller", "^TestLink_AnIdleOne", Timers, "sync-timer-runs-on", "the time for a sync goes on when it is whole: the link ends",
			Edit{link + "link.go", "\t\tl.stuck.Stop()\n", ""}),
		in("./node/tcontroller", "^TestLink_ASyncMayTakeLong", Timers, "sync-in-3s", "a sync that goes on, but takes long, is ended",
			Edit{link + "link.go", "\tif b.GetSeq() == 0 {\n\t\tl.stuck.Reset(hungAfter)\n\t}\n", ""}),
		in("./node/agent", "^TestPassedOn_Whole", Bounds, "collects-past-its-time", "a request that is passed on has no time for being collected",
			Edit{reserve, "AnswerTimeout+reg.collecting(), func", "AnswerTimeout, func"}),
		in("./node/agent", "^TestPassedOn_", Reservations, "priority-stays-at-home", "the priority of a request is not passed on",
			Edit{reserve, "Priority: r.Priority,", ""}),
		in("./node/routing", "^TestRouteCall_AtTheEnd", Calls, "word-at-the-last-moment-lost", "a router's word that comes as its time is over is not taken",
			Edit{visit, "\tif len(v.routes) > 0 { // it came just now\n\t\theard()\n\t\treturn\n\t}\n", ""}),
		in("./node/routing", "^TestRoutingPoint_BuiltInStrategy$", Calls, "decline-ends-the-wait", "an agent's decline (6xx) ends the call of who waits at a routing point",
			Edit{"node/routing/stay.go", "out.Answered || ctx.Err() != nil:", "out.Answered || ctx.Err() != nil || out.Code >= 600:"}),
		in("./node/routing", "^TestRouteCall_AsAnAgent", Reservations, "not-given-back", "who was reserved as a router decided otherwise stays so",
			Edit{"node/routing/stay.go", "\t\tif err == nil {\n\t\t\tgiveBack()\n\t\t}\n", ""}),
		in("./node/session", "^TestPosition_None", Streams, "place-within-a-snapshot", "who has a part of a snapshot is told a place to resume from",
			Edit{"node/session/hearing.go", "\tif h.snapshot || h.phase != going {\n", "\tif h.sent == (place{}) {\n"}),
		in("./node/session", "^TestPosition_OfWhatTheOwner", Streams, "owner-filter-resumed", "a monitor by owner is resumed, and misses DNs that left",
			Edit{"node/session/request.go", "\tif a.ownOnly || mon.owner != \"\" {\n", "\tif a.ownOnly {\n"}),
		in("./membership", "^TestGossip_WhoComesLater", Links, "joins-once", "a node that could not be reached is not tried again",
			Edit{"membership/membership.go", "\t\tdelete(g.joining, id)\n", ""}),
		in("./node/consensus", "^TestReconcile_WhoIsNot", Consensus, "votes-unseen", "a node that was never heard of votes",
			Edit{"node/consensus/reconcile.go", "return reached > 0 && reached+", "return reached+"}),
		in("./node", "^TestWarnings_", Durability, "agents-not-kept-untold", "status says nothing of agents that can't be stored",
			Edit{"node/observer.go", "if err := n.agents.Failing(); err != nil {", "if err := n.agents.Failing(); err != nil && n.cfg.Dev {"}),
		{
			Name: "own-pause-loses-all", Kind: Links, What: "a process that stood still holds its peers for hung",
			Edits: []Edit{{link + "follower.go", "\t\t\t\ttimer.Reset(redialGrace)\n\t\t\t\tcontinue\n", "\t\t\t\ttimer.Reset(redialGrace)\n"}},
			E2E:   "TestPause_ThePausedNodeHoldsNobodyForLost",
		},
	}
}

// freshNodeAgain are what got past them the next time.
func freshNodeAgain() []Fault {
	const link = "node/tcontroller/"
	in := func(pkg, run string, kind Kind, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		in("./node/tcontroller", "^TestLink_OpensWith", Links, "calls-before-hello", "what is said of calls overtakes the hello: the follower ends the link",
			Edit{link + "calls.go", "\tcase <-l.greeted:\n", "\tdefault:\n"}),
		in("./node/tcontroller", "^TestVerdict_GossipIsOverruled", Links, "one-veto", "gossip is told once that it is wrong about a peer, and never again",
			Edit{link + "follower.go", "\tf.vetoed = false\n", ""}),
		in("./node/session", "^TestWaiting_TwoReg", Streams, "waiting-rows-twice", "a router that registers twice is told of a waiting call twice",
			Edit{"node/session/waiting.go", "slices.DeleteFunc(f.waiting.due, func(d dueRows) bool { return d.rp == n }) //", "slices.Clone(f.waiting.due) //"}),
		in("./node/session", "^TestRouteCall_WhatAnswers", Calls, "route-answer-of-before", "what a call did on an earlier visit answers a router",
			Edit{"node/session/feeder_calls.go", "\tref, asked := f.routes[t.answers]\n\tif asked = asked && t.answers != 0; asked {\n\t\tdelete(f.routes, t.answers)\n",
				"\tref, asked := uint64(0), false\n\tfor no, r := range f.routes {\n\t\tref, asked = r, true\n\t\tdelete(f.routes, no)\n\t\tbreak\n\t}\n\tif asked {\n"}),
		in("./node", "^TestWarnings_Clocks", Bounds, "clock-warning-signed", "status says nothing of a clock that is behind",
			Edit{"node/observer.go", "if p.Skew.Abs() > skewWorth {", "if p.Skew > skewWorth {"}),
		in("./node/port", "^TestClusterPort_", Leaks, "opening-keeps-its-place", "a connection that is open counts as one that opens, for ever",
			Edit{"node/port/port.go", "			defer leave()\n", "			_ = leave\n"}),
		in("./node/disk", "^TestWriteFile_NothingStays", Durability, "unfinished-tail", "what an unfinished write left stays behind a shorter content",
			Edit{"node/disk/disk.go", "os.O_CREATE|os.O_TRUNC|os.O_WRONLY", "os.O_CREATE|os.O_WRONLY"}),
		in("./fsm", "^TestView_With$", Consensus, "group-anew-refused", "a group in use can't be deleted and made anew in one write",
			Edit{"fsm/apply.go", `user != "" && d.view.Group(gone.group) == nil`, `user != ""`}),
		in("./api/tlib", "^TestReconnect_PausesBegin", Timers, "pauses-stay-grown", "a client's pauses stay long behind a session that stood",
			Edit{"api/tlib/reconnect.go", "\t\t\tpauses = backoff{}\n", "\t\t\t_ = pauses\n"}),
	}
}

// freshThird are the six of forty that got past them the third time, and some beyond.
func freshThird() []Fault {
	in := func(pkg, run string, kind Kind, name, what string, edit Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{edit}, Package: pkg, Run: run}
	}
	return []Fault{
		in("./node/call", "^TestTable_UserDataOfASnapshot", Snapshots, "snapshot-of-before", "who begins to listen is told of user data as they were",
			Edit{"node/call/own.go", "\tif e.at >= 0 {\n\t\te.o.up[e.at] = e.call\n\t}\n", ""}),
		in("./node/call", "^TestTable_ForgottenAndBack", Leaks, "back-and-forgotten", "a node that was removed and is back is forgotten with the last call of before",
			Edit{"node/call/table.go", "\t\to.forgotten = false\n", ""}),
		in("./node/session", "^TestEvents_OfAnAgentAtADN", Agents, "agent-without-owner", "an agent's event at a DN out of service does not say who keeps the agent",
			Edit{"node/session/event.go", "ev.nameAndSite(st.Keeper)\n\to.of", "ev.nameAndSite(st.Owner)\n\to.of"}),
		in("./node/tcontroller", "^TestVerdict_WhoseCalls", Calls, "goodbye-with-calls", "the calls of a node that said goodbye go on when its machine is off too",
			Edit{"node/tcontroller/verdict.go", "return e.bye || !e.up && e.refused }", "return !e.up && e.refused }"}),
		in("./sip/location", "^TestStore_StepDuringARun", Durability, "step-unwritten", "a step of the wall clock is not written down",
			Edit{"sip/location/fold.go", "= info\n\t\ts.metaNew = true\n", "= info\n"}),
		in("./node/dn", "^TestResume_WhoFalls", Snapshots, "second-snapshot-empty", "the second snapshot of a reader that falls behind has no rows",
			Edit{"node/dn/stream.go", "s.read.Seq, s.after, s.phase, s.with = j.head, s.rows.after, rows, comparison{}\n", "s.read.Seq, s.phase, s.with = j.head, rows, comparison{}\n"}),
		in("./node/dn", "^TestWatch_ASnapshotOfSome", Snapshots, "some-rows-are-one-chunk", "a snapshot of some DNs ends behind the first chunk of them",
			Edit{"node/dn/stream.go", "more := len(some) == chunkSize", "more := false"}),
		in("./node/session", "^TestMonitorAll_", Snapshots, "group-without-own", "who monitors a group gets no row of a DN of his that is not in it",
			Edit{"node/session/audience.go", "merged(behind(mine, after), m.dns", "merged(nil, m.dns"}),
		in("./node/session", "^TestMonitorAll_BeginsWith", Snapshots, "inside-of-before", "a snapshot has DNs that were in the one before it",
			Edit{"node/session/feeder.go", "\t\t\t\tf.audience.beginAnew()\n", ""}),
		in("./node/call", "^TestCarry_BeforeItsNode", Calls, "done-before-told", "who carries a call can't end it when a snapshot came before its node told of it",
			Edit{"node/call/table.go", "\t\tl.done = l.done && l.Of != o.id\n", "\t\t_ = l\n"}),
		in("./node/session", "^TestPace_Routers", Latency, "routers-paced", "routers wait as long as those who monitor everything",
			Edit{"node/session/hearing.go", " && h.audience.port == TCport {", " {"}),
		in("./sip", "^TestProxy_AGatewayWithoutIts", Proxy, "gateway-of-a-gone-connection", "a request within a call is not sent to a gateway whose connection is gone",
			Edit{"sip/proxy/path.go", "h.connected() && h.alive() && ", "h.connected() && "}),
	}
}

// freshFourth are those of forty that got past them the fourth time, and one beyond.
func freshFourth() []Fault {
	in := func(pkg, run string, kind Kind, name, what string, edit Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: []Edit{edit}, Package: pkg, Run: run}
	}
	return []Fault{
		in("./sip/dialog", "^TestDialogs_KeepNothing", Calls, "contact-in-a-buffer", "the contact to which a call is hung up lies in the buffer of the next datagram",
			Edit{"sip/dialog/table.go", "p.Contact = slices.Clone(contact)", "p.Contact = slices.Clip(contact)"}),
		in("./sip/guard", "^TestServed_", Registrations, "domain-in-capitals", "a phone that writes the domain in capitals is not served",
			Edit{"sip/guard/guard.go", "g.hosts[strings.ToLower(string(host))]", "g.hosts[string(host)]"}),
		in("./node/dn", "^TestFollow_AVisibleChangeEnds", Latency, "urgent-waits-too", "a change that comes while a refresh is held back waits with it",
			Edit{"node/dn/stream.go", "\tj.holding[&s.read] = struct{}{}\n", ""}),
		in("./node/call", "^TestCopy_CarriedCallsThatEnd|^TestBusy_", Leaks, "carried-counted-for-ever", "the count of a peer's carried calls only grows, to its bound",
			Edit{"node/call/leg.go", "\tl.carrier.legs--\n", ""}),
		in("./node/session", "^TestHeld_AMonitorReplaces", Leaks, "monitors-read-on", "the streams of a monitor that was replaced are read until the session ends",
			Edit{"node/session/hearing.go", "\th.end()\n\t*h = hearing{", "\t*h = hearing{"}),
		in("./node/session", "^TestAgent_EveryState", Streams, "held-back-for-ever", "an agent's change that waited for an answer is told again behind the next ones",
			Edit{"node/session/ask.go", "\t\tdelete(s.asked.held, d.n)\n", ""}),
		in("./node/routing", "^TestVisits_ShutTakes", Calls, "word-in-vain", "a router's word is taken from a call that leaves, and lost",
			Edit{"node/routing/visit.go", "\tv.by, v.routed, v.asked, v.heard = \"\", false, false, nil\n", "\tv.heard = nil\n"}),
		in("./cmd/internal/watch", "^TestParties_ASnapshot", Snapshots, "rows-of-before", "a call that ended while the board was away stays if an earlier snapshot had it",
			Edit{"cmd/internal/watch/parties.go", "\t\tclear(p.rows)\n", ""}),
		in("./cmd/sipcluster", "^TestAgent_TakesNo", Claims, "login-moves-the-dn", "agent login at a pstn DN of another node takes it from there",
			Edit{"cmd/internal/agent/agent.go", "inService && is.GetOwner() == d.Server().GetNode():", "inService:"}),
	}
}
