package broken

// streamFaults are those of journals, logs and resumes, found by unit tests.
func streamFaults() []Fault {
	return []Fault{
		{
			Name: "journal-claims-more", Kind: Streams, What: "the journal claims one change more than it holds",
			Edits:   []Edit{{"node/dn/journal.go", "j.head-seq <= uint64(len(j.ring))", "j.head-seq <= uint64(len(j.ring))+1"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
		{
			Name: "journal-claims-less", Kind: Streams, What: "who lags by exactly the journal's length gets a snapshot",
			Edits:   []Edit{{"node/dn/journal.go", "j.head-seq <= uint64(len(j.ring))", "j.head-seq < uint64(len(j.ring))"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
		{
			Name: "call-log-claims-more", Kind: Streams, What: "the log of calls claims one event more than it holds",
			Edits:   []Edit{{"node/call/log.go", "return l.tail <= seq && ", "return l.tail <= seq+1 && "}},
			Package: "./node/call", Run: "^Test(Resume|Stream)_",
		},
		{
			Name: "agent-change-untold", Kind: Streams, What: "an agent who changes the work mode alone is no change",
			Edits:   []Edit{{"node/dn/agent.go", "a.State == b.State && a.Mode == b.Mode && ", "a.State == b.State && "}},
			Package: "./node/dn", Run: "^TestAgent_",
		},
		{
			Name: "old-incarnation-counts", Kind: Links, What: "a peer's copy counts on after gossip told of a newer incarnation",
			Edits:   []Edit{{"node/dn/copy.go", "incarnation > o.incarnation\n	if newer", "incarnation > o.incarnation+1\n	if newer"}},
			Package: "./node/dn", Run: "^TestTable_NewerIncarnation",
		},
	}
}
