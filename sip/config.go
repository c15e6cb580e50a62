package sip

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/security"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/digest"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/trace"
	"github.com/sipcluster/sipcluster/sip/transaction"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// RouteKey is a key of the cluster's route tokens.
type RouteKey = route.Key

// Config of a Server.
type Config struct {
	// UDP to WSS are the host:port to listen on; "" leaves the transport out.
	UDP, TCP, TLS, WS, WSS string
	// Network is where they are bound; nil means this machine's.
	Network wire.Network
	// CertFile and KeyFile are PEM files of what TLS and WSS show. They are
	// read again when they change.
	CertFile, KeyFile string
	// ClientCAFile is a PEM file of the authorities of gateways' certificates, for trunks
	// that are known by those; "" takes the system's.
	ClientCAFile string
	// Origins are those of the pages whose scripts may open a WebSocket; nil
	// means all: the digest decides who may register.
	Origins []string
	// Machine is the configuration: DNs, credentials, options.
	Machine *fsm.Machine
	// Table is told what is registered here.
	Table *dn.Table
	// Store keeps the bindings. New puts what it holds back into Table.
	Store *location.Store
	// Load reads what Machine and Store, which were begun, have not read yet; nil when
	// they were opened. It calls serve when phones may register meanwhile, if ever, and when
	// they may not any more.
	Load func(serve func(phones bool)) error
	// Draining says that the node takes no registrations and no calls from trunks;
	// Drained that its time is over, and no DN here may be in service. nil means never.
	Draining, Drained func() bool
	// Behind tells whether Machine may be behind the configuration of the cluster: nothing is
	// denied by it then. nil means never.
	Behind func() bool
	// Partial as in registrar.Config.
	Partial func() bool
	// Hosts are names that phones may use as domain, beside the realm and IP addresses.
	Hosts []string
	// MaxConnections over TCP; 0 means 10,000.
	MaxConnections int
	// MaxCalls that are being set up at a time; 0 means 50,000.
	MaxCalls int
	// Now is the clock; it must carry a monotonic reading. nil means time.Now.
	Now func() time.Time
	// Log; nil discards.
	Log *slog.Logger
	// Events is told of wrong passwords and of who is silenced or refused for them;
	// nil is nobody.
	Events *security.Events

	// Calls is told of the calls that begin here; nil answers INVITE 405.
	Calls proxy.Caller
	// RouteKeys seal the cluster's route tokens, the first of them; all nodes have the
	// same, also after a restart. None: they come by SetRouteKeys.
	RouteKeys []RouteKey
	// Advertise is the host:port that others reach this port by; "" takes the
	// one that is listened on.
	Advertise string
	// Carry notes that this node delivers a call of a node to a DN; nil for nobody.
	// It and the Leg must neither wait nor call the Server.
	Carry func(call string, of dn.Node, n dn.Number) invite.Leg
	// FindElsewhere is the DN of the phone of another node that registered a Contact; ""
	// for none. It may wait until ctx ends. nil for a node without others.
	FindElsewhere func(ctx context.Context, contact string) dn.Number
	// DialPeer opens a connection to the cluster port of another node, for ServePeer
	// there; nil for a node without others.
	DialPeer func(ctx context.Context, to dn.Node) (net.Conn, error)
	// Sealed: what DialPeer opens nobody can read, so that a sips call may go there.
	Sealed bool
	// Rate is how many new calls, and apart from them how many new registrations, are
	// taken in a second; more are answered 503. 0 is no limit.
	Rate int
	// Trace remembers the messages of calls; nil for nobody.
	Trace *trace.Log
	// NameServers are the host:port of those that know the trunks' names; nil for the
	// machine's.
	NameServers []string
	// TimerC is how long a call may ring (RFC 3261 §16.6 step 11); 0 means 180 s.
	TimerC time.Duration

	timers      transaction.Timers
	phones      proxy.Phones                // nil for those that ask them
	slow, stuck time.Duration               // of connections
	hands       int                         // that serve datagrams, and streams of peers, at a time
	peers       func(wire.Peers) wire.Peers // what is between the proxy and the streams; nil for nothing
	digest      *digest.Server
	tagSeed     maphash.Seed
}

func (c *Config) fill() error {
	switch {
	case c.Machine == nil || c.Table == nil || c.Store == nil:
		return errors.New("sip: Machine, Table and Store are needed")
	case c.UDP+c.TCP+c.TLS+c.WS+c.WSS == "":
		return errors.New("sip: no address to listen on")
	case c.Rate < 0 || c.TimerC < 0:
		return errors.New("sip: Rate or TimerC is negative")
	case c.MaxConnections < 0 || c.MaxCalls < 0:
		return fmt.Errorf("sip: MaxConnections %d or MaxCalls %d is negative", c.MaxConnections, c.MaxCalls)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10_000
	}
	if c.MaxCalls == 0 {
		c.MaxCalls = 50_000
	}
	if c.TimerC == 0 {
		c.TimerC = 180 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.hands == 0 {
		c.hands = wire.Hands()
	}
	if c.digest == nil {
		c.digest = digest.New(digest.Config{Now: c.Now})
	}
	if c.tagSeed == (maphash.Seed{}) {
		c.tagSeed = maphash.MakeSeed()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	never := func() bool { return false }
	if c.Draining == nil {
		c.Draining = never
	}
	if c.Drained == nil {
		c.Drained = never
	}
	if c.Behind == nil {
		c.Behind = never
	}
	return nil
}
