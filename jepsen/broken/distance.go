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
		{
			Name: "kernel-alone-at-a-distance", Kind: Links, What: "only the kernel ends the link to a far peer, which it puts off at each ping",
			Edits: []Edit{{follower, "	if trip <= gossipReach || !unacknowledged(", "	if trip >= 0 || !unacknowledged("}},
			E2E:   "TestFar_ACutIsSeenByTheDistance",
		},
		{
			Name: "doubts-fill-the-log", Kind: Bounds, What: "a node that is far from the others says so each second",
			Edits:   []Edit{{"membership/transport.go", "bytes.Contains(text, []byte(\"Refuting a \"))", "false"}},
			Package: "./membership", Run: "^TestLog_",
		},
	}
}
