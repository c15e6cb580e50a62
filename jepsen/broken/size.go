package broken

// sizeFaults are those that show with many DNs.
func sizeFaults() []Fault {
	at := func(pkg, run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Bounds, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "strays-uncounted", "a DN that is deleted, or disabled, stays counted as what it was",
			Edit{"node/dn/counts.go", "		t.count(e, is)\n	}\n	t.regroup", "		e.share.class = is.class\n	}\n	t.regroup"}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "groups-of-yesterday", "a DN that left a group gets its calls still",
			Edit{"node/dn/counts.go", "	t.regroup(e, groups)\n", "	_ = groups\n"}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "free-after-the-call", "who was busy when it was told of stays out of the group",
			Edit{"node/dn/merge.go", "			t.settlePlace(e, asTime)\n", ""}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "ways-lost-together", "a DN with two ways is lost to its group with the node that has it",
			Edit{"node/dn/free.go", "	p.apart = ways > 1 || ", "	p.apart = ways > 9 || "}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "standby-counted-once", "a standby that is lost is counted still",
			Edit{"node/dn/counts.go", "is.holder, is.backed = b.node+1, t.standby(e, b.node) != nil", "is.holder, is.backed = b.node+1, t.standby(e, b.node) != nil || e.share.backed"}),
		at("./node/dn", "^TestLongestIdle_IsThatOfAWalk$", "idle-as-at-first", "whose turn it is in a group goes by what was known of each DN when it came into the order",
			Edit{"node/dn/ranks.go", "		if r := t.ranks[g]; r != nil {\n			t.rank(", "		if r := t.ranks[g]; r != nil && r.of[e] == nil {\n			t.rank("}),
		at("./node/dn", "^TestLongestIdle_IsThatOfAWalk$", "level-of-yesterday", "whose turn it is in a group goes by the level that he had when he came into the order",
			Edit{"node/dn/ranks.go", "was != nil && changed != configured {", "was != nil {"}),
		at("./internal/beat", "^TestTicker_", "beats-apart", "what a node does again and again has moments of its own",
			Edit{"internal/beat/beat.go", "	d := every - time.Duration(now.UnixNano())%every\n", "	d := every\n"}),
		at("./node/dn", "^TestLongestIdle_IsThatOfAWalk$", "idle-while-called", "who was just called has his turn again before the others",
			Edit{"node/dn/ranks.go", "= t.cfg.Now().UnixNano()\n		t.settlePlace(e, asTime)\n", "= t.cfg.Now().UnixNano()\n"}),
		at("./node/dn", "^TestLongestIdle_IsThatOfAWalk$", "stalled-for-good", "an agent whose reservation ended by its time has no turn until something else happens to him",
			Edit{"node/dn/idle.go", "	all := []queue{{due: true, fit: Together, here: true}}\n", "	var all []queue\n"},
			Edit{"node/dn/idle.go", "slices.SortFunc(all[1:],", "slices.SortFunc(all,"}),
		at("./node/dn", "^TestLongestIdle_Looks", "idle-walks-the-reserved", "who looks for an agent passes by all that are reserved",
			Edit{"node/dn/ranks.go", "stalled: until != 0 && (", "stalled: until < 0 && ("}),
		at("./fsm", "^TestView_FindsDNsByGroupAndTrunks$", "group-left-in-the-index", "who leaves a group is found by it still",
			Edit{"fsm/dns.go", "		d.members.Delete(m)\n", "		_ = m\n"}),
		at("./api", "^TestClients_CostNoMoreWithManyDNs$", "status-walks", "status walks all DNs",
			Edit{"api/cluster.go", "	total, inService := ", "	for range view.DNs(\"\") {\n	}\n	total, inService := "}),
		at("./api", "^TestClients_CostNoMoreWithManyDNs$", "group-walks", "who asks for a group's DNs walks all of them",
			Edit{"api/availability.go", "	case f.group != \"\" && routable:", "	case f.group == \"none\" && routable:"}, Edit{"api/availability.go", "	case f.group != \"\":", "	case f.group == \"none\":"}),
		at("./api", "^TestClients_CostNoMoreWithManyDNs$", "node-watch-walks", "who watches a node walks all DNs",
			Edit{"api/watch_node.go", "c.cfg.Table.OwnedDNs(id, \"\", func", "c.cfg.Table.Range(\"\", func"}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "owned-for-good", "a DN that has gone to another node stays listed at the one before",
			Edit{"node/dn/counts.go", "			t.nodes[was-1].owns.drop(e)\n", "			_ = was\n"}),
		at("./internal/walk", "^TestWalk_HoldsTheLockForAPiece$", "walk-in-one", "a walk over what a lock guards keeps it to the end",
			Edit{"internal/walk/walk.go", "		p.Held.Unlock()\n		p.Held.Lock()\n", ""}),
		at("./node/cdr", "^TestRecord_IsAContract$", "record-of-who-rang", "a call that nobody was told of has no record",
			Edit{"node/call/own.go", "			t.note(id, ev)\n", ""}),
		at("./node/cdr", "^TestHook_EachRecordAtLeastOnceAndInOrder$", "hook-takes-any-answer", "a record is sent when the server has answered, whatever it says",
			Edit{"node/cdr/hook.go", "res.StatusCode < 200 || res.StatusCode > 299", "res.StatusCode < 200"}),
		at("./node/cdr", "^TestFold_NotesThatAreLost$", "lost-notes-unsaid", "a record of which a part was lost doesn't say so",
			Edit{"node/cdr/record.go", "		m.Incomplete = true\n	}\n	f.gap = now", "		_ = m\n	}\n	f.gap = 0"}),
		at("./sip", "^TestMayDial_CostsNoMoreWithManyDNs$", "dial-walks", "each address dialled walks all DNs",
			Edit{"sip/dial.go", "v.Trunks()", "v.DNs(\"\")"}),
	}
}
