package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/access"
)

// Streams of the other kinds that are open at a node at once. A source may have half of
// each kind, so that it can't keep all others out.
const (
	// maxNodeWatches: each visits all DNs once a second.
	maxNodeWatches = 16
	maxAudits      = 64
	// maxCollecting: each has the reports of reportsAtOnce nodes in memory.
	maxCollecting = 4
	// maxTracing: each looks through all that is remembered of messages; maxListing: each
	// visits all calls, or all events that are remembered.
	maxTracing, maxListing = 16, 16
	// maxFollowing: each asks all nodes once a second.
	maxFollowing = 32
)

// places are those of the streams of one kind.
type places struct {
	*access.Room
	what      string
	all, each int
}

func newPlaces(what string, all int) places {
	each := max(all/2, 1)
	return places{access.NewRoom(all, each), what, all, each}
}

// take gives a stream a place until leave is called; an error says why not.
func (p places) take(ctx context.Context) (leave func(), err error) {
	source := access.Network(access.Source(ctx))
	switch p.Enter(source) {
	case access.Full:
		return nil, status.Errorf(codes.ResourceExhausted, "%d %s are open at this node, the most that it serves: close some, or ask another node", p.all, p.what)
	case access.FullFor:
		return nil, status.Errorf(codes.ResourceExhausted, "%d %s of your address are open at this node, the most that it serves: close some, or ask another node", p.each, p.what)
	}
	return func() { p.Leave(source) }, nil
}
