package api

import (
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/session"
)

// TLibrary serves T-Library sessions at one of the node's ports.
type TLibrary struct {
	tlibpb.UnimplementedTLibraryServer
	sessions *session.Controller
	port     session.Port
}

// NewTLibrary makes the service of a port.
func NewTLibrary(c *session.Controller, p session.Port) *TLibrary {
	return &TLibrary{sessions: c, port: p}
}

// Session serves one client until it leaves.
func (t *TLibrary) Session(stream tlibpb.TLibrary_SessionServer) error {
	return t.sessions.Serve(stream, t.port)
}
