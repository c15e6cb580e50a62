package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

const (
	// defaultAddr is asked when neither an address nor a context says otherwise.
	defaultAddr = "127.0.0.1:7001"
	// machineContext is what a node on this machine that made a cluster left there. It
	// is looked at last.
	machineContext = "/var/lib/sipcluster/admin.context"
)

// Target is which nodes are asked, and as whom.
type Target struct {
	// Addrs are tried in order.
	Addrs []string
	// As is how the cluster is known and who asks; nil asks in the clear, as nobody.
	As *credential.Context
	// Learned is told of further authorities of the cluster; nil for nobody.
	Learned func(authorities []string)
	// Members is told at which addresses members of the cluster are asked, whenever a
	// node has said so; nil for nobody.
	Members func(addrs []string)
	// Assumed is whether neither the user nor a context has named Addrs.
	Assumed bool
}

// options of a connection to the target.
func (t *Target) options() ([]grpc.DialOption, error) {
	if t.As == nil {
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, nil
	}
	config, err := t.As.TLS()
	if err != nil {
		return nil, err
	}
	verify := config.VerifyConnection
	config.VerifyConnection = func(s tls.ConnectionState) error {
		if err := verify(s); err != nil {
			return err
		}
		t.learn(s.PeerCertificates)
		return nil
	}
	return append(credential.DialOptions(config, t.As.Token), grpc.WithChainUnaryInterceptor(t.hear)), nil
}

// hear tells Members of the nodes that an answer names.
func (t *Target) hear(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	if roster, is := reply.(*configpb.ListNodesResponse); is && err == nil && t.Members != nil {
		t.Members(TCports(roster))
	}
	return err
}

// TCports are where the nodes of a roster are asked.
func TCports(roster *configpb.ListNodesResponse) (addrs []string) {
	for _, n := range roster.GetNodes() {
		if checkAddrs([]string{n.GetTcAddr()}) == nil {
			addrs = append(addrs, n.GetTcAddr())
		}
	}
	return addrs
}

// learn tells of authorities that the node showed along and that are new. They are
// the node's word, which was believed.
func (t *Target) learn(chain []*x509.Certificate) {
	var fresh []string
	for _, c := range chain[1:] {
		if f := credential.Fingerprint(c.Raw); c.IsCA && c.CheckSignatureFrom(c) == nil && !slices.Contains(t.As.Authorities, f) {
			fresh = append(fresh, f)
		}
	}
	if len(fresh) > 0 && t.Learned != nil {
		t.Learned(fresh)
	}
}

// Target is what was asked for: a context by its name, or an address by the context
// that lists it, or the current one.
func (c *Operator) Target(addrs ...string) (Target, error) {
	f, path, err := c.contexts()
	if err != nil {
		return Target{}, err
	}
	chosen := func(as *credential.Context, addrs []string) (Target, error) {
		if len(addrs) == 0 {
			addrs = as.Addresses
		}
		if len(addrs) == 0 {
			return Target{}, console.Usagef("context %s has no address: give one with --addr", as.Name)
		}
		return kept(path, as, addrs), nil
	}
	if c.Context != "" {
		as := f.Find(c.Context)
		if as == nil {
			return Target{}, console.Usagef("no context is called %s: sipcluster context list", c.Context)
		}
		return chosen(as, addrs)
	}
	if as := f.Present(); len(addrs) == 0 && as != nil {
		return chosen(as, nil)
	}
	if len(addrs) == 0 {
		return c.assumed(f, path, []string{defaultAddr})
	}
	for _, a := range addrs {
		if as := f.Listing(a); as != nil {
			return chosen(as, addrs)
		}
	}
	return c.unlisted(f, path, addrs)
}

// kept is a target by a context of the user's file, which learns from it.
func kept(path string, as *credential.Context, addrs []string) Target {
	return Target{Addrs: addrs, As: as, Learned: learner(path, as.Name), Members: func(addrs []string) { remember(path, as.Name, addrs...) }}
}

// assumed is a target when nobody has named one: a node of this machine, also one that
// binds another address, where it has left how it is asked.
func (c *Operator) assumed(f *contexts.File, path string, addrs []string) (Target, error) {
	if _, err := Shows(addrs[0], c.Timeout); err != nil && len(f.Contexts) == 0 {
		if as := c.ofMachine(); as != nil && len(as.Addresses) > 0 {
			return Target{Addrs: as.Addresses, As: as}, nil
		}
	}
	t, err := c.unlisted(f, path, addrs)
	t.Assumed = true
	return t, err
}

// contexts are those of the user; none where there is no place for them.
func (c *Operator) contexts() (*contexts.File, string, error) {
	path, err := contexts.Path(c.Getenv)
	if errors.Is(err, contexts.ErrNoHome) {
		return &contexts.File{}, "", nil
	}
	f, err := contexts.Load(path)
	return f, path, err
}

// learner keeps further authorities of the cluster in the user's file.
func learner(path, name string) func([]string) {
	return func(fresh []string) {
		_ = contexts.Change(path, func(f *contexts.File) error { // what can't be kept is told again
			as := f.Find(name)
			if as == nil {
				return errors.New("it is gone")
			}
			for _, a := range fresh {
				if !slices.Contains(as.Authorities, a) {
					as.Authorities = append(as.Authorities, a)
				}
			}
			return nil
		})
	}
}

// unlisted is a target at addresses that no context lists. Where TLS is spoken, the
// context counts whose authority the node's certificate leads to; where it is not,
// nobody is asked who he is, and no token is sent.
func (c *Operator) unlisted(f *contexts.File, path string, addrs []string) (Target, error) {
	for _, a := range addrs {
		chain, err := Shows(a, c.Timeout)
		if err != nil {
			continue // the request itself says why
		}
		if chain == nil {
			return Target{Addrs: addrs}, nil
		}
		known := f.Present()
		for i := range f.Contexts {
			if as := &f.Contexts[i]; known == nil || credential.Verify(chain, known.Authorities) != nil {
				known = as
			}
		}
		if known != nil && credential.Verify(chain, known.Authorities) == nil {
			remember(path, known.Name, a)
			return kept(path, known, addrs), nil
		}
		if as := c.ofMachine(); as != nil && credential.Verify(chain, as.Authorities) == nil {
			return Target{Addrs: addrs, As: as}, nil
		}
		return Target{}, fmt.Errorf("the node at %s asks who you are, and no context is for its cluster: %s", a, loginBy(a))
	}
	return Target{Addrs: addrs}, nil
}

// loginBy is what to do at a node that asks who somebody is.
func loginBy(addr string) string {
	return fmt.Sprintf("sipcluster login --addr %s with a token, or login --file with a context (admin.context of the node that made the cluster)", addr)
}

// maxRemembered bounds the addresses of a context that are remembered by themselves.
const maxRemembered = 16

// remember adds addresses to those of a context, behind the others: the next command
// there need not look which cluster it is, and one finds a node when others are down. A
// certificate of the cluster was seen at each, or a node of the cluster has told of it.
func remember(path, name string, addrs ...string) {
	_ = contexts.Change(path, func(f *contexts.File) error { // what can't be kept is looked at again
		as := f.Find(name)
		if as == nil {
			return errors.New("it is gone")
		}
		all := Further(as.Addresses, addrs)
		if len(all) == len(as.Addresses) {
			return errors.New("nothing to keep")
		}
		as.Addresses = all
		return nil
	})
}

// Further are the addresses of a context and, as far as there is room, others behind them.
func Further(known, others []string) []string {
	all := slices.Clone(known)
	for _, a := range others {
		if len(all) < maxRemembered && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// ofMachine is the context that a node on this machine left; nil when there is none
// for this user.
func (c *Operator) ofMachine() *credential.Context {
	file := c.Machine
	if file == "" {
		file = machineContext
	}
	b, err := credential.ReadSecret(file)
	if err != nil {
		return nil
	}
	as, err := credential.ParseContext(b)
	if err != nil {
		return nil
	}
	return &as
}

// probing bounds how long a node may take to show its certificate.
const probing = 3 * time.Second

// Shows returns the certificates that the node at an address shows; none when it
// speaks in the clear. The error is that nobody is there.
func Shows(addr string, timeout time.Duration) ([]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(context.Background(), min(max(timeout, time.Millisecond), probing))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	secured := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{credential.ALPN}, InsecureSkipVerify: true, // only looked at
	})
	err = secured.HandshakeContext(ctx)
	var alert tls.AlertError
	if errors.As(err, &alert) {
		return nil, err
	}
	if err != nil {
		return nil, nil // what answers in another way speaks no TLS
	}
	return secured.ConnectionState().PeerCertificates, nil
}

// checkAddrs wants HOST:PORT.
func checkAddrs(addrs []string) error {
	for _, a := range addrs {
		if host, port, err := net.SplitHostPort(a); err != nil || port == "" || strings.Contains(host, "%") { // a zone
			return console.Usagef("--addr %s: want HOST:PORT of a node's TCport", a)
		}
	}
	return nil
}

// places are addresses as people read them.
func places(addrs []string) string { return strings.Join(addrs, ", ") }
