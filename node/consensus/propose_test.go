package consensus

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
)

// What is refused behind an attempt of unknown outcome may have been done by that: only the
// state machine's own answer says that it was not.
func TestRetry_ARefusalSaysNothingOfTheAttemptBefore(t *testing.T) {
	rejected := func(kind error) error {
		return fmt.Errorf("%w: %w", ErrRejected, &fsm.Rejection{Kind: kind, Text: "no"})
	}
	for name, c := range map[string]struct {
		then     error
		definite bool
	}{
		"it is done": {nil, true}, "the state machine refused it": {rejected(fsm.ErrInvalid), true},
		"somebody in the leader's place": {otherCluster("x", "y"), false}, "a leader that failed": {ErrFailed, false},
		"a leader that does not believe the client": {rejected(fsm.ErrDenied), false}, "one that asks it to come itself": {&fsm.AskLeader{}, false},
		"nobody leads": {ErrNoQuorum, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &Group{leader: make(chan struct{}), failed: make(chan struct{})}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				next := fmt.Errorf("%w: lost", ErrUnknownOutcome)
				_, err := g.retry(ctx, func() (uint64, error) {
					now := next
					next = c.then
					return 7, now
				})
				if c.definite && !errors.Is(err, c.then) || !c.definite && !errors.Is(err, ErrUnknownOutcome) {
					t.Errorf("the answer is %v", err)
				}
			})
		})
	}
}
