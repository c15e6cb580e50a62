package workload

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Holds asks one node again and again which telephones it shows as reserved, as busy and
// as out of service.
type Holds struct {
	*Site
	Node  *cluster.Node
	Every time.Duration
	// Prefix of the telephones' DNs.
	Prefix string
}

// Run asks until ctx ends.
func (w *Holds) Run(ctx context.Context) {
	every(ctx, w.Every, func(ctx context.Context) {
		if !w.Node.Running() {
			return
		}
		h := history.Holds{Asked: w.Record.Now(), Node: w.Node.Name(), DNs: []string{}}
		asked, cancel := context.WithTimeout(ctx, pollWithin)
		defer cancel()
		page, err := w.Node.Availability().ListDNs(asked, &tcpb.ListDNsRequest{Filter: &tcpb.Filter{Prefix: w.Prefix}})
		if err != nil {
			return
		}
		for _, d := range page.GetDns() {
			if d.GetReserved() {
				h.DNs = append(h.DNs, d.GetDn())
			}
			switch {
			case d.GetState() == tcpb.DNState_DN_STATE_OOS:
				h.Out = append(h.Out, d.GetDn())
			case d.GetBusy():
				h.Busy = append(h.Busy, d.GetDn())
			case d.GetRoutable():
				h.Free = append(h.Free, d.GetDn())
			}
		}
		w.Record.Holds(h)
	})
}
