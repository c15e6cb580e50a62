package broken

import "time"

// busyFaults are those of who is busy (S21).
func busyFaults() []Fault {
	sim := func(f Fault) Fault {
		f.Kind, f.Package, f.Run = Calls, "./node/call", "^TestBusy_|^TestCarry_"
		return f
	}
	ends := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Calls, What: what, Edits: edits, Package: "./sip", Run: run}
	}
	return []Fault{
		ends("bye-without-a-way", "a BYE that can't be sent on ends no call", "^TestCluster_ABYE",
			Edit{"sip/proxy/bye.go", "\tif over := rs.dialogs.HungUp(at, false); over != nil {\n\t\tsh.After(over.Release)\n\t}\n", ""}),
		ends("challenge-ends-the-call", "a BYE that is asked for again with credentials ends the call", "^TestTimers_Datagrams$",
			Edit{"sip/proxy/relay.go", "	case x.method == methodBye && res.Status != 401 && res.Status != 407:", "	case x.method == methodBye && res.Status != 401:"}),
		ends("bye-waits-for-the-other", "a call is over only when the other side has answered the BYE, or after timer F", "^TestTimers_Datagrams$",
			Edit{"sip/proxy/relay.go", "		x.alarm.Set(byeAnswer * x.sh.T1())\n", ""}),
		ends("connection-is-not-watched", "nobody hangs up for a party whose connection is gone", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "	c.grace.Set(grace)\n", ""}),
		ends("back-is-gone", "a party that registered again is hung up for all the same", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "	case c.asked || !c.ask():\n", "	default:\n"}),
		ends("back-is-not-asked", "any phone of the DN that has registered since a connection in a call was lost counts as who had it", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "	case err == nil && endsDialog(res.Status):\n		c.over()\n", ""}),
		ends("asked-once", "nobody notices that who went on with a call at another node, or over UDP, is gone", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "		c.node = hop.peer\n		c.grace.Set(askEvery)\n", "		c.node = hop.peer\n"}),
		ends("cut-is-gone", "who went on with a call at a node that is not heard for a while is hung up for", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "	if c.node == \"\" || c.h.path.heard(c.node) {\n", "	if c.node == \"\" || c.node != \"\" {\n"}),
		ends("back-says-nothing", "who is back and says nothing keeps the call for the time of timer F", "^TestHangUp_",
			Edit{"sip/proxy/hangup.go", "	c.grace.Set(silence * c.sh.T1())\n", ""}),
		ends("dead-caller-waits", "a caller over UDP who is gone waits at the routing point", "^TestCaller_",
			Edit{"sip/proxy/caller_alive.go", "		p.c.canceled([][]byte{", "		p.c.in.log.Debug(\"gone\", \"why\", [][]byte{"}),
		ends("restart-rings-on", "a phone rings on for a call that its node forgot when it restarted", "^TestRestart_OfTheOwner",
			Edit{"sip/proxy/branch.go", "return deliverBranch(c.in.targets.ring, topBranch(c.req), l.uri)", "return newBranch(c.mark)"}),
		ends("rings-for-a-lost-node", "a phone rings on for the caller of a node that is lost", "^TestOrphans_",
			Edit{"sip/proxy/orphans.go", "				c.orphaned()\n", ""}).by("cuts", 30*time.Second, "S22"),
		ends("waits-for-the-dead", "a phone rings on for the caller of a node that was killed, as for one that may be back", "^TestOrphans_",
			Edit{"sip/proxy/orphans.go", "	case !l.over:\n", "	case l.over && len(o.lost) < 0:\n"}),
		in("./node/call", "^TestCarry_OverIsSaid", Calls, "over-everywhere", "a call whose try is over at another node ends, although it rings elsewhere",
			Edit{"node/call/leg.go", "		p := c.Party(l.DN, Called)\n		return p != nil && p.State >= state && (p.At == \"\" || p.At == l.carrier.id) && !", "		_ = state\n		return !"}),
		in("./node/call", "^TestBusy_IsTheCalls", Calls, "try-before", "a call ends at a DN because its first try there is over",
			Edit{"node/call/leg.go", "p.State >= state && (p.At == \"\" || p.At == l.carrier.id) && !", "p.State >= state && !"}),
		in("./node/call", "^TestCarry_WhoIsNotCarried", Calls, "uncarried-stays", "a DN that has left a call stays busy when the call's node dies",
			Edit{"node/call/copy.go", "				t.releaseUncarried(e)\n", "				_ = t.releaseUncarried\n"}),
		{
			Name: "restart-untold", Kind: Calls, What: "nobody hears that a peer began anew while it was lost", Package: "./node/call", Run: "^TestTable_TellsWhose",
			Edits: []Edit{{"node/call/copy.go", "	if known && t.cfg.Gone != nil {", "	if known && round == 0 && t.cfg.Gone != nil {"}},
		},
		{
			Name: "carrier-talks-on", Kind: Calls, Package: "./node/call", Run: "^TestLeftAlone_", What: "a node does not hang up to the phone of a call of which its own node says that it is over",
			Edits: []Edit{{"node/call/leg.go", "			if said && l.carrier == t.self && !l.done {", "			if said && l.Over {"}},
		},
		sim(Fault{
			Name: "busy-leaks", What: "a call that is over keeps its parties busy",
			Edits:    []Edit{{"node/call/table.go", "		t.uses.move(e.call.ID, e.call.Parties, next.Parties)\n", "		t.uses.move(e.call.ID, nil, next.Parties)\n"}},
			Scenario: "quiet", For: 6 * time.Second, Settle: time.Second, Statements: []string{"S21"},
		}),
		sim(Fault{
			Name: "carrier-unheard", What: "a node that carries a call of another one, which is cut off, can't say that it is over",
			Edits: []Edit{{"node/call/leg.go", "	case !e.lost:\n		t.consider(e)\n	case !t.carried(e):\n", "	case !t.carried(e):\n"}},
		}),
		sim(Fault{
			Name: "heal-brings-back", What: "a call that a carrier ended during a cut is back with the snapshot of the node that has it",
			Edits: []Edit{
				{"node/call/table.go", "over: t.overruled(as, o, StateDialing)}", "over: t.overruled(as, o, StateDialing) && o == t.self}"},
				{"node/call/leg.go", "over := len(t.legs) > 0 && t.overruled(", "over := e.over && t.overruled("},
			},
		}),
		sim(Fault{
			Name: "carried-dies-along", What: "a call whose node has died ends although another node carries it",
			Edits: []Edit{{"node/call/copy.go", "if e.lost = true; e.over || !t.carried(e) {", "if e.lost = true; true {"}},
		}),
		sim(Fault{
			Name: "leg-untold", What: "peers that wait for events hear of a carried call with the next one only",
			Edits: []Edit{{"node/call/leg.go", "		t.own.idle.Wake() // its readers wait for that time\n", "		_ = t.own.idle.Wake\n"}},
		}),
		sim(Fault{
			Name: "fresh-leg-stays", What: "a peer that is told of a carried call by a snapshot does not hear that it was over soon",
			Edits: []Edit{{"node/call/stream.go", "		s.t.tellAllLegs()\n", "		_ = s.t.tellAllLegs\n"}},
		}),
		{
			Name: "caller-untold", Kind: Calls, What: "peers hear of a phone's call when it rings, not when it begins",
			Edits:   []Edit{{"node/call/own.go", "	if info.Type != Inbound {", "	if false {"}},
			Package: "./node/call", Run: "^TestBusy_",
		},
		{
			Name: "counted-at-the-owner", Kind: Calls, What: "a phone in a call is free where it registers next",
			Edits:   []Edit{{"node/dn/merge.go", "	v.busy = t.cfg.Busy(e.number)\n	return v", "	v.busy = e.told.busy && t.cfg.Busy(e.number)\n	return v"}},
			Package: "./node/dn", Run: "^TestTable_EveryUseIsTold$|^TestTable_WhoRegisters",
			Scenario: "quiet", For: 20 * time.Second, Settle: time.Second, Statements: []string{"S21"},
		},
	}
}
