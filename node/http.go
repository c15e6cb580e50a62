package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/rest"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/intake"
)

const (
	// httpConns are open at the HTTP port at a time, httpConnsEach from one source.
	httpConns, httpConnsEach = 1024, 256
	// sniffWithin is how long a connection may take for its first byte.
	sniffWithin = 5 * time.Second
)

// webHandler is what the HTTP port serves, to whoever may ask (askHTTP).
func (n *Node) webHandler() (http.Handler, error) {
	services, err := rest.NewHandler(n.clients[0].server)
	if err != nil {
		return nil, fmt.Errorf("services over HTTP: %w", err)
	}
	c := n.shownByHTTP()
	c.Ready, c.Services, c.Debug = n.ready, services, n.cfg.Dev || n.cfg.Debug
	return api.NewHTTP(c), nil
}

// shownByHTTP is what the metrics are made of.
func (n *Node) shownByHTTP() api.HTTPConfig {
	return api.HTTPConfig{Table: n.table, Observer: observer{n}, Names: n.nameOf, SiteOf: n.siteOf, Sources: n.sources()}
}

func (n *Node) serveHTTP(ctx context.Context, handler http.Handler) error {
	handler = n.askedByName(handler)
	all := intake.Share(httpConns, intake.HTTPPart)
	in := intake.NewOf(n.http, "HTTP", all, min(httpConnsEach, all-all/16), n.events)
	if n.guard == nil {
		return serveOn(ctx, in, handler)
	}
	handler = n.askHTTP(handler)
	plain, secured := intake.NewHandover(in.Addr()), intake.NewHandover(in.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serveOn(ctx, plain, handler) })
	g.Go(func() error { return serveOn(ctx, secured, handler) })
	g.Go(func() error { return n.sortHTTP(ctx, in, plain, secured) })
	g.Go(func() error { return n.web.follow(ctx) })
	return g.Wait()
}

// serveOn serves HTTP until the context ends.
func serveOn(ctx context.Context, ln net.Listener, handler http.Handler) error {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0)} // of what strangers do, and of no descriptors: once in 5 ms
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); ctx.Err() == nil {
		return err
	}
	return nil
}

// sortHTTP gives connections that begin with TLS to one server and the others to
// another: both are served at one port.
func (n *Node) sortHTTP(ctx context.Context, in net.Listener, plain, secured *intake.Handover) error {
	defer plain.Close()
	defer secured.Close()
	config := n.web.config()
	stop := context.AfterFunc(ctx, func() { _ = in.Close() })
	defer stop()
	var sorting sync.WaitGroup
	defer sorting.Wait()
	for {
		conn, err := in.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // out of file descriptors, say
			}
			continue
		}
		sorting.Go(func() {
			first, err := firstByte(ctx, conn)
			switch whole := intake.PutBack(conn, first); {
			case err != nil:
				_ = conn.Close()
			case first[0] == tlsHandshake:
				secured.Give(ctx, tls.Server(whole, config))
			default:
				plain.Give(ctx, whole)
			}
		})
	}
}

// firstByte waits for it, but not long.
func firstByte(ctx context.Context, conn net.Conn) ([]byte, error) {
	_ = conn.SetDeadline(time.Now().Add(sniffWithin))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	first := make([]byte, 1)
	if _, err := conn.Read(first); err != nil {
		return nil, err
	}
	return first, conn.SetDeadline(time.Time{})
}

// tlsHandshake begins a connection of TLS.
const tlsHandshake = 22

// askHTTP leaves the probes open; all else is for who comes over loopback, or over TLS
// as somebody: metrics for that role, profiles for administrators. Who may call the
// services is asked by these, over loopback too; the board's files are everybody's.
func (n *Node) askHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || fromHere(r.RemoteAddr) {
			next.ServeHTTP(w, r)
			return
		}
		if r.TLS == nil {
			http.Error(w, "over TLS, with a token of role metrics", http.StatusForbidden)
			return
		}
		if api.AsksItself(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		who, err := n.guard.Judge(shownBy(r))
		may := err == nil && (who.Role == configpb.Role_ROLE_ADMIN || who.Role == configpb.Role_ROLE_METRICS && r.URL.Path == "/metrics")
		switch {
		case err != nil:
			n.events.Event(security.AuthFailed, "why", "token", "port", "HTTP", "source", r.RemoteAddr)
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "a token of role metrics is wanted", http.StatusUnauthorized)
		case !may:
			http.Error(w, "role "+configpb.RoleName(who.Role)+" may not", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func shownBy(r *http.Request) access.Shown {
	s := access.Shown{Source: r.RemoteAddr}
	if len(r.TLS.PeerCertificates) > 0 {
		s.Certificate = credential.Fingerprint(r.TLS.PeerCertificates[0].Raw)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), credential.Bearer); ok {
		s.Token = token
	}
	return s
}

// fromHere tells whether an address is of this machine's loopback.
func fromHere(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
