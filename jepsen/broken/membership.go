package broken

// membershipFaults are those of who belongs to the cluster and who votes in it (S9, S24).
func membershipFaults() []Fault {
	group := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Consensus, What: what, Edits: edits, Package: "./node/consensus", Run: run}
	}
	return []Fault{
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
