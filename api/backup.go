package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/fsm"
)

const (
	// backupPart is how many bytes of a backup are sent in one message.
	backupPart = 256 << 10
	// toldDifferences of a restore are named.
	toldDifferences = 1000
	// restoreTime bounds a restore in all: one that is large takes longer than a write.
	restoreTime = time.Minute
)

// Backup streams one View: all of it is of the same moment.
func (c *Configuration) Backup(r *configpb.BackupRequest, out configpb.Configuration_BackupServer) error {
	v, err := c.fresh(out.Context(), r.GetLinearizable())
	if err != nil {
		return err
	}
	b := v.Backup()
	total, err := b.WriteTo(io.Discard)
	if err != nil {
		return StatusError(err)
	}
	w := &parts{out: out, total: uint64(total)}
	if _, err := b.WriteTo(w); err != nil {
		return err
	}
	return w.flush()
}

// parts sends what is written in messages of a bounded size.
type parts struct {
	out         configpb.Configuration_BackupServer
	data        []byte
	sent, total uint64
}

func (p *parts) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := min(len(rest), backupPart-len(p.data))
		p.data, rest = append(p.data, rest[:n]...), rest[n:]
		if len(p.data) == backupPart {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(b), nil
}

func (p *parts) flush() error {
	p.sent += uint64(len(p.data))
	err := p.out.Send(&configpb.BackupResponse{Data: p.data, Sent: p.sent, Total: p.total})
	p.data = nil
	return err
}

// Restore makes the configuration what a backup says, in one transaction.
func (c *Configuration) Restore(s configpb.Configuration_RestoreServer) error {
	leave, err := c.enterImport(s.Context())
	if err != nil {
		return err
	}
	defer leave()
	b, dryRun, err := receiveBackup(s)
	if err != nil {
		return err
	}
	v, err := c.fresh(s.Context(), true)
	if err != nil {
		return err
	}
	after, differences, err := v.WithRestored(b)
	if err != nil {
		return StatusError(err)
	}
	compressed, err := b.Compressed()
	if err != nil {
		return StatusError(err)
	}
	answer := &configpb.RestoreResponse{ClusterId: b.Epoch(), Index: b.Index(), Changes: uint64(len(differences)), Dns: uint64(after.NumDNs())}
	for _, d := range differences[:min(len(differences), toldDifferences)] {
		answer.Differences = append(answer.Differences, &configpb.Difference{Kind: d.Kind, Name: d.Name, Change: d.Change})
	}
	if !dryRun && len(differences) > 0 {
		if answer.Revision, err = c.restore(s.Context(), compressed); err != nil {
			return StatusError(err)
		}
	}
	return s.SendAndClose(answer)
}

// restore proposes it until it is known what became of it: under one request id, so
// that it is done once. A large one takes longer than the answer to a write may; then
// the log has it, and it is not proposed again while it is applied.
func (c *Configuration) restore(ctx context.Context, compressed []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	cmd := command([]*configpb.Mutation{{Op: &configpb.Mutation_Restore{Restore: compressed}}})
	cmd.RequestId = uuid.NewString()
	for {
		index, err := c.writer.Propose(ctx, cmd)
		if !errors.Is(err, fsm.ErrUnknownOutcome) || ctx.Err() != nil {
			return index, err
		}
		c.awaitAnswer(ctx, cmd.GetRequestId())
	}
}

// awaitAnswer waits until this node has applied the request, for a while.
func (c *Configuration) awaitAnswer(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, restoreTime/3)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for !c.view().Answered(id) {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// receiveBackup reads the whole input.
func receiveBackup(s configpb.Configuration_RestoreServer) (b *fsm.View, dryRun bool, err error) {
	var all bytes.Buffer
	for first := true; ; first = false {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if first {
			dryRun = r.GetDryRun()
		}
		if all.Write(r.GetData()); all.Len() > MaxImportBytes {
			return nil, false, outcome.Info{Reason: outcome.NotApplied}.Status(codes.ResourceExhausted, "a backup has at most 256 MiB")
		}
	}
	if b, err = fsm.ReadBackup(&all); err != nil {
		return nil, false, status.Error(codes.InvalidArgument, err.Error())
	}
	return b, dryRun, nil
}
