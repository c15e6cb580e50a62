package dev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
)

// devCluster runs the nodes of a local cluster as processes of this program.
type devCluster struct {
	nodes []devNode
	realm string
	// dir holds logs and data; keep leaves it there at the end.
	dir   string
	keep  bool
	procs []*devProcess
	// insecure: nobody is asked who he is. Otherwise as is the administrator, as soon
	// as there is one.
	insecure bool
	as       *credential.Context
}

// devProcess is one node that was started.
type devProcess struct {
	node devNode
	cmd  *exec.Cmd
	// done is closed when it ended; err says how.
	done chan struct{}
	err  error
}

// newDevCluster gives the nodes their directories below dir, or below a
// temporary one that stop removes.
func newDevCluster(nodes []devNode, realm, dir string) (*devCluster, error) {
	d := &devCluster{nodes: nodes, realm: realm, dir: dir, keep: dir != ""}
	var err error
	if dir == "" {
		d.dir, err = os.MkdirTemp("", "sipcluster-")
	} else {
		err = os.MkdirAll(dir, 0o750)
	}
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	for i := range nodes {
		nodes[i].DataDir = filepath.Join(d.dir, nodes[i].Name)
		nodes[i].Log = filepath.Join(d.dir, nodes[i].Name+".log")
	}
	return d, nil
}

// start starts all nodes; the first one begins the cluster, and invites the others.
func (d *devCluster) start(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	// A child's death signal is bound to the thread that made it: keep it.
	runtime.LockOSThread()
	for i, n := range d.nodes {
		role, err := d.role(ctx, i)
		if err != nil {
			return err
		}
		p, err := startNode(exe, n, role)
		if err != nil {
			return fmt.Errorf("starting node %s: %w", n.Name, err)
		}
		d.procs = append(d.procs, p)
	}
	return d.admin(ctx)
}

// role is how the i-th node comes into the cluster.
func (d *devCluster) role(ctx context.Context, i int) ([]string, error) {
	n := d.nodes[i]
	switch {
	case d.insecure && i == 0:
		return []string{"--insecure", "--bootstrap", "--realm", d.realm}, nil
	case d.insecure:
		return []string{"--insecure", "--join", d.nodes[0].ClusterAddr}, nil
	case i == 0:
		return []string{"--bootstrap", "--realm", d.realm}, nil
	case member(n):
		return []string{"--join", d.nodes[0].ClusterAddr}, nil
	}
	file, err := d.invite(ctx, n)
	return []string{"--join", d.nodes[0].ClusterAddr, "--invite-file", file}, err
}

func startNode(exe string, n devNode, role []string) (*devProcess, error) {
	log, err := os.OpenFile(n.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	host, _, err := net.SplitHostPort(n.SIPAddr)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"server", "--dev", "--node", n.Name, "--site", n.Site, "--data-dir", n.DataDir, "--bind", host,
		"--sip-addr", n.SIPAddr, "--sip-ws-addr", n.WSAddr, "--default-addr", n.DefaultAddr, "--tc-addr", n.TCAddr,
		"--cluster-addr", n.ClusterAddr, "--gossip-addr", n.GossipAddr, "--http-addr", n.HTTPAddr,
	}, role...)
	p := &devProcess{node: n, cmd: exec.Command(exe, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = log, log, withoutSettings(os.Environ())
	p.cmd.SysProcAttr = childAttr()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// withoutSettings drops what is meant for one server, not for three.
func withoutSettings(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "SIPCLUSTER_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// ended says how a node that was started ended: in its own last words, which
// it has when it was not killed.
func (p *devProcess) ended() error {
	words := fmt.Sprint(p.err)
	b, _ := os.ReadFile(p.node.Log)
	if at := bytes.LastIndex(b, []byte("\nsipcluster: ")); at >= 0 && p.cmd.ProcessState.ExitCode() > 0 {
		words = string(bytes.TrimSpace(b[at+len("\nsipcluster: "):]))
	}
	return fmt.Errorf("node %s ended: %s (log: %s)", p.node.Name, words, p.node.Log)
}

// readyWithin bounds the start of a cluster.
const readyWithin = 60 * time.Second

// ready waits until every node has a quorum and hears all others.
func (d *devCluster) ready(ctx context.Context, tell func(string)) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, p := range d.procs {
		cl, err := connect(d.as, p.node.TCAddr, time.Second)
		if err != nil {
			return err
		}
		err = d.nodeReady(ctx, p, cl, tell)
		cl.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *devCluster) nodeReady(ctx context.Context, p *devProcess, cl *client.Client, tell func(string)) error {
	missing := "does not answer yet"
	err := poll(ctx, p.done, func() bool {
		if s, err := cl.Cluster.Status(ctx, &tcpb.StatusRequest{}); err == nil {
			missing = d.missing(s)
		}
		tell(fmt.Sprintf("node %s %s", p.node.Name, missing))
		return missing == ""
	})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errEnded):
		return p.ended()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("node %s %s after %v: see its log, %s", p.node.Name, missing, readyWithin, p.node.Log)
	}
	return err
}

// missing says what a node lacks to be a whole member; "" when nothing.
func (d *devCluster) missing(s *tcpb.StatusResponse) string {
	if !s.GetRaft().GetQuorum() || s.GetRaft().GetLeader() == "" {
		return "has no quorum yet"
	}
	heard := 0
	for _, p := range s.Peers {
		if p.Reachable {
			heard++
		}
	}
	if heard < len(d.nodes)-1 {
		return fmt.Sprintf("reaches %d of %d peers", heard, len(d.nodes)-1)
	}
	return ""
}

// errEnded says that what was waited on has ended.
var errEnded = errors.New("ended")

// poll asks until the answer is yes, the context ends, or ended is closed.
func poll(ctx context.Context, ended <-chan struct{}, yes func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return errEnded
		case <-tick.C:
		}
	}
	return nil
}

// stop ends the nodes in order, the last one first, and removes what is temporary.
func (d *devCluster) stop() {
	for i := len(d.procs) - 1; i >= 0; i-- {
		d.procs[i].stop()
	}
	if !d.keep {
		_ = os.RemoveAll(d.dir)
	}
}

// stop gives the node 10 s to end in good order.
func (p *devProcess) stop() {
	if p.cmd.Process.Signal(syscall.SIGTERM) != nil {
		_ = p.cmd.Process.Kill()
	}
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}
