package api

import (
	"context"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// AccessConfig is what Access reads and whom it asks.
type AccessConfig struct {
	View func() *fsm.View
	// Writer is the configuration plane.
	Writer Writer
	// Wait returns when the View includes the log entry, or with the context's error.
	Wait func(ctx context.Context, index uint64) error
	// DenyToken has this node refuse a token by itself, at once.
	DenyToken func(ctx context.Context, id string) error
	// Bans are those of each door that has any.
	Bans []Bans
	// Nodes are this node's own key and what it knows of the others'; nil where
	// nobody is asked who he is.
	Nodes NodeKeys
}

// Access is the service of that name. Its parts have files of their own:
// access_tokens.go, access_audit.go; of nodes and keys access_nodes.go, of bans
// access_bans.go.
type Access struct {
	configpb.UnimplementedAccessServer
	cfg    AccessConfig
	audits places
}

// NewAccess returns the service; it starts nothing.
func NewAccess(c AccessConfig) *Access {
	return &Access{cfg: c, audits: newPlaces("audits", maxAudits)}
}
