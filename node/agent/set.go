package agent

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/refusal"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// maxAmends bounds the attempts to change a record that others change too.
const maxAmends = 100

// SetAgent changes the state of the agent at a DN, here or at the node that
// keeps it. It returns when that node has stored the change, so that it
// outlives the process, or can't: then it holds in memory and is stored later.
//
// The error is a *refusal.Error or the context's: NOT_CONFIGURED; INVALID_ATTRIBUTE
// for a DN of another kind or a limit that is exceeded; OUT_OF_SERVICE for a
// login at a DN that is, and for every request whose keeper can't be heard;
// RESOURCE_SEIZED when another agent is logged in, or where the cluster wants that the agent
// at another DN; IN_SAME_STATE for the logout of
// nobody; UNSUPPORTED_OPERATION for ready and not ready where nobody is
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
	err := reg.keepers.do(ctx, n, AnswerTimeout, func() (err error) {
		done, err = reg.setHere(ctx, n, c)
		return err
	}, func(ctx context.Context, keeper dn.Node, client peerpb.AgentsClient) error {
		answer, err := client.SetAgent(ctx, c.request(n))
		if err != nil {
			return err
		}
		done, err = c.doneOf(answer, keeper)
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
		if refused := reg.refusesLogin(n, c); refused != nil {
			return Done{}, refused
		}
		view := reg.cfg.View()
		changed, refused := c.apply(&r, view.Rules(view.DN(string(n)), view.DN(string(c.Point))), time.Now().UnixNano())
		if refused != nil {
			return Done{}, refused
		}
		if !changed { // a request that is repeated
			return reg.done(&r), nil
		}
		if r, ok = reg.table.Amend(r); ok {
			reg.store.await(ctx, reg.sync(n))
			return reg.done(&r), nil
		}
	}
	return Done{}, tooBusy(n)
}

func (reg *Registry) done(r *dn.Record) Done {
	return Done{Agent: r.Agent, Version: dn.Version{Claim: dn.Claim{Time: r.ClaimTime, Node: reg.table.Self()}, Seq: r.Seq}}
}

func tooBusy(n dn.Number) *refusal.Error {
	return refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "DN %s changes too often to be changed: try again", n)
}

// kept is this node's record of a DN that it keeps.
func (reg *Registry) kept(n dn.Number) (dn.Record, bool) {
	if s, ok := reg.table.Get(n); !ok || s.Keeper != reg.table.Self() {
		return dn.Record{}, false
	}
	return reg.table.Own(n)
}

// request is the change for another node.
func (c Change) request(n dn.Number) *peerpb.SetAgentRequest {
	p := &peerpb.SetAgentRequest{Dn: string(n), Request: c.Request, AgentId: c.AgentID, WorkMode: uint32(c.Mode), RoutingPoint: string(c.Point)}
	for _, r := range c.Reasons {
		p.Reasons = append(p.Reasons, &peerpb.KeyValue{Key: r.Key, Value: r.Value})
	}
	return p
}

// doneOf reads the answer of another node.
func (c Change) doneOf(p *peerpb.SetAgentResponse, keeper dn.Node) (Done, error) {
	if err := answered(p.GetErrorCode(), p.GetErrorMessage()); err != nil {
		return Done{}, err
	}
	r := tcontroller.FromProto(p.GetRecord())
	if r.Agent == nil && c.ofAgent() || r.Agent.Check() != nil {
		return Done{}, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "the DN's owner answered without the agent's state")
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
