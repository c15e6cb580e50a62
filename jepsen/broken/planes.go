package broken

import "time"

// shortly is longer than the bound of convergence without a restart.
const shortly = 5 * time.Second

// planeFaults are those of the two planes and of SIP.
func planeFaults() []Fault {
	return []Fault{
		{
			Name: "peer-loss", Kind: Links, What: "the loss of a peer is ignored",
			Edits: []Edit{{"node/tcontroller/verdict.go",
				"	switch {\n	case e.bye:\n", "	switch {\n	case e.heard:\n		return true, \"\", 0\n	case e.bye:\n"}},
			Scenario: "leader-cuts", For: 8 * time.Second, Settle: time.Second, Statements: []string{"S1"},
		},
		{
			Name: "gossip-only", Kind: Links, What: "gossip alone says who is lost: a cut of its port is a loss, one of the links is none",
			Edits: []Edit{{"node/tcontroller/verdict.go",
				"	switch {\n	case e.bye:\n", "	switch {\n	case true:\n		return !e.gossipDead, \"cut\", 0\n	case e.bye:\n"}},
			Scenario: "ports", For: 60 * time.Second, Statements: []string{"S1", "S2", "S5", "S15"},
		},
		{
			Name: "arrival-order", Kind: Claims, What: "the claim that arrived last wins, not the greatest",
			Edits: []Edit{
				{"node/dn/merge.go", "if b == nil || t.claim(b).Less(t.claim(r)) {", "if b == nil || r.state == InSrv {"},
				{"node/dn/copy.go", "case !t.void(e, mine):", "case r.State != InSrv:"},
			},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S2", "S3", "S4", "S5", "S7"},
		},
		{
			Name: "no-sweep", Kind: Snapshots, What: "what a peer's snapshot does not mention stays",
			Edits:    []Edit{{"node/dn/copy.go", "	if c.feed.Full {\n		if err := c.sweep()", "	if false {\n		if err := c.sweep()"}},
			Scenario: "lost-locations", For: 60 * time.Second, Statements: []string{"S4", "S5"},
		},
		{
			Name: "early-ack", Kind: Durability, What: "a REGISTER is answered before it is stored",
			Edits: []Edit{
				{"sip/server.go", "s.flushed(s.cfg.Store.Flush())", "s.flushed(nil)"},
				{"sip/server.go", "s.cfg.Store.FlushHere(func(err error) {\n\t\ts.flushed(err)\n\t\tgoOn()\n\t})\n", "true, error(nil)\n"},
			},
			Scenario: "kills", For: 60 * time.Second, Statements: []string{"S7", "S4", "S2"},
		},
		{
			Name: "unregister-all", Kind: Registrations, What: "an un-REGISTER is matched by the DN only, whatever its contact",
			Edits: []Edit{{"sip/registrar/decide.go", "	i := d.find(r, c, life)\n	if i >= 0 &&",
				"	if life == 0 {\n		d.bindings, d.changed = d.bindings[:0], true\n		return\n	}\n	i := d.find(r, c, life)\n	if i >= 0 &&"}},
			Scenario: "quiet", For: 40 * time.Second, Settle: shortly, Statements: []string{"S2", "S4"},
		},
		{
			Name: "raft-table", Kind: Consensus, What: "a table is read only when the leader has confirmed it",
			Edits: []Edit{{"node/run.go", "api.AvailabilityConfig{Table: n.table, View: n.machine.View, ",
				"api.AvailabilityConfig{Table: n.table, View: func() *fsm.View { _ = n.group.ReadIndex(context.Background()); return n.machine.View() }, "}},
			Scenario: "leader-cuts", For: 25 * time.Second, Settle: shortly, Statements: []string{"S2"},
		},
		{
			Name: "local-read", Kind: Consensus, What: "a node's own copy is given out as a linearizable read",
			Edits:    []Edit{{"api/configuration.go", "	if linearizable {", "	if false {"}},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S8"},
		},
		{
			Name: "append-ack", Kind: Durability, What: "a write is acknowledged when the leader has appended it",
			Edits: []Edit{{"node/consensus/propose.go", "	if err := g.await(ctx, f); err != nil {\n		return 0, err\n	}\n	g.nudge()",
				"	if err := g.await(ctx, f); errors.Is(err, ErrUnknownOutcome) {\n		return g.raft.LastIndex(), nil\n	} else if err != nil {\n		return 0, err\n	}\n	g.nudge()"}},
			Scenario: "leader-cuts", For: 40 * time.Second, Settle: shortly, Statements: []string{"S9"},
		},
		{
			Name: "slow-refusal", Kind: Consensus, What: "a write without a majority hangs for seconds",
			Edits:    []Edit{{"node/consensus/group.go", "c.Timeout = 1800 * time.Millisecond", "c.Timeout = 4 * time.Second"}},
			Scenario: "leader-cuts", For: 25 * time.Second, Settle: shortly, Statements: []string{"S10"},
		},
		{
			Name: "raft-register", Kind: Consensus, What: "a REGISTER waits for the leader",
			Edits: []Edit{{"node/node.go", "func (n *Node) draining() bool { return ",
				"func (n *Node) draining() bool {\n	if n.group != nil {\n		_ = n.group.ReadIndex(context.Background())\n	}\n	return "},
				{"node/node.go", "GetDraining() }\n", "GetDraining()\n}\n"}},
			Scenario: "leader-cuts", For: 25 * time.Second, Settle: shortly, Statements: []string{"S10", "S2"},
		},
		{
			Name: "forgets-attempt", Kind: Durability, What: "the failure of the plane becomes the answer to a write that was already sent",
			Edits: []Edit{
				{"node/consensus/propose.go", "			if unknown != nil {\n", "			if false {\n"},
				{"node/consensus/propose.go", "case unknown != nil && !decided(err):", "case false:"},
				{"node/consensus/propose.go", "ErrUnknownOutcome, g.cause())", "ErrUnknownOutcome, g.Err())"},
			},
			Scenario: "leader-disk", For: 40 * time.Second, Statements: []string{"S10"},
		},
		{
			Name: "lost-event", Kind: Streams, What: "a stream leaves out every seventh change",
			Edits:    []Edit{{"node/dn/stream.go", "if e, place := j.at(s.read.Seq); e != nil {", "if e, place := j.at(s.read.Seq); e != nil && (s.kind == own || k == feed.Row || s.read.Seq%7 != 0) {"}},
			Scenario: "quiet", For: 8 * time.Second, Settle: time.Second, Statements: []string{"S6"},
		},
		{
			Name: "resume-again", Kind: Streams, What: "a resumed stream repeats the last change",
			Edits:    []Edit{{"node/feed/reader.go", "r.Seq = from.Seq", "r.Seq = from.Seq - 1"}},
			Scenario: "quiet", For: 60 * time.Second, Statements: []string{"S6"},
		},
		{
			Name: "no-pre-vote", Kind: Consensus, What: "a node that was cut off deposes the leader when it is back",
			Edits: []Edit{{"node/consensus/group.go", "c.CommitTimeout = g.cfg.news",
				"c.CommitTimeout, c.PreVoteDisabled = g.cfg.news, true"}},
			Scenario: "cuts", For: 60 * time.Second, Statements: []string{"S11"},
		},
		{
			Name: "no-rejoin", Kind: Links, What: "a peer that was away for some seconds is not looked for any more, by links nor by gossip",
			Edits: []Edit{
				{"membership/membership.go", "			for _, id := range g.absent() {\n				g.join", "			for _, id := range g.absent()[:0] {\n				g.join"},
				{"node/tcontroller/link.go", "	for ctx.Err() == nil {\n		within = max(", "	for tries := 0; ctx.Err() == nil; {\n		within = max("},
				{"node/tcontroller/link.go", "		backoff = min(backoff*13/10+backoffMin, backoffMax)",
					"		backoff = min(backoff*13/10+backoffMin, backoffMax)\n		if tries++; tries > 6 {\n			backoff = time.Hour\n		}"},
			},
			Scenario: "half-minute", For: 26 * time.Second, Settle: shortly, Statements: []string{"S14"},
		},
		{
			Name: "both-witnesses", Kind: Links, What: "gossip's word that a peer is back is announced besides that of the link",
			Edits:    []Edit{{"node/tcontroller/follower.go", "	if back {\n", "	if back {\n		f.cfg.Table.SetHeard(f.id, false)\n"}},
			Scenario: "cuts", For: 40 * time.Second, Settle: shortly, Statements: []string{"S15"},
		},
		{
			Name: "same-incarnation", Kind: Claims, What: "a node is the same one after a restart",
			Edits:    []Edit{{"sip/location/recover.go", "max(uint64(s.clock.start.UnixNano()), ld.meta.Incarnation+1)", "max(1, ld.meta.Incarnation)"}},
			Scenario: "kills", For: 25 * time.Second, Settle: shortly, Statements: []string{"S16"},
		},
		{
			Name: "claims-anew", Kind: Claims, What: "a node that was restarted claims its old DNs anew",
			Edits: []Edit{{"sip/registrar/upkeep.go", "	if !g.cfg.Table.PutBack(rec) {\n",
				"	rec.ClaimTime = now.UnixNano()\n	if !g.cfg.Table.PutBack(rec) {\n"}},
			Scenario: "kills", For: 50 * time.Second, Statements: []string{"S16", "S3"},
		},
		{
			Name: "zombie-serves-early", Kind: Claims, What: "a node that was removed while it was down takes phones while it loads",
			Edits:   []Edit{{"node/node.go", "n.greeting == nil && !n.isRemoved()", "n.greeting == nil"}},
			Package: "./node", Run: "^TestNode_RemovedWhileItWasDown$",
		},
		{
			Name: "zombie-by-its-key", Kind: Claims, What: "a node with a key of its own that was removed while it was down takes phones while it loads",
			Edits:   []Edit{{"node/meet.go", "met <- n.greetAt(ctx, a, &asking)", "met <- n.meet(ctx, a)"}},
			Package: "./node", Run: "^TestSecured_RemovedWhileItWasDown$",
		},
		{
			Name: "zombie-serves", Kind: Claims, What: "a node that was told at its start that it was removed opens its ports before it ends",
			Edits:   []Edit{{"node/run.go", "	if err == nil && n.isRemoved() {", "	if false {"}},
			Package: "./node", Run: "^TestNode_RemovedWhileItWasDown$",
		},
		{
			Name: "restore-over-register", Kind: Claims, What: "what is put back at the start takes the place of what has registered before",
			Edits:   []Edit{{"node/dn/table.go", "	if e.by(0) != nil {\n		return false\n	}\n	t.restore(e, &r)", "	t.restore(e, &r)"}},
			Package: "./sip/registrar", Run: "^TestRestore_Beside",
		},
		{
			Name: "register-before-restore", Kind: Claims, What: "a phone that registers before its DN is put back finds nothing of before",
			Edits:   []Edit{{"sip/registrar/registrar.go", "e != nil && !g.restored.Load() && g.putBack(e)", "e != nil && false && g.putBack(e)"}},
			Package: "./sip/registrar", Run: "^TestRestore_Beside",
		},
		{
			Name: "base-over-newer", Kind: Durability, What: "the base takes the place of what has changed since, while it is loaded",
			Edits:   []Edit{{"sip/location/load.go", "if n := blobNumber(piece[i].payload); s.slots[n] == nil {", "if n := blobNumber(piece[i].payload); n != \"\" {"}},
			Package: "./sip/location", Run: "^TestLoad_",
		},
		{
			Name: "bindings-wait-for-run", Kind: Durability, What: "what phones are told while a node loads reaches the disk when it runs",
			Edits:   []Edit{{"node/node.go", "	go func() { ended <- n.store.Run(ctx) }()\n", "	go func() { <-ctx.Done(); ended <- nil }()\n"}},
			Package: "./node", Run: "^TestNew_KeepsBindingsUntilItRuns$",
		},
		{
			Name: "damage-is-wrong-password", Kind: Registrations, What: "a phone whose DN can't be looked up while its node loads is told that its password is wrong",
			Edits:   []Edit{{"sip/registrar/registrar.go", "	if v.Unsure() {", "	if false {"}},
			Package: "./sip", Run: "^TestServer_NobodyIsToldByAConfigurationThatCanNotBeRead$",
		},
		{
			Name: "phone-of-a-former-dn", Kind: Registrations, What: "a DN that was deleted while its node was down, and is there again, has the phone of before",
			Edits:   []Edit{{"sip/registrar/upkeep.go", "		g.endBefore(dn.Number(n), w)\n", "		_, _ = n, w\n"}},
			Package: "./sip/registrar", Run: "^TestRegistrar_ADNThatIsBack",
		},
		{
			Name: "phone-behind-a-snapshot", Kind: Registrations, What: "a DN that is somebody else's by a snapshot has the phone of before",
			Edits:   []Edit{{"sip/registrar/upkeep.go", "	if c.Former != nil {", "	if false {"}},
			Package: "./sip/registrar", Run: "^TestRegistrar_WhereASnapshot",
		},
		{
			Name: "withdrawn-not-durably", Kind: Registrations, What: "a DN that was deleted and is there again has the phone of before when its node is killed within a second",
			Edits:   []Edit{{"sip/registrar/upkeep.go", "	for {\n		flush()\n", "	for {\n"}},
			Package: "./sip/registrar", Run: "^TestRegistrar_AWithdrawnDNIsDurably",
		},
		{
			Name: "partial-withdraws", Kind: Registrations, What: "a node whose configuration was lost ends the registrations of DNs of which its log has not told yet",
			Edits:   []Edit{{"sip/registrar/upkeep.go", "	partial := g.cfg.Partial != nil && g.cfg.Partial()\n", "	partial := false\n"}},
			Package: "./sip/registrar", Run: "^TestRestore_WhatAPartial",
		},
		{
			Name: "old-password-is-final", Kind: Registrations, What: "a phone whose password was changed while its node was down is told that it is wrong",
			Edits:   []Edit{{"sip/registrar/registrar.go", "	if behind && a.Refusal {", "	if false {"}},
			Package: "./sip", Run: "^TestServer_NobodyIsRefusedByAConfigurationThatMayBeBehind$",
		},
		{
			Name: "agent-of-before", Kind: Claims, What: "an agent is as a node knew him that was down, though he left meanwhile at another one",
			Edits:   []Edit{{"node/dn/copy.go", "	if was.claim != 0 {\n		return t.takeLate", "	if true {\n		return was.claim != 0 && t.takeLate"}},
			Package: "./node/dn", Run: "^TestCopy_TheLastWordAboutAnAgentHolds$",
		},
		{
			Name: "early-calls", Kind: Registrations, What: "a node that loads leaves INVITEs without an answer instead of sending them elsewhere",
			Edits:   []Edit{{"sip/doors.go", "m.Fault != nil || string(m.Method) == \"REGISTER\"", "m.Fault != nil || string(m.Method) != \"OPTIONS\""}},
			Package: "./sip", Run: "^TestServer_PhonesRegisterWhileItLoads$",
		},
		{
			Name: "zombie", Kind: Claims, What: "a node that was removed while it was down serves when it is back",
			Edits: []Edit{
				{"node/roster.go", "	if index >= view.Index() && (", "	if false && index >= view.Index() && ("},
				{"node/roster.go", "		if view.Node(n.id.ID) == nil {\n			return ErrRemoved", "		if false {\n			return ErrRemoved"},
			},
			Scenario: "zombie", For: 15 * time.Second, Settle: shortly, Statements: []string{"S16"},
		},
		{
			Name: "any-claim", Kind: Claims, What: "a peer may claim a DN with any stamp",
			Edits:    []Edit{{"node/dn/copy.go", "r.ClaimTime > 0 && r.ClaimTime <= maxClaimTime && ", ""}},
			Scenario: "lies", For: 20 * time.Second, Settle: shortly, Statements: []string{"S18"},
		},
		{
			Name: "third-party", Kind: Links, What: "a peer may speak in the name of another one",
			Edits: []Edit{
				{"node/tcontroller/link.go", "if h.GetPublisher() != string(id) {", "if id = dn.Node(h.GetPublisher()); id == \"\" {"},
			},
			Scenario: "lies", For: 20 * time.Second, Settle: shortly, Statements: []string{"S18"},
		},
		wallExpiry(),
	}
}

// wallExpiry needs a clock that can be wrong.
func wallExpiry() Fault {
	f := *Clock()
	f.Name, f.Kind, f.What = "wall-expiry", Registrations, "lifetimes of registrations follow the wall clock"
	f.Edits = append(f.Edits, Edit{"sip/location/clock.go", "return c.since + t.Sub(c.start)", "return c.since + t.Round(0).Sub(c.start.Round(0))"})
	f.Scenario, f.For, f.Statements = "clocks", 60*time.Second, []string{"S17", "S2", "S4", "S7"}
	return f
}
