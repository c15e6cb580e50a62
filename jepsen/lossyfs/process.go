package lossyfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// Process is a lossyd that serves a file system at a directory.
type Process struct {
	mu      sync.Mutex
	cmd     *exec.Cmd
	in      io.Closer
	orders  *json.Encoder
	answers *json.Decoder
	// ended lets the thread go that has started it.
	ended chan struct{}
	end   func()
}

// Missing is what this machine lacks to mount a file system; "" for nothing.
func Missing() string {
	if os.Getuid() != 0 {
		return "it needs root"
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	_ = f.Close()
	return ""
}

// Build builds lossyd into dir and returns its path.
func Build(dir string) (string, error) {
	path := filepath.Join(dir, "lossyd")
	out, err := exec.Command("go", "build", "-o", path, "github.com/sipcluster/sipcluster/jepsen/lossyfs/lossyd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building lossyd: %w: %s", err, out)
	}
	return path, nil
}

// Start has lossyd, which is at path, mount an empty file system at dir. start starts
// the command: so it may be in other namespaces.
func Start(path, dir string, start func(*exec.Cmd) error) (*Process, error) {
	cmd := exec.Command(path, dir)
	cmd.Stderr = os.Stderr
	// Ctrl-C ends whoever has started it; then the input ends. A process that is killed
	// while it waits for a frozen file system can't close it: it goes on when lossyd ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, in: in, orders: json.NewEncoder(in), answers: json.NewDecoder(out), ended: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ended) })
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig means the thread, which Go ends when it likes
		defer runtime.UnlockOSThread()
		err := start(cmd)
		started <- err
		if err == nil {
			<-p.ended
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	var ready answer
	if err := p.answers.Decode(&ready); err != nil {
		return nil, errors.Join(fmt.Errorf("lossyd did not start: %w", err), p.Close())
	}
	return p, nil
}

func (p *Process) ask(o order) (answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a answer
	if err := errors.Join(p.orders.Encode(o), p.answers.Decode(&a)); err != nil {
		return a, fmt.Errorf("lossyd: %w", err)
	}
	if a.Err != "" {
		return a, errors.New(a.Err)
	}
	return a, nil
}

// Freeze has whoever writes or syncs wait from now on, or go on; reading always does.
func (p *Process) Freeze(on bool) error {
	_, err := p.ask(order{Freeze: &on})
	return err
}

// Close unmounts the file system: whoever waits for it gets an error.
func (p *Process) Close() error {
	defer p.end()
	if err := errors.Join(p.in.Close(), p.cmd.Wait()); err != nil {
		return fmt.Errorf("lossyd: %w", err)
	}
	return nil
}
