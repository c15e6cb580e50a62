package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/line"
)

// lines join the bridges of the sites.
type lines struct {
	*line.Lines
	hub   *Place
	sites map[string]site // "" is what belongs to none
	stop  func()
}

// site is a bridge with a device by which its lines begin.
type site struct {
	bridge string
	end    line.End
}

func newLines(ctx context.Context, hub *Place) (*lines, error) {
	all, err := line.New(uint64(time.Now().UnixNano()))
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = all.Run(run) // an error: nothing arrives any more
	}()
	l := &lines{Lines: all, hub: hub, sites: map[string]site{}, stop: func() { cancel(); <-ended }}
	if _, err := l.reach(ctx, "", hub.addr); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lines) close() {
	l.stop()
	l.Close()
}

// reach makes an address one of the site, and returns the bridge to plug it into.
func (l *lines) reach(ctx context.Context, name string, addr netip.Addr) (string, error) {
	s, ok := l.sites[name]
	if !ok {
		var err error
		if s, err = l.begin(ctx, len(l.sites)); err != nil {
			return "", fmt.Errorf("lines of site %q: %w", name, err)
		}
		l.sites[name] = s
	}
	l.Reach(addr, s.end)
	return s.bridge, nil
}

// begin makes the bridge of a site and the device on it. The first site has a bridge.
func (l *lines) begin(ctx context.Context, nth int) (site, error) {
	bridge, name := fmt.Sprintf("br%d", nth), fmt.Sprintf("line%d", nth)
	device := -1
	err := l.hub.Do(func() (err error) {
		device, err = line.Device(name)
		return err
	})
	if err != nil {
		return site{}, err
	}
	s := site{bridge, l.Attach(device)}
	commands := []string{fmt.Sprintf("link set %s txqueuelen 10000 master %s up", name, bridge)}
	if nth > 0 {
		commands = append([]string{
			fmt.Sprintf("link add %s type bridge mcast_snooping 0", bridge), fmt.Sprintf("link set %s up", bridge),
		}, commands...)
	}
	return s, l.hub.ip(ctx, commands...)
}

// ErrNoLine says that no line leads from a node to the other one: the cluster was made
// without, or both are of one site.
var ErrNoLine = errors.New("no line leads from one to the other")

func (c *Cluster) ends(from, to *Node) (a, b line.End, err error) {
	if c.net == nil || c.net.lines == nil || from.site == to.site {
		return 0, 0, fmt.Errorf("%s and %s: %w", from.name, to.name, ErrNoLine)
	}
	return c.net.lines.sites[from.site].end, c.net.lines.sites[to.site].end, nil
}

// SetPath says what happens from now on to what goes from one node's site to the other's.
func (c *Cluster) SetPath(from, to *Node, p line.Path) error {
	a, b, err := c.ends(from, to)
	if err != nil {
		return err
	}
	return c.net.lines.Set(a, b, p)
}

// SetPaths is SetPath for all pairs of nodes that are not of one site.
func (c *Cluster) SetPaths(p line.Path) error {
	for _, x := range c.Nodes() {
		for _, y := range c.Nodes() {
			if x.site != y.site {
				if err := c.SetPath(x, y, p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Crossed counts what came to go from one node's site to the other's.
func (c *Cluster) Crossed(from, to *Node) (line.Counts, error) {
	a, b, err := c.ends(from, to)
	if err != nil {
		return line.Counts{}, err
	}
	return c.net.lines.Counts(a, b), nil
}

// Lose loses the next packet from one node's site to the other's for which want says so.
func (c *Cluster) Lose(from, to *Node, want func(packet []byte) bool) error {
	a, b, err := c.ends(from, to)
	if err == nil {
		c.net.lines.Lose(a, b, want)
	}
	return err
}

// OnLoss has fn called with each packet that is lost on the way from one node's site to the
// other's. It must neither wait nor keep it.
func (c *Cluster) OnLoss(from, to *Node, fn func(packet []byte)) error {
	a, b, err := c.ends(from, to)
	if err == nil {
		c.net.lines.OnLoss(a, b, fn)
	}
	return err
}
