package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// connectTimeout bounds the wait for a connection to another node.
const connectTimeout = time.Second

// errNotSent says that a request never left.
var errNotSent = errors.New("no connection")

// standing waits until a connection stands, so that what fails afterwards is
// known to have been sent. Where the last attempt failed it dials at once, not
// after the backoff: the table hears the node.
func standing(ctx context.Context, c grpc.ClientConnInterface) error {
	conn, ok := c.(*grpc.ClientConn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for dialed := false; ; {
		s := conn.GetState()
		switch {
		case s == connectivity.Ready:
			return nil
		case s == connectivity.Shutdown, s == connectivity.TransientFailure && dialed:
			return fmt.Errorf("%w: %v", errNotSent, s)
		case s == connectivity.TransientFailure:
			conn.ResetConnectBackoff()
		case s == connectivity.Idle:
			conn.Connect()
		case s == connectivity.Connecting:
			dialed = true // what fails from here on is new
		}
		if !conn.WaitForStateChange(ctx, s) {
			return fmt.Errorf("%w: %w", errNotSent, ctx.Err())
		}
	}
}
