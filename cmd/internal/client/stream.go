package client

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// Stream reads what open opens until it breaks, or nothing has come for so long: at least
// for the time-out of the Client. each has to return soon; its error ends the stream.
func Stream[M any](ctx context.Context, c *Client, within time.Duration, open func(context.Context) (grpc.ServerStreamingClient[M], error), each func(*M) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := newDeadline(max(c.timeout, within), cancel)
	defer silence.stop()
	stream, err := open(ctx)
	if err != nil {
		return silence.judge(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return silence.judge(err)
		}
		silence.extend()
		if err := each(m); err != nil {
			return err
		}
	}
}
