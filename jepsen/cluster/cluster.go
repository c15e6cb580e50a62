// Package cluster runs real sipcluster servers for black-box tests and
// benchmarks: each in a network namespace of its own, on one bridge, with
// phones beside it and a packet filter between them that cuts what it is told
// to; or, without root, all on the loopback address (then nothing can be cut).
//
// It knows the servers by their command line and their public API only. What
// it makes is held by this process: it goes with Close, and also when the
// process is killed (only files of Config.Dir stay then).
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Config of a cluster.
type Config struct {
	// Nodes to prepare; 0 means 3. Node i (from 1) is named n<i>, its site dc<i>.
	Nodes int
	// Sites overrides the sites' names, one a node.
	Sites []string
	// Binary is the sipcluster program; see Build.
	Binary string
	// Dir holds each node's data directory and log; it must exist.
	Dir string
	// Loopback runs all nodes on 127.0.0.1 with ports of their own: no root, no cuts.
	Loopback bool
	// Args are further arguments of `sipcluster server`.
	Args []string
	// Env is added to the environment of the servers.
	Env []string
	// Secured asks everybody who he is: nodes join by invites, and clients are the
	// administrator that node 1 made.
	Secured bool
	// Lines joins the sites by long lines (SetPath), cables in the beginning. What belongs to no
	// site stays near. Namespace mode only.
	Lines bool
	// Movable gives each node an address of its own for what nodes say to each other,
	// beside that of its other ports: see Move.
	Movable bool
	// NoPings is for phones that know no OPTIONS.
	NoPings bool
	// ReadyWithin limits how long a node may take to answer after its start; 0 means 15 s.
	ReadyWithin time.Duration
}

// Cluster is a test network with its nodes.
type Cluster struct {
	cfg Config
	// insecure tells whether the program knows --insecure: one from before it is
	// measured too.
	insecure func() bool
	net      *network // nil in loopback mode
	visitor  *Place
	mu       sync.Mutex
	nodes    []*Node
	copies   []*Node
	moves    int // addresses given out
	closers  []func()
}

// New makes the network and prepares the nodes; nothing runs yet. Close it
// whatever happens.
func New(ctx context.Context, cfg Config) (*Cluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	if cfg.ReadyWithin == 0 {
		cfg.ReadyWithin = 15 * time.Second
	}
	c := &Cluster{cfg: cfg, insecure: sync.OnceValue(func() bool { return knows(cfg.Binary, "--insecure") })}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) prepare(ctx context.Context) (err error) {
	if !c.cfg.Loopback {
		if c.net, err = newNetwork(ctx, c.cfg.Lines); err != nil {
			return err
		}
		c.closers = append(c.closers, c.net.close)
	}
	if c.visitor, err = c.place(ctx, "visitor", "", firstVisitor); err != nil {
		return err
	}
	for range c.cfg.Nodes {
		if _, err := c.AddNode(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) place(ctx context.Context, name, site string, host int) (*Place, error) {
	var p *Place
	var err error
	if c.net != nil {
		p, err = c.net.plug(ctx, name, site, host)
	} else {
		p, err = newPlace(name, site, netip.MustParseAddr("127.0.0.1"), false)
	}
	if err == nil {
		c.closers = append(c.closers, p.Close)
	}
	return p, err
}

// AddNode prepares one more node; Start makes it join the others.
func (c *Cluster) AddNode(ctx context.Context) (*Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := len(c.nodes)
	n := &Node{cluster: c, name: fmt.Sprintf("n%d", i+1), site: fmt.Sprintf("dc%d", i+1), ports: usualPorts}
	if i < len(c.cfg.Sites) {
		n.site = c.cfg.Sites[i]
	}
	n.dir = filepath.Join(c.cfg.Dir, n.name)
	if err := os.MkdirAll(n.DataDir(), 0o700); err != nil {
		return nil, err
	}
	var err error
	if n.place, err = c.place(ctx, n.name, n.site, firstNode+i); err != nil {
		return nil, err
	}
	if n.phones, err = c.place(ctx, "phones-"+n.name, n.site, firstPhones+i); err != nil {
		return nil, err
	}
	if c.net == nil {
		if n.ports, err = freePorts(n.place.addr); err != nil {
			return nil, err
		}
	}
	c.nodes = append(c.nodes, n)
	if c.cfg.Movable {
		if err := c.give(ctx, map[*Node]netip.Addr{n: hostAddr(firstInner + i)}); err != nil {
			return nil, err
		}
	}
	return n, n.prepareClient()
}

// environment of the programs.
func (c *Cluster) environment() []string {
	return append(append(os.Environ(), contextsEnv+"="+c.contexts()), c.cfg.Env...)
}

// knows tells whether the program's server has the flag.
func knows(binary, flag string) bool {
	help, err := exec.Command(binary, "server", "--help").Output()
	return err == nil && strings.Contains(string(help), flag)
}

// Nodes in the order in which they were added, stopped ones included.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Node returns node i, counted from 1 as in its name.
func (c *Cluster) Node(i int) *Node { return c.Nodes()[i-1] }

// Visitor is a place that belongs to no site: no cut concerns it.
func (c *Cluster) Visitor() *Place { return c.visitor }

// Start bootstraps a cluster at node 1, makes all the others join it and waits
// until every node hears every other one and sees a quorum.
func (c *Cluster) Start(ctx context.Context) error {
	nodes := c.Nodes()
	if err := nodes[0].Start(ctx); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, n := range nodes[1:] {
		g.Go(func() error { return n.Start(gctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := c.WaitWhole(ctx, c.cfg.ReadyWithin)
	if err == nil && c.cfg.NoPings {
		err = nodes[0].ChangeOptions(ctx, func(o *configpb.Options) { o.PingIntervalS, o.TrunkOptionsS = proto.Uint32(0), proto.Uint32(0) })
	}
	return err
}

// WaitWhole waits until each running node hears all the other running ones and
// sees a quorum.
func (c *Cluster) WaitWhole(ctx context.Context, within time.Duration) (time.Duration, error) {
	return Eventually(ctx, within, "all nodes hear all nodes", func(ctx context.Context) error {
		running := slices.DeleteFunc(c.Nodes(), func(n *Node) bool { return !n.Running() })
		for _, n := range running {
			if err := n.hears(ctx, running); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close kills what runs and takes the network away. Its error tells of
// crashes and data races that are in the servers' logs.
func (c *Cluster) Close() error {
	var errs []error
	for _, n := range append(c.Nodes(), c.copies...) {
		errs = append(errs, n.Freeze(false)) // nobody who waits for a disk can be killed
		n.Kill9()
		errs = append(errs, n.Faults())
		if n.conn != nil {
			_ = n.conn.Close()
		}
	}
	for _, fn := range slices.Backward(c.closers) {
		fn()
	}
	c.closers = nil
	return errors.Join(errs...)
}
