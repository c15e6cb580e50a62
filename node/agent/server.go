package agent

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// server is what other nodes ask of this one. It passes nothing on.
type server struct {
	peerpb.UnimplementedAgentsServer
	reg *Registry
}

// Server answers the other nodes, at the cluster port. It does only what
// concerns DNs that this node keeps; otherwise FAILED_PRECONDITION.
func (reg *Registry) Server() peerpb.AgentsServer { return server{reg: reg} }

// parsed is the DN that a node names, or a gRPC status.
func parsed(number string) (dn.Number, error) {
	n, err := dn.ParseNumber(number)
	if err != nil {
		return "", status.Error(codes.InvalidArgument, err.Error())
	}
	return n, nil
}

func (s server) SetAgent(ctx context.Context, p *peerpb.SetAgentRequest) (*peerpb.SetAgentResponse, error) {
	n, err := parsed(p.GetDn())
	if err != nil {
		return nil, err
	}
	done, err := s.setAgent(ctx, n, changeOf(p))
	if err != nil {
		code, text, err := outcome(n, err)
		return &peerpb.SetAgentResponse{ErrorCode: code, ErrorMessage: text}, err
	}
	r := dn.Record{Number: n, ClaimTime: done.Version.Claim.Time, Seq: done.Version.Seq, Agent: done.Agent}
	if own, ok := s.reg.table.Own(n); ok && own.ClaimTime == r.ClaimTime {
		r.State, r.Reason, r.Since = own.State, own.Reason, own.Since
	}
	return &peerpb.SetAgentResponse{Record: tcontroller.ToProto(&r)}, nil
}

func (s server) setAgent(ctx context.Context, n dn.Number, c Change) (Done, error) {
	if _, err := s.reg.configured(n); err != nil {
		return Done{}, err
	}
	c, wrong := c.checked()
	if wrong != nil {
		return Done{}, wrong
	}
	return s.reg.setHere(ctx, n, c)
}

// changeOf keeps what exceeds a limit beyond it.
func changeOf(p *peerpb.SetAgentRequest) Change {
	c := Change{Request: p.GetRequest(), AgentID: p.GetAgentId(), Mode: dn.WorkMode(min(p.GetWorkMode(), 0xff)), Point: dn.Number(p.GetRoutingPoint())}
	for _, r := range p.GetReasons()[:min(len(p.GetReasons()), dn.MaxReasons+1)] {
		c.Reasons = append(c.Reasons, dn.KeyValue{Key: r.GetKey(), Value: r.GetValue()})
	}
	return c
}

func (s server) Reserve(ctx context.Context, p *peerpb.ReserveRequest) (*peerpb.ReserveResponse, error) {
	n, err := parsed(p.GetDn())
	if err != nil {
		return nil, err
	}
	until, err := s.reserve(ctx, n, Reservation{
		Holder: p.GetHolder(), Duration: time.Duration(p.GetDurationMs()) * time.Millisecond, Priority: p.GetPriority(),
		AtOnce: p.GetAtOnce(), InsteadOf: p.GetInsteadOf(),
	})
	code, text, err := outcome(n, err)
	return &peerpb.ReserveResponse{ErrorCode: code, ErrorMessage: text, LeftMs: uint32(max(0, time.Until(until).Milliseconds()))}, err
}

func (s server) Renew(_ context.Context, p *peerpb.RenewRequest) (*peerpb.RenewResponse, error) {
	for _, h := range holdsOf(p.GetGivenBack()) {
		s.reg.giveBackHere(h)
	}
	return &peerpb.RenewResponse{Over: s.reg.renewHere(holdsOf(p.GetWanted())), Elsewhere: s.reg.seatAll(seatsOf(p.GetSeats()))}, nil
}

func (s server) reserve(ctx context.Context, n dn.Number, r Reservation) (until time.Time, err error) {
	if _, err := s.reg.configured(n); err != nil {
		return time.Time{}, err
	}
	if err := r.check(); err != nil {
		return time.Time{}, err
	}
	return s.reg.reserveHere(ctx, n, r)
}

// outcome maps what went wrong to the answer, or to a gRPC status.
func outcome(n dn.Number, err error) (code uint32, text string, _ error) {
	var answer *refusal.Error
	switch {
	case err == nil:
		return 0, "", nil
	case errors.As(err, &answer):
		return uint32(answer.Code), answer.Text, nil
	case errors.Is(err, errElsewhere):
		return 0, "", status.Errorf(codes.FailedPrecondition, "DN %s is not kept here", n)
	default:
		return 0, "", status.FromContextError(err).Err()
	}
}
