package broken

// reservationFaults are those of who may reserve a DN, and until when, found by
// unit tests.
func reservationFaults() []Fault {
	const rules = "^TestReserve_(WhoMay|OneHolderWhatever|OfALost)"
	return []Fault{
		{
			Name: "instead-of-anybody", Kind: Reservations, What: "a call that is sent instead of any holder takes a foreign reservation",
			Edits:   []Edit{{"node/agent/round.go", "r.Reserved.Holder == insteadOf", "r.Reserved.Holder != \"\""}},
			Package: "./node/agent", Run: rules,
		},
		{
			Name: "anybody-takes-back", Kind: Reservations, What: "anybody may take a reservation back",
			Edits:   []Edit{{"node/agent/round.go", "case r.Reserved.Holder != holder:", "case holder == \"\":"}},
			Package: "./node/agent", Run: rules,
		},
		{
			Name: "snapshot-reserves-for-ever", Kind: Reservations, What: "who begins to watch is told of a reservation that is over",
			Edits:   []Edit{{"node/dn/merge.go", "s.Reserved = s.Reserved && l.x.reserved(t.clock())", "s.Reserved = s.Reserved && l.x != nil"}},
			Package: "./node/agent", Run: rules,
		},
		{
			Name: "instead-of-is-not-passed-on", Kind: Reservations, What: "another node's owner is not told whose place a call takes",
			Edits:   []Edit{{"node/agent/reserve.go", "AtOnce: r.AtOnce, InsteadOf: r.InsteadOf,", "AtOnce: r.AtOnce,"}},
			Package: "./node/agent", Run: rules,
		},
	}
}
