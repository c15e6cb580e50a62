package workload

import (
	"context"
	"time"

	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Availability asks one node again and again what it lists, in turn by
// ListRoutable and ListDNs.
type Availability struct {
	*Site
	Node *cluster.Node
	// Every is the pace of the questions.
	Every time.Duration
	// Prefix of the DNs that are asked for.
	Prefix string
}

// pollWithin is how long a list may take.
const pollWithin = time.Second

// Run asks until ctx ends.
func (w *Availability) Run(ctx context.Context) {
	view := history.Table
	every(ctx, w.Every, func(ctx context.Context) {
		if !w.Node.Running() {
			return
		}
		if view == history.Table && !w.Sampling.Load() {
			view = history.Routable
		} else {
			view = history.Table
		}
		p := history.Poll{Asked: w.Record.Now(), Node: w.Node.Name(), View: view}
		rows, err := w.list(ctx, view)
		if ctx.Err() != nil {
			return
		}
		if p.Rows = rows; err != nil {
			p.Rows, p.Error = nil, status.Convert(err).Message()
		}
		w.Record.Poll(p)
	})
}

// page is what ListDNs and ListRoutable answer alike.
type page interface {
	GetDns() []*tcpb.DNStatus
	GetNextPageToken() string
}

func (w *Availability) list(ctx context.Context, view history.View) ([]history.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, pollWithin)
	defer cancel()
	var rows []history.Row
	for token := ""; ; {
		p, err := w.ask(ctx, view, token)
		if err != nil {
			return nil, err
		}
		for _, d := range p.GetDns() {
			r := row(d.GetDn(), d.GetState(), d.GetOwner(), d.GetReason())
			r.Agent = agent(d.GetAgent())
			rows = append(rows, r)
		}
		if token = p.GetNextPageToken(); token == "" {
			return rows, nil
		}
	}
}

func (w *Availability) ask(ctx context.Context, view history.View, token string) (page, error) {
	f := &tcpb.Filter{Prefix: w.Prefix}
	if view == history.Routable {
		return w.Node.Availability().ListRoutable(ctx, &tcpb.ListRoutableRequest{Filter: f, PageToken: token})
	}
	return w.Node.Availability().ListDNs(ctx, &tcpb.ListDNsRequest{Filter: f, PageToken: token})
}

// agent is what a list says of the agent at a DN.
func agent(a *tcpb.AgentStatus) string {
	if a == nil {
		return ""
	}
	return word(a.GetState().Word(), a.GetId(), a.GetReasons())
}

func row(dn string, s tcpb.DNState, owner string, r tcpb.Reason) history.Row {
	out := history.Row{DN: dn, InSrv: s == tcpb.DNState_DN_STATE_IN_SRV, Owner: owner}
	out.Reason = r.Word()
	return out
}
