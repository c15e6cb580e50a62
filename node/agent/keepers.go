package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

const (
	// maxTries to find a DN that moves, looking at the table again each time.
	maxTries = 3
	// AnswerTimeout is how long another node may take to answer.
	AnswerTimeout = 2 * time.Second
	// moveTimeout is how long a try waits for the table to follow a move.
	moveTimeout, movePoll = 100 * time.Millisecond, 5 * time.Millisecond
)

// errElsewhere says that this node, or the one that was asked, does not keep the DN.
var errElsewhere = errors.New("this node does not keep the DN")

type (
	doHere  func() error
	doThere func(context.Context, dn.Node, peerpb.AgentsClient) error
)

// keepers are the nodes that keep DNs, this one and the others: who wants something
// done about a DN has it done by its keeper.
type keepers struct {
	table *dn.Table
	view  func() *fsm.View
	dial  func(dn.Node) (grpc.ClientConnInterface, error)
	log   *slog.Logger
}

// do has something done by the node that keeps the DN, and follows a DN
// that moves meanwhile.
func (k *keepers) do(ctx context.Context, n dn.Number, limit time.Duration, here doHere, there doThere) error {
	for range maxTries {
		s, known := k.table.Get(n)
		var err error
		switch {
		case !known || s.Keeper == "":
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service: nobody has registered it", n)
		case s.Keeper == k.table.Self():
			err = here()
		case s.State == dn.OOS && s.Reason == dn.OwnerMoved:
			err = errElsewhere // the last owner says that it is there no more
		case !k.table.Heard(s.Keeper):
			return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be heard", n, k.name(s.Keeper))
		default:
			err = k.ask(ctx, n, s.Keeper, limit, there)
		}
		if !errors.Is(err, errElsewhere) {
			return err
		}
		if err := k.awaitMove(ctx, &s); err != nil {
			return err
		}
	}
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is on its way from node to node, or at one that can't be heard: try again", n)
}

// awaitMove gives the table a moment to hear where the DN went.
func (k *keepers) awaitMove(ctx context.Context, was *dn.Status) error {
	tick := time.NewTicker(movePoll)
	defer tick.Stop()
	limit := time.NewTimer(moveTimeout)
	defer limit.Stop()
	for {
		s, _ := k.table.Get(was.Number)
		if s.Keeper != was.Keeper || s.Version.Claim != was.Version.Claim {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return nil
		case <-tick.C:
		}
	}
}

// ask passes a request on. What the caller's context says ends it too.
func (k *keepers) ask(ctx context.Context, n dn.Number, keeper dn.Node, limit time.Duration, there doThere) error {
	conn, err := k.dial(keeper)
	if err != nil {
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be reached: %v", n, k.name(keeper), err)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err = standing(limited, conn); err == nil {
		err = there(limited, keeper, peerpb.NewAgentsClient(conn))
	}
	var answer *refusal.Error
	switch {
	case err == nil, errors.As(err, &answer):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNotSent):
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be reached", n, k.name(keeper))
	}
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return errElsewhere
	case codes.InvalidArgument:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "%s", status.Convert(err).Message())
	case codes.Unimplemented:
		return refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "node %s, the owner of DN %s, is too old for that: upgrade it", k.name(keeper), n)
	}
	k.log.Warn("a DN's owner did not answer a request", "dn", string(n), "peer", k.name(keeper), "err", err)
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT, "node %s, the owner of DN %s, did not answer in time: it may or may not have been done", k.name(keeper), n)
}

// name of a node for people.
func (k *keepers) name(id dn.Node) string {
	if name := k.view().Node(string(id)).GetName(); name != "" {
		return name
	}
	return string(id)
}
