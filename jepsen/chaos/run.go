package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/jepsen/broken"
	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
	"github.com/sipcluster/sipcluster/jepsen/nemesis"
	"github.com/sipcluster/sipcluster/jepsen/scenario"
	"github.com/sipcluster/sipcluster/jepsen/workload"
)

// Phases of a run around its faults.
const (
	warmUp   = 4 * time.Second
	recovery = 14 * time.Second // longer than the bound after a restart
	quiet    = 4 * time.Second  // longer than the bound of tables
)

// errCrash says that a server's log tells of a crash or a data race.
var errCrash = errors.New("a server crashed")

// run1 is one run of a scenario.
type run1 struct {
	options
	scenario scenario.Scenario
	seed     uint64
	// settled is how long it is left alone after the faults; 0: recovery.
	settled time.Duration
	dir     string
	cluster *cluster.Cluster
	record  *history.Recorder
	arena   *nemesis.Arena
	site    *workload.Site
	liars   *workload.Liars // of a secured cluster
	began   time.Time
}

// do makes the run, judges it and writes its report.
func (r *run1) do(ctx context.Context) (check.Verdict, error) {
	if r.nodes == 0 {
		r.nodes = max(r.scenario.Nodes, 3)
	}
	r.dir = filepath.Join(r.out, fmt.Sprintf("%s-%d-%d", r.scenario.Name, r.nodes, r.seed))
	if r.broken != "" {
		r.dir = filepath.Join(r.out, fmt.Sprintf("broken-%s-%d", r.broken, r.seed))
	}
	fmt.Printf("\n=== %s, seed %d, %d nodes, %v; to repeat: %s\n", r.scenario.Name, r.seed, r.nodes, r.length, r.repeat())
	if err := errors.Join(os.RemoveAll(r.dir), os.MkdirAll(r.dir, 0o755)); err != nil {
		return check.Verdict{}, err
	}
	err := r.live(ctx)
	if ctx.Err() != nil {
		return check.Verdict{}, ctx.Err()
	}
	if err != nil {
		fmt.Println("    ERROR:", err)
	}
	v, judgeErr := judge(r.dir)
	return v, errors.Join(err, judgeErr)
}

func (r *run1) repeat() string {
	s := fmt.Sprintf("make jepsen SCENARIO=%s SEED=%d NODES=%d FOR=%v", r.scenario.Name, r.seed, r.nodes, r.length)
	if r.broken != "" {
		s = fmt.Sprintf("go run ./jepsen/chaos -broken %s -seed %d", r.broken, r.seed)
	}
	return s
}

// say tells a person what happens, on the terminal and in the history.
func (r *run1) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Printf("  %6.1f s  %s\n", time.Since(r.began).Seconds(), text)
}

func (r *run1) note(text string) {
	r.record.Note(text)
	r.say("-- %s", text)
}

// live is the run from the first process to the last one.
func (r *run1) live(ctx context.Context) (err error) {
	r.began = time.Now()
	if r.scenario.Clocks && r.broken == "" {
		if r.binary, err = broken.Clock().Build(r.dir); err != nil {
			return err
		}
	}
	next := ""
	if r.scenario.Upgrades {
		if next, err = broken.Next(broken.Find(r.broken)).Build(r.dir); err != nil {
			return err
		}
	}
	args, err := r.serverArgs()
	if err != nil {
		return err
	}
	r.cluster, err = cluster.New(ctx, cluster.Config{Nodes: r.nodes + r.scenario.Spares, Binary: r.binary, Dir: r.dir, Args: args, Secured: r.scenario.Secured, Movable: r.scenario.Movable, Lines: r.scenario.Trip > 0})
	if err != nil {
		return err
	}
	defer func() {
		if crash := r.cluster.Close(); crash != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", errCrash, crash))
		}
	}()
	r.record, err = history.Create(filepath.Join(r.dir, "history.jsonl"), r.header())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.record.Close()) }()
	r.arena = &nemesis.Arena{Cluster: r.cluster, Record: r.record, Say: r.say, Next: next, Trip: r.scenario.Trip}
	defer r.arena.Close()
	r.arena.SpareFrom(r.nodes)
	if err := r.setUp(ctx); err != nil {
		return fmt.Errorf("set-up: %w", err)
	}
	defer r.site.Close()
	return r.use(ctx)
}

func (r *run1) header() history.Header {
	h := history.Header{
		Scenario: r.scenario.Name, Seed: r.seed, Repeat: r.repeat(), Bounds: history.Far(r.scenario.Trip),
		Expect: history.Expect{
			OK: []history.AtLeast{
				{Kind: history.Register, Count: 20}, {Kind: history.Read, Count: 10},
				{Kind: history.Swap, Count: 5}, {Kind: history.Add, Count: 5},
				{Kind: history.RegisterAddress, Count: 5}, {Kind: history.Agent, Count: 5}, {Kind: history.Reserve, Count: 5},
				{Kind: history.Dial, Count: 5}, {Kind: history.Within, Count: 5},
			},
			Unknown: r.scenario.Unknown, LeaderChanges: r.scenario.LeaderChanges,
			Polls: int(r.length / time.Second), Items: 10,
		},
		Tools: []history.Tool{{Name: "sipcluster", Version: version(r.binary)}},
	}
	h.Expect.Seen = r.sights()
	if r.scenario.Carriers {
		h.Expect.OK, h.Expect.Items = carriersExpect(), 0
	} else {
		h.Expect.OK = append(h.Expect.OK, history.AtLeast{Kind: history.Sample, Count: 10})
	}
	if len(r.scenario.Tracks) > 0 {
		h.Expect.Faults = 1
	}
	for _, n := range r.cluster.Nodes() {
		h.Nodes = append(h.Nodes, history.Node{Name: n.Name(), Site: n.Site()})
	}
	return h
}

// use puts clients on the cluster, breaks it, lets it recovery and reads what
// is left.
func (r *run1) use(ctx context.Context) error {
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	watching := r.watch(watchCtx)
	workCtx, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	working := r.work(workCtx)

	wait(ctx, warmUp)
	r.note("faults begin")
	broken := r.breakIt(ctx)
	r.note("faults are over")
	if broken == nil {
		r.settle(ctx)
	}
	stopWorking()
	err := errors.Join(broken, working.Wait())
	r.note("quiet")
	wait(ctx, quiet)
	if !r.scenario.Carriers {
		err = errors.Join(err, r.sample(ctx))
	}
	for _, n := range r.cluster.Nodes()[:r.nodes] {
		if dumpErr := r.site.Dump(ctx, n, true); dumpErr != nil {
			r.say("dump of %s: %v", n.Name(), dumpErr)
		}
	}
	stopWatching()
	return errors.Join(err, watching.Wait())
}

// settle gives the cluster time to be whole again.
func (r *run1) settle(ctx context.Context) {
	if _, err := r.cluster.WaitWhole(ctx, recovery); err != nil {
		r.say("not whole: %v", err)
	}
	settled := r.settled
	if settled == 0 {
		settled = recovery
	}
	wait(ctx, settled)
}

// breakIt plays all tracks of the scenario until the time is over.
func (r *run1) breakIt(ctx context.Context) error {
	end := time.Now().Add(r.length)
	g, gctx := errgroup.WithContext(ctx)
	for i, t := range r.scenario.Tracks {
		g.Go(func() error { return r.play(gctx, t, rand.New(rand.NewPCG(r.seed, uint64(i)+1)), end) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	wait(ctx, time.Until(end))
	return ctx.Err()
}

func (r *run1) play(ctx context.Context, t scenario.Track, random *rand.Rand, end time.Time) error {
	for ctx.Err() == nil {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		n := nemesis.Find(t.Nemeses[random.IntN(len(t.Nemeses))])
		err := n.Attack(ctx, r.arena, random, t.Hold(random, left))
		if err != nil && !errors.Is(err, nemesis.ErrBusy) {
			return err
		}
		wait(ctx, min(t.Pause(random), max(0, time.Until(end))))
	}
	return nil
}

// wait lets time pass: here its length is what is tested.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// group is a set of clients that run until their context ends.
type group struct {
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (g *group) run(fn func() error) {
	g.wg.Go(func() {
		if err := fn(); err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
		}
	})
}

// Wait returns what the clients could not do, as clients.
func (g *group) Wait() error {
	g.wg.Wait()
	return errors.Join(g.errs...)
}

// version is what the program says of itself.
func version(binary string) string {
	out, err := command(binary, "version")
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(out, "\n")
	return strings.TrimPrefix(line, "sipcluster ")
}
