package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Bans are the silences of one of this node's doors.
type Bans interface {
	Bans() []*configpb.Ban
	// ClearBans ends those of a source, of a DN, or of both, "" being any, and
	// forgets what led to them. It returns how many there were; an error says that
	// the source is none.
	ClearBans(source, dn string) (int, error)
}

// ListBans tells whom this node does not answer.
func (a *Access) ListBans(context.Context, *configpb.ListBansRequest) (*configpb.ListBansResponse, error) {
	r := &configpb.ListBansResponse{}
	for _, b := range a.cfg.Bans {
		r.Bans = append(r.Bans, b.Bans()...)
	}
	return r, nil
}

// ClearBans has this node answer again.
func (a *Access) ClearBans(_ context.Context, r *configpb.ClearBansRequest) (*configpb.ClearBansResponse, error) {
	cleared := 0
	for _, b := range a.cfg.Bans {
		n, err := b.ClearBans(r.GetSource(), r.GetDn())
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		cleared += n
	}
	return &configpb.ClearBansResponse{Cleared: uint32(cleared)}, nil
}
