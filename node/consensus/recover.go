package consensus

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// What Raft keeps in its directory.
const (
	logFile      = "raft.db"
	keyTerm      = "CurrentTerm"
	replayedEach = 256
)

// errGap: a log does not go on where the state ends.
var errGap = errors.New("the log begins behind what the configuration store has")

// Replay applies to the machine what the directory of a Group that is stopped holds
// beyond it, also entries that no majority may have acknowledged: nobody else is left
// who knows. It returns the term to go on from. An error leaves in the machine what
// could be read.
func Replay(dir string, m *fsm.Machine) (term uint64, err error) {
	if _, err := os.Stat(filepath.Join(dir, logFile)); err != nil {
		return 0, err
	}
	err = disk.Guard(func() error {
		index, t, err := replaySnapshot(dir, m)
		term = t
		if err != nil {
			return err
		}
		t, err = replayLog(filepath.Join(dir, logFile), m, max(index, m.View().Index()))
		term = max(term, t)
		return err
	})
	return term, err
}

// replaySnapshot has the machine take the newest snapshot that can be read, unless it
// is ahead of that.
func replaySnapshot(dir string, m *fsm.Machine) (index, term uint64, err error) {
	snapshots, err := raft.NewFileSnapshotStore(dir, keptSnapshots, io.Discard)
	if err != nil {
		return 0, 0, err
	}
	all, err := snapshots.List()
	if err != nil {
		return 0, 0, err
	}
	for _, s := range all {
		_, in, openErr := snapshots.Open(s.ID)
		if openErr == nil {
			openErr = m.Restore(in)
		}
		if openErr == nil {
			return s.Index, s.Term, nil
		}
		err = errors.Join(err, openErr)
	}
	return 0, 0, err
}

// replayLog applies the entries behind an index.
func replayLog(path string, m *fsm.Machine, behind uint64) (term uint64, err error) {
	if err := probe(path, &ledger{}); err != nil {
		return 0, err
	}
	s, err := openLog(path)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	if term, err = s.GetUint64([]byte(keyTerm)); err != nil && !errors.Is(err, boltdb.ErrKeyNotFound) {
		return 0, err
	}
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	if err := errors.Join(err1, err2); err != nil || last <= behind {
		return term, err
	}
	if first > behind+1 {
		return term, errGap
	}
	var batch []*raft.Log
	for i := behind + 1; i <= last; i++ {
		l := &raft.Log{}
		if err := s.GetLog(i, l); err != nil {
			return term, err
		}
		term = max(term, l.Term)
		if batch = append(batch, l); len(batch) == replayedEach || i == last {
			m.ApplyBatch(batch)
			batch = batch[:0]
		}
	}
	return term, m.Failing()
}

func openLog(path string) (*boltdb.BoltStore, error) {
	return boltdb.New(boltdb.Options{Path: path, MsgpackUseNewTimeFormat: true, BoltOptions: &bbolt.Options{
		Timeout: openTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}})
}

// Found makes dir, which must not be there, that of a Group of which self is the only
// voter, as if it had come to that view in that term.
func Found(dir string, self *configpb.Node, view *fsm.View, term uint64) error {
	if err := disk.MakeDir(dir, 0o700); err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStore(dir, keptSnapshots, io.Discard)
	if err != nil {
		return err
	}
	_, transport := raft.NewInmemTransport("")
	voters := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(self.GetId()), Address: raft.ServerAddress(self.GetClusterAddr())},
	}}
	sink, err := snapshots.Create(1, view.Index(), term, voters, 1, transport)
	if err != nil {
		return err
	}
	if _, err := view.WriteTo(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	path := filepath.Join(dir, logFile)
	if err := disk.MakeBolt(path); err != nil {
		return err
	}
	s, err := openLog(path)
	if err != nil {
		return err
	}
	err = errors.Join(s.SetUint64([]byte(keyTerm), term), s.Close())
	return errors.Join(err, disk.SyncDir(filepath.Join(dir, "snapshots", sink.ID())), disk.SyncDir(filepath.Join(dir, "snapshots")), disk.SyncDir(dir))
}

// IsOf asks the node at the other end whether it is of a lineage: nil when it is,
// ErrOtherRecovery or ErrOtherCluster when it is of another one; otherwise nobody knows.
func IsOf(ctx context.Context, conn *grpc.ClientConn, lineage string) error {
	_, err := peerpb.NewConsensusClient(conn).ReadIndex(ctx, &peerpb.ReadIndexRequest{ClusterId: lineage})
	if err = fromStatus(err); errors.Is(err, errNotLeader) || errors.Is(err, ErrNoQuorum) {
		return nil // it has looked at the lineage first
	}
	return err
}
