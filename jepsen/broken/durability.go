package broken

import "time"

// durabilityFaults are those that only a power failure or a failing disk shows.
func durabilityFaults() []Fault {
	const journal, fold = "sip/location/journal.go", "sip/location/fold.go"
	location := func(name, what string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Durability, What: what, Edits: edits, Package: "./sip/location", Run: "PowerFailure|DiskThatFails"}
	}
	return []Fault{
		location("journal-unsynced", "the journal is never synced each second",
			Edit{fold, "\t_ = s.health.report(s.log, \"sync\", s.disks.sync.Do(s.sync))\n", ""}),
		location("failed-fold-deletes", "a fold that failed deletes the journals",
			Edit{fold, "\tif err != nil {\n\t\treturn fmt.Errorf(\"location store: fold", "\tif err != nil {\n\t\t_ = s.dropOld(old)\n\t\treturn fmt.Errorf(\"location store: fold"}),
		location("failed-fold-forgets", "after a failed fold the next one deletes the journals without what they hold",
			Edit{fold, "\tif err != nil {\n\t\ts.oweAgain(owed)\n\t}\n", ""}),
		location("failed-fsync-believed", "the journal is written on after an fsync that failed",
			Edit{journal, ", s.abandon(f))", ")"}),
		location("retired-unsynced", "a journal that is folded later is not synced",
			Edit{journal, "errors.Join(f.Sync(), f.Close())", "f.Close()"}),
		{
			Name: "agents-unsynced", Kind: Durability, What: "an agent's change is answered before it is on the disk",
			Edits: []Edit{{"node/agent/file.go", "FreelistType: bolt.FreelistMapType})",
				"FreelistType: bolt.FreelistMapType, NoSync: true})"}},
			Package: "./node/agent", Run: "PowerFailure",
		},
		{
			Name: "log-unsynced", Kind: Durability, What: "Raft's term and log are not synced",
			Edits:   []Edit{{"node/consensus/recover.go", "boltdb.Options{Path: path, ", "boltdb.Options{NoSync: true, Path: path, "}},
			Package: "./node/consensus", Run: "PowerFailure",
		},
		{
			Name: "snapshot-unnamed", Kind: Durability, What: "the log is shortened before the names of the snapshot's files are durable",
			Edits:   []Edit{{"node/consensus/storage.go", "err := disk.SyncDir(g.dir); !errors", "err := error(nil); !errors"}},
			Package: "./node/consensus", Run: "PowerFailure",
		},
		{
			Name: "stuck-leader-keeps-transport", Kind: Consensus, What: "a leader that is stuck in its disk keeps its transport, and goes on being taken for one",
			Edits:   []Edit{{"node/consensus/stall.go", "\t\t\tg.giveUp()\n", ""}},
			Package: "./node/consensus", Run: "^TestGroup_LeaderWhoseDiskStalls",
			Scenario: "frozen-disks", For: 40 * time.Second, Settle: time.Second, Statements: []string{"S31"},
		},
		{
			Name: "idle-leader-stays", Kind: Consensus, What: "a leader with nothing to write does not notice that its disk stalls",
			Edits:   []Edit{{"node/consensus/stall.go", "\t\t\tg.beat()\n", ""}},
			Package: "./node/consensus", Run: "^TestGroup_IdleLeaderWhoseDiskStalls",
		},
		{
			Name: "journal-waited-for", Kind: Durability, What: "an answer waits for the journal for ever",
			Edits:   []Edit{{"sip/location/writer.go", "\tcase <-limit.C:\n\t\treturn s.late()\n", ""}},
			Package: "./sip/location", Run: "^TestFlush_WaitsForNoDisk",
		},
		{
			Name: "reader-waits-for-journal", Kind: Durability, What: "who reads datagrams waits for a disk that stalls, and so does what came",
			Edits:   []Edit{{"sip/location/writer.go", "\tgoOn(s.late())\n", "\t_ = goOn\n"}},
			Package: "./sip/location", Run: "^TestFlushHere_",
		},
		{
			Name: "relieved-reader-unreplaced", Kind: Durability, What: "while the disk stalls nobody reads datagrams",
			Edits:   []Edit{{"sip/wire/udp.go", "\td.answer()\n\tgo d.read()\n", "\td.answer()\n"}},
			Package: "./sip/wire", Run: "^TestDatagrams_AFlush",
		},
		{
			Name: "check-waits-for-disk", Kind: Durability, What: "whom a node believes can't be looked up while the file of it is written",
			Edits: []Edit{
				{"node/identity/identity.go", "\tkept := i.files.trust.Put(b)\n\ti.mu.Unlock()\n\treturn kept()\n", "\tdefer i.mu.Unlock()\n\treturn disk.WriteFile(i.path(trustFile), b, 0o600)\n"},
			},
			Package: "./node/identity", Run: "^TestIdentity_NoCheckWaits",
		},
		{
			Name: "stop-waits-for-disk", Kind: Bounds, What: "a node that is told to stop waits for its disk, with its ports open",
			Edits:   []Edit{{"node/stop.go", "\tcase <-limit.C:\n\t}\n\tn.disappear()\n", "\t}\n\treturn <-ended\n\tn.disappear()\n"}},
			Package: "./node", Run: "^TestNode_StopsAlthough",
		},
		{
			Name: "lost-log-votes-on", Kind: Consensus, What: "a node that lost its log takes part at once, under the id as which it has voted",
			Edits:   []Edit{{"node/consensus/group.go", "if !existing && g.cfg.Member {", "if !existing && g.cfg.Member && g.machine.View().Epoch() == \"\" {"}},
			Package: "./node/consensus", Run: "^TestGroup_ALostLogWithout",
		},
		{
			Name: "damaged-configuration-ends-node", Kind: Durability, What: "a node with a damaged configuration does not start",
			Edits:   []Edit{{"node/configcopy.go", "if !errors.Is(err, fsm.ErrCorrupt) {\n\t\treturn err\n\t}\n\tn.patched", "if true {\n\t\treturn err\n\t}\n\tn.patched"}},
			Package: "./node", Run: "^TestNode_StartsWithAny",
		},
		{
			Name: "agent-store-waited-for", Kind: Durability, What: "every answer to an agent waits a second while the disk stalls",
			Edits:   []Edit{{"node/agent/store.go", "cmp.Or(s.broken, s.disk.Waits(storeTimeout))", "cmp.Or(s.broken)"}},
			Package: "./node/agent", Run: "^TestAgentStore_NobodyWaits",
		},
		{
			Name: "rename-unsynced", Kind: Durability, What: "a file's new content is not there after a power failure: its directory was not synced",
			Edits: []Edit{{"node/disk/disk.go", "\t\treturn err\n\t}\n\treturn SyncDir(filepath.Dir(path))\n}\n\nfunc ignoreMissing",
				"\t\treturn err\n\t}\n\treturn nil\n}\n\nfunc ignoreMissing"}},
			Package: "./node/disk",
		},
	}
}
