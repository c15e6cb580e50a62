package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/node"
)

// openWithin is how long a node that was told to stop while it opens its stores may
// take for that.
const openWithin = 4 * time.Second

// open makes a node, unless the process is told to end meanwhile: a disk that does not
// answer holds up nobody for ever.
func open(ctx context.Context, config node.Config) (*node.Node, error) {
	type opened struct {
		n   *node.Node
		err error
	}
	done := make(chan opened, 1)
	go func() {
		n, err := node.New(ctx, config)
		done <- opened{n, err}
	}()
	select {
	case o := <-done:
		return o.n, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.n, o.err
	case <-time.After(openWithin):
		return nil, fmt.Errorf("%w: the disk of %s does not answer", node.ErrHung, config.DataDir)
	}
}

// closeSockets closes every socket of a process that has to end while one of its
// threads is in a call that does not come back: until that one returns the kernel
// keeps the process, and with it each socket that is open.
func closeSockets(err error) {
	if !errors.Is(err, node.ErrHung) {
		return
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	files, _ := os.ReadDir("/proc/self/fd")
	for _, f := range files {
		fd, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && fd > unix.Stderr {
			_ = unix.Shutdown(fd, unix.SHUT_RDWR) // wakes who reads
			_ = unix.Dup3(null, fd, unix.O_CLOEXEC)
		}
	}
}
