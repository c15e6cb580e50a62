package broken

// peerFaults are mistakes about what carries SIP between nodes.
func peerFaults() []Fault {
	peer := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Calls, What: what, Edits: edits, Package: "./sip/peer", Run: run}
	}
	return []Fault{
		peer("one-stream-for-all", "all calls between two nodes go by one stream", "^TestLanes_ALostPacket",
			Edit{"sip/peer/lanes.go", "	l.left = -1\n}", "	l.left = together\n}"}),
		peer("overtakes-itself", "what belongs to a call takes another stream before the first has arrived", "^TestLanes_AGroupStays",
			Edit{"sip/peer/lanes.go", "	return after(at.nth, l.there[at.slot]) && (", "	return false && ("}),
		peer("overtakes-what-waits", "what belongs to a call takes another stream while a node that stands still has not served the first", "^TestLanes_ANodeThatStands",
			Edit{"sip/peer/lanes.go", "case l.now-at.last < settled, l.spoke-at.last < settled:", "case l.now-at.last < settled:"}),
		peer("together-by-many-streams", "what is sent together goes by a stream each", "^TestLanes_WhatIsSentTogether",
			Edit{"sip/peer/lanes.go", "l.lane, l.since, l.left = slot, l.now, together", "l.lane, l.since, l.left = slot, l.now, 1"}),
		peer("no-room-no-bound", "what the kernel has no room for is kept without bound, and never sent", "^TestPair_AStalled",
			Edit{"sip/peer/stream.go", "		if s.socket.stuck() {\n", "		if false {\n"}),
		peer("writer-waits", "who sends to another node waits until that reads", "^TestPair_AStalled",
			Edit{"sip/peer/stream.go", "			go s.drain(out)\n", "			s.drain(out)\n"}),
		peer("another-node-is-answered", "what comes from a node counts as another's, who gets the answer", "^TestPort_EachIsAnswered",
			Edit{"sip/peer/port.go", "pt.cfg.Receiver(p.node)", "pt.cfg.Receiver(pt.Peers()[0])"}),
		peer("greeting-is-believed", "a node that opens a stream says who it is, whatever its certificate says", "^TestServe_Refuses",
			Edit{"sip/peer/port.go", "	case from != \"\" && from != g.from, p == nil:", "	case p == nil:"}),
		peer("lost-with-the-stream", "what a stream took with it when it ended is not asked for again", "^TestPair_AnotherStream",
			Edit{"sip/peer/pair.go", "p.stands, p.unsure = make(chan struct{}), true\n	}\n	p.changed.Send()\n", "p.stands, p.unsure = make(chan struct{}), true\n	}\n"}),
		peer("waits-for-ever", "what is sent to a node that never comes waits for ever", "^TestPair_WithoutAStream$",
			Edit{"sip/peer/pair.go", "time.AfterFunc(hopeFor, p.giveUp)", "time.AfterFunc(1000*hopeFor, p.giveUp)"}),
		peer("all-streams-dial", "a node that is away is dialled by all streams", "^TestPair_APeerThatIsAway",
			Edit{"sip/peer/pair.go", "	if slot == 0 {\n		return\n	}\n", "	if slot < Streams {\n		return\n	}\n"}),
		peer("a-write-each", "each message to another node is a write of its own", "^TestPort_HoldGathers$",
			Edit{"sip/peer/port.go", "	if pt.held > 0 {\n", "	if pt.held > 8 {\n"}),
		{Name: "answered-to-nodes-once", Kind: Calls, What: "a request of another node that comes again after a stream ended is a new one", Package: "./sip/transaction", Run: "^TestResend_TheServer",
			Edits: []Edit{{"sip/transaction/server.go", "	case !s.to.Resent():", "	case s.to.Reliable():"}}},
		{Name: "no-way-no-bye", Kind: Calls, What: "a BYE that no stream takes is not sent when there is one again", Package: "./sip/transaction", Run: "^TestResend_WhereThereIsNoWay$",
			Edits: []Edit{{"sip/transaction/client.go", "waits := (method == \"BYE\" || method == \"CANCEL\") &&", "waits := method == \"CANCEL\" &&"}}},
		{Name: "anybody-delivers", Kind: Proxy, What: "whoever has seen the token that a node sends another one has its phones called", Package: "./sip", Run: "^TestCluster_ATokenToDeliver",
			Edits: []Edit{{"sip/proxy/fresh.go", " && in.peer != \"\" && k.Node == in.peer:", ":"}}},
	}
}
