package agent

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

const (
	// maxTries to find a DN that moves, looking at the table again each time.
	maxTries = 3
	// AnswerTimeout is how long another node may take to answer.
	AnswerTimeout = 2 * time.Second
	// moveTimeout is how long a try waits for the table to follow a move.
	moveTimeout, movePoll = 100 * time.Millisecond, 5 * time.Millisecond
	// maxAmends bounds the attempts to change a record that others change too.
	maxAmends = 100
)

// errElsewhere says that this node, or the one that was asked, does not keep the DN.
var errElsewhere = errors.New("this node does not keep the DN")

// SetAgent changes the state of the agent at a DN, here or at the node that
// keeps it. It returns when that node has stored the change, so that it
// outlives the process, or can't: then it holds in memory and is stored later.
//
// The error is an *refusal.Error or the context's: NOT_CONFIGURED; INVALID_ATTRIBUTE
// for a DN of another kind or a limit that is exceeded; OUT_OF_SERVICE for a
// login at a DN that is, and for every request whose keeper can't be heard;
// RESOURCE_SEIZED when another agent is logged in; IN_SAME_STATE when nothing
// would change; UNSUPPORTED_OPERATION for ready and not ready where nobody is
// logged in; TIMEOUT when it may or may not have been done.
func (reg *Registry) SetAgent(ctx context.Context, n dn.Number, c Change) (Done, error) {
	if _, err := reg.configured(n); err != nil {
		return Done{}, err
	}
	c, wrong := c.checked()
	if wrong != nil {
		return Done{}, wrong
	}
	var done Done
	err := reg.atKeeper(ctx, n, AnswerTimeout, func() (err error) {
		done, err = reg.setHere(ctx, n, c)
		return err
	}, func(ctx context.Context, keeper dn.Node, client tcpb.OwnerClient) error {
		answer, err := client.SetAgent(ctx, c.request(n))
		if err != nil {
			return err
		}
		done, err = doneOf(answer, keeper)
		return err
	})
	return done, err
}

// setHere changes the record of a DN that this node keeps.
func (reg *Registry) setHere(ctx context.Context, n dn.Number, c Change) (Done, error) {
	for range maxAmends {
		r, ok := reg.kept(n)
		if !ok {
			return Done{}, errElsewhere
		}
		a, refused := c.decide(&r, time.Now().UnixNano())
		if refused != nil {
			return Done{}, refused
		}
		r.Agent = a
		if r, ok = reg.table.Amend(r); ok {
			reg.store.await(ctx, reg.sync(n))
			return Done{Agent: r.Agent, Version: dn.Version{Claim: dn.Claim{Time: r.ClaimTime, Node: reg.table.Self()}, Seq: r.Seq}}, nil
		}
	}
	return Done{}, tooBusy(n)
}

func tooBusy(n dn.Number) *refusal.Error {
	return refusal.New(tlibpb.ErrorCode_INTERNAL_ERROR, "DN %s changes too often to be changed: try again", n)
}

// kept is this node's record of a DN that it keeps.
func (reg *Registry) kept(n dn.Number) (dn.Record, bool) {
	if s, ok := reg.table.Get(n); !ok || s.Keeper != reg.table.Self() {
		return dn.Record{}, false
	}
	return reg.table.Own(n)
}

type (
	doHere  func() error
	doThere func(context.Context, dn.Node, tcpb.OwnerClient) error
)

// atKeeper has something done by the node that keeps the DN, and follows a DN
// that moves meanwhile.
func (reg *Registry) atKeeper(ctx context.Context, n dn.Number, limit time.Duration, here doHere, there doThere) error {
	for range maxTries {
		s, known := reg.table.Get(n)
		var err error
		switch {
		case !known || s.Keeper == "":
			return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is out of service: nobody has registered it", n)
		case s.Keeper == reg.table.Self():
			err = here()
		case s.State == dn.OOS && s.Reason == dn.OwnerMoved:
			err = errElsewhere // the last owner says that it is there no more
		case !reg.table.Heard(s.Keeper):
			return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be heard", n, reg.name(s.Keeper))
		default:
			err = reg.askKeeper(ctx, n, s.Keeper, limit, there)
		}
		if !errors.Is(err, errElsewhere) {
			return err
		}
		if err := reg.awaitMove(ctx, &s); err != nil {
			return err
		}
	}
	return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is on its way from node to node, or at one that can't be heard: try again", n)
}

// awaitMove gives the table a moment to hear where the DN went.
func (reg *Registry) awaitMove(ctx context.Context, was *dn.Status) error {
	tick := time.NewTicker(movePoll)
	defer tick.Stop()
	limit := time.NewTimer(moveTimeout)
	defer limit.Stop()
	for {
		s, _ := reg.table.Get(was.Number)
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

// askKeeper passes a request on. What the caller's context says ends it too.
func (reg *Registry) askKeeper(ctx context.Context, n dn.Number, keeper dn.Node, limit time.Duration, there doThere) error {
	conn, err := reg.cfg.Dial(keeper)
	if err != nil {
		return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be reached: %v", n, reg.name(keeper), err)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err = standing(limited, conn); err == nil {
		err = there(limited, keeper, tcpb.NewOwnerClient(conn))
	}
	var answer *refusal.Error
	switch {
	case err == nil, errors.As(err, &answer):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errNotSent):
		return refusal.New(tlibpb.ErrorCode_OUT_OF_SERVICE, "DN %s is out of service: its owner %s can't be reached", n, reg.name(keeper))
	}
	switch status.Code(err) {
	case codes.FailedPrecondition:
		return errElsewhere
	case codes.InvalidArgument:
		return refusal.New(tlibpb.ErrorCode_INVALID_ATTRIBUTE, "%s", status.Convert(err).Message())
	case codes.Unimplemented:
		return refusal.New(tlibpb.ErrorCode_UNSUPPORTED_OPERATION, "node %s, the owner of DN %s, is too old for that: upgrade it", reg.name(keeper), n)
	}
	reg.log.Warn("a DN's owner did not answer a request", "dn", string(n), "peer", reg.name(keeper), "error", err)
	return refusal.New(tlibpb.ErrorCode_TIMEOUT, "node %s, the owner of DN %s, did not answer in time: it may or may not have been done", reg.name(keeper), n)
}

// request is the change for another node.
func (c Change) request(n dn.Number) *tcpb.SetAgentRequest {
	p := &tcpb.SetAgentRequest{Dn: string(n), Request: c.Request, AgentId: c.AgentID, WorkMode: uint32(c.Mode)}
	for _, r := range c.Reasons {
		p.Reasons = append(p.Reasons, &tcpb.KeyValue{Key: r.Key, Value: r.Value})
	}
	return p
}

// doneOf reads the answer of another node.
func doneOf(p *tcpb.SetAgentResponse, keeper dn.Node) (Done, error) {
	if err := answered(p.GetErrorCode(), p.GetErrorMessage()); err != nil {
		return Done{}, err
	}
	r := tcontroller.FromProto(p.GetRecord())
	if r.Agent == nil || r.Agent.Check() != nil {
		return Done{}, refusal.New(tlibpb.ErrorCode_INTERNAL_ERROR, "the DN's owner answered without the agent's state")
	}
	return Done{Agent: r.Agent, Version: dn.Version{Claim: dn.Claim{Time: r.ClaimTime, Node: keeper}, Seq: r.Seq}}, nil
}

// answered makes an error of what another node answered.
func answered(code uint32, text string) error {
	if code == 0 {
		return nil
	}
	return refusal.New(tlibpb.ErrorCode(min(code, 1<<30)), "%.500s", text)
}
