package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// Node is one server of the cluster: its place, its data directory and, while
// it runs, its process.
type Node struct {
	cluster       *Cluster
	name, site    string
	dir           string
	place, phones *Place
	ports         [kinds]uint16
	inner         atomic.Pointer[netip.Addr] // for what nodes say to each other; nil: as the place
	conn          *grpc.ClientConn
	disk          *lossyfs.Process // nil: the data directory is a plain one
	binary        string           // "": the cluster's
	joins         bool             // it joins although it is the first
	mu            sync.Mutex
	proc          *process // the latest one; nil before the first start
	judged        int      // how much of the log Faults has seen
}

// process is a server from its start to its end.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of Wait; set before ended is closed
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Name of the node.
func (n *Node) Name() string { return n.name }

// Site of the node.
func (n *Node) Site() string { return n.site }

// Peers are all the nodes of the cluster, this one included.
func (n *Node) Peers() []*Node { return n.cluster.Nodes() }

// DataDir is the node's data directory.
func (n *Node) DataDir() string { return filepath.Join(n.dir, "data") }

// Place is where the node runs.
func (n *Node) Place() *Place { return n.place }

// Phones is a place in the node's site, for phones that reach it also when
// the site is cut off.
func (n *Node) Phones() *Place { return n.phones }

// Addr is the address of one of the node's ports.
func (n *Node) Addr(k Kind) netip.AddrPort {
	if inner := n.inner.Load(); inner != nil && (k == ClusterPort || k == GossipPort) {
		return netip.AddrPortFrom(*inner, n.ports[k])
	}
	return netip.AddrPortFrom(n.place.addr, n.ports[k])
}

// Start starts the node and waits until it answers: the first node bootstraps
// the cluster, the others join one that runs; a node that belongs to a cluster
// already goes on in it.
func (n *Node) Start(ctx context.Context, args ...string) error {
	if err := n.Launch(args...); err != nil {
		return err
	}
	return n.WaitReady(ctx)
}

// Use has the node run that program from its next start on; "" is the cluster's.
func (n *Node) Use(binary string) { n.binary = binary }

// Joins has the node join the others when it starts without data, also the first one.
func (n *Node) Joins() { n.joins = true }

// Launch starts the process and waits for nothing.
func (n *Node) Launch(args ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.proc != nil && n.proc.running() {
		return fmt.Errorf("node %s runs already", n.name)
	}
	if n.cluster.cfg.Secured {
		if err := n.invite(); err != nil {
			return err
		}
	}
	logFile, err := os.OpenFile(n.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }()
	cmd := exec.Command(cmp.Or(n.binary, n.cluster.cfg.Binary), append(n.arguments(), args...)...)
	cmd.Env = n.cluster.environment()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := n.place.Start(cmd); err != nil {
		return fmt.Errorf("start node %s: %w", n.name, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	n.proc = p
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return nil
}

func (n *Node) arguments() []string {
	args := []string{"server", "--node", n.name, "--site", n.site,
		"--data-dir", n.DataDir(), "--bind", n.place.addr.String()}
	if !n.cluster.cfg.Secured && n.cluster.insecure() {
		args = append(args, "--insecure")
	}
	if n.cluster.net == nil {
		for k, flag := range flagOfKind {
			args = append(args, flag, fmt.Sprintf(":%d", n.ports[k]))
		}
	}
	if n.inner.Load() != nil {
		for _, k := range []Kind{ClusterPort, GossipPort} {
			args = append(args, flagOfKind[k], n.Addr(k).String())
		}
	}
	nodes := n.cluster.Nodes()
	if nodes[0] == n && !n.joins {
		args = append(args, "--bootstrap")
	} else {
		for _, other := range nodes {
			if other.name != n.name {
				args = append(args, "--join", other.Addr(ClusterPort).String())
			}
		}
		if n.cluster.cfg.Secured {
			args = append(args, "--invite-file", n.inviteFile())
		}
	}
	return append(args, n.cluster.cfg.Args...)
}

// Running tells whether the node's process is there (a paused one is).
func (n *Node) Running() bool {
	p := n.process()
	return p != nil && p.running()
}

func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// PID of the node's process; 0 when it does not run.
func (n *Node) PID() int {
	if p := n.process(); p != nil && p.running() {
		return p.cmd.Process.Pid
	}
	return 0
}

// Kill9 ends the node's process at once and waits until it is gone.
func (n *Node) Kill9() {
	if p := n.process(); p != nil && p.running() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// ErrStopTooSlow says that a node did not end in time after SIGTERM.
var ErrStopTooSlow = errors.New("did not end in time after SIGTERM")

// Stop sends SIGTERM and waits at most that long. The error is that of a node
// which did not end (it is killed then) or not with exit code 0.
func (n *Node) Stop(within time.Duration) error {
	p := n.process()
	if p == nil || !p.running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-timer.C:
		n.Kill9()
		return fmt.Errorf("node %s: %w (%v)", n.name, ErrStopTooSlow, within)
	}
}

// Terminate sends SIGTERM and waits for nothing.
func (n *Node) Terminate() error { return n.signal(syscall.SIGTERM) }

// Pause stops the node's process as it stands (SIGSTOP); Resume lets it go on.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(s syscall.Signal) error {
	p := n.process()
	if p == nil || !p.running() {
		return fmt.Errorf("node %s does not run", n.name)
	}
	return p.cmd.Process.Signal(s)
}

// Restart kills the node if it runs, starts it and waits until it answers.
func (n *Node) Restart(ctx context.Context) error {
	n.Kill9()
	return n.Start(ctx)
}

// Goroutines ends the node's process (SIGQUIT) and returns what it then printed:
// the stacks of all its goroutines, for a node that hangs.
func (n *Node) Goroutines() string {
	before := len(n.Logs())
	p := n.process()
	if p == nil || n.signal(syscall.SIGQUIT) != nil {
		return ""
	}
	timer := time.AfterFunc(5*time.Second, n.Kill9)
	<-p.ended
	timer.Stop()
	return n.Logs()[before:]
}

// Exited returns a channel that closes when the present process ends, and the
// exit code after that.
func (n *Node) Exited() (<-chan struct{}, func() int) {
	p := n.process()
	return p.ended, func() int { <-p.ended; return p.cmd.ProcessState.ExitCode() }
}

// LogFile is what the node printed, over all its starts.
func (n *Node) LogFile() string { return filepath.Join(n.dir, "log") }

// Logs returns what the node printed, over all its starts.
func (n *Node) Logs() string {
	b, err := os.ReadFile(n.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// LogTail returns the last lines of the log.
func (n *Node) LogTail(lines int) string { return lastLines(n.Logs(), lines) }

var fault = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: )`)

// Faults returns an error when the node's log tells of a data race or a crash
// since the last call.
func (n *Node) Faults() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	log := n.Logs()
	fresh := log[min(n.judged, len(log)):]
	n.judged = len(log)
	at := fault.FindStringIndex(fresh)
	if at == nil {
		return nil
	}
	return fmt.Errorf("node %s:\n%.6000s", n.name, fresh[at[0]:])
}
