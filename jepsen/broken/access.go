package broken

// accessFaults are those of who may do what (S28).
func accessFaults() []Fault {
	guard := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Access, What: what, Edits: edits, Package: "./api/access", Run: run}
	}
	return []Fault{
		{
			Name: "watches-of-one", Kind: Access, What: "a source takes all watches of a node", Package: "./api", Run: "^TestPlaces_",
			Edits: []Edit{{"api/places.go", "	each := max(all/2, 1)\n", "	each := all\n"}},
		},
		{
			Name: "wide-secret", Kind: Access, What: "a file that everybody can read is read as a secret", Package: "./cmd/internal/dn", Run: "^TestPasswordFile_",
			Edits: []Edit{{"cmd/internal/dn/password.go", "		if err != nil {\n			return \"\", fmt.Errorf(\"%s: %w\", flag, err)\n		}\n		in =", "		if err != nil && len(b) > 0 {\n			return \"\", fmt.Errorf(\"%s: %w\", flag, err)\n		}\n		if err != nil {\n			b, _ = os.ReadFile(file)\n		}\n		in ="}},
		},
		{
			Name: "calls-beyond", Kind: Access, What: "a client changes calls of which no party is in its scope", Package: "./node/session", Run: "^TestScope_ACallOfOthers",
			Edits: []Edit{{"node/session/call_requests.go", "		if err == nil && s.mayChange(c) {\n", "		if err == nil {\n"}},
		},
		{
			Name: "user-events-beyond", Kind: Access, What: "a router tells something to DNs of groups that are not in its scope", Package: "./api/access", Run: "^TestRequests_AUserEvent",
			Edits: []Edit{{"api/access/requests.go", "cmp.Or(w.keeps(n), w.about(view, n))", "cmp.Or(w.keeps(n), nil)"}},
		},
		{
			Name: "monitors-beyond", Kind: Access, What: "who monitors all hears of what is not in his scope", Package: "./node/session", Run: "^TestScope_WhoMonitorsAll",
			Edits: []Edit{{"node/session/monitor.go", "		case !m.who.Hears(config):\n			return false\n", ""}},
		},
		guard("method-without-row", "a method that the table does not have is anybody's who has a token", "^TestGuard_WhatHasNoRowIsRefused$",
			Edit{"api/access/guard.go", "	if !Allows(who.Role, method) {", "	if Known(method) && !Allows(who.Role, method) {"}),
		guard("revoked-goes-on", "a revoked token is refused on new streams only", "^TestGuard_EndsStreams$/^revoked$",
			Edit{"api/access/streams.go", "			st.end(ended{})\n", ""}),
		guard("deaf-client-stays", "a stream whose client reads nothing outlives its token", "^TestGuard_EndsStreams$/^revoked$",
			Edit{"api/access/streams.go", "		if errors.Is(context.Cause(ctx), ErrEnded) {\n			return ended{}\n		}\n", "		_ = errors.Is\n"}),
		guard("expiry-unwatched", "a stream outlives the time of its token", "^TestGuard_EndsStreams$/^expired$",
			Edit{"api/access/streams.go", "		if t.GetExpiresMs() != 0 {", "		if t.GetExpiresMs() == 1 {"}),
		guard("chain-counts", "a certificate that is not registered is the first one's", "^TestGuard_WhoIsLetIn$",
			Edit{"fsm/token.go", "if t.GetCertificateSha256() == certificate && certificate != \"\" {", "if t.GetCertificateSha256() != \"\" && certificate != \"\" {"}),
		guard("expired-token", "a token is never over", "^TestGuard_WhoIsLetIn$",
			Edit{"fsm/token.go", "(t.GetExpiresMs() == 0 || ms < t.GetExpiresMs())", "(t.GetExpiresMs() == 0 || ms > 0)"}),
		guard("scope-of-groups", "a router sends calls to whomever it likes", "^TestRequests_OfEachRoleAndScope$",
			Edit{"api/access/requests.go", "	if len(groups) == 0 || slices", "	if len(groups) < 9 || slices"}),
		guard("pin-unchecked", "any authority is the cluster's", "^TestDial_ATokenNeverLeavesInTheClear$",
			Edit{"api/credential/tls.go", "			if strings.EqualFold(a, Fingerprint(c.Raw)) {", "			if strings.EqualFold(a, a) {"}),
		{
			Name: "scope-unchecked", Kind: Access, What: "requests of a session are not looked at",
			Edits:   []Edit{{"node/session/request.go", "s.who.Request(s.c.view(), m); err != nil {", "s.who.Request(s.c.view(), m); err != nil && ref == 1<<40 {"}},
			Package: "./node/session", Run: "^TestScope_",
		},
		{
			Name: "resumed-by-another", Kind: Access, What: "whoever has its resume token has a session",
			Edits:   []Edit{{"node/session/address.go", "r != nil && r.who == s.who.Token() {", "r != nil {"}},
			Package: "./node/session", Run: "^TestResume_IsForTheTokenThatHadTheSession$",
		},
		{
			Name: "role-in-the-entry", Kind: Access, What: "the state machine believes the role that an entry claims",
			Edits:   []Edit{{"fsm/permit.go", "return roleMay(v, t.GetRole(), m) }", "return roleMay(v, cmd.GetActor().GetRole(), m) }"}},
			Package: "./fsm", Run: "^TestPermit_OfEachRole$",
		},
		{
			Name: "role-unchecked", Kind: Access, What: "the state machine applies what anybody gave",
			Edits:   []Edit{{"fsm/permit.go", "		if !may(m) {", "		if !may(m) && i < 0 {"}},
			Package: "./fsm", Run: "^TestPermit_",
		},
		{
			Name: "forged-actor", Kind: Access, What: "who gave a command is what a node says",
			Edits:   []Edit{{"node/consensus/actor.go", "		Actor: actor, TimeMs:", "		Actor: func() *configpb.Actor {\n			if cmd.GetActor() != nil {\n				return cmd.GetActor()\n			}\n			return actor\n		}(), TimeMs:"}},
			Package: "./node/consensus", Run: "^TestActor_IsTheLeadersWord$",
		},
		{
			Name: "node-for-itself", Kind: Access, What: "a node gives any command for itself",
			Edits:   []Edit{{"node/consensus/server.go", "	if !asked || c.shown() {", "	if asked || c.shown() {"}},
			Package: "./node/consensus", Run: "^TestServer_ANodeForItselfWritesItsOwnEntry$",
		},
		{
			Name: "silent-keeps-out", Kind: Access, What: "connections that ask nothing keep others out",
			Edits:   []Edit{{"node/intake/intake.go", "	for entered != access.In && i.dropSilent(source, entered) {", "	for entered == access.In && i.dropSilent(source, entered) {"}},
			Package: "./node/intake", Run: "^TestIntake_SilentConnectionsMakeRoom$",
		},
	}
}
