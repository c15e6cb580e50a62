package broken

import "time"

// carrierFaults are mistakes about the trunks of carriers: which address a call goes to,
// and who is told whether one answers.
func carrierFaults() []Fault {
	of := func(pkg, name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Calls, What: what, Edits: edits, Package: pkg, Run: run}
	}
	const ways, next = "./sip/carrier", "^TestCarrier_TheNextAddressIsTried$"
	return []Fault{
		of(ways, "down-is-tried", "a call is sent to an address that does not answer", "^TestBook_AsksEachInterval",
			Edit{"sip/carrier/book.go", "e.health[w] == nil || e.health[w].down }", "e.health[w] == nil || e.health[w].down && len(w.Host) == 0 }"}),
		of(ways, "down-unnoticed", "an address that does not answer OPTIONS stays up", "^TestBook_AsksEachInterval",
			Edit{"sip/carrier/health.go", "	turned := h.turn(true, now)\n", "	turned := false\n"}).by("carriers", 30*time.Second, "S32"),
		of(ways, "down-for-good", "an address that answers again stays out of service", "^TestBook_AsksEachInterval",
			Edit{"sip/carrier/health.go", "	h.last = now\n	return h.turn(false, now)\n", "	h.last = now\n	return false\n"}).by("carriers", 30*time.Second, "S32"),
		of(ways, "weights-ignored", "all addresses of a priority have the same share", "^TestOrder_",
			Edit{"sip/carrier/order.go", "int(list[i].Weight); at <= 0", "sum/len(list); at <= 0"}),
		of(ways, "priorities-ignored", "an address of a later priority is tried as those of the first", "^TestOrder_",
			Edit{"sip/carrier/order.go", "cmp.Or(cmp.Compare(a.Rank, b.Rank), ", "cmp.Or("},
			Edit{"sip/carrier/order.go", " && list[n].Rank == list[0].Rank", ""}),
		of(ways, "records-outlive-ttl", "what a name leads to is kept for an hour whatever the records say", "^TestResolve_",
			Edit{"sip/carrier/resolve.go", "l.ttl = min(l.ttl, max(ttl, minTTL))", "l.ttl = min(l.ttl, max(ttl, maxTTL))"}),
		of(ways, "name-lost", "a name server that fails takes a trunk's addresses away", "^TestBook_FollowsNames$",
			Edit{"sip/carrier/run.go", "		t.again = now.Add(lookAgain)\n", "		t.again, t.places = now.Add(lookAgain), nil\n"}),
		of("./sip", "refusal-goes-on", "a call that was declined for good (6xx) is sent to the next trunk", next,
			Edit{"sip/proxy/trunkleg.go", "code/100 == 5 ||", "code/100 >= 5 ||"}),
		of("./sip", "busy-goes-on", "a call whose called party is busy is sent to the next address", next,
			Edit{"sip/proxy/trunkleg.go", "code/100 == 5 ||", "code/100 == 5 || code == 486 ||"}),
		of("./sip", "carriers-503-is-final", "a carrier's address that is overloaded has the last word", next,
			Edit{"sip/proxy/trunkleg.go", "code/100 == 5 ||", "code/100 == 5 && code != 503 ||"}),
		of("./sip", "silence-waits", "a carrier's address that says nothing is waited for", "^TestTimers_Attempts$",
			Edit{"sip/proxy/firstword.go", "silence, trunkSilence = 8, 4", "silence, trunkSilence = 8, 40"}),
		of("./sip", "long-by-datagram", "a long message to a carrier is cut into datagrams though it takes connections", "^TestCarrier_WhatIsLong",
			Edit{"sip/proxy/trunkleg.go", "len(msg) <= mostDatagram", "len(msg) <= 100*mostDatagram"}),
		of("./sip", "long-is-lost", "a long message is lost when the carrier takes datagrams alone", "^TestCarrier_WhatIsLong",
			Edit{"sip/proxy/trunkleg.go", "	a.later = slices.Insert(a.later, 0, []leg{*short})\n", "	_ = slices.Insert(a.later, 0, []leg{*short})\n"}),
		of("./sip", "from-any-address", "a carrier is connected to from whatever address of the machine", "^TestCarrier_IsConnectedTo",
			Edit{"sip/wire/dial.go", "		from.LocalAddr = net.", "		_ = net."}),
		of("./sip", "carriers-name-unchecked", "a carrier may show a certificate of any name", "^TestCarrier_OverTCPAndTLS$",
			Edit{"sip/wire/dial.go", "		config.ServerName = name\n", "		config.ServerName, config.InsecureSkipVerify = name, true\n"}),
		of("./sip", "lone-503-is-ours", "a caller whom a carrier refuses for a while is told that this cluster is broken", "^TestLoneTrunk_ItsFailure",
			Edit{"sip/proxy/best.go", "		if !best.ours {\n", "		if best.code > 0 {\n"}),
		of("./sip", "refusal-leaves-up", "a carrier that takes no connections stays up", "^TestLoneTrunk_ItsFailure",
			Edit{"sip/proxy/trunkleg.go", "		b.final = b.unsent(err)\n		b.tellSilent()\n", "		b.final = b.unsent(err)\n"}),
		of("./sip", "large-ends-connection", "whoever sends too large a message loses its connection", "^TestLarge_AConnectionHears",
			Edit{"sip/wire/toolarge.go", "		f.skip = size\n", "		_ = size\n"}),
		of("./sip", "called-back-in-the-clear", "a carrier whose connection of TLS is gone is called back without", "^TestTrunk_WhoseConnection",
			Edit{"sip/proxy/path.go", "	case k.Transport == location.TLS:\n		by = location.TLS\n", ""}),
		of("./sip", "asked-of-other-domains", "route test tells a way of calls that are none of this cluster's", "^TestCalled_Is",
			Edit{"sip/proxy/parties.go", "	if f = p.callers.reaches(uri, true, func() bool { return p.trunks.knowsBySource(from) }); f == nil &&", "	if _ = from; f == nil &&"}),
		of("./sip", "carriers-domain-refused", "a carrier that writes its own domain behind the number reaches nobody", "^TestCalled_ATrunk|^TestTrunk_AsksAndProves",
			Edit{"sip/proxy/parties.go", "len(u.User) > 0 && byTrunk():", "len(u.User) > 0 && byTrunk() && message.IsIP(u.Host):"}),
		of("./sip", "phones-domain-ignored", "whoever calls another domain reaches the DN of that number here", "^TestCalled_ATrunk|^TestProxy_WhoMayCall$",
			Edit{"sip/proxy/parties.go", "	return k != nil && cs.isAt(k, in)\n", "	return true\n"}),
		of("./sip", "others-challenge-answered", "what somebody else made a trunk answer lets him in as the trunk", "^TestTrunk_AsksAndProves",
			Edit{"sip/proxy/parties.go", "len(u.User) > 0 && byTrunk():", "len(u.User) > 0:"},
			Edit{"sip/proxy/callers.go", "k.config, cs.isAt(k, in)", "k.config, true"}),
		of("./node/dn", "trunk-is-gossip", "peers believe what this node finds of its way to a trunk", "^TestTable_ATrunkIs",
			Edit{"node/dn/table.go", "	if r == nil || r.local() {", "	if r == nil {"}),
		of("./api", "trunk-in-service", "a trunk that is not reached is listed in service", "^TestListDNs_ATrunk",
			Edit{"api/dnview/dnview.go", "== configpb.DNKind_DN_KIND_TRUNK && st.Since != 0:", "== configpb.DNKind_DN_KIND_TRUNK && st.Since < 0:"}),
		of("./node/routing", "tried-unsaid", "nobody learns which addresses of a trunk have not taken a call", "^TestRouting_SaysWhichAddresses",
			Edit{"node/routing/passed.go", "map[string]string{TrunksTried: j.passedBy}", "map[string]string{}"}),
	}
}
