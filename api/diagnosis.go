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
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/peerpb"
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
	// Status is how this node sees the cluster, AskStatus asks another one.
	Status    func(context.Context, *tcpb.StatusRequest) (*tcpb.StatusResponse, error)
	AskStatus func(ctx context.Context, node dn.Node) (*tcpb.StatusResponse, error)
	// Report is what this node says of itself, AskReport asks another one.
	Report    func() []*tcpb.ReportFile
	AskReport func(ctx context.Context, node dn.Node) ([]*tcpb.ReportFile, error)
	// History is what this node has told its clients; AskHistory asks another one, and says
	// how much its clock is ahead. Of the request it fills in the cluster and the time.
	History    *history.Store
	AskHistory func(ctx context.Context, node dn.Node, req *peerpb.HistoryRequest) (*tcpb.EventsPart, time.Duration, error)
}

// Diagnosis is the service of that name.
type Diagnosis struct {
	tcpb.UnimplementedDiagnosisServer
	cfg DiagnosisConfig
	now func() time.Time
	// collecting has a place for each CollectReports under way.
	collecting places
	// remembering has one for each ListEvents.
	remembering places
	// following has one for each WatchEvents.
	following places
}

// NewDiagnosis returns the service; it starts nothing.
func NewDiagnosis(c DiagnosisConfig) *Diagnosis {
	return &Diagnosis{cfg: c, now: time.Now, collecting: newPlaces("collections of reports", maxCollecting), remembering: newPlaces("lists of events", maxListing), following: newPlaces("followers of events", maxFollowing)}
}

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
	r.Sentence = dnview.Sentence(string(number), config, r.Conditions, st.Reason)
	r.Views = append([]*tcpb.DNView{d.ViewDN(number, req.GetChanges())}, d.ask(ctx, view, string(number), req.GetChanges())...)
	return r, nil
}

// ask asks all other nodes what they believe of a DN.
func (d *Diagnosis) ask(ctx context.Context, view *fsm.View, number string, changes uint32) []*tcpb.DNView {
	return askEach(ctx, others(view, d.cfg.Table.Self()), viewTime, func(ctx context.Context, n *configpb.Node) *tcpb.DNView {
		began := time.Now()
		answer, err := d.cfg.Ask(ctx, dn.Node(n.GetId()), number, changes)
		v := &tcpb.DNView{Node: n.GetName(), Site: n.GetSite(), Status: answer.GetStatus(), Bindings: answer.GetBindings(), Changes: answer.GetChanges()}
		if err != nil {
			v.Error = status.Convert(err).Message()
		}
		v.Took = durationpb.New(time.Since(began))
		return v
	})
}

// Survey asks every node how it sees the cluster; this one is asked without a way.
func (d *Diagnosis) Survey(ctx context.Context, _ *tcpb.SurveyRequest) (*tcpb.SurveyResponse, error) {
	own, err := d.cfg.Status(ctx, &tcpb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	views := askEach(ctx, others(d.cfg.View(), d.cfg.Table.Self()), viewTime, func(ctx context.Context, n *configpb.Node) *tcpb.ClusterView {
		began := time.Now()
		v := &tcpb.ClusterView{Node: n.GetName(), Site: n.GetSite()}
		var err error
		if v.Status, err = d.cfg.AskStatus(ctx, dn.Node(n.GetId())); err != nil {
			v.Error = status.Convert(err).Message()
		}
		v.Took = durationpb.New(time.Since(began))
		return v
	})
	return &tcpb.SurveyResponse{Views: append([]*tcpb.ClusterView{{Node: own.GetNode(), Site: own.GetSite(), Status: own}}, views...)}, nil
}

// others are the nodes of the roster but this one, by name.
func others(view *fsm.View, self dn.Node) []*configpb.Node {
	nodes := slices.DeleteFunc(view.Nodes(), func(n *configpb.Node) bool { return dn.Node(n.GetId()) == self })
	slices.SortFunc(nodes, func(a, b *configpb.Node) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return nodes
}

// askEach asks nodes side by side, for so long at most; the answers are in their order.
func askEach[V any](ctx context.Context, nodes []*configpb.Node, within time.Duration, ask func(context.Context, *configpb.Node) V) []V {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make([]V, len(nodes))
	var asked sync.WaitGroup
	for i, n := range nodes {
		asked.Go(func() { answers[i] = ask(ctx, n) })
	}
	asked.Wait()
	return answers
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
	for _, c := range d.cfg.History.Past(number, int(min(cmp.Or(changes, usualChanges), bounds.MaxChanges))) {
		v.Changes = append(v.Changes, changeOf(view, string(number), &c))
	}
	return v
}

func changeOf(view *fsm.View, number string, c *dn.Past) *tcpb.DNChange {
	m := &tcpb.DNChange{Time: &timestamppb.Timestamp{}, Kind: changeKinds[c.What], CoolingDown: c.CoolingDown, Status: &tcpb.DNStatus{
		Dn: number, State: dnview.StateOf(c.State), Reason: tcpb.Reason(c.Reason), Agent: dnview.Agent(&dn.Status{Agent: c.Agent}), Busy: c.Busy, Reserved: c.Reserved, DoNotDisturb: c.DoNotDisturb,
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
