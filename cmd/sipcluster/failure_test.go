package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/outcome"
)

// What a person reads when a node does not do what it was asked: whether it was
// applied is told wherever that is not sure, and only there.
func TestFailure_OfAnAnswer(t *testing.T) {
	const check = ": check whether it was applied before you retry"
	for name, tc := range map[string]struct {
		write func(context.Context, *scripted) error
		want  string
	}{
		"refused": {func(context.Context, *scripted) error {
			return outcome.Info{Reason: outcome.NotApplied}.Status(codes.Unavailable, "not applied: no quorum")
		}, "not applied: no quorum"},
		"unknown to the node": {func(context.Context, *scripted) error {
			return outcome.Info{Reason: outcome.Unknown}.Status(codes.Unavailable, "unknown outcome: read first")
		}, "unknown outcome: read first"},
		"refused by an older node":     {func(context.Context, *scripted) error { return status.Error(codes.InvalidArgument, "DN 1001: bad") }, "DN 1001: bad"},
		"unavailable at an older node": {func(context.Context, *scripted) error { return status.Error(codes.Unavailable, "no quorum") }, "the node at ADDR is unavailable (no quorum)" + check},
		"the connection ends":          {func(ctx context.Context, s *scripted) error { go s.stop(); <-ctx.Done(); return ctx.Err() }, "the node at ADDR is unavailable (TEXT)" + check},
		"another version":              {func(context.Context, *scripted) error { return status.Error(codes.Unimplemented, "") }, "the node at ADDR does not offer this: another version, or not a TCport (--addr)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			s.write = func(ctx context.Context) error { return tc.write(ctx, s) }
			fails(t, s.addr, tc.want)
		})
	}
	t.Run("no answer in time", func(t *testing.T) {
		s := newScripted(t)
		s.write = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		fails(t, s.addr, "the node at ADDR did not answer within 3s (--timeout)"+check, "--timeout", "3s")
	})
}

// fails wants a write to fail with one line; TEXT in it is gRPC's.
func fails(t *testing.T, addr, want string, args ...string) {
	t.Helper()
	_, _, got := runCLI(t.Context(), "groups: [{name: new}]\n", append([]string{"apply", "-f", "-", "--addr", addr}, args...)...)
	before, after, open := strings.Cut("sipcluster: apply -: "+strings.ReplaceAll(want, "ADDR", addr)+"\n", "TEXT")
	if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || !open && got != before {
		t.Errorf("\n got %swant %s", got, before+after)
	}
}

// What does not speak gRPC was asked for nothing.
func TestFailure_WithoutANode(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made and not answered
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, tc := range map[string]struct{ addr, timeout, want string }{
		"nobody":       {"127.0.0.1:1", "20s", "no sipcluster node answers at ADDR: is it running? (--addr)"},
		"a web server": {web.Listener.Addr().String(), "20s", "what answers at ADDR is not a TCport: want a node's --tc-addr (--addr)"},
		"silence":      {silent.Addr().String(), "300ms", "the node at ADDR did not answer within 300ms (--timeout); nothing was sent"},
	} {
		t.Run(name, func(t *testing.T) { fails(t, tc.addr, tc.want, "--timeout", tc.timeout) })
	}
}
