package node

import (
	"context"
	"time"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/site"
)

// followSites says once of each site that it is lost, and once that it is back: in the log and
// to the clients. What it says follows from the verdicts on the nodes; it keeps what it has said.
func (n *Node) followSites(ctx context.Context) error {
	changed, done := n.rosterChanges(ctx)
	defer done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	gone := map[string]bool{}
	for {
		now := time.Now()
		states, next := n.sites(now)
		lost, back := site.Changed(gone, states)
		gone = site.Gone(gone, states)
		n.control.Sites(states, gone)
		for _, s := range lost {
			n.log.Warn("site is lost: all its nodes are", "site", s.Site, "nodes", s.Lost, "within_ms", s.Within.Milliseconds())
		}
		for _, s := range back {
			n.log.Info("site is back: a node of it is heard", "site", s.Site, "nodes", s.Heard)
		}
		wait := time.Hour
		if !next.IsZero() {
			wait = next.Sub(now)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-n.verdicts:
		case <-timer.C:
		}
	}
}

// peerHeard takes the verdict on a peer to those who have something of it here.
func (n *Node) peerHeard(id dn.Node, heard bool, reason string) {
	n.history.Link(id, heard, reason)
	n.sip.PeerHeard(id, heard)
	if !heard {
		n.peers.lost(id)
	}
	n.verdicts.Send()
}

// sites are those of the cluster at a moment, and when time alone may change that.
func (n *Node) sites(now time.Time) ([]site.State, time.Time) {
	return api.Sites(n.machine.View(), n.table, observer{n}.Peers(), now)
}

// siteOf maps ids to sites for metrics.
func (n *Node) siteOf(id dn.Node) string { return n.machine.View().Node(string(id)).GetSite() }
