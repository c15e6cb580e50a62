package client

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Backup hands over the parts of a backup as they come.
func (c *Client) Backup(ctx context.Context, req *configpb.BackupRequest, fn func(*configpb.BackupResponse) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := newDeadline(c.timeout, cancel)
	defer silence.stop()
	stream, err := c.Config.Backup(ctx, req)
	if err != nil {
		return c.Explain(silence.judge(err))
	}
	for {
		part, err := stream.Recv()
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return c.Explain(silence.judge(err))
		}
		silence.extend()
		if err := fn(part); err != nil {
			return err
		}
	}
}

// restoreTime is how long a node may take for a restore, once it has the backup.
const restoreTime = 2 * time.Minute

// Restore sends what next returns until io.EOF. An error of next is returned as it is,
// and nothing is restored then.
func (c *Client) Restore(ctx context.Context, next func() (*configpb.RestoreRequest, error)) (*configpb.RestoreResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, max(c.timeout, restoreTime))
	defer cancel()
	stream, err := c.Config.Restore(ctx)
	if err != nil {
		return nil, c.Explain(err)
	}
	for {
		r, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if stream.Send(r) != nil {
			break // the answer says why
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer, checkFirst(c.Explain(err))
}
