package broken

import "time"

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
			Edits: []Edit{
				{"node/dn/merge.go", "if v.hold != nil && t.reservation(k) != nil {", "if v.hold != nil {"},
				{"node/agent/schedule.go", "			reg.table.Touch(map[dn.Number]struct{}{a.n: {}})\n", ""},
			},
			Package: "./node/agent", Run: rules,
		},
		Fault{
			Name: "lease-for-an-hour", Kind: Reservations, What: "a reservation that nobody renews stays until its time is over",
			Edits:   []Edit{{"node/agent/lease.go", "lease{holder, time.Now().Add(dn.Lease)}", "lease{holder, time.Now().Add(time.Hour)}"}},
			Package: "./node/agent", Run: rules,
		}.by("cuts", 30*time.Second, "S22"),
		{
			Name: "lease-is-not-renewed", Kind: Reservations, What: "a reservation ends although its holder lives",
			Edits:   []Edit{{"node/agent/holds.go", "			if reg.renew(ctx, &asking) {", "			if len(reg.holds.of) < 0 && reg.renew(ctx, &asking) {"}},
			Package: "./node/agent", Run: rules,
		},
		{
			Name: "lost-owner-keeps-reserving", Kind: Reservations, What: "in the others' view a reservation at a lost owner stays until its time is over",
			Edits:   []Edit{{"node/dn/agent.go", "!o.heard && !o.syncing && now >= o.lostClock+int64(Lease)", "o == nil"}},
			Package: "./node/agent", Run: rules,
		},
		Fault{
			Name: "ended-session-holds-on", Kind: Reservations, What: "what a session that ended has reserved is renewed by its node",
			Edits:   []Edit{{"node/session/address.go", "	as.cfg.Ended(holderOf(as.cfg.Table.Self(), r))\n", ""}},
			Package: "./node/session", Run: "^TestReserve_",
		}.by("quiet", 30*time.Second, "S22"),
		{
			Name: "instead-of-is-not-passed-on", Kind: Reservations, What: "another node's owner is not told whose place a call takes",
			Edits:   []Edit{{"node/agent/reserve.go", "AtOnce: r.AtOnce, InsteadOf: r.InsteadOf,", "AtOnce: r.AtOnce,"}},
			Package: "./node/agent", Run: rules,
		},
	}
}
