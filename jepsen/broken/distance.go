package broken

// distanceFaults are those of bounds that hold beside the peer only, or nowhere.
func distanceFaults() []Fault {
	const file, follower = "node/tcontroller/distance.go", "node/tcontroller/follower.go"
	in := func(run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Links, What: what, Edits: edits, Package: "./node/tcontroller", Run: run}
	}
	return []Fault{
		in("^TestDistance_", "silence-in-ms", "how long a peer may be silent whose link broke is the same at every distance",
			Edit{file, "	return min(near+trip*5/2, max(near, longestSilence))", "	return near"}),
		in("^TestDistance_EveryBound", "kernel-time-in-ms", "the kernel ends the link to a far peer at the first loss",
			Edit{file, "	return min(UserTimeout+trip*9/4, longestTimeout)", "	return UserTimeout"}),
		in("^TestDistance_EveryBound", "silence-without-end", "the farther a peer, the later it is lost, without an end",
			Edit{file, "	return min(near+trip*5/2, max(near, longestSilence))", "	return near + trip*5/2"}),
		in("^TestTrips_Far", "distance-by-the-slowest", "one ping that a lost packet held up makes a peer far",
			Edit{file, "	return took[len(took)/10]", "	return took[len(took)-1]"}),
		in("^TestTimed_", "distance-once", "the distance is that of the moment at which the link opened",
			Edit{file, "now >= c.next.Load()", "now >= c.next.Load() && now < 0"}),
		in("^TestFollower_JudgesAFarPeer|^TestDistance_No", "gossip-beyond-its-reach", "gossip's word counts for peers whose answers it does not wait for",
			Edit{follower, "gossipDead: gossipDead && f.trip <= gossipReach", "gossipDead: gossipDead"}),
		in("^TestFollower_HasGossipAsk", "nobody-doubts", "gossip is not asked about a silent peer, and finds out by itself some seconds later",
			Edit{follower, "		f.cfg.Doubt(f.id)", "		_ = f.cfg.Doubt"}),
		in("^TestMesh_ThePeersOwnPings", "signs-while-down", "a peer that nothing gets to is heard as long as it pings",
			Edit{follower, "	if up {\n		f.frame()", "	if up || !up {\n		f.frame()"}),
		in("^TestFollower_PingsThatNeed", "no-answer-from-afar", "a far peer answers one ping in four, and what is known of the distance is old",
			Edit{follower, "return f.st.Delay.RTT <= gossipReach && ", "return "}),
		in("^TestFollower_PingsThatNeed", "pings-off-the-beat", "each link pings at a time of its own, so that an idle node wakes up for each of them",
			Edit{"node/tcontroller/link.go", "tick.Reset(pingEvery - time.Duration(now.UnixNano())%pingEvery)", "tick.Reset(pingEvery)"}),
		{
			Name: "kernel-alone-at-a-distance", Kind: Links, What: "only the kernel ends the link to a far peer, which it puts off at each ping",
			Edits: []Edit{{follower, "	if trip <= gossipReach || !unacknowledged(", "	if trip >= 0 || !unacknowledged("}},
			E2E:   "TestFar_ACutIsSeenByTheDistance",
		},
		{
			Name: "dead-for-a-lost-packet", Kind: Links, What: "a node that left one question unanswered is dead for gossip",
			Edits:   []Edit{{"membership/doubt.go", "const asks = 6", "const asks = 1"}},
			Package: "./membership", Run: "^TestSettings",
		},
		{
			Name: "dead-for-ever", Kind: Links, What: "who did not answer once is dead for gossip until it starts anew",
			Edits:   []Edit{{"membership/membership.go", "			for _, id := range g.silent() {", "			for _, id := range g.silent()[:0] {"}},
			Package: "./membership", Run: "^TestGossip_ADoubted",
		},
		{
			Name: "doubts-fill-the-log", Kind: Bounds, What: "a node that is far from the others says so each second",
			Edits:   []Edit{{"membership/transport.go", "bytes.Contains(text, []byte(\"Refuting a \"))", "false"}},
			Package: "./membership", Run: "^TestLog_",
		},
	}
}
