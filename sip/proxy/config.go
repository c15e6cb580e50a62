package proxy

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/guard"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
	"github.com/sipcluster/sipcluster/sip/trace"
	"github.com/sipcluster/sipcluster/sip/transaction"
)

// Config of a proxy.
type Config struct {
	Machine *fsm.Machine
	Table   *dn.Table
	Store   *location.Store
	Guard   *guard.Guard
	Rate    *guard.Rate
	Stats   *answer.Counters
	// Draining: the node takes no new calls from trunks.
	Draining func() bool
	// Behind tells whether Machine may be behind the configuration of the cluster: nothing is
	// denied by it then. nil means never.
	Behind func() bool
	// Refuses tells whether what begins now, by another node or not, has to give way; nil is
	// never.
	Refuses func(byPeer bool) bool
	Log     *slog.Logger
	Now     func() time.Time
	// TagSeed makes the To tags of answers.
	TagSeed maphash.Seed

	// Calls is told of the calls that begin here.
	Calls Caller
	// RouteKeys seal the cluster's route tokens: the first is used. None: nobody can
	// write one, until SetRouteKeys.
	RouteKeys []route.Key
	// LeadsHere tells whether a URI without a token leads to this node.
	LeadsHere func(message.URI) bool
	// Datagrams are the addresses at which this node takes them now; nil: at none.
	Datagrams func() []netip.AddrPort
	// RecordRoutes are the host:port of our Record-Routes by transport.
	RecordRoutes *location.Hosts
	// Carry notes that this node delivers a call of a node to a DN; nil for nobody.
	// It and the Leg must neither wait nor call the proxy.
	Carry func(call string, of dn.Node, n dn.Number) invite.Leg
	// Find is the DN of the phone, of this node or another one, that registered a Contact;
	// "" for none. It may wait. nil: nobody is called so.
	Find func(ctx context.Context, contact string) dn.Number
	// Sealed: nobody can read what goes to other nodes.
	Sealed bool
	// Reached is told when a trunk answers this node, or does no more; nil for nobody. It
	// must not wait.
	Reached func()
	// ServiceRoute is with which Route requests to an address of a trunk begin (RFC 3608); nil:
	// with none. It must not wait.
	ServiceRoute func(dn.Number, netip.AddrPort) [][]byte
	// Phones is told which phones answer; nil for nobody.
	Phones Phones
	// Trace remembers the messages of calls; nil for nobody.
	Trace *trace.Log
	// NameServers are the host:port of those that know the trunks' names; nil for the machine's.
	NameServers []string
	// MaxCalls that are being set up at a time; timerC is how long one may ring.
	MaxCalls int
	TimerC   time.Duration
	Timers   transaction.Timers
}
