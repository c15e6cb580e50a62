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
		unitFault("privacy-is-not-heeded", "a trunk that is not trusted is told the number of who wants privacy", "./sip", "^TestTrunk_IsToldWhoCalls",
			Edit{"sip/proxy/shown.go", "case private || who.Number == \"\":", "case who.Number == \"\":"}),
		unitFault("preferred-though-private", "a carrier that is not trusted is told the number that is withheld", "./sip", "^TestTrunk_IsToldWhoCalls",
			Edit{"sip/proxy/shown.go", "s.from != nil && !private)", "s.from != nil)"}),
		unitFault("bye-names-the-phone", "requests within a call name the caller as its phone does", "./sip", "^TestTrunk_IsToldWhoCalls",
			Edit{"sip/proxy/relay.go", "x.renamed = x.in.rename(m, s, x.at, &ch)", "x.renamed = false"}),
		unitFault("challenge-reaches-phones", "a phone is asked for an account at the carrier", "./sip", "^TestTrunk_ItsChallenge",
			Edit{"sip/proxy/carrier.go", "(res.Status == 401 || res.Status == 407)\n}", "res.Status == 401\n}"}),
		unitFault("limit-of-both-directions", "calls that leave by a trunk count for those that come", "./node/quota", "^TestTable_CallsAtATime",
			Edit{"node/quota/quota.go", "	u := t.of[key{n, d}]\n\tif u == nil", "	d = In\n\tu := t.of[key{n, d}]\n\tif u == nil"}),
		unitFault("retry-after-unheard", "a trunk that wants to be left alone gets the next call", "./node/quota", "^TestTable_ATrunk",
			Edit{"node/quota/quota.go", "t.paused[n] = now.Add(min(d, MaxPause))", "t.paused[n] = now"}),
		unitFault("limit-outlives-calls", "a call that is over counts for the limits of its trunks", "./node/routing", "^TestTrunk_ItsLimits",
			Edit{"node/routing/journey.go", "	j.giveBack()\n\tj.r.calls.End(", "	j.r.calls.End("}),
		unitFault("limit-of-tries", "a call that a trunk has not taken counts for its limit", "./node/routing", "^TestTrunk_ItsLimits",
			Edit{"node/routing/trunks.go", "	if !out.Answered {\n\t\tgive()\n", "	if !out.Answered {\n"}),
		unitFault("retry-after-of-a-carrier", "what a carrier says of when it wants to be called again is not looked at", "./sip/proxy", "^TestVerdict_Says",
			Edit{"sip/proxy/best.go", "		out.RetryAfter = retryAfter(best.res)\n", ""}),
		unitFault("retry-after-unused", "a trunk that wants to be left alone is tried by the next call", "./node/routing", "^TestTrunk_IsLeft",
			Edit{"node/routing/trunks.go", "	if r.quotas.Paused(n, time.Now()) > 0 {\n\t\treturn nil", "	if false {\n\t\treturn nil"}),
		unitFault("full-trunk-is-asked", "route test says that a trunk is tried whatever its limit", "./node/quota", "^TestTable_Calls",
			Edit{"node/quota/quota.go", "	return u != nil && u.full(l, now)", "	return false"}),
		unitFault("carriers-secret-is-shown", "who exports no secrets gets the digests of trunks", "./api", "^TestConfiguration_TellsNoSecretOfATrunk",
			Edit{"api/configuration.go", "{d.GetTrunk().GetInboundAuth(), d.GetTrunk().GetOutboundAuth()}", "{d.GetTrunk().GetInboundAuth()}"}),
	}
}
