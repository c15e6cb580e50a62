// Package api serves a node's gRPC services for clients and people: the
// availability of DNs, the configuration and the cluster at the TCport, and
// the HTTP port's metrics and probes. It holds no state of its own: it reads
// fsm and node/dn and translates. Package node registers its services.
package api

import (
	"context"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	defaultPage = 1_000
	maxPage     = bounds.MaxPage
)

// MaxWatches are open at a node at once.
const MaxWatches = 4096

// AvailabilityConfig is what Availability reads. All but Heartbeat is required.
type AvailabilityConfig struct {
	Table *dn.Table
	// View returns the configuration as applied here.
	View func() *fsm.View
	// Heartbeat is sent on a watch that has been idle so long; 0 means 1 s.
	Heartbeat time.Duration
	// Inquire tells where a call would go, of which from.Number and called are texts; an error
	// says that one of them can't be in a call. nil: nobody knows.
	Inquire Inquire
	// Watches is how many are open at most; 0 means MaxWatches.
	Watches int
	// Trunk returns the addresses of a trunk, as this node finds them; nil for none.
	Trunk func(dn.Number) []*tcpb.TrunkAddress
	// Registered returns how this node is registered at a trunk's carrier; nil for none.
	Registered func(dn.Number) *tcpb.TrunkRegistered
}

// Availability is the service of that name. Every answer comes from this
// node's own table: no query waits for another node.
//
// A DN of kind sip or pstn has the state of the table, and is OOS without an
// owner when nobody ever registered it. Routing points and trunks are not
// registered: they are InSrv while enabled, a trunk unless none of its addresses
// answers this node, and never routable, for only an agent's DN is a routing target.
type Availability struct {
	tcpb.UnimplementedAvailabilityServer
	table     *dn.Table
	view      func() *fsm.View
	heartbeat time.Duration
	trunk     func(dn.Number) []*tcpb.TrunkAddress
	enrolled  func(dn.Number) *tcpb.TrunkRegistered
	inquire   Inquire
	// watches has a place for each open Watch.
	watches places
}

// NewAvailability returns the service; it starts nothing.
func NewAvailability(c AvailabilityConfig) *Availability {
	if c.Heartbeat == 0 {
		c.Heartbeat = time.Second
	}
	if c.Trunk == nil {
		c.Trunk = func(dn.Number) []*tcpb.TrunkAddress { return nil }
	}
	if c.Watches == 0 {
		c.Watches = MaxWatches
	}
	return &Availability{table: c.Table, view: c.View, heartbeat: c.Heartbeat, trunk: c.Trunk, enrolled: c.Registered, inquire: c.Inquire, watches: newPlaces("watches", c.Watches)}
}

// ListRoutable returns a page of the DNs that a call can be sent to now.
func (a *Availability) ListRoutable(_ context.Context, req *tcpb.ListRoutableRequest) (*tcpb.ListRoutableResponse, error) {
	dns, next, err := a.page(req, true)
	if err != nil {
		return nil, err
	}
	return &tcpb.ListRoutableResponse{Dns: dns, NextPageToken: next}, nil
}

// ListDNs returns a page of all DNs that are configured or known.
func (a *Availability) ListDNs(_ context.Context, req *tcpb.ListDNsRequest) (*tcpb.ListDNsResponse, error) {
	dns, next, err := a.page(req, false)
	if err != nil {
		return nil, err
	}
	return &tcpb.ListDNsResponse{Dns: dns, NextPageToken: next}, nil
}

// GetDN returns one DN, or NOT_FOUND.
func (a *Availability) GetDN(_ context.Context, req *tcpb.GetDNStatusRequest) (*tcpb.DNStatus, error) {
	number, err := dn.ParseNumber(req.GetDn())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	view := a.view()
	r := row{number: string(number), config: view.DN(string(number))}
	r.status, r.known = a.table.Get(number)
	if r.config == nil && !r.known {
		return nil, status.Errorf(codes.NotFound, "DN %s is neither configured nor known here", number)
	}
	p := newPage(view, 1)
	p.add(r)
	if r.kind() == configpb.DNKind_DN_KIND_TRUNK {
		p.dns[0].TrunkAddresses = a.trunk(number)
		if a.enrolled != nil {
			p.dns[0].TrunkRegistered = a.enrolled(number)
		}
	}
	return p.dns[0], nil
}

// pageRequest is what both list requests ask.
type pageRequest interface {
	GetFilter() *tcpb.Filter
	GetPageSize() uint32
	GetPageToken() string
}

// page collects the page that req asks for; the token says behind which DN the next
// one begins, and is "" when no other DN passes.
func (a *Availability) page(req pageRequest, routable bool) ([]*tcpb.DNStatus, string, error) {
	f, tokens := newFilter(req.GetFilter()), newPageTokens(req.GetFilter(), routable)
	after, err := tokens.read(req.GetPageToken())
	if err != nil {
		return nil, "", err
	}
	size := pageSize(req.GetPageSize())
	view := a.view()
	p := newPage(view, size)
	for r := range a.source(view, f, after, routable) {
		if f.behind(r.number) {
			break
		}
		if routable && !r.routable(p.names.view) || !f.passes(r, p.names) {
			continue
		}
		if len(p.dns) == size {
			return p.dns, tokens.behind(p.dns[size-1].Dn), nil
		}
		p.add(r)
	}
	if len(p.dns) == 0 && after == "" {
		return nil, "", f.unknown(view)
	}
	return p.dns, "", nil
}

// source are the rows that may pass, behind after in order of number.
func (a *Availability) source(view *fsm.View, f filter, after string, routable bool) iter.Seq[row] {
	after = max(after, f.before())
	switch {
	case f.group != "" && routable:
		return free(view, a.table, f.group, after)
	case f.group != "":
		return members(view, a.table, f.group, after)
	}
	return rows(view, a.table, after)
}

func pageSize(asked uint32) int {
	switch {
	case asked == 0:
		return defaultPage
	case asked > maxPage:
		return maxPage
	default:
		return int(asked)
	}
}
