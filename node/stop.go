package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stopWithin is how long a node that was told to stop waits for its parts. Handing the
// lead over and ending what clients have asked for take less: what has not ended by
// then is in a call into the file system that does not come back.
const stopWithin = 4 * time.Second

// endWithin is how long its parts may take after that where every disk answers, on a
// machine that is merely slow: its sockets are closed by then.
const endWithin = 20 * time.Second

// ErrHung says that a node was stopped whose parts had not all ended: the process has
// to end now.
var ErrHung = errors.New("stopped without waiting any longer")

// Run takes part in the cluster until the context ends or something that the
// node can't do without fails. Then everything is closed, the last opened
// first; it must not be run again. A disk that does not answer does not hold it up:
// then it has closed all sockets, said goodbye to the peers, and returns ErrHung.
func (n *Node) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limit := time.NewTimer(stopWithin)
	defer limit.Stop()
	select {
	case err := <-ended:
		return err
	case <-limit.C:
	}
	n.disappear()
	limit.Reset(endWithin)
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for slow := true; slow && len(n.stalled()) == 0; {
		select {
		case err := <-ended:
			return err
		case <-limit.C:
			slow = false
		case <-look.C:
		}
	}
	return n.hung()
}

// disappear closes what others see of this node. Links have said goodbye when the
// context ended.
func (n *Node) disappear() {
	_ = n.sip.Close()
	for _, p := range n.clients {
		p.server.Stop()
		_ = p.in.Close()
	}
	_ = n.http.Close()
	n.port.Close()
	if group := n.leads.Load(); group != nil {
		group.Disconnect()
	}
}

// hung leaves what hangs to the end of the process.
func (n *Node) hung() error {
	what := "the data directory " + n.cfg.DataDir
	if stores := n.stalled(); len(stores) > 0 {
		what = strings.Join(stores, ", ")
	}
	return fmt.Errorf("%w: the disk of %s does not answer, and what was written last may be lost", ErrHung, what)
}

// stalled are the names of the stores whose disks do not answer.
func (n *Node) stalled() (names []string) {
	for _, d := range n.disks() {
		if d.Stalled() != nil && !slices.Contains(names, d.Store) {
			names = append(names, d.Store)
		}
	}
	return names
}
