package broken

import "time"

// configurationFaults are those of the configuration's state, of what a snapshot
// and an export hold of it, and of how much a request may hold.
func configurationFaults() []Fault {
	const snapshot, memory, machine, apply = "fsm/snapshot.go", "fsm/memory.go", "fsm/machine.go", "fsm/apply.go"
	fsm := func(kind Kind, name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: kind, What: what, Edits: edits, Package: "./fsm", Run: run}
	}
	door := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Bounds, What: what, Edits: edits, Package: "./node", Run: "^TestBounds_"}
	}
	return []Fault{
		fsm(Snapshots, "snapshot-without-requests", "a snapshot leaves the outcomes of requests out: a retry behind a restore is applied again", "^TestRequest_",
			Edit{snapshot, "v.memory.order.Ascend(", "newMemory().order.Ascend("}),
		fsm(Snapshots, "restores-older", "a snapshot that is older than the state replaces it", "^TestRestore_",
			Edit{machine, "epoch == have.epoch && index <= have.index", "epoch == have.epoch && index == have.index"}),
		fsm(Snapshots, "restore-untold", "who watches is not told that a snapshot replaced everything", "^TestRestore_",
			Edit{machine, "m.unpark()\n\tm.publish(v, []applied{{changes: Changes{All: true, Former: m.View()}}})", "m.unpark()\n\tm.publish(v, nil)"}),
		fsm(Durability, "rejected-half", "a command that is rejected leaves what stood in front of the wrong mutation", "^TestRejected_",
			Edit{apply, "\tif rej != nil {\n\t\td = newDraft(v, index)\n\t}\n", ""}),
		fsm(Durability, "remembers-fewer", "one outcome fewer than promised is remembered", "^TestRequest_",
			Edit{memory, "n.order.Len() <= Remembered", "n.order.Len() < Remembered"}),
		fsm(Durability, "retry-of-another-content", "a retry under a known request id with other content is taken as done", "^TestRequest_",
			Edit{memory, "o.content != \"\" && o.content != contentOf(cmd)", "false"}),
		fsm(Durability, "content-forgotten", "the content of a request is not stored: behind a restart a retry with another one is taken as done", "^TestRequest_",
			Edit{memory, "\tif o.content != \"\" {\n\t\tkind |= hasContent\n\t}\n\tb = append(append(b, kind), o.content...)\n", "\tb = append(b, kind)\n"}),
		fsm(Durability, "mask-resets", "of an object that a mask changes everything else is reset", "^TestMask_",
			Edit{"fsm/mask.go", "changed := proto.CloneOf(old)", "changed := proto.CloneOf(given)"}),
		fsm(Durability, "meaning-by-the-binary", "what an entry means is decided by the program, not by the level in the log", "^TestLevel_DecidesWhatAnEntryMeans$",
			Edit{machine, "f.as(levelOf(v, cmd), cmd.ProtoReflect())", "f.as(f.Known, cmd.ProtoReflect())"}),
		{
			Name: "level-of-the-binary", Kind: Durability, What: "what an entry means is decided by each node's program",
			Edits:    []Edit{{"fsm/level.go", "func (v *View) Level() uint32 { return max(1, v.level) }", "func (v *View) Level() uint32 { return max(v.level, Program().Known) }"}},
			Scenario: "upgrades", For: 40 * time.Second, Settle: time.Second, Statements: []string{"S25"},
		},
		fsm(Durability, "unknown-level-applied", "an entry of a level that the program does not know is applied as far as it knows it", "^TestLevel_UnknownParks$",
			Edit{"fsm/level.go", "\tif level <= f.Known {\n\t\treturn nil\n\t}\n", "\tif level <= f.Known || level > f.Known {\n\t\treturn nil\n\t}\n"}),
		fsm(Durability, "address-of-another", "a node gets the cluster address that another one has", "^TestRejected_",
			Edit{apply, "if v.GetClusterAddr() != old.GetClusterAddr() {", "if false {"}),
		{
			Name: "outvoted-goes-on", Kind: Durability, What: "a node whose state no other has goes on with it",
			Edits:   []Edit{{"node/consensus/judge.go", "len(nodes) > roster/2", "len(nodes) > roster"}},
			Package: "./node/consensus", Run: "^TestJudge$",
		},
		{
			Name: "appends-by-entries", Kind: Durability, What: "an append is as long as its entries are, whatever the line carries",
			Edits:   []Edit{{"node/consensus/pace.go", "i > 0 && sum+n > budget", "i > 0 && sum+n > budget && false"}},
			Package: "./node/consensus", Run: "^TestPace_",
		},
		{
			Name: "log-by-entries", Kind: Bounds, What: "the raft log is bounded by entries alone",
			Edits:   []Edit{{"node/consensus/ledger.go", "return l.sum > l.bound", "return false"}},
			Package: "./node/consensus", Run: "^TestLedger$",
		},
		{
			Name: "apply-forgets-priority", Kind: Snapshots, What: "apply does not read the priority of a trunk",
			Edits:   []Edit{{"cmd/internal/config/trunk.go", "Priority: t.Priority, Sources: t.Sources, TlsName: t.TLSName", "Sources: t.Sources, TlsName: t.TLSName"}},
			Package: "./cmd/sipcluster", Run: "^TestRoundTrip_",
		},
		door("page-unbounded", "a page is as long as a client likes",
			Edit{"api/availability.go", "case asked > maxPage:\n\t\treturn maxPage", "case asked > 10*maxPage:\n\t\treturn maxPage"}),
		door("cluster-port-unbounded", "no port but the clients' looks at bounds",
			Edit{"node/grpc.go", "append(options, bounds.ServerOptions()...)...)", "options...)"},
			Edit{"node/clients.go", "api/credential\"\n", "api/bounds\"\n\t\"github.com/sipcluster/sipcluster/api/credential\"\n"},
			Edit{"node/clients.go", "return append(options, spokeOptions(in)...)", "return append(append(options, spokeOptions(in)...), bounds.ServerOptions()...)"}),
		door("streams-unbounded", "the messages of streams are not looked at",
			Edit{"api/bounds/intercept.go", "\tif info.FullMethod != session {\n\t\tss = checked{ss}\n\t}\n", ""}),
		{
			Name: "import-unbounded", Kind: Bounds, What: "an import is bounded in mutations only",
			Edits:   []Edit{{"api/configuration.go", "len(all) > l.mutations || size > l.bytes", "len(all) > l.mutations"}},
			Package: "./api", Run: "^TestImport_",
		},
	}
}
