package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// The statistics of agents are compared with the table of the same node, between two looks
// at it that show the same. What differs is looked at again, for a reservation or a use that
// is just over is told a moment later; what is wrong differs in each of so many looks.
const sumsTries, sumsDiffer, sumsAgain = 12, 4, 100 * time.Millisecond

// Sums compares a node's statistics with its table again and again.
type Sums struct {
	*Site
	Node  *cluster.Node
	Every time.Duration
}

// Run compares until ctx ends. A table that never stands still is left out, and the time of
// Sampling: a call that is over in some milliseconds is counted between two looks at a table
// that both don't have it.
func (w *Sums) Run(ctx context.Context) {
	every(ctx, w.Every, func(ctx context.Context) {
		if w.Sampling.Load() {
			return
		}
		s := history.Sums{Asked: w.Record.Now(), Node: w.Node.Name()}
		for i, wrong := 0, 0; i < sumsTries && w.Node.Running(); i++ {
			ask, cancel := context.WithTimeout(ctx, pollWithin)
			differs, still, err := w.compare(ask)
			cancel()
			if err != nil {
				return
			}
			if s.Differs = differs; differs != "" {
				wrong++
			}
			if still && (differs == "" || wrong == sumsDiffer) {
				w.Record.Sums(s)
				return
			}
			if !pause(ctx, sumsAgain) {
				return
			}
		}
	})
}

// compare is what differs; still: the table was the same before and after.
func (w *Sums) compare(ctx context.Context) (differs string, still bool, err error) {
	before, err := w.fold(ctx)
	if err != nil {
		return "", false, err
	}
	got, err := w.Node.Statistics().GetGroups(ctx, &tcpb.GetGroupsRequest{})
	if err != nil {
		return "", false, err
	}
	after, err := w.fold(ctx)
	if err != nil || !slices.Equal(before.rows, after.rows) {
		return "", false, err
	}
	is := sumsOf(got)
	if is == before.sums {
		return "", true, nil
	}
	return fmt.Sprintf("%v, and by the table %v", is, before.sums), true, nil
}

// counts of DNs of agents: all, those that calls can be sent to, those with a call, those
// out of service.
type counts struct{ all, ready, used, out uint32 }

func (c counts) String() string {
	return fmt.Sprintf("%d DNs, %d ready, %d with a call, %d out of service", c.all, c.ready, c.used, c.out)
}

type folded struct {
	sums counts
	rows []string
}

// fold sums up what the node lists.
func (w *Sums) fold(ctx context.Context) (f folded, err error) {
	for token := ""; ; {
		p, err := w.Node.Availability().ListDNs(ctx, &tcpb.ListDNsRequest{PageSize: 10_000, PageToken: token})
		if err != nil {
			return f, err
		}
		for _, d := range p.GetDns() {
			if k := d.GetKind(); k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN {
				continue
			}
			f.rows = append(f.rows, strings.Join([]string{d.GetDn(), d.GetState().Word(), d.GetOwner(), d.GetAgent().GetState().Word(), fmt.Sprint(d.GetBusy(), d.GetReserved(), d.GetRoutable(), d.GetAgent().GetSince().AsTime().UnixNano())}, " "))
			f.sums.all++
			switch {
			case d.GetState() != tcpb.DNState_DN_STATE_IN_SRV:
				f.sums.out++
			case d.GetBusy():
				f.sums.used++
			case d.GetRoutable():
				f.sums.ready++
			}
		}
		if token = p.GetNextPageToken(); token == "" {
			return f, nil
		}
	}
}

func sumsOf(r *tcpb.GetGroupsResponse) (c counts) {
	for _, g := range r.GetRows() {
		if g.GetGroup() != "" {
			continue
		}
		c.ready += g.GetReady()
		c.used += g.GetBusy() + g.GetRinging()
		c.out += g.GetOutOfService()
		c.all += g.GetReady() + g.GetReserved() + g.GetBusy() + g.GetRinging() + g.GetWrapUp() + g.GetNotReady() + g.GetLoggedOut() + g.GetUnresponsive() + g.GetOutOfService()
	}
	return c
}
