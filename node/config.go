// Package node composes a cluster node: it opens the stores, binds the ports,
// and wires the configuration plane (fsm, consensus) and the availability plane
// (dn, tcontroller, membership) to the SIP port and the API. Nothing else does:
// the planes don't know each other. Only cmd imports it.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/history"
	"github.com/sipcluster/sipcluster/sip/trace"
)

// Config of a Node. An address is HOST:PORT or :PORT; a missing host is Bind.
type Config struct {
	// Name of the node, unique in the cluster, and its Site (data centre).
	Name, Site string
	// DataDir keeps who this node is, its configuration and its bindings.
	DataDir string
	// Bind is the IP address of every listener, and what others are told;
	// empty means all addresses, and the first of this machine is told.
	Bind string
	// SIPAddr (udp and tcp; :5060), DefaultAddr (:7000), TCAddr (:7001),
	// ClusterAddr (:7002), GossipAddr (udp and tcp; :7003), HTTPAddr (:7080).
	SIPAddr, DefaultAddr, TCAddr, ClusterAddr, GossipAddr, HTTPAddr string
	// Advertise are addresses at which others reach this node where these are not those it
	// binds (NAT, containers): HOST for all ports, or PORT=HOST[:NUMBER] for one of sip,
	// default, tc, cluster, gossip, http. A name is looked up again and
	// again.
	Advertise []string
	// TLSAddr, WSAddr and WSSAddr (usually :5061, :5066, :5067) serve phones by
	// TLS, WebSocket and secure WebSocket; "" leaves the transport out.
	TLSAddr, WSAddr, WSSAddr string
	// CertFile and KeyFile (PEM) are for TLSAddr and WSSAddr.
	CertFile, KeyFile string
	// HTTPCertFile and HTTPKeyFile (PEM) are shown at HTTPAddr to browsers, and to whoever
	// else does not ask for the node by its name in the cluster; "": the node's own.
	HTTPCertFile, HTTPKeyFile string
	// ClientCAFile (PEM) has the authorities of the certificates by which trunks are
	// known; "" takes the system's.
	ClientCAFile string
	// Origins are those of the web pages that may use WSAddr and WSSAddr; nil means all.
	Origins []string
	// Bootstrap makes a new cluster of this node; Join names cluster ports of
	// members. Both do nothing on a data directory that belongs to a cluster.
	Bootstrap bool
	Join      []string
	// InviteFile has the line that lets this node in, when it joins; "-" is standard
	// input. None is needed where nobody is asked who he is.
	InviteFile string
	// AcceptRecovery is the name of the recovery of its cluster that this node shall take
	// part in, or NoRecovery; "" stays with what it has. Join names members of it.
	AcceptRecovery string
	// JoinTimeout bounds the first join; 60 s.
	JoinTimeout time.Duration
	// BackupDir is where this node writes backups of its configuration, each BackupEvery
	// (24 h), of which the last BackupKeep (7) stay; "" is nowhere. They are sealed with
	// the passphrase in BackupPassphraseFile, when that is given.
	BackupDir            string
	BackupEvery          time.Duration
	BackupKeep           int
	BackupPassphraseFile string
	// Records is where this node writes a record of each call that arrived at it.
	Records Records
	// HistoryEvents is how many events of each kind are remembered at least, as far as
	// history.DefaultBytes last; 0: history.DefaultEvents.
	HistoryEvents int
	// CallTrace is how many bytes remember the SIP messages of calls, trace.Least or more; 0:
	// none are remembered.
	CallTrace int64
	// Realm is the SIP domain and digest realm of a new cluster; "sipcluster".
	Realm string
	// ClusterKey is the secret that all nodes share, of at least port.MinKey
	// bytes; empty means that nodes talk in clear.
	ClusterKey []byte
	// Insecure is for laboratories: clients and nodes talk in clear, and nobody is
	// asked who he is. All nodes of a cluster agree on it.
	Insecure bool
	// LinkTimeout as in tcontroller.Config; 0 means its default.
	LinkTimeout time.Duration
	// SIPRate is how many new calls and registrations are taken in a second;
	// more are answered 503. 0 is no limit.
	SIPRate int
	// Founded is told of the context of the first administrator, when this node has made
	// a cluster that asks who one is, and of its file; nil for nobody.
	Founded func(file string, c credential.Context)
	// Serving is run, until its context ends, from the moment that phones and clients are
	// served; nil for nothing.
	Serving func(ctx context.Context)
	// SnapshotAfter as in consensus.Config; 0 means its default.
	SnapshotAfter uint64
	// Dev lets `sipcluster dev` cut this node's links, and opens /debug/pprof.
	Dev bool
	// Debug opens /debug/pprof.
	Debug bool
	// Version of the program, for Status.
	Version string
	Log     *slog.Logger
	// RecentLog is the last lines of the log, for reports; nil: none are kept.
	RecentLog func() []byte
}

// Records of calls go to files in Dir, "" for none, of about Size bytes (64 MiB), of which
// the last Keep (10) stay; and from there to the web server at the URL Hook, "" for none, with
// the token in the first line of HookTokenFile, "" for none.
type Records struct {
	Dir                 string
	Size                int64
	Keep                int
	Hook, HookTokenFile string
}

// maxHistoryEvents is how many events of each kind may be remembered.
const maxHistoryEvents = 10_000_000

// leastRecords is the smallest size of a file.
const leastRecords = 64 << 10

func (r *Records) complete() error {
	r.Size, r.Keep = cmp.Or(r.Size, 64<<20), cmp.Or(r.Keep, 10)
	switch {
	case r.Size < leastRecords || r.Keep < 2:
		return fmt.Errorf("call records in files of %d bytes of which %d stay: want %d or more, and two or more", r.Size, r.Keep, leastRecords)
	case r.Dir == "" && r.Hook != "":
		return errors.New("call records are sent from the files that keep them: give --call-records too")
	case r.Hook == "" && r.HookTokenFile != "":
		return errors.New("a token for call records that are sent nowhere: give --call-records-hook too")
	case r.Hook == "":
		return nil
	}
	u, err := url.Parse(r.Hook)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("--call-records-hook: want a URL as https://HOST/PATH")
	case u.User != nil:
		return errors.New("--call-records-hook: no user and password in the URL: give the token in a file")
	case u.Scheme == "http" && r.HookTokenFile != "" && !loopback(u.Hostname()):
		return errors.New("--call-records-hook: a token is not sent in clear: want https")
	}
	return nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

var (
	// ErrConfig says that a Config can't be used; nothing was touched.
	ErrConfig = errors.New("wrong setting")
	// ErrNoCluster says that a new data directory was given neither Bootstrap nor Join.
	ErrNoCluster = errors.New("this data directory belongs to no cluster yet: start the first node of a cluster with --bootstrap, the others with --join HOST:PORT of a node's cluster port")
	// ErrRemoved says that the node was taken off the roster while it ran or before.
	ErrRemoved = errors.New("this node was removed from the cluster: to take part again, join with a fresh data directory")
)

// complete fills in the defaults and checks.
func (c *Config) complete() error {
	if !configpb.ValidNodeName(c.Name) {
		return fmt.Errorf("node name %q: want 1 to 32 characters of a-z 0-9 -", c.Name)
	}
	if !fsm.ValidName(c.Site) {
		return fmt.Errorf("site %q: %s", c.Site, fsm.NameRule)
	}
	if c.DataDir == "" {
		return errors.New("no data directory: give --data-dir")
	}
	if c.Bootstrap && len(c.Join) > 0 {
		return errors.New("--bootstrap makes a new cluster, --join enters one: give only one of them")
	}
	if c.AcceptRecovery != "" && c.AcceptRecovery != NoRecovery && !fsm.ValidRecovery(c.AcceptRecovery) {
		return fmt.Errorf("--accept-recovery %.40q: want the name that `sipcluster recover` printed, or %s", c.AcceptRecovery, NoRecovery)
	}
	if c.Bind != "" {
		if _, err := netip.ParseAddr(c.Bind); err != nil {
			return fmt.Errorf("bind address %q: want an IP address", c.Bind)
		}
	}
	if c.Realm == "" {
		c.Realm = "sipcluster"
	}
	if !fsm.ValidRealm(c.Realm) {
		return fmt.Errorf("realm %.80q: want a domain name", c.Realm)
	}
	if c.JoinTimeout == 0 {
		c.JoinTimeout = time.Minute
	}
	if c.BackupEvery == 0 {
		c.BackupEvery = 24 * time.Hour
	}
	if c.HistoryEvents < 0 || c.HistoryEvents > maxHistoryEvents {
		return fmt.Errorf("%d events of each kind to remember: want 1 to %d, or 0 for %d", c.HistoryEvents, maxHistoryEvents, history.DefaultEvents)
	}
	if c.CallTrace != 0 && c.CallTrace < trace.Least {
		return fmt.Errorf("%d bytes to remember the messages of calls: want %d or more, or 0 for none", c.CallTrace, trace.Least)
	}
	if err := c.Records.complete(); err != nil {
		return err
	}
	if c.BackupKeep == 0 {
		c.BackupKeep = 7
	}
	if c.BackupEvery < time.Minute || c.BackupKeep < 1 {
		return fmt.Errorf("a backup each %v of which %d stay: want a minute or more, and one or more", c.BackupEvery, c.BackupKeep)
	}
	for _, a := range append(c.addrs(), c.optionalAddrs()...) {
		if err := c.fill(a.addr, a.port); err != nil {
			return fmt.Errorf("%s address: %w", a.what, err)
		}
	}
	if _, err := c.advertise(); err != nil {
		return err
	}
	if c.TLSAddr+c.WSSAddr != "" && (c.CertFile == "" || c.KeyFile == "") {
		return errors.New("SIP over TLS needs a certificate and its key: give --sip-tls-cert and --sip-tls-key")
	}
	switch given := c.HTTPCertFile + c.HTTPKeyFile; {
	case given != "" && (c.HTTPCertFile == "" || c.HTTPKeyFile == ""):
		return errors.New("HTTP over TLS needs a certificate and its key: give --http-tls-cert and --http-tls-key, or neither")
	case given != "" && !c.secured():
		return errors.New("--http-tls-cert: the HTTP port speaks in clear where nodes have no keys (--insecure, --cluster-key-file)")
	}
	return nil
}

type addrField struct {
	what string
	addr *string
	port string
}

func (c *Config) addrs() []addrField {
	return []addrField{
		{"SIP", &c.SIPAddr, "5060"}, {"default", &c.DefaultAddr, "7000"}, {"TCport", &c.TCAddr, "7001"},
		{"cluster", &c.ClusterAddr, "7002"}, {"gossip", &c.GossipAddr, "7003"}, {"HTTP", &c.HTTPAddr, "7080"},
	}
}

// optionalAddrs are those of the transports that are asked for.
func (c *Config) optionalAddrs() []addrField {
	return slices.DeleteFunc([]addrField{
		{"SIP TLS", &c.TLSAddr, "5061"}, {"SIP WebSocket", &c.WSAddr, "5066"}, {"SIP secure WebSocket", &c.WSSAddr, "5067"},
	}, func(a addrField) bool { return *a.addr == "" })
}

// fill makes an address IP:PORT.
func (c *Config) fill(addr *string, port string) error {
	if *addr == "" {
		*addr = ":" + port
	}
	host, p, err := net.SplitHostPort(*addr)
	if err != nil {
		return fmt.Errorf("%q: want HOST:PORT or :PORT", *addr)
	}
	if host == "" {
		host = c.Bind
	}
	if host == "" {
		host = "0.0.0.0"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		r, err := net.ResolveIPAddr("ip", host)
		if err != nil {
			return fmt.Errorf("%q: %w", *addr, err)
		}
		ip, _ = netip.AddrFromSlice(r.IP)
	}
	if !reachable(ip) {
		return fmt.Errorf("%q: no other machine reaches that by the address alone: want one that is neither link-local nor a group's", *addr)
	}
	*addr = net.JoinHostPort(ip.Unmap().String(), p)
	_, err = netip.ParseAddrPort(*addr)
	return err
}

// reachable tells whether an address says by itself where it leads: one of a link needs a
// zone, which is another one at each machine, and that of a group is no one host's.
func reachable(ip netip.Addr) bool {
	return ip.Zone() == "" && !ip.IsMulticast() && !(ip.Is6() && ip.IsLinkLocalUnicast())
}

// self is this node's entry of the roster: what others dial. Names are looked up; the
// address of one that is not known now is that which the others have.
func (c *Config) self(ctx context.Context, id string, known *configpb.Node) (*configpb.Node, error) {
	n := &configpb.Node{Id: id, Name: c.Name, Site: c.Site}
	before := addressesOf(known)
	fields := []*string{&n.SipAddr, &n.DefaultAddr, &n.TcAddr, &n.ClusterAddr, &n.GossipAddr, &n.HttpAddr}
	as, err := c.advertise()
	if err != nil {
		return nil, err
	}
	for i, a := range c.addrs() {
		told := as[a.what]
		if told == "" {
			told, err = advertised(*a.addr)
		} else if told, err = lookUp(ctx, told); err != nil && before[i] != "" {
			told, err = before[i], nil
		}
		if err != nil {
			return nil, err
		}
		*fields[i] = told
	}
	return n, nil
}
