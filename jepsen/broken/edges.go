package broken

import "time"

// edgeFaults are those of what isn't a call or a registration over UDP:
// requests outside of calls, connections, long rings, snapshots of Raft,
// reservations of others, and full disks. Only a cluster under faults, or a run
// that lasts, shows them.
func edgeFaults() []Fault {
	return []Fault{
		{
			Name: "request-to-lost", Kind: Proxy, What: "a MESSAGE, REFER or INFO for a DN whose owner is lost is sent on instead of 480",
			Edits:    []Edit{{"sip/proxy/target.go", "	if st.State != dn.InSrv {\n		return nil, false", "	if st.Owner == \"\" {\n		return nil, false"}},
			Scenario: "leader-cuts", For: 30 * time.Second, Settle: time.Second, Statements: []string{"S1"},
		},
		{
			Name: "tcp-unregister-all", Kind: Registrations, What: "an un-REGISTER over a connection drops all contacts of the DN",
			Edits: []Edit{{"sip/registrar/decide.go", "	case life == 0:\n		d.remove(i)\n	default:\n		d.set(r, c, i, life, now)\n	}\n}\n\n// life is",
				"	case life == 0 && r.Transport.Connected():\n		d.bindings, d.changed = d.bindings[:0], true\n	case life == 0:\n		d.remove(i)\n	default:\n		d.set(r, c, i, life, now)\n	}\n}\n\n// life is"}},
			Scenario: "quiet", For: 15 * time.Second, Settle: time.Second, Statements: []string{"S2", "S4"},
		},
		{
			Name: "deaf-flow", Kind: Registrations, What: "the end of a TLS connection does not end what was registered over it",
			Edits:   []Edit{{"sip/wire/flow.go", "		for _, n := range f.l.flows.remove(f) {\n", "		for _, n := range f.l.flows.remove(f) {\n			if f.l.transport == location.TLS {\n				continue\n			}\n"}},
			Package: "./sip", Run: "^TestConnections_",
			Scenario: "quiet", For: 25 * time.Second, Settle: shortly, Statements: []string{"S4"},
		},
		{
			Name: "timer-b", Kind: Timers, What: "timer B is not stopped by a provisional answer: every INVITE ends after 32 s",
			Edits:   []Edit{{"sip/transaction/client.go", "		c.again.Stop()\n		c.end.Stop()\n		if c.cancel", "		c.again.Stop()\n		if c.cancel"}},
			Package: "./sip", Run: "^Test(Timers|Schedule)_",
			Scenario: "quiet", For: 25 * time.Second, Statements: []string{"S13"},
		},
		{
			Name: "snapshot-no-trunks", Kind: Snapshots, What: "a snapshot of the configuration omits trunks",
			Edits: []Edit{{"fsm/snapshot.go", "	for d := range v.DNs(\"\") {\n		if err := fn(recordDN",
				"	for d := range v.DNs(\"\") {\n		if d.GetTrunk() != nil {\n			continue\n		}\n		if err := fn(recordDN"}},
			Package: "./fsm", Run: "^Test(Fields|Restore)_",
			Scenario: "lost-disks", For: 15 * time.Second, Settle: shortly, Statements: []string{"S9"},
		},
		{
			Name: "snapshot-no-login", Kind: Snapshots, What: "a snapshot of the configuration omits groups whose agents have to log in",
			Edits: []Edit{{"fsm/snapshot.go", "	for g := range v.Groups() {\n		if err",
				"	for g := range v.Groups() {\n		if g.GetLoginRequired() {\n			continue\n		}\n		if err"}},
			Package: "./fsm", Run: "^Test(Fields|Restore)_",
			Scenario: "lost-disks", For: 15 * time.Second, Settle: shortly, Statements: []string{"S9"},
		},
		{
			Name: "trunk-of-any-prefix", Kind: Calls, What: "a number of no DN leaves by a trunk whose prefix begins as it does, whatever follows",
			Edits: []Edit{{"node/numbering/way.go", "strings.HasPrefix(number, c.GetPrefix())",
				"strings.HasPrefix(number, t.GetTrunk().GetPrefix()[:min(1, len(t.GetTrunk().GetPrefix()))])"}},
			Package: "./node/routing", Run: "^TestRouting_TrunksAre|^TestRouteCall_WhereTheCallGoes",
			Scenario: "quiet", For: 25 * time.Second, Settle: time.Second, Statements: []string{"S13"},
		},
		{
			Name: "steals-reservation", Kind: Reservations, What: "who wants a call sent to an agent in place of a reservation of its own takes anybody's",
			Edits:    []Edit{{"node/agent/round.go", "has && insteadOf != \"\" {", "has || insteadOf != \"\" {"}},
			Scenario: "quiet", For: 25 * time.Second, Settle: time.Second, Statements: []string{"S19"},
		},
		{
			Name: "endless-reservation", Kind: Reservations, What: "a reservation at an owner that is lost never ends in the others' view",
			Edits: []Edit{
				{"node/dn/agent.go", "if !r.x.reserved(now) || !o.heard && !o.syncing && now >= o.lostClock+int64(Lease) {", "if _, _ = now, o; r.x == nil || r.x.holds == nil {"},
			},
			Package: "./node/agent", Run: "^TestReserve_(WhoMay|OneHolderWhatever|OfALost)",
			Scenario: "half-minute", For: 26 * time.Second, Settle: time.Second, Statements: []string{"S22"},
		},
	}
}
