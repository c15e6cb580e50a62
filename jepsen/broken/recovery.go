package broken

import "time"

// recoveryFaults are those of the ways back: when the majority is lost for good, and
// from a backup.
func recoveryFaults() []Fault {
	of := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Consensus, What: what, Edits: edits, Package: "./node", Run: run}
	}
	fsm := func(name, what, run string, edits ...Edit) Fault {
		return Fault{Name: name, Kind: Durability, What: what, Edits: edits, Package: "./fsm", Run: run}
	}
	const accept = "node/accept.go"
	return []Fault{
		of("recovery-keeps-epoch", "a recovery goes on under the name of what was before: two survivors that were both recovered merge", "^TestRecover_TwoRecovered",
			Edit{"fsm/lineage.go", "next.epoch = Lineage(cluster, fmt.Sprintf(\"%d-%s\", count+1, hex.EncodeToString(unique[:])))", "next.epoch = Lineage(cluster, fmt.Sprintf(\"%d-%s\", count+1, hex.EncodeToString(make([]byte, len(unique)))))"}).by("recoveries", 40*time.Second, "S8", "S11", "S25"),
		of("links-of-any-recovery", "links are taken from every recovery of the cluster", "^TestRecover_TwoRecovered",
			Edit{"node/run.go", "		ClusterID: n.lineage(), Table: n.table, Calls: n.calls, Roster: n.roster,", "		ClusterID: n.id.ClusterID, Table: n.table, Calls: n.calls, Roster: n.roster,"},
			Edit{"node/run.go", "ClusterID: n.lineage(), Table: n.table, Calls: n.calls, Dial:", "ClusterID: n.id.ClusterID, Table: n.table, Calls: n.calls, Dial:"}),
		of("strays-are-not-told", "two recoveries of a cluster that meet say nothing of it", "^TestRecover_TwoRecovered",
			Edit{"node/meet.go", "		n.directory.Stray(id, lineage)\n", ""}),
		of("accepts-whoever-answers", "a recovery is accepted whoever answers where it should be", "^TestRecover_OneOfThree",
			Edit{accept, "	return consensus.IsOf(ctx, client, lineage)\n", "	_ = consensus.IsOf(ctx, client, lineage)\n	return nil\n"}),
		of("accepts-without-asking", "a node that shall accept a recovery sets its copy aside before it knows that there is one", "^TestRecover_OneOfThree",
			Edit{accept, "if err := n.findRecovery(ctx, fsm.Lineage(n.id.ClusterID, wanted)); err != nil {", "if err := n.findRecovery(ctx, fsm.Lineage(n.id.ClusterID, wanted)); err != nil && wanted == \"\" {"}),
		of("old-knowledge-stays", "who accepts a recovery goes on believing what he knew when that is of a later index", "^TestRecover_AMinority",
			Edit{"node/identity/identity.go", "	known.Index = 0\n", ""}),
		fsm("restore-brings-tokens", "a restore into a cluster in use brings back tokens that were revoked", "^TestBackup_RestoreMakes",
			Edit{"fsm/backup.go", "v.Epoch() != b.Epoch() && v.security != nil && v.dns.Len()+v.groups.Len() == 0", "v.security != nil"}),
		fsm("restore-touches-roster", "a restore makes the nodes what they were, too", "^TestBackup_RestoreMakes",
			Edit{"fsm/backup.go", "b.level, b.dns, b.groups, b.tokens = v.epoch, v.index, v.level, v.dns,", "b.level, b.nodes, b.dns, b.groups, b.tokens = v.epoch, v.index, v.level, v.nodes, v.dns,"},
			Edit{"fsm/backup.go", "	return d.all(number, d.view.Restoring(b))\n", "	for _, n := range b.nodes {\n		if r := d.putNode(&configpb.Mutation{}, n); r != nil {\n			return r\n		}\n	}\n	return d.all(number, d.view.Restoring(b))\n"}).by("backups", 40*time.Second, "S9"),
		fsm("restore-of-any-level", "a backup that this program can't read is refused otherwise than by those that can", "^TestLevel_RestoreOf",
			Edit{"fsm/backup.go", "case b.Level() > d.view.Level():", "case err == nil && b.Level() > d.view.Level():"}),
		fsm("restore-deletes-nothing", "a restore leaves DNs that the backup does not have", "^TestBackup_",
			Edit{"fsm/backup.go", "		if b.DN(d.GetNumber()) == nil {", "		if b.DN(d.GetNumber()) != nil && v.DN(d.GetNumber()) == nil {"}),
		of("backup-cut-short", "a scheduled backup is taken before its last part is sealed", "^TestBackup_Scheduled",
			Edit{"node/backup.go", "	err = errors.Join(err, w.Close()) // which writes the last part\n	return b.Bytes(), err", "	return b.Bytes(), errors.Join(err, w.Close())"}),
		of("backups-pile-up", "old backups are not removed", "^TestBackup_Scheduled",
			Edit{"node/backup.go", "all[:max(0, len(all)-n.cfg.BackupKeep)]", "all[:0]"}),
		{
			Name: "import-names-one-row", Kind: Bounds, What: "an import names only the first row that a node refuses", Package: "./cmd/sipcluster", Run: "^TestCommands_",
			Edits: []Edit{{"api/configuration.go", "range slices.Chunk(bad[:min(len(bad), maxRefused)], refusedPart)", "range slices.Chunk(bad[:0], refusedPart)"}},
		},
		{
			Name: "prune-keeps", Kind: Durability, What: "apply --prune leaves groups that the file does not have", Package: "./cmd/sipcluster", Run: "^TestCommands_",
			Edits: []Edit{{"cmd/internal/config/plan.go", "		if !groups[name] {", "		if !groups[name] && name == \"\" {"}},
		},
		of("recovery-from-one-copy", "a recovery takes the configuration store alone: what the log has beyond it is lost", "^TestRecover_FromEither",
			Edit{"node/recover.go", "term, err = consensus.Replay(filepath.Join(dir, raftDir), m)", "_ = consensus.Replay"}),
	}
}
