package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// ImportChunk is how many mutations travel in one message: well below gRPC's
// limit of 4 MiB.
const ImportChunk = 1_000

type importStream = grpc.BidiStreamingClient[configpb.ImportRequest, configpb.ImportResponse]

// Upload streams what next returns until io.EOF, in messages of ImportChunk however much
// that is at a time, then waits while it is
// written, showing progress on a terminal. An error of next is returned as it
// is, and nothing is written then: the node writes nothing before the stream's end.
func (c *Operator) Upload(ctx context.Context, cl *Client, next func() ([]*configpb.Mutation, error)) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := cl.Config.Import(ctx)
	if err != nil {
		return 0, cl.Explain(err)
	}
	p := c.Progress("importing")
	defer p.End()
	var rest []*configpb.Mutation
	for done, sent := false, 0; !done || len(rest) > 0; {
		for len(rest) < ImportChunk && !done {
			m, err := next()
			switch {
			case errors.Is(err, io.EOF):
				done = true
			case err != nil:
				return 0, err
			}
			rest = append(rest, m...)
		}
		some := rest[:min(len(rest), ImportChunk)]
		rest = rest[len(some):]
		if len(some) == 0 {
			continue
		}
		if stream.Send(&configpb.ImportRequest{Mutations: some}) != nil {
			break // the answer says why
		}
		sent += len(some)
		p.Say(fmt.Sprintf("checking %d", sent))
	}
	_ = stream.CloseSend()
	return c.awaitImport(cl, stream, cancel, p)
}

// awaitImport reads the progress until the end; the time-out runs anew with
// each sign of life.
func (c *Operator) awaitImport(cl *Client, stream importStream, cancel context.CancelFunc, p *console.Progress) (uint64, error) {
	silence := newDeadline(max(cl.timeout, 30*time.Second), cancel)
	defer silence.stop()
	var written uint64
	var refused Refusals
	for {
		resp, err := stream.Recv()
		switch {
		case isEnd(err):
			return written, nil
		case err != nil && written > 0:
			return written, fmt.Errorf("%w (%d changes were written: fix the cause and run this again)", cl.Explain(silence.judge(err)), written)
		case err != nil && len(refused.List) > 0:
			refused.First = cl.Explain(silence.judge(err))
			return written, refused
		case err != nil:
			return written, checkFirst(cl.Explain(silence.judge(err)))
		}
		refused.List = append(refused.List, resp.Refused...)
		silence.extend()
		written = resp.Written
		p.Show(written, resp.Total)
	}
}

// Refusals are all that a node found wrong with an import, of which nothing was done.
type Refusals struct {
	// First is the node's error, of the first one.
	First error
	List  []*configpb.Refusal
}

func (r Refusals) Error() string { return r.First.Error() }

func (r Refusals) Unwrap() error { return r.First }

func isEnd(err error) bool { return errors.Is(err, io.EOF) }
