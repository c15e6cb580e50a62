package broken

// streamFaults are those of journals, logs and resumes, found by unit tests.
func streamFaults() []Fault {
	const hearing = "node/session/hearing.go"
	returning := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Streams, What: what, Edits: edits, Package: "./node/session", Run: "^TestResume_"}
	}
	return []Fault{
		{
			Name: "owner-told-behind-an-end", Kind: Streams, What: "a late reader hears of an owner of before the DN went out of service",
			Edits:   []Edit{{"node/dn/merge.go", "uint32(t.journals[visible].head) + 1<<31", "e.seq[placeOwner] + 1<<31"}},
			Package: "./node/dn", Run: "^TestStream_AnOwnerIsNotTold",
		},
		{
			Name: "journal-claims-more", Kind: Streams, What: "the journal claims one change more than it holds",
			Edits:   []Edit{{"node/dn/journal.go", "uint64(max(j.least, j.of.tree.Len()))", "uint64(max(j.least, j.of.tree.Len())+1)"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
		{
			Name: "journal-claims-no-more-than-least", Kind: Streams, What: "a word on more DNs than the journal holds at least has every reader begin anew",
			Edits:   []Edit{{"node/dn/journal.go", "uint64(max(j.least, j.of.tree.Len()))", "uint64(j.least)"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
		{
			Name: "journal-claims-less", Kind: Streams, What: "who lags by exactly the journal's length gets a snapshot",
			Edits:   []Edit{{"node/dn/journal.go", "uint64(max(j.least, j.of.tree.Len()))", "uint64(max(j.least, j.of.tree.Len())-1)"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
		{
			Name: "call-log-claims-more", Kind: Streams, What: "the log of calls claims one event more than it holds",
			Edits:   []Edit{{"node/call/log.go", "return l.tail <= seq && ", "return l.tail <= seq+1 && "}},
			Package: "./node/call", Run: "^Test(Resume|Stream)_",
		},
		returning("router-log-claims-more", "a router that missed one visit more than the log holds is not told so",
			Edit{"node/call/log.go", "return l.tail <= seq && ", "return l.tail <= seq+1 && "}),
		returning("router-log-claims-less", "a router that missed exactly what the log holds begins anew",
			Edit{"node/call/log.go", "return l.tail <= seq && ", "return l.tail < seq && "}),
		returning("router-of-another-life", "a router resumes at a place of the node's earlier life",
			Edit{"node/feed/reader.go", "from.Incarnation == incarnation && from.Seq > 0 &&", "from.Seq > 0 &&"}),
		returning("router-from-ahead", "a router resumes at a place that the log has not reached",
			Edit{"node/feed/reader.go", "tail <= from.Seq && from.Seq <= head", "tail <= from.Seq"}),
		returning("router-misses-one", "a router resumes one visit behind its place",
			Edit{hearing, "from.Incarnation, Seq: from.Calls}", "from.Incarnation, Seq: from.Calls + 1}"}),
		returning("router-hears-one-twice", "a router resumes one visit before its place",
			Edit{hearing, "from.Incarnation, Seq: from.Calls}", "from.Incarnation, Seq: from.Calls - 1}"}),
		returning("calls-go-on-alone", "calls go on where they were though the DNs begin anew: nobody is told of what waits",
			Edit{hearing, "case h.phase == going || !h.snapshot:", "case h.phase == going:"}),
		{
			Name: "agent-change-untold", Kind: Streams, What: "an agent who changes the work mode alone is no change",
			Edits:   []Edit{{"node/dn/agent.go", "a.State == b.State && a.Mode == b.Mode && ", "a.State == b.State && "}},
			Package: "./node/dn", Run: "^TestAgent_",
		},
		{
			Name: "old-incarnation-counts", Kind: Links, What: "a peer's copy counts on after gossip told of a newer incarnation",
			Edits:   []Edit{{"node/feed/fence.go", "if incarnation <= f.at.Incarnation {", "if incarnation <= f.at.Incarnation+1 {"}},
			Package: "./node/dn", Run: "^TestTable_NewerIncarnation",
		},
	}
}
