package broken

import "time"

// callFaults are those of calls and their events.
func callFaults() []Fault {
	return []Fault{
		{
			Name: "carrier-asks-the-phone", Kind: Proxy, What: "a phone is asked by a carrier who it is, within a call", Package: "./sip", Run: "^TestTrunk_IsAnsweredWithinACallToo$",
			Edits: []Edit{{"sip/proxy/relay.go", "	case res.Status == 100 || x.answers(res):\n", "	case res.Status == 100:\n"}},
		},
		{
			Name: "carrier-numbers", Kind: Proxy, What: "what comes behind a request that was sent twice has its number", Package: "./sip", Run: "^TestTrunk_IsAnsweredWithinACallToo$",
			Edits: []Edit{{"sip/dialog/table.go", "		x.raised[at.By]++\n", ""}},
		},
		{
			Name: "calls-end-oos", Kind: Calls, What: "a DN that is out of service releases its calls",
			Edits: []Edit{{"node/routing/routing.go", "	case st.State != dn.InSrv:\n		r.rings.lose(st",
				"	case st.State != dn.InSrv:\n		for _, c := range r.calls.Up() {\n			for i := range c.Parties {\n				if c.Parties[i].DN == st.Number {\n" +
					"					r.calls.End(c.ID, 480, false)\n					break\n				}\n			}\n		}\n		r.rings.lose(st"}},
			Scenario: "cuts", For: 60 * time.Second, Settle: shortly, Statements: []string{"S12"},
		},
		{
			Name: "calls-unknown", Kind: Snapshots, What: "a snapshot of a peer's calls adds none that were not known before",
			Edits: []Edit{
				{"node/call/copy.go", "	if o := t.nodes[id]; o != nil {\n		return", "	if o := t.nodes[id]; o == t.self {\n		return"},
				{"node/call/copy.go", "	case e == nil && c.o.n >= MaxCalls, e", "	case e == nil:\n		return true\n	case e"},
				{"node/call/copy.go", "	case e == nil:\n		e = t.add(c.o, newCall(row.ID, c.o.id, row.Info), row)\n	}", "	}"},
			},
			Scenario: "cuts", For: 60 * time.Second, Settle: shortly, Statements: []string{"S12"},
		},
		{
			Name: "cached-routes", Kind: Calls, What: "calls are sent to where a DN was once, lost or not",
			Edits: []Edit{
				{"node/routing/dial.go", "	case st.State != dn.InSrv:\n		done", "	case st.State != dn.InSrv && st.Owner == \"\":\n		done"},
				{"node/routing/rings.go", "	for _, x := range r.at[n] {", "	for _, x := range r.at[\"\"] {"},
			},
			Scenario: "cuts", For: 60 * time.Second, Settle: shortly, Statements: []string{"S13"},
		},
		{
			Name: "moved-is-called-where-it-was", Kind: Calls, What: "a DN whose phone went to another node without a pause is in service there for everybody, and called where it was",
			Edits: []Edit{
				{"node/routing/dial.go", "// stopSign stops one try after", "var whereItWas sync.Map\n\n// stopSign stops one try after"},
				{"node/routing/dial.go", "	return invite.Target{DN: st.Number, Node: st.Owner, NoAnswer", "	owner := st.Owner\n	if was, ok := whereItWas.Load(st.Number); ok {\n		owner = was.(dn.Node)\n	}\n	return invite.Target{DN: st.Number, Node: owner, NoAnswer"},
				{"node/routing/routing.go", "	st := &it.Status\n	switch {\n", "	st := &it.Status\n	switch {\n	case st.State != dn.InSrv:\n		whereItWas.Delete(st.Number)\n	case it.What != dn.OwnerChange:\n		whereItWas.LoadOrStore(st.Number, st.Owner)\n	}\n	switch {\n"},
			},
			Scenario: "quiet", For: 25 * time.Second, Settle: time.Second, Statements: []string{"S35"},
		},
		{
			Name: "calls-twice", Kind: Calls, What: "a request for a call that comes again asks the phone again", Package: "./node/makecall", Run: "^TestDesk_TheSameRequestIsDoneOnce$",
			Edits: []Edit{{"node/makecall/desk.go", "		return e, false, nil\n", "		return e, true, nil\n"}},
		},
		{
			Name: "deaf-to-405", Kind: Calls, What: "who has a phone call somebody that takes no REFER waits in vain", Package: "./node/makecall", Run: "^TestDesk_WhatThePhoneSaysIsTheAnswer$",
			Edits: []Edit{{"node/makecall/desk.go", "	case w.Code >= 300:\n", "	case w.Code >= 300 && refer.Takes(w.Code):\n"}},
		},
		{
			Name: "out-of-class-by-refer", Kind: Calls, What: "a phone is asked to call beyond its class of service", Package: "./node/makecall", Run: "^TestDesk_RefusesWithoutAskingThePhone$",
			Edits: []Edit{{"node/makecall/desk.go", "	case !d.cfg.MayCall(r.DN, r.Number):\n", "	case r.Number == \"\" && !d.cfg.MayCall(r.DN, r.Number):\n"}},
		},
	}
}
