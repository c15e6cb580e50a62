package nemesis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// restoreWithin is how long a backup and a restore may take.
const restoreWithin = 10 * time.Second

// backup is one that was taken, and what clients may see of it.
type backup struct {
	data    []byte
	index   uint64
	entries []history.Entry
}

// backupRestore takes a backup at some node and restores it at another one, or the same,
// while all goes on.
func backupRestore(_ context.Context, a *Arena, r *rand.Rand) ([]Strike, error) {
	nodes := a.pick(r, len(a.Cluster.Nodes()))
	if len(nodes) == 0 {
		return nil, ErrBusy
	}
	from, fresh, to := nodes[0], r.IntN(2) == 0, nodes[r.IntN(len(nodes))]
	var b *backup
	return one(Strike{
		Params: fmt.Sprintf("of %s, into %s", from.Name(), to.Name()),
		inject: func(ctx context.Context) (err error) {
			if b, err = takeBackup(ctx, from, fresh); err != nil {
				a.Say("no backup of %s: %v", from.Name(), err)
			}
			return nil // a node may be cut off
		},
		confirm: nothing,
		heal: func(ctx context.Context) error {
			if b != nil {
				a.restore(ctx, to, b)
			}
			return nil
		},
		healed: nothing,
	})
}

// takeBackup asks a node for a backup: of all that was acknowledged, or of its own copy.
func takeBackup(ctx context.Context, n *cluster.Node, fresh bool) (*backup, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreWithin)
	defer cancel()
	stream, err := n.Configuration().Backup(ctx, &configpb.BackupRequest{Linearizable: fresh})
	if err != nil {
		return nil, err
	}
	b := &backup{}
	for total := uint64(0); ; {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			if uint64(len(b.data)) != total {
				return nil, fmt.Errorf("%d bytes of %d", len(b.data), total)
			}
			return b, b.read()
		}
		if err != nil {
			return nil, err
		}
		b.data, total = append(b.data, part.GetData()...), part.GetTotal()
	}
}

func (b *backup) read() error {
	v, err := fsm.ReadBackup(bytes.NewReader(b.data))
	if err != nil {
		return err
	}
	b.index = v.Index()
	for d := range v.DNs("") {
		if e, ok := workload.EntryOf(d); ok {
			b.entries = append(b.entries, e)
		}
	}
	slices.SortFunc(b.entries, func(x, y history.Entry) int { return strings.Compare(x.Key, y.Key) })
	return nil
}

// restore makes the configuration what the backup is.
func (a *Arena) restore(ctx context.Context, n *cluster.Node, b *backup) {
	ctx, cancel := context.WithTimeout(ctx, restoreWithin)
	defer cancel()
	op := a.Record.Invoke(history.Op{Process: "operator", Kind: history.Restore, Node: n.Name(), Entries: b.entries})
	answer, err := sendBackup(ctx, n, b)
	op.Code, op.Outcome, op.Revision = status.Code(err).String(), history.OK, answer.GetRevision()
	if err != nil {
		op.Outcome, op.Error = history.Unknown, status.Convert(err).Message()
		if outcome.Of(err).Reason == outcome.NotApplied || status.Code(err) == codes.InvalidArgument {
			op.Outcome = history.Fail
		}
	}
	a.Record.Return(op)
	a.Say("the backup of index %d is restored at %s: %s, index %d, %d changes", b.index, n.Name(), op.Outcome, op.Revision, answer.GetChanges())
}

func sendBackup(ctx context.Context, n *cluster.Node, b *backup) (*configpb.RestoreResponse, error) {
	stream, err := n.Configuration().Restore(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(b.data, 256<<10) {
		if stream.Send(&configpb.RestoreRequest{Data: part}) != nil {
			break // the answer says why
		}
	}
	return stream.CloseAndRecv()
}
