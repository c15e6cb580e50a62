package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Place is a host of the test network: processes run in it and sockets open in
// it. In namespace mode it is a network and mount namespace that nothing but
// one thread of this process and the processes started here hold. So nothing
// of it is left when they are gone, however this process ends.
type Place struct {
	name  string
	addr  netip.Addr
	site  string
	apart bool // a namespace of its own
	tid   int
	netns int // file descriptor; -1 in loopback mode
	calls chan func()
	close sync.Once
}

// ErrPlaceClosed says that the place's cluster was closed.
var ErrPlaceClosed = errors.New("this host of the test network is closed")

func newPlace(name, site string, addr netip.Addr, apart bool) (*Place, error) {
	p := &Place{name: name, site: site, addr: addr, apart: apart, netns: -1, calls: make(chan func())}
	ready := make(chan error)
	go p.run(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("namespace for %s: %w", name, err)
	}
	return p, nil
}

// run is the thread of the place. It is never unlocked: the thread ends with
// the goroutine, the namespace with the thread. Processes are forked from it,
// so that they are in the namespace and get their death signal when this
// process ends, not when some idle thread does.
func (p *Place) run(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The main thread can't end before the process does: leave it to others.
		moved := make(chan error)
		go p.run(moved)
		ready <- <-moved
		runtime.UnlockOSThread()
		return
	}
	if err := p.setUp(); err != nil {
		ready <- err
		return
	}
	ready <- nil
	for call := range p.calls {
		call()
	}
	if p.netns >= 0 {
		_ = unix.Close(p.netns)
	}
}

func (p *Place) setUp() error {
	p.tid = unix.Gettid()
	if !p.apart {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare (needs root): %w", err)
	}
	// Mounts made here must not show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	var err error
	p.netns, err = unix.Open(p.netnsPath(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return err
}

func (p *Place) netnsPath() string {
	return fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), p.tid)
}

// Name of the place.
func (p *Place) Name() string { return p.name }

// IP is the place's address in the test network.
func (p *Place) IP() netip.Addr { return p.addr }

// Site to which the place belongs: a cut between sites cuts it off, too. ""
// is no site: such a place reaches all the others through every cut.
func (p *Place) Site() string { return p.site }

// Start starts a prepared command in the place. The process gets SIGKILL when
// this process ends.
func (p *Place) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return p.Do(cmd.Start)
}

// Exec runs a command in the place and returns its output and errors together.
// The process is killed when ctx ends.
func (p *Place) Exec(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	return p.output(cmd)
}

func (p *Place) output(cmd *exec.Cmd) (string, error) {
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := p.Start(cmd); err != nil {
		return "", err
	}
	err := cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%s at %s: %w: %s", cmd.Path, p.name, err, lastLines(out.String(), 20))
	}
	return out.String(), err
}

// Do runs fn on the thread of the place: files that it opens and mounts that
// it makes are those of the processes here. fn must not block for long and
// must not start goroutines that need the namespace.
func (p *Place) Do(fn func() error) (err error) {
	defer func() {
		if recover() != nil { // send on a closed channel
			err = ErrPlaceClosed
		}
	}()
	result := make(chan error, 1)
	p.calls <- func() { result <- fn() }
	return <-result
}

// Dial connects from the place. addr must be numeric.
func (p *Place) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = p.enter(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// ListenPacket opens a UDP socket at the place; port 0 means any.
func (p *Place) ListenPacket(ctx context.Context, port uint16) (conn net.PacketConn, err error) {
	err = p.enter(func() error {
		var l net.ListenConfig
		conn, err = l.ListenPacket(ctx, "udp4", netip.AddrPortFrom(p.addr, port).String())
		return err
	})
	return conn, err
}

// Listen opens a TCP listener at the place; port 0 means any.
func (p *Place) Listen(ctx context.Context, port uint16) (ln net.Listener, err error) {
	err = p.enter(func() error {
		var l net.ListenConfig
		ln, err = l.Listen(ctx, "tcp4", netip.AddrPortFrom(p.addr, port).String())
		return err
	})
	return ln, err
}

// Visit runs fn in the network of the place: the sockets that it opens belong
// there, those of goroutines that it starts do not.
func (p *Place) Visit(fn func() error) error { return p.enter(fn) }

// enter runs fn on a thread that visits the namespace. A socket belongs to the
// namespace in which it was opened, whichever thread uses it later.
func (p *Place) enter(fn func() error) error {
	if !p.apart {
		return fn()
	}
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = unix.Close(home) }()
	if err := unix.Setns(p.netns, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return ErrPlaceClosed
	}
	err = fn()
	if unix.Setns(home, unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread() // otherwise the thread ends with its goroutine
	}
	return err
}

// MountTmpfs puts an empty file system of the given size (bytes) on dir, seen
// only by processes that are started here. Namespace mode only.
func (p *Place) MountTmpfs(dir string, size int) error {
	if !p.apart {
		return errors.New("a file system of its own needs namespace mode")
	}
	return p.Do(func() error {
		return unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	})
}

// Close ends the place's thread. The namespace goes when its processes have ended.
func (p *Place) Close() {
	p.close.Do(func() { close(p.calls) })
}
