package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// pollEvery is how often Eventually looks. Where a figure is measured, read a
// Watch stream instead.
const pollEvery = 20 * time.Millisecond

// Eventually asks cond again and again until it returns nil, and returns how
// long that took. When it did not within the given time, the error names what
// was awaited and cond's last answer.
func Eventually(ctx context.Context, within time.Duration, what string, cond func(context.Context) error) (time.Duration, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		err := cond(ctx)
		if err == nil {
			return time.Since(start), nil
		}
		if late := ctx.Err() != nil || status.Code(err) == codes.DeadlineExceeded; !late || last == nil {
			last = err // a call that the deadline broke off tells nothing
		}
		select {
		case <-ctx.Done():
			return time.Since(start), fmt.Errorf("%s: not within %v: %w", what, within, last)
		case <-tick.C:
		}
	}
}
