package broken

// leakFaults are those of what is not let go of when it is over.
func leakFaults() []Fault {
	held := func(pkg, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Leaks, What: what, Edits: edits, Package: pkg, Run: "^TestHeld_"}
	}
	const sip, session, routing = "./sip", "./node/session", "./node/routing"
	return []Fault{
		held(sip, "call-keeps-its-place", "a call that was canceled keeps its place: 503 for ever after enough of them",
			Edit{"sip/proxy/call.go", "\tc.in.room.leave()\n}", "\tif !c.gaveUp {\n\t\tc.in.room.leave()\n\t}\n}"}),
		held(sip, "passed-call-keeps-its-place", "a call whose failure is passed on keeps its place",
			Edit{"sip/proxy/call.go", "\t\tc.finish()\n\t\tc.respond(o.res, o.domain, o.challenges)", "\t\tc.respond(o.res, o.domain, o.challenges)"}),
		{Name: "place-after-the-answer", Kind: Leaks, What: "a call that is answered has its place yet when its caller hears of it: the next one may be refused", Package: "./sip/proxy", Run: "^TestRoom_",
			Edits: []Edit{{"sip/proxy/attempt.go", "\tc.finish()\n\tc.respond(res, b.domain, c.timer.answerLines(res))", "\tc.respond(res, b.domain, c.timer.answerLines(res))\n\tc.finish()"}}},
		held(sip, "sessions-never-end", "a call whose session timer runs out is never forgotten",
			Edit{"sip/dialog/table.go", "\t\tif !x.deadline.After(now) {", "\t\tif !x.deadline.After(now) && x.next != nil {"}),
		held(sip, "caller-watch-stays", "who watches a caller's connection does not hear of the answer",
			Edit{"sip/proxy/call.go", "\tif c.over != nil {\n\t\tclose(c.over)\n\t}\n", ""}),
		held(session, "session-keeps-its-place", "a session that was never opened keeps its place",
			Edit{"node/session/session.go", "\t\tdefer c.room.Leave(source)\n", "\t\tif c.room.Taken() > 1 {\n\t\t\tdefer c.room.Leave(source)\n\t\t}\n"}),
		held(session, "monitor-stays", "a session that monitors all and ends slows the others down for ever",
			Edit{"node/session/session.go", "\tif s.feeder.audience.monitor != nil {\n\t\ts.c.monitors.Add(-1)\n\t}\n", ""}),
		held(routing, "visit-stays", "a call that left its routing point is still looked for there",
			Edit{"node/routing/visit.go", "\tdelete(vs.of, id)", "\t_ = id"}),
		held(routing, "queue-place-stays", "a call that gave up keeps its place in the queue",
			Edit{"node/routing/queue.go", "\tdefer r.queues.dequeue(group, w)\n", ""}),
		held(routing, "reservation-stays", "a call in vain keeps the agent reserved",
			Edit{"node/routing/stay.go", "\tdefer giveBack() // a call that is up keeps the DN busy\n", ""}),
		held(session, "routes-stay", "the answer to a route makes no room for another",
			Edit{"node/session/feeder_calls.go", "\t\tdelete(f.routes, t.answers)\n", ""}),
		held(session, "asked-stays", "the answer to a request makes no room for another",
			Edit{"node/session/ask.go", "\ta.n--\n", ""}),
		held(sip, "relay-outlives-its-connection", "a request within a call over a connection that ends is not told so before timer F",
			Edit{"sip/wire/flow.go", "\t\tf.Relays.end()\n", ""}),
		held(sip, "relay-stays", "an answered request within a call is held until its connection ends",
			Edit{"sip/proxy/relay.go", "\t\tx.flow.Relays.Remove(x)\n", ""}),
		held(sip, "unregistered-stays", "a connection over which somebody registered once is never idle",
			Edit{"sip/wire/flows.go", "return fl.l.bound(fl.key(), n) })", "return true })"}),
		held("./sip/wire", "posted-stays", "what was written to a slow phone counts as waiting for ever",
			Edit{"sip/wire/outbox.go", "o.queue, o.bytes, o.lent = nil, 0, 0", "o.queue, o.lent = nil, 0"}),
		{
			Name: "wheel-grows", Kind: Leaks, What: "each un-REGISTER leaves a place on the wheel behind",
			Edits:   []Edit{{"sip/location/wheel.go", "\tif end.IsZero() {\n\t\treturn", "\tif end.IsZero() {\n\t\tsl.due = 0\n\t\treturn"}},
			Package: "./sip/location", Run: "^TestStore_WhoComesBack",
		},
		{
			Name: "gossip-stays", Kind: Leaks, What: "what gossip said of a removed node is kept",
			Edits:   []Edit{{"node/tcontroller/mesh.go", "\t\tdelete(m.gossip, id) // it was removed: nobody asks any more\n", ""}},
			Package: "./node/tcontroller", Run: "^TestMesh_",
		},
		{
			Name: "ringing-stays", Kind: Leaks, What: "the map of what rings at other nodes grows for ever",
			Edits:   []Edit{{"node/routing/rings.go", "\tif r.at[n] = rest; len(rest) == 0 {\n\t\tdelete(r.at, n)\n\t}", "\tr.at[n] = rest"}},
			Package: routing, Run: "^TestRouting",
		},
		{
			Name: "link-stays", Kind: Leaks, What: "the link of a follower that left is kept",
			Edits:   []Edit{{"node/tcontroller/backlog.go", "\t\t\tdelete(ls.of, follower)", "\t\t\t_ = l"}},
			Package: "./node/tcontroller", Run: "^TestLink_",
		},
	}
}
