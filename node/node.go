package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/membership"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/cdr"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/directory"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/node/identity"
	"github.com/sipcluster/sipcluster/node/intake"
	"github.com/sipcluster/sipcluster/node/lag"
	"github.com/sipcluster/sipcluster/node/makecall"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/problem"
	"github.com/sipcluster/sipcluster/node/routing"
	"github.com/sipcluster/sipcluster/node/session"
	"github.com/sipcluster/sipcluster/node/site"
	"github.com/sipcluster/sipcluster/node/statistics"
	"github.com/sipcluster/sipcluster/node/tcontroller"
	"github.com/sipcluster/sipcluster/sip"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/refer"
	"github.com/sipcluster/sipcluster/sip/trace"
)

// Node is one SIP Server of the cluster.
type Node struct {
	cfg Config
	log *slog.Logger
	id  *card
	who *identity.Identity // nil where nobody is asked who he is
	// entry is this node's of the roster, by what it knows of itself.
	entry   atomic.Pointer[configpb.Node]
	key     *port.Key
	started time.Time
	// guard asks clients who they are; nil where nobody is asked.
	guard *access.Guard
	// denied are the tokens that this node refuses by itself.
	denied *deniedTokens
	// events tells of what concerns whoever guards this node.
	events *security.Events
	// problems are the faults that status tells.
	problems *problem.Set
	damage   damage

	store     *location.Store
	machine   *fsm.Machine
	table     *dn.Table
	calls     *call.Table
	drain     drainClock
	fabric    *port.Fabric
	port      *port.Port
	sip       *sip.Server
	agents    *agent.Registry
	addresses *session.Addresses
	control   *session.Controller
	routing   *routing.Engine
	making    *makecall.Desk
	records   *cdr.Recorder // nil for none
	trace     *trace.Log    // nil for none
	history   *history.Store
	fold      *statistics.Fold
	peers     *peers
	clients   [2]*clientPort // TCport, default port
	http      net.Listener
	web       *webTLS // nil where the HTTP port speaks in clear

	// From the moment that the node belongs to a cluster.
	group  *consensus.Group
	leads  atomic.Pointer[consensus.Group] // for who stops the node at any time
	links  *tcontroller.Server
	mesh   *tcontroller.Mesh
	gossip *membership.Gossip

	// member: it belonged to a cluster before this start.
	member bool
	// anew: its copy of the configuration was set aside for that of another recovery.
	anew bool
	// installed is the index of the configuration whose keys are in use here.
	installed atomic.Uint64
	keys      struct {
		sync.Mutex
		gossip *membership.Gossip
	}

	// distrusted are nodes that somebody had this one distrust: id to *access.Who.
	distrusted sync.Map

	// removed is closed when a peer that knows better says so.
	removed chan struct{}
	// directory is where the others are; moved wakes who dials them.
	directory *directory.Directory
	moved     wake.Signal
	// verdicts wakes who looks at the sites.
	verdicts wake.Signal
	// told wakes who tells the others where this node is.
	told wake.Signal
	// propagated is how long registrations at other nodes took to get here.
	propagated histogram.Vec[dn.Node]
	// lags is how far each node is behind the configuration.
	lags *lag.Board

	removedOnce sync.Once

	closers []func() error
}

// New opens the stores and binds every port but gossip's. An error says what is
// wrong and what to do; nothing stays open then.
func New(cfg Config) (*Node, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	n := &Node{cfg: cfg, log: cfg.Log.With("node", cfg.Name), started: time.Now(), fabric: port.NewFabric(), removed: make(chan struct{}), directory: directory.New(), moved: wake.New(), verdicts: wake.New(), told: wake.New()}
	n.events = security.New(n.log)
	n.problems = problem.New(n.log)
	n.damage.log = n.log
	if err := n.openStores(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.bindPorts(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) onClose(f func() error) { n.closers = append(n.closers, f) }

// Close closes what New opened, last first. Run does it too.
func (n *Node) Close() error {
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		errs = append(errs, n.closers[i]())
	}
	n.closers = nil
	return errors.Join(errs...)
}

func (n *Node) openStores() (err error) {
	if len(n.cfg.ClusterKey) > 0 {
		if n.key, err = port.NewKey(n.cfg.ClusterKey); err != nil {
			return err
		}
	}
	if n.id, err = openCard(n.cfg.DataDir, n.cfg.Name, &n.damage); err != nil {
		return err
	}
	if err := n.openLarge(); err != nil {
		return err
	}
	n.lags = lag.New(dn.Node(n.id.ID), n.applied, n.leader)
	if err := n.acceptRecovery(); err != nil {
		return err
	}
	if err := n.findPlace(); err != nil {
		return err
	}
	if n.denied, err = openDeniedTokens(n.cfg.DataDir, &n.damage); err != nil {
		return err
	}
	if n.id.ClusterID == "" && !n.cfg.Bootstrap && len(n.cfg.Join) == 0 {
		return ErrNoCluster
	}
	n.drainEnd()
	if err := errors.Join(n.checkMode(n.machine.View()), n.openIdentity()); err != nil {
		return err
	}
	n.making = makecall.New(makecall.Config{View: n.machine.View,
		MayCall: func(from dn.Number, number string) bool { return n.routing.MayCall(from, number) },
		Refer:   func(d dn.Number, number string, heard func(refer.Word)) error { return n.sip.Refer(d, number, heard) },
	})
	note, err := n.openRecords()
	if err != nil {
		return err
	}
	meta := n.store.Meta()
	n.history = history.New(history.Config{Self: dn.Node(n.id.ID), Events: n.cfg.HistoryEvents})
	n.calls = call.New(call.Config{Self: dn.Node(n.id.ID), Incarnation: meta.Incarnation, Over: n.hangUp, Gone: n.peerGone, TalkEnds: n.talkEnds, Dials: n.making.Dials, Record: note, Told: n.history.CallEvent})
	n.table = dn.New(dn.Config{Self: dn.Node(n.id.ID), Incarnation: meta.Incarnation, Floor: meta.Floor, Busy: n.full, Uses: n.calls.Uses, Takes: n.takes, At: n.holdsAt, Class: n.classOf, Groups: n.groupsOf, Level: n.levelOf, Told: n.history.DN})
	return nil
}

// openLarge opens side by side what grows with the DNs: the bindings, and the configuration.
func (n *Node) openLarge() error {
	var bindings errgroup.Group
	bindings.Go(func() (err error) {
		if n.store, err = location.Open(location.Config{Dir: filepath.Join(n.cfg.DataDir, "location"), Log: n.log}); err != nil {
			return fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err)
		}
		return nil
	})
	machine, store := n.openMachine(), bindings.Wait()
	if store == nil {
		n.onClose(n.store.Close)
	}
	if machine == nil {
		n.onClose(func() error { return n.machine.Close() })
	}
	return cmp.Or(store, machine)
}

func (n *Node) bindPorts() (err error) {
	if n.port, err = port.Listen(n.cfg.ClusterAddr, &port.Dialer{Identity: n.who, Key: n.key, Fabric: n.fabric},
		port.Self{ID: n.id.ID, Instance: rand.Uint64() | 1, Started: n.started}, n.log); err != nil {
		return err
	}
	n.onClose(func() error { n.port.Close(); return nil })
	if err := probeGossip(n.cfg.GossipAddr); err != nil {
		return err
	}
	for i, p := range []struct{ what, flag, addr string }{{"TCport", "--tc-addr", n.cfg.TCAddr}, {"default port", "--default-addr", n.cfg.DefaultAddr}} {
		if n.clients[i], err = n.listenClients(p.what, p.flag, p.addr); err != nil {
			return err
		}
		n.onClose(func() error { n.clients[i].server.Stop(); return ignoreClosed(n.clients[i].in.Close()) })
	}
	if err = n.openWebTLS(); err != nil {
		return err
	}
	if n.http, err = net.Listen("tcp", n.cfg.HTTPAddr); err != nil {
		return fmt.Errorf("HTTP address %s: %w: choose another --http-addr", n.cfg.HTTPAddr, err)
	}
	n.onClose(func() error { return ignoreClosed(n.http.Close()) })
	n.trace = n.cfg.newTrace()
	n.sip, err = sip.New(sip.Config{
		UDP: n.cfg.SIPAddr, TCP: n.cfg.SIPAddr, TLS: n.cfg.TLSAddr, WS: n.cfg.WSAddr, WSS: n.cfg.WSSAddr,
		CertFile: n.cfg.CertFile, KeyFile: n.cfg.KeyFile, ClientCAFile: n.cfg.ClientCAFile, Origins: n.cfg.Origins, Machine: n.machine, Table: n.table, Store: n.store,
		Draining: n.draining, Drained: n.drained, Log: n.log,
		Calls: caller{n}, Advertise: n.self().GetSipAddr(), Carry: n.carry,
		Rate: n.cfg.SIPRate, MaxConnections: intake.Share(intake.MaxSIP, intake.PhonesPart), Events: n.events, DialPeer: n.dialPeer, FindElsewhere: n.findContact, Sealed: !n.cfg.Insecure, Trace: n.trace,
	})
	if err != nil {
		return fmt.Errorf("SIP address %s: %w: choose another --sip-addr", n.cfg.SIPAddr, err)
	}
	n.onClose(n.sip.Close)
	return n.openSessions()
}

// openSessions makes the agents, the routing and the Session Controller. The
// registrar has put back its DNs by now; their agents follow.
func (n *Node) openSessions() (err error) {
	n.peers = newPeers(n.machine.View, n.clusterAddr, n.dialGRPC)
	n.onClose(n.peers.close)
	n.agents, err = agent.Open(agent.Config{
		Table: n.table, View: n.machine.View, Dial: n.peers.conn, Dir: filepath.Join(n.cfg.DataDir, "agents"), Log: n.log,
		Left: func(number dn.Number) { n.addresses.Left(number) }, MakeCall: n.makeCall,
	})
	if err != nil {
		return fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err)
	}
	n.onClose(n.agents.Close)
	n.agents.Restore()
	n.addresses = session.NewAddresses(session.AddressesConfig{
		Table: n.table, View: n.machine.View, Ended: n.agents.Ended, Desktop: n.agents.Desktop,
		RouterLeft: func(holder string) { n.routing.RouterLeft(holder) }, DrainEnd: n.drainEnd, Log: n.log,
	})
	n.routing = routing.New(routing.Config{
		Table: n.table, Calls: n.calls, View: n.machine.View, Agents: n.agents,
		Announcer: session.Announcer{Calls: n.calls, Addresses: n.addresses}, Log: n.log,
	})
	n.fold = statistics.New(statistics.Config{Table: n.table, Calls: n.calls, Machine: n.machine})
	n.control = session.New(session.Config{
		Table: n.table, Calls: n.calls, Machine: n.machine, Agents: n.agents, Addresses: n.addresses, Router: n.routing, Release: n.hangUp,
		Version: n.cfg.Version, Log: n.log,
	})
	return nil
}

// probeGossip finds a port in use before anything is written: gossip itself is
// opened only when the node belongs to a cluster.
func probeGossip(addr string) error {
	udp, err := net.ListenPacket("udp", addr)
	if err == nil {
		_ = udp.Close()
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", addr); err == nil {
			_ = tcp.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("gossip address %s: %w: choose another --gossip-addr", addr, err)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (n *Node) ready() error {
	if n.draining() {
		return errors.New("draining: this node takes no new registrations")
	}
	return nil
}

func (n *Node) draining() bool { return n.machine.View().Node(n.id.ID).GetDraining() }

// drainEnd is when this node's drain is over, the zero time when it has no end.
func (n *Node) drainEnd() time.Time { return n.drain.at(n.machine.View().Node(n.id.ID), time.Now()) }

func (n *Node) drained() bool {
	end := n.drainEnd()
	return !end.IsZero() && !time.Now().Before(end)
}

// run is Run, however long what it waits for takes.
func (n *Node) run(ctx context.Context) error {
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
	g.Go(func() error { return n.store.Run(ctx) })
	g.Go(func() error { return n.tellUses(ctx) })
	g.Go(func() error { return n.leaveCalls(ctx) })
	g.Go(func() error { return n.port.Run(ctx) })
	n.member = n.id.ClusterID != "" && !n.anew
	if n.id.ClusterID == "" && len(n.cfg.Join) > 0 {
		if err := n.join(ctx); err != nil {
			return err
		}
	}
	err := n.greet(ctx)
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
		Rejoin: func(id dn.Node) { n.gossip.Rejoin(membership.NodeID(id)) }, Doubt: func(id dn.Node) { n.gossip.Doubt(membership.NodeID(id)) }, Refused: n.refused, Heard: n.peerHeard, Propagated: n.noteArrival, Applied: n.lags.Told, Index: n.applied, Process: n.process, Log: n.log,
	})
	n.links = tcontroller.NewServer(tcontroller.ServerConfig{
		ClusterID: n.lineage(), Table: n.table, Calls: n.calls, Roster: n.roster, Applied: n.applied, Pinged: n.mesh.Pinged, Log: n.log,
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
