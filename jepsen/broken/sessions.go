package broken

import "time"

// sessionFaults are those of T-Library sessions, agents and reservations.
func sessionFaults() []Fault {
	return []Fault{
		{
			Name: "reserved-here", Kind: Reservations, What: "a reservation is kept by the node that was asked, not by the DN's owner",
			Edits: []Edit{
				{"node/agent/reserve.go", "// Reserve reserves a DN", "var reservedHere = map[dn.Number]time.Time{}\n\n// Reserve reserves a DN"},
				{"node/agent/reserve.go", "	var until time.Time\n	err := reg.keepers.do(",
					"	if n != \"\" {\n		reg.schedule.mu.Lock()\n		defer reg.schedule.mu.Unlock()\n" +
						"		if r.Duration > 0 && time.Now().Before(reservedHere[n]) {\n			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, \"reserved\")\n		}\n" +
						"		reservedHere[n] = time.Now().Add(r.Duration)\n		return nil\n	}\n" +
						"	var until time.Time\n	err := reg.keepers.do("},
			},
			Scenario: "quiet", For: 8 * time.Second, Settle: time.Second, Statements: []string{"S19"},
		},
		{
			Name: "agent-early-ack", Kind: Durability, What: "a request about an agent is answered before it is stored",
			Edits: []Edit{
				{"node/agent/store.go", "	if s.failing() != nil {\n		return\n	}", "	if s != nil {\n		return\n	}"},
				{"node/agent/store.go", "		case <-s.wake:\n		}", "		case <-s.wake:\n			time.Sleep(4 * time.Second)\n		}"},
			},
			Scenario: "kills", For: 60 * time.Second, Settle: shortly, Statements: []string{"S7", "S5"},
		},
		{
			Name: "agent-stays", Kind: Agents, What: "an agent is forgotten when the DN moves to another node",
			Edits:    []Edit{{"node/dn/table.go", "		rec.x = t.said(e, k).x.with(k.x)\n", "		if k.node == 0 {\n			rec.x = k.x\n		}\n"}},
			Scenario: "quiet", For: 20 * time.Second, Settle: time.Second, Statements: []string{"S5"},
		},
		{
			Name: "no-farewell", Kind: Agents, What: "who hears the last owner of a DN and not the new one forgets the agent",
			Edits:    []Edit{{"node/dn/farewell.go", "r.x.free() != nil || !t.covered(e, f)", "r == nil"}},
			Scenario: "pair-cuts", For: 40 * time.Second, Settle: shortly, Statements: []string{"S5"},
		},
		{
			Name: "stale-broadcast", Kind: Streams, What: "an event of a call that was encoded for others keeps the names that its node had",
			Edits:   []Edit{{"node/session/broadcast.go", " && x.view == view", ""}},
			Package: "./node/session", Run: "TestBroadcast_MakesWhatItHasNot",
		},
		{
			Name: "broadcast-of-another", Kind: Streams, What: "a client is told an event of a call that another one of the same place in the ring was",
			Edits:   []Edit{{"node/session/broadcast.go", "x.seq == seq && ", ""}},
			Package: "./node/session", Run: "TestBroadcast_",
		},
		{
			Name: "deaf-gateway", Kind: Registrations, What: "a desktop gateway that is gone without goodbye is not noticed",
			Edits: []Edit{{"node/session/address.go", "		return // resumed by another connection\n	}\n",
				"		return // resumed by another connection\n	}\n	if !orderly {\n		return\n	}\n"}},
			Scenario: "quiet", For: 20 * time.Second, Settle: shortly, Statements: []string{"S4"},
		},
		{
			Name: "stale-gateway", Kind: Registrations, What: "the end of a gateway takes the registration of the next one down",
			Edits: []Edit{{"node/session/address.go", "	if held && !a.held() {\n		as.leave(n, a, why)\n	}\n	if len",
				"	if held {\n		as.leave(n, a, why)\n	}\n	if len"}},
			Scenario: "quiet", For: 20 * time.Second, Settle: shortly, Statements: []string{"S4", "S2"},
		},
		{
			Name: "session-drops", Kind: Streams, What: "a T-Library session leaves out changes of which several wait for its client",
			Edits:    []Edit{{"node/session/feeder.go", "		case feed.Change:\n", "		case feed.Change:\n			if i > 0 {\n				continue\n			}\n"}},
			Scenario: "quiet", For: 20 * time.Second, Settle: time.Second, Statements: []string{"S6"},
		},
		{
			Name: "session-repeats", Kind: Streams, What: "a T-Library session that is resumed repeats the last change",
			Edits: []Edit{{"node/session/request.go", "	s.feeder.waiting.upTo = 0\n	s.feeder.listen(ctx, from)",
				"	s.feeder.waiting.upTo = 0\n	from.DNs = max(from.DNs, 1) - 1\n	s.feeder.listen(ctx, from)"}},
			Scenario: "quiet", For: 40 * time.Second, Settle: time.Second, Statements: []string{"S6"},
		},
		{
			Name: "gateway-ends-sip", Kind: Registrations, What: "the end of a desktop beside a SIP phone takes the phone's DN out",
			Edits: []Edit{{"node/session/desktop.go", "	if a.claim != 0 {\n		as.cfg.Table.EndDesktop(n, a.claim, why, l)",
				"	if r, own := as.cfg.Table.Own(n); own {\n		as.cfg.Table.EndDesktop(n, r.ClaimTime, why, l)"}},
			Scenario: "quiet", For: 40 * time.Second, Settle: shortly, Statements: []string{"S2"},
		},
		{
			Name: "gateway-owns-sip", Kind: Registrations, What: "a desktop beside a SIP phone owns the phone's DN, and takes it out with its own end",
			Edits:    []Edit{{"node/session/address.go", "	owns := config.GetKind() == configpb.DNKind_DN_KIND_PSTN && mode", "	owns := mode"}},
			Scenario: "quiet", For: 20 * time.Second, Settle: shortly, Statements: []string{"S2", "S3", "S4"},
		},
	}
}
