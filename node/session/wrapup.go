package session

import (
	"context"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
)

// agentFirst reads of the DNs what an event of a call is told behind: an agent whose call
// has ended is told to be not ready before that.
func (f *feeder) agentFirst(ctx context.Context, e *call.Event) {
	if e.Kind != call.Released || e.Role != call.Called || f.hearing.phase != going {
		return
	}
	st, _ := f.c.table.Get(e.ThisDN)
	if st.Agent == nil || st.Agent.Mode != dn.AfterCallWork || st.Agent.Since != e.Time {
		return
	}
	for head := f.c.table.Tail().Seq(); f.hearing.phase == going && f.hearing.sent.dn < head; {
		select {
		case <-ctx.Done():
			return
		case b := <-f.hearing.dns.batches():
			if f.take(ctx, b) != nil {
				return // sending fails, as whoever sends next will find
			}
		}
	}
}
