package tcontroller

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// dripping is a connection on which little arrives at a time.
type dripping struct {
	net.Conn
	bytes int
	every time.Duration
}

func (d dripping) Read(b []byte) (int, error) {
	pause := time.NewTimer(d.every)
	defer pause.Stop()
	<-pause.C
	return d.Conn.Read(b[:min(len(b), d.bytes)])
}

// bubbled is a publisher with many DNs, in a bubble, whose follower is at the end of a
// connection that drips; it says how often the link was opened.
func bubbled(t *testing.T, many int, bytes int) (follower *dn.Table, opened func() int) {
	ln := bufconn.Listen(1 << 20)
	publisher := &site{id: "a", table: dn.New(dn.Config{Self: "a", Incarnation: 1}), calls: call.New(call.Config{Self: "a", Incarnation: 1})}
	for i := range many {
		publisher.table.Register(dn.Number(fmt.Sprint(100000+i)), dn.Registered)
	}
	server := grpc.NewServer(grpc.StreamInterceptor(publisher.noteBegins))
	links := newPublisher(publisher.table, publisher.calls, publisher.roster)
	peerpb.RegisterTControllerServer(server, links)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(ln) }()
	follower = dn.New(dn.Config{Self: "b", Incarnation: 1})
	mesh := NewMesh(Config{
		ClusterID: "c1", Table: follower, Calls: call.New(call.Config{Self: "b", Incarnation: 1}), Rejoin: func(dn.Node) {}, Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context, _ dn.Node, _ string) (net.Conn, error) {
			conn, err := ln.DialContext(ctx)
			return dripping{conn, bytes, 20 * time.Millisecond}, err
		},
	})
	mesh.SetPeers([]Peer{{ID: "a", Name: "a", Addr: "a:1"}})
	mesh.Gossip("a", true, 1, "")
	ctx, cancel := context.WithCancel(context.Background())
	followed := make(chan struct{})
	go func() { defer close(followed); _ = mesh.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-followed
		server.Stop()
		<-served
	})
	return follower, func() int {
		publisher.mu.Lock()
		defer publisher.mu.Unlock()
		return len(publisher.begins) / 2 // one of the records, one of the calls
	}
}

// passes lets time pass in a bubble.
func passes(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// A table may take longer to come over than a link may stand still: it goes on.
func TestLink_ASyncMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, opened := bubbled(t, 20_000, 1000)
		began := time.Now()
		for b.Counts().InSrv < 20_000 && time.Since(began) < time.Minute {
			passes(100 * time.Millisecond)
		}
		if took := time.Since(began); b.Counts().InSrv != 20_000 || took < 2*hungAfter {
			t.Errorf("%d DNs after %v", b.Counts().InSrv, took)
		}
		if n := opened(); n != 1 {
			t.Errorf("the link was opened %d times", n)
		}
	})
}

// A link on which nothing happens stands for ever.
func TestLink_AnIdleOneStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, opened := bubbled(t, 10, 1<<16)
		passes(time.Minute)
		if n := opened(); n != 1 || b.Counts().InSrv != 10 {
			t.Errorf("the link was opened %d times, %d DNs in service", n, b.Counts().InSrv)
		}
	})
}
