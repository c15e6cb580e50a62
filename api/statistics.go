package api

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/statistics"
)

// maxGroupWatches are open at a node at once.
const maxGroupWatches = 512

// How often a WatchGroups tells of changes, and of itself when there are none.
const (
	leastInterval, usualInterval, mostInterval = 100 * time.Millisecond, time.Second, time.Minute
	stillThere                                 = 10 * time.Second
)

// Statistics is the service of that name. Every answer comes from this node's own tables.
type Statistics struct {
	tcpb.UnimplementedStatisticsServer
	fold    *statistics.Fold
	view    func() *fsm.View
	watches places
}

// NewStatistics returns the service of a fold that runs; it starts nothing.
func NewStatistics(f *statistics.Fold, view func() *fsm.View) *Statistics {
	return &Statistics{fold: f, view: view, watches: newPlaces("watches of groups", maxGroupWatches)}
}

// wanted are the groups that a request names; all when it names none.
func (s *Statistics) wanted(names []string) (func(group string) bool, error) {
	if len(names) == 0 {
		return func(string) bool { return true }, nil
	}
	of := make(map[string]bool, len(names))
	for _, g := range names {
		if s.view().Group(g) == nil {
			return nil, status.Errorf(codes.NotFound, "group %.64q is not configured", g)
		}
		of[g] = true
	}
	return func(g string) bool { return of[g] }, nil
}

// GetGroups returns what the agents of groups do now.
func (s *Statistics) GetGroups(ctx context.Context, req *tcpb.GetGroupsRequest) (*tcpb.GetGroupsResponse, error) {
	wanted, err := s.wanted(req.GetGroups())
	if err != nil {
		return nil, err
	}
	rows, _, err := s.fold.Rows(ctx, wanted)
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return &tcpb.GetGroupsResponse{Rows: groupRows(rows), Time: timestamppb.Now()}, nil
}

// WatchGroups sends the rows of the groups, and then of those that changed.
func (s *Statistics) WatchGroups(req *tcpb.WatchGroupsRequest, stream grpc.ServerStreamingServer[tcpb.WatchGroupsResponse]) error {
	ctx := stream.Context()
	leave, err := s.watches.take(ctx)
	if err != nil {
		return err
	}
	defer leave()
	wanted, err := s.wanted(req.GetGroups())
	if err != nil {
		return err
	}
	rows, version, err := s.fold.Rows(ctx, wanted)
	if err != nil {
		return status.FromContextError(err).Err()
	}
	if err := stream.Send(&tcpb.WatchGroupsResponse{Groups: s.first(req.GetGroups()), Rows: groupRows(rows), Time: timestamppb.Now()}); err != nil {
		return err
	}
	tick := time.NewTicker(interval(req))
	defer tick.Stop()
	for said := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var groups []string
		if groups, rows, version = s.fold.Changed(version, wanted); len(groups) == 0 && time.Since(said) < stillThere {
			continue
		}
		said = time.Now()
		if err := stream.Send(&tcpb.WatchGroupsResponse{Groups: groups, Rows: groupRows(rows), Time: timestamppb.Now()}); err != nil {
			return err
		}
	}
}

// first are the groups of a stream's first message.
func (s *Statistics) first(asked []string) []string {
	if len(asked) > 0 {
		return asked
	}
	all := []string{""}
	for g := range s.view().Groups() {
		all = append(all, g.GetName())
	}
	return all
}

func interval(req *tcpb.WatchGroupsRequest) time.Duration {
	d := usualInterval
	if req.GetInterval() != nil {
		d = req.GetInterval().AsDuration()
	}
	return min(max(d, leastInterval), mostInterval)
}

// ListWaiting returns the calls that wait, the oldest first.
func (s *Statistics) ListWaiting(ctx context.Context, req *tcpb.ListWaitingRequest) (*tcpb.ListWaitingResponse, error) {
	list, err := s.fold.Waiting(ctx)
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	most := min(cmp.Or(int(req.GetPageSize()), defaultPage), maxPage)
	resp, view := &tcpb.ListWaitingResponse{}, s.view()
	for i := range list {
		w := &list[i]
		if g := req.GetGroup(); g != "" && g != w.Group {
			continue
		}
		if rp := req.GetRoutingPoint(); rp != "" && rp != string(w.RP) {
			continue
		}
		if resp.Total++; len(resp.Calls) == most {
			continue
		}
		resp.Calls = append(resp.Calls, &tcpb.WaitingCall{
			ConnId: string(w.ID), RoutingPoint: string(w.RP), Group: w.Group, Since: timestamppb.New(time.Unix(0, w.Since)),
			Node: view.Node(string(w.Node)).GetName(), Site: w.Site, Ani: w.ANI, Dnis: w.DNIS,
		})
	}
	return resp, nil
}

func groupRows(rows []statistics.Row) []*tcpb.GroupStatistics {
	all := make([]tcpb.GroupStatistics, len(rows)) // one allocation, not hundreds
	out := make([]*tcpb.GroupStatistics, len(rows))
	for i := range rows {
		out[i] = &all[i]
		groupRow(out[i], &rows[i])
	}
	return out
}

func groupRow(m *tcpb.GroupStatistics, r *statistics.Row) {
	n := func(s statistics.State) uint32 { return uint32(max(0, r.Agents[s])) }
	m.Group, m.Site = r.Group, r.Site
	m.Ready, m.Reserved, m.Ringing, m.Busy = n(statistics.Ready), n(statistics.Reserved), n(statistics.Ringing), n(statistics.Busy)
	m.WrapUp, m.NotReady, m.LoggedOut = n(statistics.WrapUp), n(statistics.NotReady), n(statistics.LoggedOut)
	m.Unresponsive, m.OutOfService, m.Waiting = n(statistics.Unresponsive), n(statistics.OutOfService), uint32(max(0, r.Waiting))
	if r.Oldest != 0 {
		m.OldestWaiting = timestamppb.New(time.Unix(0, r.Oldest))
	}
	if len(r.Reasons) > 0 {
		m.NotReadyReasons = make(map[string]uint32, len(r.Reasons))
		for reason, k := range r.Reasons {
			m.NotReadyReasons[reason] = uint32(max(0, k))
		}
	}
}

// statisticsSource gives the statistics of groups to /metrics.
type statisticsSource struct{ fold *statistics.Fold }

// StatisticsSource gives what the agents of groups do, and the calls that wait for them.
func StatisticsSource(f *statistics.Fold) Source { return statisticsSource{f} }

// Samples implements Source. What was never folded before is there the next time.
func (s statisticsSource) Samples(emit func(Sample)) {
	for _, r := range s.fold.Now() {
		at := []string{"group", r.Group, "site", r.Site}
		for state := range statistics.States {
			if n := r.Agents[state]; n > 0 || state == statistics.Ready {
				emit(Sample{Name: "group_agents", Help: "DNs of agents by group, site and state; group \"\" is all, each once.", Labels: append(at[:4:4], "state", state.String()), Value: float64(n)})
			}
		}
		oldest := 0.0
		if r.Oldest != 0 {
			oldest = time.Since(time.Unix(0, r.Oldest)).Seconds()
		}
		emit(Sample{Name: "group_waiting_calls", Help: "Calls that wait for an agent of the group, by the site of their nodes; group \"\" is all.", Labels: at, Value: float64(r.Waiting)})
		emit(Sample{Name: "group_oldest_waiting_seconds", Help: "How long the oldest of them has waited.", Labels: at, Value: oldest})
	}
}
