// Package dev runs a whole cluster on this machine: dev to try it out, and demo,
// which plays three scenes on one.
package dev

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// devFlags are the choices of `sipcluster dev`.
type devFlags struct {
	nodes, basePort, sipPort    int
	sites                       int
	bind, dataDir, realm, state string
	insecure                    bool
}

// Command is dev and what it holds.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	var f devFlags
	cmd := &cobra.Command{
		Use: "dev", Short: "Run a whole cluster on this machine to try it out", Args: cobra.NoArgs,
		Long: `Run a whole cluster on this machine without root: nodes sip1, sip2, ... at sites
dc1, dc2, ..., ten DNs with known passwords, and links that can be cut. It runs
until Ctrl-C, and then removes its data unless --data-dir is given. While it runs
it is the current one of your contexts (sipcluster context list).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := c.dev(cmd.Context(), &f); err != nil {
				return fmt.Errorf("dev: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.nodes, "nodes", 3, "how many nodes, 1 to 8")
	flags.IntVar(&f.sites, "sites", 0, "how many sites the nodes are dealt out to; 0: each has its own")
	flags.IntVar(&f.sipPort, "sip-port", 5060, "SIP `PORT` of the first node; each further node's is 10 higher")
	flags.IntVar(&f.basePort, "base-port", defaultBasePort, "first `PORT` of the other listeners; each further node's are 10 higher")
	flags.StringVar(&f.bind, "bind", "127.0.0.1", "`IP` of every listener; with --insecure also an address of this machine's network, to let phones there register")
	flags.BoolVar(&f.insecure, "insecure", false, "ask nobody who he is: neither clients nor nodes; nothing is encrypted")
	flags.StringVar(&f.dataDir, "data-dir", "", "keep data and logs in `DIR`; default: a temporary one, removed at the end")
	flags.StringVar(&f.realm, "realm", "sipcluster", "SIP `DOMAIN` and digest realm")
	cmd.PersistentFlags().StringVar(&f.state, "state", statePath(), "`FILE` in which cut, heal and phone find the cluster")
	cmd.AddCommand(c.devCutCommand(&f.state), c.devHealCommand(&f.state), c.devPhoneCommand(&f.state))
	return cmd
}

func (f *devFlags) check() error {
	ip := net.ParseIP(f.bind)
	switch {
	case f.nodes < 1 || f.nodes > maxDevNodes:
		return console.Usagef("--nodes %d: want 1 to %d", f.nodes, maxDevNodes)
	case f.sites < 0 || f.sites > f.nodes:
		return console.Usagef("--sites %d: want 1 to %d, as many as there are nodes", f.sites, f.nodes)
	case f.sipPort < 1 || f.sipPort+10*f.nodes > 65535:
		return console.Usagef("--sip-port %d: want 1 to %d", f.sipPort, 65535-10*f.nodes)
	case f.basePort < 1 || f.basePort+90 > 65535:
		return console.Usagef("--base-port %d: want 1 to %d", f.basePort, 65535-90)
	case ip == nil || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
		return console.Usagef("--bind %s: want an IP address of this machine, not a link-local one", f.bind)
	case !ip.IsLoopback() && !f.insecure:
		return console.Usagef("--bind %s: the passwords of a dev cluster are known to everybody; add --insecure to let a network reach it all the same", f.bind)
	}
	return nil
}

// dev runs a cluster until the context ends.
func (c commands) dev(ctx context.Context, f *devFlags) error {
	nodes := layout(f.nodes, cmp.Or(f.sites, f.nodes), f.bind, f.sipPort, f.basePort)
	if err := checkPorts(nodes); err != nil {
		return err
	}
	d, err := newDevCluster(nodes, f.realm, f.dataDir)
	if err != nil {
		return err
	}
	d.insecure = f.insecure
	defer d.stop()
	state, err := claimState(f.state, d.nodes)
	if err != nil {
		return err
	}
	defer os.Remove(state.path)
	began := c.Now()
	if err := c.startDev(ctx, d); err != nil {
		d.keep = d.keep || ctx.Err() == nil // the logs say more
		return err
	}
	leave, err := c.enterContext(d, contextName(f))
	if err != nil {
		return err
	}
	defer leave()
	state.As = d.as
	if err := state.save(); err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "%s up after %v: %s\n", nodesWord(len(nodes)), c.Now().Sub(began).Round(100*time.Millisecond), "quorum reached, every link up")
	c.explainDev(d)
	c.watchDev(ctx, d)
	fmt.Fprintln(c.Out, "\nstopping the nodes")
	return nil
}

func nodesWord(n int) string {
	if n == 1 {
		return "1 node is"
	}
	return fmt.Sprintf("%d nodes are", n)
}

// startDev brings the cluster up with the demo DNs in it.
func (c commands) startDev(ctx context.Context, d *devCluster) error {
	p := c.Progress("")
	defer p.End()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.ready(ctx, p.Say); err != nil {
		return err
	}
	if err := d.createDNs(ctx); err != nil {
		return err
	}
	return d.configured(ctx, desktopDNs[len(desktopDNs)-1])
}

// watchDev tells of nodes that end, until the context does.
func (c commands) watchDev(ctx context.Context, d *devCluster) {
	ended := make(chan *devProcess)
	for _, p := range d.procs {
		go func() {
			<-p.done
			select {
			case ended <- p:
			case <-ctx.Done():
			}
		}()
	}
	for range d.procs {
		select {
		case <-ctx.Done():
			return
		case p := <-ended:
			if ctx.Err() == nil {
				fmt.Fprintf(c.Err, "%v\n", p.ended())
			}
		}
	}
}

// defaultBasePort is that of a server's own ports.
const defaultBasePort = 7000

// Demo DNs.
const (
	firstDN   = 1001
	demoDNs   = 10
	demoGroup = "demo"
	// desktopGroup are agents at telephones in the public network, who log in.
	desktopGroup = "desktop"
)

var desktopDNs = []string{"2001", "2002"}

func demoPassword(number string) string { return "demo" + number }

// createDNs creates the demo DNs that are not there yet.
func (d *devCluster) createDNs(ctx context.Context) error {
	cl, err := connect(d.as, d.nodes[0].TCAddr, 5*time.Second)
	if err != nil {
		return err
	}
	defer cl.Close()
	doc := &config.Document{Groups: []config.Group{{Name: demoGroup}, {Name: desktopGroup, LoginRequired: true}}}
	for i := range demoDNs {
		n := fmt.Sprint(firstDN + i)
		doc.DNs = append(doc.DNs, config.DN{DN: n, Kind: "sip", Password: demoPassword(n), Groups: []string{demoGroup}})
	}
	for i, n := range desktopDNs {
		doc.DNs = append(doc.DNs, config.DN{DN: n, Kind: "pstn", External: fmt.Sprintf("+155512345%02d", i), Groups: []string{desktopGroup}})
	}
	p := config.NewPlan()
	if err := cl.Export(ctx, &configpb.ExportRequest{}, p.Know); err != nil {
		return err
	}
	doc.DNs = p.OnlyNew(doc.DNs)
	if err := p.Compare(doc); err != nil || len(p.Mutations) == 0 {
		return err
	}
	return cl.Write(ctx, p.Mutations...)
}

// configured waits until the DN is known at every node.
func (d *devCluster) configured(ctx context.Context, number string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, p := range d.procs {
		cl, err := connect(d.as, p.node.TCAddr, time.Second)
		if err != nil {
			return err
		}
		err = poll(ctx, p.done, func() bool {
			_, err := cl.Config.GetDN(ctx, &configpb.GetDNRequest{Number: number})
			return err == nil
		})
		cl.Close()
		if err != nil {
			return fmt.Errorf("waiting for the demo DNs at node %s: %w", p.node.Name, err)
		}
	}
	return nil
}

// explainDev says in plain words what can be done now.
func (c commands) explainDev(d *devCluster) {
	t := &console.Table{Head: []string{"NODE", "SITE", "SIP", "TCPORT", "METRICS", "LOG"}}
	for _, n := range d.nodes {
		t.Add(console.Text(n.Name), console.Text(n.Site), console.Text(n.SIPAddr), console.Text(n.TCAddr), console.Text("http://"+n.HTTPAddr+"/metrics"), console.Text(n.Log))
	}
	fmt.Fprintln(c.Out)
	_ = c.Print(t)
	first := d.nodes[0]
	fmt.Fprintf(c.Out, `
DNs 1001 to 1010 are configured, passwords demo1001 to demo1010, group %s;
2001 and 2002 belong to agents with a telephone elsewhere, who log in, group %s.

Register a phone, at any node. For baresip, put one of these lines into
~/.baresip/accounts:
`, demoGroup, desktopGroup)
	for i, n := range d.nodes {
		dn := fmt.Sprint(firstDN + i)
		fmt.Fprintf(c.Out, "  <sip:%s@%s>;auth_user=%s;auth_pass=%s;outbound=\"sip:%s;transport=udp\"\n", dn, d.realm, dn, demoPassword(dn), n.SIPAddr)
	}
	fmt.Fprintf(c.Out, `For Linphone or another softphone: user name 1001, password demo1001,
domain %s, outbound proxy sip:%s, transport UDP.
For a browser phone (JsSIP, SIP.js): sip:1001@%s, server ws://%s
No phone at hand:  sipcluster dev phone 1001
An agent with a telephone elsewhere:  sipcluster agent hold 2001 --agent-id 7001

Look, from any node's side:
  sipcluster watch    --addr %s
  sipcluster status   --addr %s
`, d.realm, first.SIPAddr, d.realm, first.WSAddr, quoted(first.TCAddr), quoted(d.nodes[len(d.nodes)-1].TCAddr))
	if len(d.nodes) > 1 {
		fmt.Fprintf(c.Out, `
Cut a link and heal it:
  sipcluster dev cut %s %s
  sipcluster dev heal
`, first.Name, d.nodes[1].Name)
	}
	fmt.Fprintln(c.Out, "\nCtrl-C ends the cluster.")
}
