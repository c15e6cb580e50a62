package cluster

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// MountDisk puts an empty file system that can be frozen on the node's data directory;
// lossyd is the program that serves it. Namespace mode only.
func (n *Node) MountDisk(lossyd string) (err error) {
	if !n.place.apart {
		return errors.New("a file system of its own needs namespace mode")
	}
	n.disk, err = lossyfs.Start(lossyd, n.DataDir(), n.place.Start)
	if err == nil {
		n.cluster.closers = append(n.cluster.closers, func() { _ = n.disk.Close() })
	}
	return err
}

// Freeze has whoever writes to the node's disk wait, kill -9 or not, or lets them go on.
func (n *Node) Freeze(on bool) error {
	if n.disk == nil {
		return nil
	}
	return n.disk.Freeze(on)
}

// frozenFor is how long a write that does not come back is waited for.
const frozenFor = 300 * time.Millisecond

// TouchDisk returns nil when a file could be made in the node's data directory in time.
func (n *Node) TouchDisk(ctx context.Context) error {
	cmd := exec.Command("touch", filepath.Join(n.DataDir(), "touched"))
	if err := n.place.Start(cmd); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }() // when the disk goes on, at the latest with the file system
	limit := time.NewTimer(frozenFor)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		return fmt.Errorf("node %s: the disk did not answer within %v", n.name, frozenFor)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Closed returns nil when nobody listens at the node's ports, whether its process is
// still there or not.
func (n *Node) Closed(ctx context.Context) error {
	for _, k := range []Kind{SIP, DefaultPort, TCPort, ClusterPort, HTTPPort} {
		conn, err := n.place.Dial(ctx, "tcp4", n.Addr(k).String())
		if err == nil {
			_ = conn.Close()
			return fmt.Errorf("%v is open", n.Addr(k))
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
	}
	return nil
}
