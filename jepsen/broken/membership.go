package broken

// membershipFaults are those of who belongs to the cluster and who votes in it (S9, S24).
func membershipFaults() []Fault {
	group := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Consensus, What: what, Edits: edits, Package: "./node/consensus", Run: run}
	}
	nodes := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Consensus, What: what, Edits: edits, Package: "./node", Run: run}
	}
	directory := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Trust, What: what, Edits: edits, Package: "./node/directory", Run: run}
	}
	rule := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Consensus, What: what, Edits: edits, Package: "./node/voters"}
	}
	return []Fault{
		rule("dead-voter-for-ever", "a voter that is dead keeps its vote",
			Edit{"node/voters/voters.go", "p.demoteSurplus, p.fill, p.replace, p.handOver}", "p.demoteSurplus, p.fill, p.handOver}"}),
		rule("dead-votes-instead", "a dead node gets the vote",
			Edit{"node/voters/voters.go", "!v.Voter && !m.NonVoter && p.alive(m.ID) &&", "!v.Voter && !m.NonVoter &&"}),
		rule("last-majority-demoted", "a vote is taken away without counting who lives",
			Edit{"node/voters/voters.go", "m.ID != p.Self && p.quorum(\"\", m.ID) {\n			return Step{Demote", "m.ID != p.Self {\n			return Step{Demote"}),
		rule("another-sites-voter", "a voter is replaced by whoever comes first",
			Edit{"node/voters/voters.go", "best.ID == \"\" || m.Site == site && best.Site != site)", "best.ID == \"\" || m.Site == site && best.Site == site)"}),
		rule("changed-places-stay", "nodes that changed places stay where they were in the Raft group",
			Edit{"node/voters/voters.go", "range []bool{true, false} {", "range []bool{true} {"}),
		nodes("never-told-again", "nodes that changed places may keep each other from the roster for good", "^TestMove$/^a_node_that_says",
			Edit{"node/seek.go", "n.group.Status().Leader == \"\" || n.misplaced()", "n.group.Status().Leader == \"\""}),
		nodes("move-forgets-rafts-address", "after a move Raft dials where the roster has the node", "^TestMove$/^two_nodes_change",
			Edit{"node/run.go", "Own: n.own, Reach: n.reach, Address: n.clusterAddr,", "Own: n.own, Reach: n.reach,"}),
		nodes("claimed-address-counts", "a node joins from wherever it says", "^TestReach_InTheClear$",
			Edit{"node/meet.go", "	case there.GetNode().GetId() != node.GetId():", "	case there.GetNode().GetId() == \"\":"}),
		group("one-look-is-enough", "an address counts when the leader alone finds the node there", "^TestReach_TwoLook$",
			Edit{"node/consensus/reach.go", "why, answered := g.askReach(ctx, id, node); answered && why != \"\"", "why, answered := g.askReach(ctx, id, node); answered && why == \"-\""}),
		group("moves-are-believed", "who is on the roster may say any address", "^TestReach_TwoLook$",
			Edit{"node/consensus/reach.go", "g.machine.View().Node(node.GetId()).GetClusterAddr() == node.GetClusterAddr() {", "g.machine.View().Node(node.GetId()) != nil {"}),
		nodes("wrong-address-is-dialled", "a node is dialled where it says it is, whether it answers there or not", "^TestMove$/^a_node_that_says",
			Edit{"node/meet.go", "|| claimed == met || n.isAt(ctx, said, claimed)", "|| claimed != \"\""}),
		{Name: "a-move-is-not-told", Kind: Consensus, What: "gossip goes on by the address that a node had at its start", Package: "./membership", Run: "^TestGossip_ANodeThatMoves",
			Edits: []Edit{{"membership/membership.go", "	g.cfg.Advertise, g.cfg.ClusterAddr = advertise, clusterAddr\n", ""}}},
		nodes("removed-waits-for-ever", "a node that knows of its own removal waits for a configuration that never comes when it is started again", "^TestCluster$",
			Edit{"node/meet.go", "	if status.Code(err) == codes.NotFound {\n		n.refusedAsOf(trailer)\n	}\n", ""}),
		nodes("loopback-for-a-moment", "a machine that has no address for a moment has its node told as one of loopback", "^TestPlace_ALook",
			Edit{"node/place.go", "is.Addr().IsLoopback() && !was.Addr().IsLoopback()", "is.Addr().IsLoopback() && was.Addr().IsLoopback() && was != is"}),
		nodes("nobody-is-sought", "who has moved is waited for", "^TestMove$/^two_nodes_change",
			Edit{"node/seek.go", "		if len(lost) == 0 && !all {\n", "		if len(lost) >= 0 {\n"},
			Edit{"node/meet.go", "	if n.id.ClusterID == \"\" {\n		return nil\n	}\n	ctx, cancel", "	if n.id.ClusterID != \"\" {\n		return nil\n	}\n	ctx, cancel"}),
		nodes("clone-is-let-in", "a copy of a node takes part", "^TestMove$/^a_copy_of",
			Edit{"node/meet.go", "!directory.Before(there, n.port.Self.Presence()) {", "true {"}),
		nodes("nobodys-word", "where nobody is asked who he is nodes that changed places never get each other's entries", "^TestMove_WhereNobodyIsAsked$",
			Edit{"node/consensus/server.go", "	if !asked && !client.shown() && peer == \"\" {", "	if asked && peer == \"\" {"}),
		nodes("told-for-ever", "a node that was elsewhere takes what the roster has had meanwhile for mended by hand", "^TestMove$/^(an_entry_that_is_mended|until_the_node_was)",
			Edit{"node/meet.go", "		n.keep(nil)\n", ""}),
		nodes("own-word-for-ever", "a node undoes what was mended by hand", "^TestMove$/^an_entry_that_is_mended",
			Edit{"node/meet.go", "	if present == nil || !slices.Equal(n.id.told(), addressesOf(n.self())) {", "	if present != nil {"}),
		directory("clone-counts-as-restart", "whoever comes last is the node", "^TestAdmit$",
			Edit{"node/directory/directory.go", "		case Before(there, p):", "		case Before(there, there):"}),
		directory("first-is-pushed-out", "a clone that was taken for a restart keeps the first process out", "^TestAdmit$",
			Edit{"node/directory/directory.go", "		case Before(there, p):", "		default:"}),
		directory("hearsay-counts", "what others say of an address counts as the node's own word", "^TestAt_TheNewestWord$",
			Edit{"node/directory/directory.go", "	d.hints[id] = addr\n", "	d.hints[id] = addr\n	if w, ok := d.words[id]; ok {\n		w.said.Node.ClusterAddr = addr\n	}\n"}),
		{Name: "anybody-says-the-front", Kind: Consensus, What: "whoever says that he is far ahead has all others lag", Package: "./node/lag",
			Edits: []Edit{{"node/lag/lag.go", "	b.front.reach(max(own, b.told[leader]), time.Now())\n", "	b.front.reach(max(own, b.told[leader], applied), time.Now())\n"}, {"node/lag/lag.go", "	b.front.reach(max(own, b.told[leader]), now)\n", "	_ = leader\n"}}},
		{Name: "lag-since-the-last", Kind: Consensus, What: "how long a node is behind counts from the last entry that it lacks", Package: "./node/lag",
			Edits: []Edit{{"node/lag/lag.go", "For: now.Sub(m.at)}", "For: now.Sub(f.marks[len(f.marks)-1].at)}"}}},
		nodes("learner-counts-as-caught-up", "a node without the log is listed as one that has it", "^TestLags_Roles$",
			Edit{"node/lags.go", "known && behind <= caughtUp", "known"}),
		group("asks-a-log-that-is-lost", "a node without a log is asked how far that goes, and ends", "^TestGroup_ALostLogWithoutALeader",
			Edit{"node/consensus/handover.go", "	if g.Err() != nil {\n		return 0\n	}\n", ""}),
		group("removal-counts-the-roster", "a removal counts the voters instead of those that live", "^TestWithout_CountsTheLiving$|^TestRemove_ALivingOneBesideADeadOne$",
			Edit{"node/consensus/handover.go", "return len(l.alive) > len(l.dead) }", "return len(l.alive)+len(l.dead) > 0 }"}),
		group("removal-by-memory", "who answered before a removal was asked for counts as living", "^TestRemove_ALivingOneBesideADeadOne$",
			Edit{"node/consensus/handover.go", "g.transport.reached(id, time.Since(began)) > 0", "g.transport.reached(id, g.cfg.Timeout) > 0"}),
		group("removals-side-by-side", "two removals are judged at a time", "^TestRemove_TwoAtATime$",
			Edit{"node/consensus/handover.go", "	g.removals.mu.Lock()\n	defer g.removals.mu.Unlock()\n", ""},
			Edit{"node/consensus/handover.go", "return leaving[id] || view.Node(string(id)) == nil }", "return leaving[id] }"}),
		group("leader-leaves-first", "a leader that is removed leaves before another one leads", "^TestRemove_TheLeaderOfTwo$",
			Edit{"node/consensus/handover.go", "	if leaving[raft.ServerID(g.cfg.Self.GetId())] {", "	if leaving[\"\"] {"}),
		group("no-hand-over", "a leader that stops lets the others find out", "^TestHandOver_AnotherLeadsWithoutAnElectionTimeout$",
			Edit{"node/consensus/handover.go", "g.await(ctx, g.raft.LeadershipTransferToServer(to.ID, to.Address))", "g.await(ctx, g.raft.Barrier(g.cfg.Timeout))"}),
	}
}
