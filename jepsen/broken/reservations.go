package broken

import "time"

// reservationFaults are those of who may reserve a DN, and until when, found by
// unit tests.
func reservationFaults() []Fault {
	const rules = "^TestReserve_(WhoMay|OneHolderWhatever|OfALost)"
	return []Fault{
		{
			Name: "instead-of-anybody", Kind: Reservations, What: "a call that is sent instead of any holder takes a foreign reservation",
			Edits:   []Edit{{"node/agent/round.go", "has && insteadOf != \"\" {", "insteadOf != \"\" || has {"}},
			Package: "./node/agent", Run: rules,
		},
		{
			Name: "one-more-than-it-takes", Kind: Reservations, What: "a DN is reserved for one call more than it takes",
			Edits:   []Edit{{"node/dn/reservation.go", "s.Room = int(s.Taken) < t.cfg.Takes(s.Number)", "s.Room = int(s.Taken) <= t.cfg.Takes(s.Number) && s.Taken > 1"}},
			Package: "./node/agent", Run: "^TestReserve_(OneThat|Never)",
		},
		{
			Name: "one-at-a-time", Kind: Reservations, What: "a DN that takes several calls is reserved for one",
			Edits:   []Edit{{"node/agent/reserve.go", "	case s.Reserved && !s.Room:\n", "	case s.Reserved:\n"}},
			Package: "./node/agent", Run: "^TestReserve_(OneThat|Never)",
		},
		{
			Name: "several-end-together", Kind: Reservations, What: "with one of the reservations of a DN all end",
			Edits:   []Edit{{"node/agent/round.go", "r.Reserved = r.Reserved.Without(holder)", "r.Reserved = dn.Reservation{}"}},
			Package: "./node/agent", Run: "^TestReserve_OneThat",
		},
		{
			Name: "rings-and-is-reserved", Kind: Reservations, What: "a call that rings under its own reservation takes a DN twice",
			Edits:   []Edit{{"node/dn/reservation.go", "		if !t.cfg.At(s.Number, h.holder) {\n", "		if h.holder != \"\" {\n"}},
			Package: "./node/dn", Run: "^TestTable_ACallTakes",
		},
		{
			Name: "anybody-takes-back", Kind: Reservations, What: "anybody may take a reservation back",
			Edits: []Edit{
				{"node/agent/round.go", "		case !has:\n", "		case holder == \"\":\n"},
				{"node/agent/round.go", "r.Reserved = r.Reserved.Without(holder)", "r.Reserved, _ = dn.Reservation{}, has"},
			},
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
			Edits:   []Edit{{"node/agent/lease.go", "begin(n, holder, time.Now().Add(dn.Lease))", "begin(n, holder, time.Now().Add(time.Hour))"}},
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
