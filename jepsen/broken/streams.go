package broken

// streamFaults are those of journals, logs and resumes, found by unit tests.
func streamFaults() []Fault {
	return []Fault{
		{
			Name: "journal-claims-more", Kind: Streams, What: "the journal claims one change more than it holds",
			Edits:   []Edit{{"node/dn/journal.go", "j.head-seq <= uint64(len(j.ring))", "j.head-seq <= uint64(len(j.ring))+1"}},
			Package: "./node/dn", Run: "^TestResume_",
		},
	}
}
