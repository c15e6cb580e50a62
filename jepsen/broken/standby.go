package broken

// standbyFaults are those of two ways to one phone.
func standbyFaults() []Fault {
	ways := func(name, what, from, to string) Fault {
		return Fault{
			Name: name, Kind: Claims, What: what, Edits: []Edit{{"node/dn/way.go", from, to}},
			Package: "./node/dn", Run: "TwoWays|TheStandby|TheAgentStays|OfAPair|ClaimsOfTheSame",
		}
	}
	return []Fault{
		ways("standby-steals", "a refresh at the standby takes the DN over", "	case r.since != w.since:\n		return r.since < w.since\n", "	case r.claim != w.claim:\n		return r.claim > w.claim\n"),
		ways("standby-forgotten", "the standby is dropped as superseded", "		case !r.beside(o) || r.claim < o.floor:\n", "		case r != nil:\n"),
		ways("standby-ends-with-the-other", "un-REGISTER of one way takes the other along", "		case !r.beside(o) || r.claim < o.floor:\n", "		case !r.beside(o) || r.claim < o.floor || o.state == OOS:\n"),
		ways("floor-of-a-tie", "another phone's claim takes a way of the same time along at a refresh", "r.claim < o.floor", "r.claim <= o.floor"),
		ways("standby-and-owner-own", "each of the nodes at which a phone is registered owns its DN", "	case x.heard != y.heard:\n", "	case (r.node == 0) != (w.node == 0):\n		return r.node == 0\n	case x.heard != y.heard:\n"),
		ways("standby-without-owner", "the DN of a lost owner is out of service, standby or not", "	case x.heard != y.heard:\n		return x.heard\n", ""),
		ways("standby-knows-no-agent", "the standby does not know what the agent does", "	if x.took(mine.x) {\n", "	if mine != nil {\n"),
		{
			Name: "left-way-comes-back", Kind: Claims, What: "a way that was left is back when the node that it went to has lost the DN",
			Edits:   []Edit{{"node/dn/farewell.go", " || !t.covered(e, f)", ""}},
			Package: "./node/dn", Run: "TwoWays|AWayThatWasLeft",
		},
		{
			Name: "standby-stores-no-agent", Kind: Agents, What: "the standby forgets the agent over a restart",
			Edits:   []Edit{{"node/agent/restore.go", "	return r, ok && r.Way.Line != 0 && r.State == dn.InSrv\n", "	return r, ok && r.Way.Line == 0\n"}},
			Package: "./node/agent", Run: "TheStandbyKnows",
		},
		{
			Name: "standby-forgets-when", Kind: Agents, What: "after a restart an agent's last word is older than all others",
			Edits:   []Edit{{"node/agent/restore.go", "		own.Said = r.Said\n", ""}},
			Package: "./node/agent", Run: "TheStandbyKnows",
		},
		{
			Name: "standby-out-of-case", Kind: Registrations, What: "a phone's flows are told apart by how its instance is written",
			Edits:   []Edit{{"sip/registrar/device.go", "		if 'A' <= c && c <= 'Z' {\n", "		if c == 0 {\n"}},
			Package: "./sip/registrar", Run: "APhoneStandsBy",
		},
		{
			Name: "standby-forgets-way", Kind: Durability, What: "after a restart a node does not know that its phone has another way",
			Edits:   []Edit{{"sip/location/codec.go", "	if r.Way.Line != 0 {\n", "	if kind == kindWay {\n"}},
			Package: "./sip/location", Run: "TestStore_",
		},
	}
}
