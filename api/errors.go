package api

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// meaning lists the sentinels of the packages below; the first that fits counts.
var meaning = []struct {
	err    error
	code   codes.Code
	reason outcome.Reason
}{
	{fsm.ErrUnknownOutcome, codes.Unavailable, outcome.Unknown},
	{fsm.ErrNoQuorum, codes.Unavailable, outcome.NotApplied},
	{fsm.ErrPlaneFailed, codes.Unavailable, outcome.NotApplied},
	{fsm.ErrOtherCluster, codes.PermissionDenied, outcome.NotApplied},
	{fsm.ErrInvalid, codes.InvalidArgument, outcome.NotApplied},
	{fsm.ErrNotFound, codes.NotFound, outcome.NotApplied},
	{fsm.ErrRevision, codes.FailedPrecondition, outcome.NotApplied},
	{fsm.ErrConflict, codes.FailedPrecondition, outcome.NotApplied},
	{fsm.ErrInvite, codes.PermissionDenied, outcome.NotApplied},
	{fsm.ErrVersion, codes.FailedPrecondition, outcome.NotApplied},
	{fsm.ErrDenied, codes.PermissionDenied, outcome.NotApplied},
	{fsm.ErrReused, codes.AlreadyExists, outcome.NotApplied},
	{fsm.ErrBackup, codes.InvalidArgument, outcome.NotApplied},
	{fsm.ErrNameTaken, codes.AlreadyExists, outcome.NotApplied},
	{fsm.ErrFailed, codes.Unavailable, outcome.Unknown},
	{dn.ErrNumber, codes.InvalidArgument, outcome.NotApplied},
	{context.DeadlineExceeded, codes.DeadlineExceeded, outcome.Unknown},
	{context.Canceled, codes.Canceled, outcome.Unknown},
}

// StatusError turns an error of the packages below into the gRPC status that a
// client sees, with an ErrorInfo of package outcome. It is the only such mapping
// of the public API. nil stays nil; a status without an ErrorInfo gets what its
// code means.
func StatusError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := outcome.Said(err); ok {
		return err
	}
	var ask *fsm.AskLeader
	if errors.As(err, &ask) {
		return outcome.Info{Reason: outcome.NotApplied, Leader: ask.Addr}.Status(codes.FailedPrecondition, ask.Error())
	}
	for _, m := range meaning {
		if errors.Is(err, m.err) {
			info, text := outcome.Info{Reason: m.reason}, err.Error()
			var r *fsm.Rejection
			if errors.As(err, &r) && m.reason == outcome.NotApplied {
				info.Mutation, text = r.Mutation, r.Text // it names the object
			}
			return info.Status(m.code, text)
		}
	}
	code, text := codes.Internal, err.Error()
	if s, ok := status.FromError(err); ok {
		code, text = s.Code(), s.Message()
	}
	return outcome.Info{Reason: outcome.OfCode(code)}.Status(code, text)
}

// Outcomes are the options of a server that passes every error of its handlers
// and of later interceptors through StatusError. Put them first.
func Outcomes() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			resp, err := next(ctx, req)
			return resp, StatusError(err)
		}),
		grpc.ChainStreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return StatusError(next(srv, ss))
		}),
	}
}
