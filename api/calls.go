package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// CallsConfig is what Calls reads; all is required.
type CallsConfig struct {
	Self  dn.Node
	Table *call.Table
	// View returns the configuration as applied here.
	View func() *fsm.View
	// Trace is what this node remembers of a call's messages; Ask asks another node, and says
	// how much its clock is ahead.
	Trace func(call string) *tcpb.CallTrace
	Ask   func(ctx context.Context, node dn.Node, call string) (*tcpb.CallTrace, time.Duration, error)
}

// Calls is the service of that name.
type Calls struct {
	tcpb.UnimplementedCallsServer
	cfg CallsConfig
	// tracing has a place for each TraceCall under way, listing for each ListCalls.
	tracing, listing places
}

// NewCalls returns the service; it starts nothing.
func NewCalls(c CallsConfig) *Calls {
	return &Calls{cfg: c, tracing: newPlaces("traces of calls", maxTracing), listing: newPlaces("lists of calls", maxListing)}
}

// ListCalls returns the calls that are up, or wait, from this node's own table.
func (s *Calls) ListCalls(ctx context.Context, req *tcpb.ListCallsRequest) (*tcpb.ListCallsResponse, error) {
	leave, err := s.listing.take(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	view, question := s.cfg.View(), proto.CloneOf(req)
	question.PageSize, question.PageToken = 0, ""
	tokens := tokensOf(question, "", func(p string) bool { _, _, ok := readPlace(p); return ok })
	after, err := tokens.read(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	wanted, err := wantedCalls(view, req)
	if err != nil {
		return nil, err
	}
	list := s.sorted(wanted)
	resp := &tcpb.ListCallsResponse{Total: uint32(len(list))}
	if began, id, ok := readPlace(after); ok {
		from, _ := slices.BinarySearchFunc(list, 0, func(c *call.Call, _ int) int {
			return cmp.Or(cmp.Compare(c.Began, began), cmp.Compare(c.ID, id), -1)
		})
		list = list[from:]
	}
	if most := min(cmp.Or(int(req.GetPageSize()), defaultPage), maxPage); len(list) > most {
		list = list[:most]
		resp.NextPageToken = tokens.behind(placeOf(list[most-1]))
	}
	for _, c := range list {
		resp.Calls = append(resp.Calls, callInfo(view, c))
	}
	return resp, nil
}

// placeOf is where a call stands in the list.
func placeOf(c *call.Call) string { return fmt.Sprintf("%d-%s", c.Began, c.ID) }

func readPlace(p string) (began int64, id call.ID, ok bool) {
	t, rest, found := strings.Cut(p, "-")
	began, err := strconv.ParseInt(t, 10, 64)
	return began, call.ID(rest), found && err == nil && call.ID(rest).Valid()
}

// sorted are the calls that are wanted, each once, the oldest first.
func (s *Calls) sorted(wanted func(*call.Call) bool) (list []*call.Call) {
	for c := range s.cfg.Table.All() {
		if wanted(c) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *call.Call) int {
		return cmp.Or(cmp.Compare(a.Began, b.Began), cmp.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(list, func(a, b *call.Call) bool { return a.ID == b.ID })
}

// wantedCalls tells which calls a request asks for.
func wantedCalls(view *fsm.View, req *tcpb.ListCallsRequest) (func(*call.Call) bool, error) {
	number, rp, node := dn.Number(req.GetDn()), dn.Number(req.GetRoutingPoint()), dn.Node("")
	if name := req.GetNode(); name != "" {
		n := view.NodeByName(name)
		if n == nil {
			return nil, status.Errorf(codes.NotFound, "node %.64q is not in the roster", name)
		}
		node = dn.Node(n.GetId())
	}
	for _, n := range []dn.Number{number, rp} {
		if n != "" && view.DN(string(n)) == nil {
			return nil, status.Errorf(codes.NotFound, "DN %.64q is not configured", n)
		}
	}
	return func(c *call.Call) bool {
		has := func(p call.Party) bool { return p.DN == number }
		switch {
		case req.GetWaiting() && c.Queue == nil,
			node != "" && c.Node != node,
			rp != "" && c.LastQueue != rp && (c.Queue == nil || c.Queue.RP != rp),
			number != "" && c.Caller != number && !slices.ContainsFunc(c.Parties, has):
			return false
		}
		return true
	}, nil
}

// GetCall returns a call that is up, or waits.
func (s *Calls) GetCall(_ context.Context, req *tcpb.GetCallRequest) (*tcpb.GetCallResponse, error) {
	id := call.ID(req.GetConnId())
	if !id.Valid() {
		return nil, status.Errorf(codes.InvalidArgument, "conn_id %.32q: want 16 hexadecimal digits in lower case", req.GetConnId())
	}
	c, ok := s.cfg.Table.Seen(id)
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no call %s is up; a trace tells what is remembered of one that is over", id)
	}
	return &tcpb.GetCallResponse{Call: callInfo(s.cfg.View(), c), UserData: valid(c.UserData)}, nil
}

// valid is what came from outside as a protocol buffer takes it.
func valid(data map[string]string) map[string]string {
	out := make(map[string]string, len(data))
	for k, v := range data {
		out[text(k)] = text(v)
	}
	return out
}

func callInfo(view *fsm.View, c *call.Call) *tcpb.CallInfo {
	m := &tcpb.CallInfo{
		ConnId: string(c.ID), Node: dnview.NodeName(view, c.Node), Site: view.Node(string(c.Node)).GetSite(), Kind: tcpb.CallKind(c.Type), Caller: string(c.Caller),
		Ani: text(c.ANI), Dnis: text(c.DNIS), Began: moment(c.Began), LastQueue: string(c.LastQueue),
	}
	for i := range c.Parties {
		p := &c.Parties[i]
		party := &tcpb.CallParty{Dn: string(p.DN), Caller: p.Role == call.Caller, State: tcpb.CallPartyState(p.State + 1), Since: moment(p.Since), Other: text(p.Other)}
		if p.HeldSince != 0 {
			party.HeldSince = moment(p.HeldSince)
		}
		if p.At != "" {
			party.Node = dnview.NodeName(view, p.At)
		}
		m.Parties = append(m.Parties, party)
	}
	if q := c.Queue; q != nil {
		m.Queue = &tcpb.CallQueue{RoutingPoint: string(q.RP), Group: q.Group, Since: moment(q.Since)}
	}
	if t := c.Transfer; t != nil {
		m.GoesOn, m.TransferredBy = string(t.From), string(t.By)
	}
	return m
}

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func moment(ns int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(0, ns)) }

// TraceCall returns what all nodes remember of a call's messages.
func (s *Calls) TraceCall(ctx context.Context, req *tcpb.TraceCallRequest) (*tcpb.TraceCallResponse, error) {
	if req.GetCall() == "" {
		return nil, status.Error(codes.InvalidArgument, "call: want a ConnID or a Call-ID")
	}
	leave, err := s.tracing.take(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	views := askEach(ctx, others(s.cfg.View(), s.cfg.Self), viewTime, func(ctx context.Context, n *configpb.Node) *tcpb.CallTrace {
		return s.ask(ctx, n, req.GetCall())
	})
	return &tcpb.TraceCallResponse{Views: append([]*tcpb.CallTrace{s.ViewCall(req.GetCall())}, views...)}, nil
}

func (s *Calls) ask(ctx context.Context, n *configpb.Node, id string) *tcpb.CallTrace {
	began := time.Now()
	v, ahead, err := s.cfg.Ask(ctx, dn.Node(n.GetId()), id)
	took := time.Since(began)
	if err != nil {
		v = &tcpb.CallTrace{Error: status.Convert(err).Message()}
	} else {
		v.Ahead = durationpb.New(ahead)
	}
	v.Node, v.Site, v.Took = n.GetName(), n.GetSite(), durationpb.New(took)
	return v
}

// ViewCall is what this node remembers of a call's messages.
func (s *Calls) ViewCall(id string) *tcpb.CallTrace {
	v, self := s.cfg.Trace(id), s.cfg.View().Node(string(s.cfg.Self))
	v.Node, v.Site = self.GetName(), self.GetSite()
	return v
}
