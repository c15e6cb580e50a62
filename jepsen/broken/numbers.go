package broken

// carrierFaults are those of what a trunk is told, and how much of it.
func numberFaults() []Fault {
	return []Fault{
		unitFault("rule-of-the-last", "of a trunk's number rules the last that fits counts", "./node/numbering", "^TestApply",
			Edit{"node/numbering/rules.go", "for i, r := range rules {\n\t\tif fits(", "for i := len(rules) - 1; i >= 0; i-- {\n\t\tr := rules[i]\n\t\tif fits("}),
		unitFault("rules-unused", "a trunk's rules leave the called number as it came", "./node/numbering", "^TestFind",
			Edit{"node/numbering/way.go", "	if from.Trunk {\n\t\trules :=", "	if from.Trunk && called == \"\" {\n\t\trules :="}),
		unitFault("did-of-two", "a DN takes the did of another one", "./fsm", "^TestView_ByDID",
			Edit{"fsm/dids.go", "other != \"\" && other != dn.GetNumber()", "other == dn.GetNumber()"}),
		unitFault("withheld-is-shown", "a caller who withholds its number is named to the trunk", "./sip", "^TestTrunk_IsToldWhoCalls",
			Edit{"sip/proxy/shown.go", "private = private || who.Withheld", "private = false"}),
		unitFault("bye-names-the-phone", "requests within a call name the caller as its phone does", "./sip", "^TestTrunk_IsToldWhoCalls",
			Edit{"sip/proxy/relay.go", "x.renamed = x.in.rename(m, s, x.at, &ch)", "x.renamed = false"}),
		unitFault("challenge-reaches-phones", "a phone is asked for an account at the carrier", "./sip", "^TestTrunk_ItsChallenge",
			Edit{"sip/proxy/carrier.go", "(res.Status == 401 || res.Status == 407)\n}", "res.Status == 401\n}"}),
		unitFault("limit-of-both-directions", "calls that leave by a trunk count for those that come", "./node/quota", "^TestTable_CallsAtATime",
			Edit{"node/quota/quota.go", "	u := t.of[key{n, d}]\n\tif u == nil", "	d = In\n\tu := t.of[key{n, d}]\n\tif u == nil"}),
		unitFault("retry-after-unheard", "a trunk that wants to be left alone gets the next call", "./node/quota", "^TestTable_ATrunk",
			Edit{"node/quota/quota.go", "t.paused[n] = now.Add(min(d, MaxPause))", "t.paused[n] = now"}),
	}
}
