package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/numbering"
	"github.com/sipcluster/sipcluster/node/routing"
)

// Inquire tells where a call would go.
type Inquire func(ctx context.Context, from numbering.Caller, called string) (routing.Inquiry, error)

// TestRoute tells where a call would go from this node.
func (a *Availability) TestRoute(ctx context.Context, req *tcpb.TestRouteRequest) (*tcpb.TestRouteResponse, error) {
	from := a.view().DN(req.GetFrom())
	kind := from.GetKind()
	switch {
	case a.inquire == nil:
		return nil, status.Error(codes.Unimplemented, "this node routes no calls")
	case from == nil:
		return nil, status.Errorf(codes.NotFound, "DN %s does not exist: want the phone's DN or the trunk that calls", req.GetFrom())
	case kind != configpb.DNKind_DN_KIND_SIP && kind != configpb.DNKind_DN_KIND_TRUNK:
		return nil, status.Errorf(codes.InvalidArgument, "DN %s is of kind %s: only kinds sip and trunk call", req.GetFrom(), kind.Word())
	case req.GetCalled() == "":
		return nil, status.Error(codes.InvalidArgument, "the called number is missing")
	}
	i, err := a.inquire(ctx, numbering.Caller{DN: req.GetFrom(), Trunk: kind == configpb.DNKind_DN_KIND_TRUNK, Number: req.GetCaller()}, req.GetCalled())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	res := &tcpb.TestRouteResponse{Called: i.Called, Dn: i.DN, Code: uint32(i.Code), Reason: i.Reason, Why: i.Why}
	for _, x := range i.Exits {
		res.Exits = append(res.Exits, newRouteExit(x))
	}
	return res, nil
}

func newRouteExit(x routing.InquiryExit) *tcpb.RouteExit {
	return &tcpb.RouteExit{Trunk: x.Trunk, Address: x.Address, Number: x.Number, Caller: x.Caller, PassedOver: x.PassedOver}
}
