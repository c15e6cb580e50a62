package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// makeCallLimit is how long the node of a phone may take until that has begun a call.
const makeCallLimit = 17 * time.Second

// MakesCalls tells whether this node has phones make calls.
func (reg *Registry) MakesCalls() bool { return reg.cfg.MakeCall != nil }

// MakeCall has the phone of a DN call a number, wherever it is registered, and returns the
// ConnID of the call that it has begun. The same requestID again, unless it is "", has the
// same answer. The error is a *refusal.Error or the context's.
func (reg *Registry) MakeCall(ctx context.Context, n dn.Number, number, requestID string) (conn string, err error) {
	if _, err := reg.configured(n); err != nil {
		return "", err
	}
	err = reg.keepers.do(ctx, n, makeCallLimit, func() (err error) {
		conn, err = reg.makeCallHere(ctx, n, number, requestID)
		return err
	}, func(ctx context.Context, _ dn.Node, client peerpb.AgentsClient) error {
		answer, err := client.MakeCall(ctx, &peerpb.MakeCallRequest{Dn: string(n), Number: number, RequestId: requestID})
		if err != nil {
			return err
		}
		conn = answer.GetConnId()
		return answered(answer.GetErrorCode(), answer.GetErrorMessage())
	})
	return conn, err
}

func (reg *Registry) makeCallHere(ctx context.Context, n dn.Number, number, requestID string) (conn string, err error) {
	switch s, _ := reg.table.Get(n); {
	case s.Keeper != reg.table.Self():
		return "", errElsewhere
	case s.State != dn.InSrv:
		return "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE, "DN %s is out of service", n)
	case reg.cfg.MakeCall == nil:
		return "", refusal.New(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, "this node asks no phones to make calls")
	}
	return reg.cfg.MakeCall(ctx, n, number, requestID)
}

func (s server) MakeCall(ctx context.Context, p *peerpb.MakeCallRequest) (*peerpb.MakeCallResponse, error) {
	n, err := parsed(p.GetDn())
	if err != nil {
		return nil, err
	}
	conn, err := s.reg.makeCallHere(ctx, n, p.GetNumber(), p.GetRequestId())
	code, text, err := outcome(n, err)
	return &peerpb.MakeCallResponse{ErrorCode: code, ErrorMessage: text, ConnId: conn}, err
}
