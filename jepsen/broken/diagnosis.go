package broken

// diagnosisFaults are those of what an operator is told when he asks why.
func diagnosisFaults() []Fault {
	return []Fault{
		unitFault("why-forgets-the-cool-down", "a DN that cools down gets no calls, and every condition is met", "./api/dnview", "^TestConditions",
			Edit{"api/dnview/conditions.go", "st.CoolUntil == 0, onOff", "true, onOff"}),
		unitFault("why-waits-for-nobody", "what the other nodes believe is missing in the answer", "./api", "^TestDiagnosis",
			Edit{"api/diagnosis.go", "	asked.Wait()\n", ""}),
		unitFault("why-believes-names", "what a node says of itself is told under the name that it gives", "./api", "^TestDiagnosis",
			Edit{"api/diagnosis.go", "v := &tcpb.DNView{Node: n.GetName(), Site: n.GetSite(), Status: answer", "v := &tcpb.DNView{Node: cmp.Or(answer.GetNode(), n.GetName()), Site: n.GetSite(), Status: answer"}),
		unitFault("bundle-trusts-names", "a node chooses the names of files in a bundle", "./cmd/internal/support", "^TestBundle",
			Edit{"cmd/internal/support/bundle.go", "!slices.Contains(reportNames, f.GetName()) || ", "!slices.Contains(append(reportNames, f.GetName()), f.GetName()) || "}),
		unitFault("bundle-with-digests", "a bundle has the digests of passwords", "./cmd/sipcluster", "^TestSupport",
			Edit{"cmd/internal/support/bundle.go", "&configpb.ExportRequest{}", "&configpb.ExportRequest{Secrets: true}"}),
		unitFault("past-of-one-chunk", "older changes of a DN are not found behind many of others", "./node/dn", "^TestPast",
			Edit{"node/dn/past.go", "	return at, at > end\n", "	return at, false\n"}),
		unitFault("past-grows", "every change that there ever was stays in memory", "./node/dn", "^TestPast",
			Edit{"node/dn/past.go", "len(p.ring) < maxPast", "len(p.ring) >= 0"}),
	}
}
