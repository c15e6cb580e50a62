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

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
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
	"github.com/sipcluster/sipcluster/node/port"
	"github.com/sipcluster/sipcluster/node/problem"
	"github.com/sipcluster/sipcluster/node/routing"
	"github.com/sipcluster/sipcluster/node/session"
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
	entry atomic.Pointer[configpb.Node]
	// here are the addresses of its machine, by the last look; nil before the first.
	here    atomic.Pointer[[]net.Addr]
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
	// patched: its copy of the configuration was damaged, and the one in use may lack DNs.
	patched atomic.Bool
	// installed is the index of the configuration whose keys are in use here.
	installed atomic.Uint64
	keys      struct {
		sync.Mutex
		gossip *membership.Gossip
	}

	// distrusted are nodes that somebody had this one distrust: id to *access.Who.
	distrusted sync.Map

	// mayLag: the configuration here may be older than this process.
	mayLag atomic.Bool
	// greeted: the others were told of this process while it loaded, and greeting is what
	// came of that.
	greeted  bool
	greeting error
	// stopPort ends what serves port.
	stopPort func()
	// stopKeeping ends what has brought bindings to the disk since they could be looked up.
	stopKeeping func() error
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
// wrong and what to do, or is ctx's, which has ended meanwhile; nothing stays open then.
func New(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	n := &Node{cfg: cfg, log: cfg.Log.With("node", cfg.Name), started: time.Now(), fabric: port.NewFabric(), removed: make(chan struct{}), directory: directory.New(), moved: wake.New(), verdicts: wake.New(), told: wake.New()}
	n.events = security.New(n.log)
	n.problems = problem.New(n.log)
	n.damage.log = n.log
	n.mayLag.Store(true)
	if err := n.openStores(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if err := n.bindPorts(ctx); err != nil {
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

func (n *Node) openStores(ctx context.Context) (err error) {
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
	if err := n.acceptRecovery(ctx); err != nil {
		return err
	}
	if err := n.findPlace(ctx); err != nil {
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
	n.table = dn.New(dn.Config{Self: dn.Node(n.id.ID), Incarnation: meta.Incarnation, Floor: meta.Floor, Busy: n.full, Uses: n.calls.Uses, Takes: n.takes, At: n.holdsAt, Configured: n.configured, Level: n.levelOf, Told: n.history.DN})
	return nil
}

// openLarge opens side by side what grows with the DNs: the bindings, and the
// configuration. Both are read by loadLarge, and are good for a DN before.
func (n *Node) openLarge() error {
	var bindings errgroup.Group
	bindings.Go(func() (err error) {
		if n.store, err = location.Begin(location.Config{Dir: filepath.Join(n.cfg.DataDir, "location"), Log: n.log}); err != nil {
			return fmt.Errorf("data directory %s: %w", n.cfg.DataDir, err)
		}
		return nil
	})
	machine, store := n.openMachine(), bindings.Wait()
	if store == nil {
		n.onClose(n.store.Close)
		n.keepBindings()
	}
	if machine == nil {
		n.onClose(func() error { return n.machine.Close() })
	}
	return cmp.Or(store, machine)
}

// keepBindings has what phones are told brought to the disk each second, from the first
// that may come until run takes that over, however long it takes to put all back.
func (n *Node) keepBindings() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.store.Run(ctx) }()
	n.stopKeeping = sync.OnceValue(func() error { cancel(); return <-ended })
	n.onClose(n.stopKeeping)
}

// loadLarge reads them, unless ctx ends. Phones may register meanwhile, once the others know of this
// process: not at a copy of another machine's data directory, or a node that was removed, and
// not by a configuration of which a part may be missing.
func (n *Node) loadLarge(ctx context.Context, serve func(phones bool)) error {
	var beside, loads errgroup.Group
	var doors sync.Mutex
	if n.machine.View().Node(n.id.ID) != nil && !n.anew {
		n.greeted = true
		beside.Go(func() error {
			if n.greeting = n.greet(ctx); n.greeting == nil && !n.isRemoved() && ctx.Err() == nil {
				doors.Lock()
				defer doors.Unlock()
				serve(!n.patched.Load())
			}
			return nil
		})
	}
	loads.Go(func() error { return n.store.Load(ctx) })
	loads.Go(func() error {
		return n.loadMachine(ctx, func() {
			doors.Lock()
			defer doors.Unlock()
			serve(false)
		})
	})
	return errors.Join(loads.Wait(), beside.Wait())
}

// servePort tells who is here from now on: others ask before they listen to this process.
func (n *Node) servePort() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.port.Run(ctx) }()
	n.stopPort = stop
	n.onClose(func() error { stop(); return <-ended })
}

func (n *Node) isRemoved() bool {
	select {
	case <-n.removed:
		return true
	default:
		return false
	}
}

func (n *Node) bindPorts(ctx context.Context) (err error) {
	if n.port, err = port.Listen(n.cfg.ClusterAddr, &port.Dialer{Identity: n.who, Key: n.key, Fabric: n.fabric},
		port.Self{ID: n.id.ID, Instance: rand.Uint64() | 1, Started: n.started}, n.log); err != nil {
		return err
	}
	n.servePort()
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
	var loaded error
	n.sip, err = sip.New(sip.Config{
		UDP: n.cfg.SIPAddr, TCP: n.cfg.SIPAddr, TLS: n.cfg.TLSAddr, WS: n.cfg.WSAddr, WSS: n.cfg.WSSAddr,
		CertFile: n.cfg.CertFile, KeyFile: n.cfg.KeyFile, ClientCAFile: n.cfg.ClientCAFile, Origins: n.cfg.Origins, Machine: n.machine, Table: n.table, Store: n.store, Load: func(serve func(bool)) error { loaded = n.loadLarge(ctx, serve); return loaded },
		Draining: n.draining, Drained: n.drained, Behind: n.mayLag.Load, Partial: n.partial, Log: n.log,
		Calls: caller{n}, Advertise: n.self().GetSipAddr(), Carry: n.carry,
		Rate: n.cfg.SIPRate, MaxConnections: intake.Share(intake.MaxSIP, intake.PhonesPart), Events: n.events, DialPeer: n.dialPeer, FindElsewhere: n.findContact, Sealed: !n.cfg.Insecure, Trace: n.trace,
	})
	if loaded != nil {
		return loaded
	}
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
		Table: n.table, Calls: n.calls, View: n.machine.View, Behind: n.mayLag.Load, Agents: n.agents,
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
