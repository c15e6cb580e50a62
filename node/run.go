package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/session"
	"github.com/sipcluster/sipcluster/node/site"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	"github.com/sipcluster/sipcluster/sip"
)

// run is Run, however long what it waits for takes.
func (n *Node) run(ctx context.Context) error {
	if ctx.Err() != nil { // told to stop while it loaded
		return n.Close()
	}
	ctx, cancel := n.leaving(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	err := n.enter(ctx, g)
	if err == nil {
		err = n.serve(ctx, g)
	}
	if err != nil {
		cancel()
	}
	if ended := g.Wait(); errors.Is(err, context.Canceled) || err == nil {
		err = ended // what canceled it, if anything did
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, n.Close())
}

// enter makes the node a member: the configuration plane runs, and this node
// is on the roster that it knows.
func (n *Node) enter(ctx context.Context, g *errgroup.Group) error {
	g.Go(func() error { return cmp.Or(n.stopKeeping(), n.store.Run(ctx)) })
	g.Go(func() error { return n.tellUses(ctx) })
	g.Go(func() error { return n.leaveCalls(ctx) })
	context.AfterFunc(ctx, n.stopPort)
	n.member = n.id.ClusterID != "" && !n.anew
	if n.id.ClusterID == "" && len(n.cfg.Join) > 0 {
		if err := n.join(ctx); err != nil {
			return err
		}
	}
	err := n.greeting
	if !n.greeted {
		err = n.greet(ctx)
	}
	if err == nil && n.isRemoved() {
		err = ErrRemoved // before a phone that waits at its port is answered
	}
	if err != nil {
		return err
	}
	n.group, err = consensus.Open(consensus.Config{
		Dir: filepath.Join(n.cfg.DataDir, raftDir), Self: n.self(), ClusterID: n.id.ClusterID, Recovery: n.id.Recovery, Member: n.member, Through: n.cfg.Join, Machine: n.machine, SnapshotAfter: n.cfg.SnapshotAfter,
		Listener: n.port.Raft, Dial: n.port.DialRaft, DialGRPC: n.dialGRPC, Own: n.own, Reach: n.reach, Address: n.clusterAddr, Clients: clients{n}, Events: n.events, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("configuration plane: %w", err)
	}
	n.onClose(n.group.Close)
	n.leads.Store(n.group)
	if n.id.ClusterID == "" {
		foundation, err := n.foundation()
		if err == nil {
			err = n.group.Bootstrap(ctx, n.cfg.Realm, foundation...)
		}
		if err != nil {
			return fmt.Errorf("bootstrap: %w", err)
		}
		n.id.ClusterID = n.group.ClusterID()
		if err := n.id.save(); err != nil {
			return err
		}
		n.log.Info("bootstrapped a new cluster", "cluster", n.id.ClusterID, "realm", n.cfg.Realm)
		if err := n.tellAdmin(); err != nil {
			return err
		}
	}
	if err := n.install(n.machine.View()); err != nil {
		return err
	}
	g.Go(func() error { return n.followSecurity(ctx) })
	if n.who != nil {
		g.Go(func() error { return n.serveEntrance(ctx) })
		g.Go(func() error { return n.keepLearning(ctx) })
	}
	n.mesh = tcontroller.NewMesh(tcontroller.Config{
		ClusterID: n.lineage(), Table: n.table, Calls: n.calls, Dial: n.dialLink, LinkTimeout: n.cfg.LinkTimeout,
		Rejoin: func(id dn.Node) { n.gossip.Rejoin(membership.NodeID(id)) }, Doubt: func(id dn.Node) { n.gossip.Doubt(membership.NodeID(id)) }, Refused: n.refused, Heard: n.peerHeard, Propagated: n.noteArrival, Applied: n.lags.Told, Passes: n.sip.Passed, Index: n.applied, Process: n.process, Log: n.log,
	})
	n.links = tcontroller.NewServer(tcontroller.ServerConfig{
		ClusterID: n.lineage(), Table: n.table, Calls: n.calls, Roster: n.roster, Applied: n.applied, Pinged: n.mesh.Pinged, Passes: n.sip.Passes, Log: n.log,
	})
	cluster := newGRPC(n.log, grpc.StreamInterceptor(n.speaksForItself), grpc.UnaryInterceptor(n.holdsForItself), grpc.Creds(tcontroller.Credentials()), grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(1<<20))
	n.group.Register(cluster)
	peerpb.RegisterTControllerServer(cluster, n.links)
	peerpb.RegisterDirectoryServer(cluster, directoryServer{n: n})
	if n.who != nil {
		peerpb.RegisterKeysServer(cluster, keysServer{n: n})
	}
	peerpb.RegisterAgentsServer(cluster, n.agents.Server())
	peerpb.RegisterWitnessServer(cluster, witness{n: n})
	peerpb.RegisterContactsServer(cluster, contactsServer{n: n})
	context.AfterFunc(ctx, n.links.Stop)
	g.Go(func() error { return serveGRPC(ctx, cluster, n.port.GRPC) })
	g.Go(func() error { return n.group.Run(ctx) })
	return n.awaitRoster(ctx)
}

// sayJoining is when a join that takes long is worth a word.
const sayJoining = 3 * time.Second

func (n *Node) join(ctx context.Context) error {
	n.log.Info("joining", "through", n.cfg.Join)
	said := time.AfterFunc(sayJoining, func() {
		n.log.Warn("no member has let this node in yet: does one run there, of the cluster that this node is meant for?", "through", n.cfg.Join, "giving_up_after", n.cfg.JoinTimeout)
	})
	defer said.Stop()
	limited, cancel := context.WithTimeout(ctx, n.cfg.JoinTimeout)
	defer cancel()
	lineage, err := n.askToJoin(limited)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil && limited.Err() != nil:
		return fmt.Errorf("joining the cluster: %w: gave up after %v (--join-timeout); %s", err, n.cfg.JoinTimeout, n.adviseJoining(ctx))
	case err != nil:
		return fmt.Errorf("joining the cluster: %w", err)
	}
	n.id.ClusterID, n.id.Recovery = fsm.SplitLineage(lineage)
	n.log.Info("joined", "cluster", n.id.ClusterID)
	return n.id.save()
}

func (n *Node) askToJoin(ctx context.Context) (lineage string, err error) {
	if n.who != nil {
		return n.enterBy(ctx)
	}
	answer, err := consensus.Join(ctx, n.cfg.Join, n.self(), n.dialGRPC)
	return fsm.Lineage(answer.GetClusterId(), answer.GetRecovery()), err
}

// lineage is what the nodes of this cluster have in common: no node talks with another
// recovery of it.
func (n *Node) lineage() string {
	if v := n.machine.View(); v.Epoch() != "" {
		return v.Lineage()
	}
	return fsm.Lineage(n.id.ClusterID, n.id.Recovery)
}

// dialGRPC returns a connection to the cluster port of the node of that id, who
// alone is taken there; it is made by the first call.
func (n *Node) dialGRPC(id, addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecureCredentials),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return n.port.Dial(ctx, id, addr) }))
}

// awaitRoster waits until the configuration here includes this node. A node
// that was a member before has it at once, also without a quorum.
func (n *Node) awaitRoster(ctx context.Context) error {
	changed, done := n.rosterChanges(ctx)
	defer done()
	again := time.NewTicker(seekMost)
	defer again.Stop()
	said := time.AfterFunc(3*time.Second, func() {
		n.log.Info("waiting for the cluster's configuration from its leader", "leader", n.group.Status().LeaderName)
	})
	defer said.Stop()
	for {
		view := n.machine.View()
		switch {
		case view.Node(n.id.ID) != nil:
			return nil
		case view.Epoch() != "" && view.Epoch() != n.id.ClusterID:
			return fmt.Errorf("data directory %s: its configuration is of cluster %s, its node.json of %s: restore one of them, or join with a fresh data directory", n.cfg.DataDir, view.Epoch(), n.id.ClusterID)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.removed:
			return ErrRemoved
		case <-changed:
		case <-again.C: // whoever knows that this node was removed says so
			if err := n.greet(ctx); err != nil {
				return err
			}
		}
	}
}

// serve opens the node to phones, clients and peers.
func (n *Node) serve(ctx context.Context, g *errgroup.Group) error {
	if err := n.openLayer(); err != nil {
		return err
	}
	n.followProblems()
	g.Go(func() error { return n.problems.Run(ctx) })
	g.Go(func() error { return n.keepCopy(ctx) })
	g.Go(func() error { n.catchUp(ctx); return nil })
	n.register()
	if n.guard != nil {
		g.Go(func() error { return n.guard.Run(ctx) })
		g.Go(func() error { return n.revokeDenied(ctx) })
	}
	g.Go(func() error { return n.gossip.Run(ctx) })
	g.Go(func() error { return n.mesh.Run(ctx) })
	g.Go(func() error { return n.followRoster(ctx) })
	g.Go(func() error { return n.followSites(ctx) })
	g.Go(func() error { return n.hearGossip(ctx) })
	g.Go(func() error { return n.seek(ctx) })
	g.Go(func() error { return n.keepPlace(ctx) })
	g.Go(func() error { return n.awaitRemoval(ctx) })
	if n.who != nil {
		g.Go(func() error { return n.rotate(ctx) })
	}
	if n.who == nil && len(n.cfg.Join) > 0 {
		g.Go(func() error { return n.checkJoin(ctx) })
	}
	g.Go(func() error { return n.keepFloor(ctx) })
	if n.cfg.BackupDir != "" {
		g.Go(func() error { return n.keepBackups(ctx) })
	}
	var callsEnd sync.WaitGroup // of what ends calls when the node is stopped: that is recorded, too
	callsEnd.Add(2)
	if n.records != nil {
		behind, stop := context.WithCancel(context.WithoutCancel(ctx))
		context.AfterFunc(ctx, func() { callsEnd.Wait(); stop() })
		g.Go(func() error { return n.records.Run(behind) })
	}
	if n.who == nil {
		n.sip.SetRouteKeys([]sip.RouteKey{{ID: 1, Secret: n.routeSecret()}})
	}
	g.Go(func() error { defer callsEnd.Done(); return n.sip.Run(ctx) })
	g.Go(func() error { return n.servePeers(ctx) })
	g.Go(func() error { defer callsEnd.Done(); return n.routing.Run(ctx) })
	g.Go(func() error { return n.fold.Run(ctx) })
	g.Go(func() error { return n.agents.Run(ctx) })
	g.Go(func() error { return n.control.Run(ctx) })
	web, err := n.webHandler() // of the services as they are registered, before they are served
	if err != nil {
		return err
	}
	for _, p := range n.clients {
		p.health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
		context.AfterFunc(ctx, p.health.Shutdown)
		g.Go(func() error { return p.run(ctx) })
	}
	g.Go(func() error { return n.serveHTTP(ctx, web) })
	if n.cfg.Serving != nil {
		g.Go(func() error { n.cfg.Serving(ctx); return nil })
	}
	n.log.Info("serving", "site", n.cfg.Site, "sip", n.self().GetSipAddr(), "tc", n.self().GetTcAddr(), "cluster", n.self().GetClusterAddr(), "gossip", n.self().GetGossipAddr(), "http", n.self().GetHttpAddr())
	return nil
}

// openLayer opens the availability plane towards the others.
func (n *Node) openLayer() (err error) {
	cfg := membership.Config{
		ID: membership.NodeID(n.id.ID), Bind: n.cfg.GossipAddr, Advertise: n.self().GetGossipAddr(), Cluster: n.lineage(),
		Incarnation: n.table.Incarnation(), ClusterAddr: n.self().GetClusterAddr(), Allow: n.fabric.Allow, Log: n.log,
	}
	n.keys.Lock()
	defer n.keys.Unlock()
	switch {
	case n.key != nil:
		cfg.Keys = [][]byte{n.key.Gossip}
	case n.who != nil:
		cfg.Keys = gossipKeys(n.machine.View().Security())
	}
	if n.gossip, err = membership.New(cfg); err != nil {
		return err
	}
	n.keys.gossip = n.gossip
	return nil
}

// process is which one this is, and how long it has run, ms.
func (n *Node) process() (instance, up uint64) {
	p := n.port.Self.Presence()
	return p.GetInstance(), p.GetUpMs()
}

// dialLink connects to a peer where it is said to be, or else where the roster says:
// what gossip says of an address, anybody may have said who has its key.
func (n *Node) dialLink(ctx context.Context, peer dn.Node, addr string) (net.Conn, error) {
	conn, err := n.port.Dial(ctx, string(peer), addr)
	known := n.clusterAddr(string(peer))
	if err == nil || known == "" || known == addr {
		return conn, err
	}
	if conn, again := n.port.Dial(ctx, string(peer), known); again == nil {
		return conn, nil
	}
	return nil, err
}

// register puts the services on the clients' ports.
func (n *Node) register() {
	tlibpb.RegisterTLibraryServer(n.clients[1].server, api.NewTLibrary(n.control, session.DefaultPort))
	tc, w := n.clients[0].server, writer{n.group, n.events}
	tlibpb.RegisterTLibraryServer(tc, api.NewTLibrary(n.control, session.TCport))
	tcpb.RegisterAvailabilityServer(tc, api.NewAvailability(api.AvailabilityConfig{Table: n.table, View: n.machine.View, Trunk: n.trunkAddresses, Registered: n.trunkRegistered, Inquire: n.inquire}))
	tcpb.RegisterDiagnosisServer(tc, n.diagnosis())
	tcpb.RegisterCallsServer(tc, n.callService())
	tcpb.RegisterStatisticsServer(tc, api.NewStatistics(n.fold, n.machine.View))
	tcpb.RegisterClusterServer(tc, n.cluster(w))
	configpb.RegisterConfigurationServer(tc, api.NewConfiguration(n.machine.View, w))
	configpb.RegisterAccessServer(tc, api.NewAccess(api.AccessConfig{
		View: n.machine.View, Writer: w, Wait: n.machine.Wait, DenyToken: n.denyToken, Bans: []api.Bans{sipBans{n.sip}}, Nodes: n.nodeKeys(),
	}))
	if n.cfg.Dev {
		peerpb.RegisterFabricServer(tc, fabricServer{n: n})
	}
}

func (n *Node) cluster(w api.Proposer) *api.Cluster {
	return api.NewCluster(api.ClusterConfig{
		Table: n.table, Calls: n.calls.By, View: n.machine.View, Wait: n.machine.Wait, Observer: observer{n}, Proposer: w,
		ClusterID: n.id.ClusterID, Version: n.cfg.Version, Started: n.started,
	})
}

func (n *Node) sources() []api.Source {
	return []api.Source{
		sipSource{n}, sessionSource{n}, recordSource{n.records}, heldSource{n}, securitySource{n.events}, problemSource{n.problems}, diskSource{n}, lagSource{n}, keptSource{n}, timeSource{n},
		api.StatisticsSource(n.fold),
		api.SiteSource(func() []site.State { states, _ := n.sites(time.Now()); return states }),
	}
}
