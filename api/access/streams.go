package access

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/fsm"
)

// stream is one that goes on while its client may.
type stream struct {
	who *Who
	end context.CancelCauseFunc
}

type streams struct {
	mu   sync.Mutex
	open map[*stream]struct{}
}

// add keeps an eye on a stream until the function that it returns is called.
func (s *streams) add(st *stream) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[st] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, st)
	}
}

// Run ends the streams of those who may not go on, within moments of the change of
// the configuration here, until the context ends.
func (g *Guard) Run(ctx context.Context) error {
	w := g.cfg.Watch()
	defer w.Close()
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { failed <- g.forward(ctx, w) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(g.review(time.Now()))
		select {
		case err := <-failed:
			return err
		case <-g.changed:
		case <-timer.C:
		}
	}
}

// forward wakes Run when tokens change.
func (g *Guard) forward(ctx context.Context, w *fsm.Watcher) error {
	for {
		c, err := w.Next(ctx)
		switch {
		case errors.Is(err, fsm.ErrClosed):
			return nil
		case err != nil:
			return err
		case c.All || c.Tokens:
			g.changed.Send()
		}
	}
}

// review ends the streams whose clients are not any more who they were, and returns
// when it has to be done again.
func (g *Guard) review(now time.Time) time.Duration {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	view, next := g.cfg.View(), time.Hour
	for st := range g.streams.open {
		t := view.Token(st.who.ID)
		if !g.still(st.who) {
			st.end(ended{})
			continue
		}
		if t.GetExpiresMs() != 0 {
			next = min(next, max(time.UnixMilli(int64(t.GetExpiresMs())).Sub(now), time.Millisecond))
		}
	}
	return next
}

// still tells whether a client is who it was.
func (g *Guard) still(was *Who) bool {
	is, err := g.Judge(was.shown)
	return err == nil && is.ID == was.ID && is.Role == was.Role && proto.Equal(is.Scope, was.Scope)
}

// ServerOptions put the Guard in front of every method of a server.
func (g *Guard) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream)}
}

func (g *Guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	who, err := g.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	if who != nil {
		ctx = With(ctx, who)
	}
	return next(ctx, req)
}

// stream serves a stream until its handler returns, or its client may not go on:
// also while the handler is held up by a client that reads nothing.
func (g *Guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	who, err := g.admit(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if who == nil {
		return next(srv, ss)
	}
	ctx, cancel := context.WithCancelCause(With(ss.Context(), who))
	defer cancel(nil)
	defer g.streams.add(&stream{who, cancel})()
	if at := g.cfg.View().Token(who.ID).GetExpiresMs(); at != 0 { // Run may have looked last before
		defer time.AfterFunc(time.Until(time.UnixMilli(int64(at))), g.changed.Send).Stop()
	}
	if !g.still(who) { // since it was admitted
		return ended{}
	}
	done := make(chan error, 1)
	go func() { done <- next(srv, authenticated{ss, ctx}) }()
	select {
	case err := <-done:
		if err != nil && errors.Is(context.Cause(ctx), ErrEnded) { // of which the handler's error is a consequence
			return ended{}
		}
		return err
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), ErrEnded) {
			return ended{}
		}
		return <-done
	}
}

// authenticated is a stream with its client.
type authenticated struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // that of the stream
}

// Context implements grpc.ServerStream.
func (a authenticated) Context() context.Context { return a.ctx }
