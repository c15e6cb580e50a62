package broken

// sizeFaults are those that show with many DNs.
func sizeFaults() []Fault {
	at := func(pkg, run, name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Bounds, What: what, Edits: edits, Package: pkg, Run: run}
	}
	return []Fault{
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "strays-uncounted", "a DN that is deleted, or disabled, stays counted as what it was",
			Edit{"node/dn/counts.go", "		t.count(e, is)\n	}\n}\n", "		e.share.class = is.class\n	}\n}\n"}),
		at("./node/dn", "^TestCounts_AreThoseOfAWalk$", "standby-counted-once", "a standby that is lost is counted still",
			Edit{"node/dn/counts.go", "is.holder, is.backed = b.node+1, t.standby(e, b.node) != nil", "is.holder, is.backed = b.node+1, t.standby(e, b.node) != nil || e.share.backed"}),
		at("./fsm", "^TestView_FindsDNsByGroupAndTrunks$", "group-left-in-the-index", "who leaves a group is found by it still",
			Edit{"fsm/dns.go", "		d.members.Delete(m)\n", "		_ = m\n"}),
		at("./api", "^TestReads_CostNoMoreWithManyDNs$", "status-walks", "status walks all DNs",
			Edit{"api/cluster.go", "	total, inService := ", "	for range view.DNs(\"\") {\n	}\n	total, inService := "}),
		at("./api", "^TestReads_CostNoMoreWithManyDNs$", "group-walks", "who asks for a group's DNs walks all of them",
			Edit{"api/availability.go", "	if f.group != \"\" {", "	if f.group == \"none\" {"}),
		at("./sip", "^TestMayDial_CostsNoMoreWithManyDNs$", "dial-walks", "each address dialled walks all DNs",
			Edit{"sip/dial.go", "v.Trunks()", "v.DNs(\"\")"}),
	}
}
