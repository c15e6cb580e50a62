package broken

import "time"

// identityFaults are those of who is a node, and whom a node takes for one (S18).
func identityFaults() []Fault {
	of := func(name, what, pkg, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Access, What: what, Edits: edits, Package: pkg, Run: run}
	}
	liars := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Access, What: what, Edits: edits, E2E: "TestSecured"}
	}
	return []Fault{
		of("fingerprint-unchecked", "whoever has a certificate of the authority is the node that it names, whatever his key", "./node/identity", "^TestCheck",
			Edit{"node/identity/check.go", "	case !slices.Contains(keys, key):\n", "	case len(keys) == 0 && !slices.Contains(keys, key):\n"}),
		of("any-node-answers", "whoever answers is taken for the node that was meant", "./node/identity", "^TestCheck",
			Edit{"node/identity/check.go", "	if want != \"\" && id != want {", "	if want != \"\" && id == \"\" {"}),
		of("any-authority", "a certificate that somebody signed himself counts", "./node/identity", "^TestCheck",
			Edit{"node/identity/check.go", "leaf.CheckSignatureFrom(a) == nil })", "a != nil })"}),
		of("expiry-cuts", "a node whose certificate is out of its time is not believed", "./node/identity", "^TestCheck",
			Edit{"node/identity/check.go", "	case cluster != t.Cluster:\n", "	case Expired(leaf, time.Now()):\n		return id, NotSigned\n	case cluster != t.Cluster:\n"}),
		of("removed-stays", "the connections of a node that was removed go on", "./node", "^TestSecured",
			Edit{"node/port/known.go", "		if t.Holds(c.Peer, c.Key) != nil {", "		if false && t.Holds(c.Peer, c.Key) != nil {"}),
		of("any-protocol", "a connection for joining serves what nodes alone may ask", "./node", "^TestSecured",
			Edit{"node/port/port.go", "opening == grpcPreamble && (protocol == identity.GRPC || protocol == \"\"):", "opening == grpcPreamble:"}),
		of("speaks-for-others", "a node follows in the name of another", "./node", "^TestSecured",
			Edit{"node/speaker.go", "id == \"\" || id == hello.GetFollower() {", "id != \"\" || id == hello.GetFollower() {"}),
		liars("holds-for-others", "a node renews and takes back what another node's sessions hold",
			Edit{"node/speaker.go", "		if agent.NodeOf(h) != dn.Node(id) {", "		if h == \"\" {"}),
		liars("liar-uncounted", "nobody counts a node that asks for a vote in the name of another",
			Edit{"node/consensus/caller.go", "	if peer := c.want().from; peer != \"\" {", "	if peer := c.want().from; peer == \"\" {"}),
		liars("anybody-learns", "whoever has a node's key is told whom to believe in the name of another",
			Edit{"node/entrance.go", "	case why != nil:\n", "	case why != nil && key == \"\":\n"}),
		of("any-incarnation", "whoever claims an incarnation that no start can have keeps the node out that has its name", "./node/feed", "^TestFence_",
			Edit{"node/feed/fence.go", "	case incarnation > MaxIncarnation:\n", "	case incarnation == 0:\n"}),
		of("rekeyed-while-away", "a node changes its key while another one, which is away, does not know of it", "./node", "^TestInstalled",
			Edit{"node/rotation.go", "		if p.answer.GetInstalled() < index {", "		if p.heard && p.answer.GetInstalled() < index {"}),
		of("all-streams-renewed-at-once", "the streams of SIP end together when a node changes its key", "./sip/peer", "^TestPort_RenewOpens",
			Edit{"sip/peer/pair.go", "		p.stood(ctx, slot, old)\n", "		p.stood(ctx, slot, nil)\n"}),
		of("refusal-forgets-attempt", "what is refused behind an attempt of unknown outcome was not done", "./node/consensus", "^TestRetry_",
			Edit{"node/consensus/propose.go", "errors.Is(err, ErrRejected) && !errors.Is(err, fsm.ErrDenied)\n", "!errors.Is(err, ErrFailed)\n"}),
		of("greets-the-cluster", "the greeting of Raft names the cluster only", "./node/consensus", "^TestStream_",
			Edit{"node/consensus/caller.go", "	case got.to != want.to:\n", "	case want.to == \"\":\n"}).by("address-of-the-dead", 60*time.Second, "S24"),
		of("raft-in-any-name", "Raft hears what a node says in the name of another", "./node/consensus", "^TestTransport_",
			Edit{"node/consensus/caller.go", "return ok && string(r.GetRPCHeader().ID) == c.from", "return ok && len(r.GetRPCHeader().ID) > 0"}),
		of("invite-not-burnt", "an invite lets in more than one node", "./fsm", "^TestJoin_",
			Edit{"fsm/security.go", "	d.dropInvite(in.GetInvite())\n", ""}),
		of("invite-for-ever", "an invite counts when its time is over", "./fsm", "^TestJoin_",
			Edit{"fsm/security.go", "	case now >= invite.GetExpiresMs():\n", "	case invite.GetExpiresMs() == 0:\n"}),
		of("joins-uninvited", "a node puts itself into the roster of a cluster whose nodes have keys", "./fsm", "^TestJoin_",
			Edit{"fsm/apply.go", "	if d.view.security != nil && d.view.Node(in.GetId()) == nil {", "	if d.view.security != nil && in.GetId() == \"\" {"}),
		of("key-used-early", "the next key of a ring is used before everybody has it", "./node", "^TestNextSecurity",
			Edit{"node/rotation.go", "	if installed {\n		stepRing", "	if installed || !renewed {\n		stepRing"}),
		of("route-key-dropped", "a key of routes leaves while phones have what it signed", "./node", "^TestNextSecurity",
			Edit{"node/rotation.go", "stepRing(next.GetRoutes(), now, routeKeyLife)", "stepRing(next.GetRoutes(), now, time.Hour)"}),
	}
}
