// Package access decides what a client of the ports for clients may do: who it is,
// by a token or a registered certificate in this node's own copy of the
// configuration; which methods its role has; which T-Library requests its scope
// allows. Whatever is not named is refused. It asks no other node and no quorum.
// Package node puts it in front of its ports; services and sessions ask From.
package access

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Who is a client that has shown who it is. A nil one is a client of a cluster in
// which nobody is asked: it may do everything.
type Who struct {
	// ID and Name of the token, its Role and Scope when it was looked at.
	ID, Name string
	Role     configpb.Role
	Scope    *configpb.Scope
	shown    Shown
}

// Shown is what a client showed.
type Shown struct {
	// Token as it came, and the fingerprint of its certificate; "" for none.
	Token, Certificate string
	// Source is its address.
	Source string
}

// Shown is what the client showed: a secret is in it.
func (w *Who) Shown() Shown {
	if w == nil {
		return Shown{}
	}
	return w.shown
}

// Token is the id of the client's token; "" where nobody is asked.
func (w *Who) Token() string {
	if w == nil {
		return ""
	}
	return w.ID
}

// ErrEnded is why a stream ends whose client may not go on.
var ErrEnded = errors.New("the client's token was revoked, changed, or has expired")

// ended is ErrEnded as clients see it.
type ended struct{}

func (ended) Error() string              { return ErrEnded.Error() }
func (ended) Unwrap() error              { return ErrEnded }
func (ended) GRPCStatus() *status.Status { return status.New(codes.Unauthenticated, ErrEnded.Error()) }

type key struct{}

// With returns a context of the client's.
func With(ctx context.Context, w *Who) context.Context { return context.WithValue(ctx, key{}, w) }

// From returns whose request the context is of; nil where nobody is asked.
func From(ctx context.Context) *Who {
	w, _ := ctx.Value(key{}).(*Who)
	return w
}

// Source is the address from which a request came; "" when it is none's.
func Source(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}

// Network is the source that counts for bounds: an IPv4 address, or the 64 bits of
// an IPv6 one that a site has for itself. The zero Addr is for what is no address.
func Network(addr string) netip.Addr {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
