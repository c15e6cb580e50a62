package api

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// usualChanges of a DN are told where nobody says how many.
const usualChanges = 50

// viewTime is how long another node may take to say what it believes.
const viewTime = time.Second

// DiagnosisConfig is what Diagnosis reads; all is required.
type DiagnosisConfig struct {
	Table *dn.Table
	// View returns the configuration as applied here.
	View func() *fsm.View
	// Bindings are those of a DN's phones at this node.
	Bindings func(dn.Number) []*tcpb.DNBinding
	// Ask asks another node what it believes of a DN, and for so many changes at most.
	Ask func(ctx context.Context, node dn.Node, number string, changes uint32) (*tcpb.DNView, error)
}

// Diagnosis is the service of that name.
type Diagnosis struct {
	tcpb.UnimplementedDiagnosisServer
	cfg DiagnosisConfig
}

// NewDiagnosis returns the service; it starts nothing.
func NewDiagnosis(c DiagnosisConfig) *Diagnosis { return &Diagnosis{cfg: c} }

// ExplainDN judges the DN by this node's own tables, and asks all other nodes what they
// believe; NOT_FOUND where it is neither configured nor known here.
func (d *Diagnosis) ExplainDN(ctx context.Context, req *tcpb.ExplainDNRequest) (*tcpb.ExplainDNResponse, error) {
	number, err := dn.ParseNumber(req.GetDn())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	view := d.cfg.View()
	st, known := d.cfg.Table.Get(number)
	config := view.DN(string(number))
	if config == nil && !known {
		return nil, status.Errorf(codes.NotFound, "DN %s is neither configured nor known here", number)
	}
	r := &tcpb.ExplainDNResponse{Conditions: dnview.Conditions(view, config, &st)}
	r.Sentence = dnview.Sentence(string(number), r.Conditions, st.Reason)
	r.Views = append([]*tcpb.DNView{d.ViewDN(number, req.GetChanges())}, d.ask(ctx, view, string(number), req.GetChanges())...)
	return r, nil
}

// ask asks all other nodes of the roster side by side.
func (d *Diagnosis) ask(ctx context.Context, view *fsm.View, number string, changes uint32) []*tcpb.DNView {
	ctx, cancel := context.WithTimeout(ctx, viewTime)
	defer cancel()
	var all []*tcpb.DNView
	var asked sync.WaitGroup
	for _, n := range view.Nodes() {
		if dn.Node(n.GetId()) == d.cfg.Table.Self() {
			continue
		}
		v := &tcpb.DNView{}
		all = append(all, v)
		asked.Go(func() {
			began := time.Now()
			answer, err := d.cfg.Ask(ctx, dn.Node(n.GetId()), number, changes)
			if err != nil {
				v.Error = status.Convert(err).Message()
			} else {
				v.Status, v.Bindings, v.Changes = answer.GetStatus(), answer.GetBindings(), answer.GetChanges()
			}
			v.Node, v.Site, v.Took = n.GetName(), n.GetSite(), durationpb.New(time.Since(began))
		})
	}
	asked.Wait()
	slices.SortFunc(all, func(a, b *tcpb.DNView) int { return cmp.Compare(a.GetNode(), b.GetNode()) })
	return all
}

// ViewDN is what this node believes of a DN, with as many of its last changes at most; 0
// is 50.
func (d *Diagnosis) ViewDN(number dn.Number, changes uint32) *tcpb.DNView {
	view := d.cfg.View()
	r := row{number: string(number), config: view.DN(string(number))}
	r.status, r.known = d.cfg.Table.Get(number)
	self := view.Node(string(d.cfg.Table.Self()))
	v := &tcpb.DNView{Node: self.GetName(), Site: self.GetSite(), Bindings: d.cfg.Bindings(number)}
	if r.config != nil || r.known {
		p := newPage(view, 1)
		p.add(r)
		v.Status = p.dns[0]
	}
	for _, c := range d.cfg.Table.Past(number, int(min(cmp.Or(changes, usualChanges), bounds.MaxChanges))) {
		v.Changes = append(v.Changes, changeOf(view, string(number), &c))
	}
	return v
}

func changeOf(view *fsm.View, number string, c *dn.Past) *tcpb.DNChange {
	m := &tcpb.DNChange{Time: &timestamppb.Timestamp{}, Kind: changeKinds[c.What], CoolingDown: c.CoolingDown, Status: &tcpb.DNStatus{
		Dn: number, State: dnview.StateOf(c.State), Reason: tcpb.Reason(c.Reason), Agent: dnview.Agent(&dn.Status{Agent: c.Agent}), Busy: c.Busy, Reserved: c.Reserved,
	}}
	dnview.Stamp(m.Time, c.At)
	if c.Owner != "" {
		m.Status.Owner, m.Status.Site = dnview.NodeName(view, c.Owner), view.Node(string(c.Owner)).GetSite()
	}
	return m
}

var changeKinds = map[dn.What]tcpb.DNChangeKind{
	dn.StateChange: tcpb.DNChangeKind_DN_CHANGE_KIND_STATE, dn.AgentChange: tcpb.DNChangeKind_DN_CHANGE_KIND_AGENT,
	dn.UseChange: tcpb.DNChangeKind_DN_CHANGE_KIND_USE, dn.OwnerChange: tcpb.DNChangeKind_DN_CHANGE_KIND_OWNER,
}
