package nemesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/line"
)

// Arena is what nemeses act on: a cluster whose run is recorded.
type Arena struct {
	Cluster *cluster.Cluster
	Record  *history.Recorder
	// Say tells a person what happens.
	Say func(format string, args ...any)
	// Next is a program that knows one feature level more; "" where none is used.
	Next string
	// Trip is the longest round trip between nodes in this run.
	Trip time.Duration

	usual  line.Path // see Stretch
	prober prober
	mu     sync.Mutex
	taken  map[*cluster.Node]bool
	cut    map[cluster.Way]int
	ending map[<-chan struct{}]bool // by what closes with a process: somebody ends that
	closed bool
	out    map[*cluster.Node]bool // not of the cluster now
	newer  map[*cluster.Node]bool // runs the next program
}

// Play injects a strike, has it confirmed, holds it, heals it and waits until
// that is confirmed, too. All of it is recorded. A cut that the prober did not
// confirm stays unconfirmed in the history; an error is something that ends
// the run: a node that does not start, a tool that fails.
func (a *Arena) Play(ctx context.Context, s Strike) error {
	a.take(&s, 1)
	defer a.take(&s, -1)
	a.Say("%s %s", s.Nemesis, s.Params)
	id := a.Record.Inject(history.Fault{Nemesis: s.Nemesis, Params: s.Params, Effect: s.Effect})
	if err := s.inject(ctx); err != nil {
		return fmt.Errorf("%s: inject: %w", s.Nemesis, err)
	}
	if err := s.confirm(ctx); err == nil {
		a.Record.Phase(id, history.Confirmed)
	} else if ctx.Err() == nil {
		a.Say("%s: not confirmed: %v", s.Nemesis, err)
	}
	if s.during == nil {
		s.during = func(ctx context.Context, hold time.Duration) error { wait(ctx, hold); return nil }
	}
	if err := s.during(ctx, s.Hold); err != nil {
		return fmt.Errorf("%s %s: %w", s.Nemesis, s.Params, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.Record.Phase(id, history.Heal)
	if err := s.heal(ctx); err != nil {
		return fmt.Errorf("%w: %s %s: %w", ErrNotHealed, s.Nemesis, s.Params, err)
	}
	a.take(&s, 0)
	if err := s.healed(ctx); err != nil {
		return fmt.Errorf("%w: %s %s: %w", ErrNotHealed, s.Nemesis, s.Params, err)
	}
	a.Record.Phase(id, history.Healed)
	a.Say("%s healed", s.Nemesis)
	return nil
}

// take counts what a strike has in its hands: 1 at its begin, 0 when its ways
// are open again, -1 at its end.
func (a *Arena) take(s *Strike, step int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut == nil {
		a.cut = map[cluster.Way]int{}
	}
	for _, w := range s.ways {
		if step == 1 {
			a.cut[w]++
		} else if s.shut {
			a.cut[w]--
		}
	}
	s.shut = step == 1
	if step == -1 {
		for _, n := range s.nodes {
			delete(a.taken, n)
		}
	}
}

// open are those ways that no strike has cut at present.
func (a *Arena) open(ways []cluster.Way) []cluster.Way {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ways), func(w cluster.Way) bool { return a.cut[w] > 0 })
}

// running are the nodes whose processes no strike has in its hands.
func (a *Arena) running() []*cluster.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(a.Cluster.Nodes(), func(n *cluster.Node) bool { return a.taken[n] || !n.Running() })
}

// ErrNotHealed says that a fault could not be undone: a node does not start, a
// port stays shut.
var ErrNotHealed = errors.New("not healed")

// ErrBusy says that a nemesis finds no node or no room for itself now.
var ErrBusy = errors.New("nothing left to break now")

// claim takes the nodes' processes for a strike.
func (a *Arena) claim(nodes ...*cluster.Node) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken == nil {
		a.taken = map[*cluster.Node]bool{}
	}
	for _, n := range nodes {
		if a.taken[n] {
			return ErrBusy
		}
	}
	for _, n := range nodes {
		a.taken[n] = true
	}
	return nil
}

// release gives nodes back that no strike came to take.
func (a *Arena) release(nodes ...*cluster.Node) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range nodes {
		delete(a.taken, n)
	}
}

// Leader asks the nodes who leads; nil when nobody says.
func (a *Arena) Leader(ctx context.Context) *cluster.Node {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, n := range a.running() {
		if s, err := n.Status(ctx); err == nil && s.GetRaft().GetState() == "leader" {
			return n
		}
	}
	return nil
}

// wait lets a fault last: here its length is what is tested.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// PairsOf are the ways as the history names them.
func pairsOf(ways []cluster.Way) []history.Pair {
	out := make([]history.Pair, len(ways))
	for i, w := range ways {
		out[i] = history.Pair{From: w.From.Name(), To: w.To.Name()}
	}
	return out
}

// both are all ways between two groups of nodes, there and back.
func both(a, b []*cluster.Node) []cluster.Way {
	var ways []cluster.Way
	for _, x := range a {
		for _, y := range b {
			if x != y {
				ways = append(ways, cluster.Way{From: x, To: y}, cluster.Way{From: y, To: x})
			}
		}
	}
	return ways
}

func names(nodes ...*cluster.Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.Name()
	}
	return out
}
