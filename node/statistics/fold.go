package statistics

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

const (
	// chunk is how many DNs are looked at under one hold of the lock.
	chunk = 512
	// rest is how long changes are left to gather that nobody waits for.
	rest = 50 * time.Millisecond
)

// Config of a Fold. All fields must be set.
type Config struct {
	Table   *dn.Table
	Calls   *call.Table
	Machine *fsm.Machine
}

// Fold keeps the sums of a node, from the first time that somebody asks for them.
type Fold struct {
	cfg Config
	// asked wakes Run.
	asked wake.Signal

	mu   sync.Mutex
	sums sums
	// passing are the DNs whose state is one for a time only, or may have been none at all by
	// the time that the table tells of it: a call has ended there, and the DN was busy yet.
	passing map[dn.Number]struct{}
	// at is what was read of each table, all of it once whole.
	at struct {
		dns, calls                        uint64
		dnsWhole, callsWhole, configWhole bool
	}
	// moved is closed when at changes; nil while nobody waits for that. hurry is closed
	// while somebody does.
	moved, hurry chan struct{}
}

// New makes a Fold that has seen nothing.
func New(cfg Config) *Fold {
	return &Fold{cfg: cfg, asked: wake.New(), sums: newSums(), passing: map[dn.Number]struct{}{}, hurry: make(chan struct{})}
}

// Run folds, from when somebody asks, until the context ends.
func (f *Fold) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.asked:
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.followConfig(ctx) })
	g.Go(func() error { return f.followDNs(ctx) })
	g.Go(func() error { return f.followCalls(ctx) })
	return g.Wait()
}

// followConfig looks at DNs whose configuration changed.
func (f *Fold) followConfig(ctx context.Context) error {
	w := f.cfg.Machine.Watch()
	defer w.Close()
	for {
		c, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if c.All || c.Nodes || c.Groups {
			f.lookAtAll()
		} else {
			f.look(len(c.DNs), func(i int) dn.Number { return dn.Number(c.DNs[i]) })
		}
		f.reached(func() { f.at.configWhole = true })
	}
}

// followDNs looks at DNs whose state changed.
func (f *Fold) followDNs(ctx context.Context) error {
	s := f.cfg.Table.Watch(feed.Position{})
	var buf []dn.Item
	for began, whole := 0, false; ; {
		var err error
		if buf, err = s.Next(ctx, buf[:0]); err != nil {
			return err
		}
		f.look(len(buf), func(i int) dn.Number { return buf[i].Status.Number })
		for i := range buf {
			switch buf[i].Kind {
			case feed.Started:
				began, whole = began+1, false
			case feed.EndOfSnapshot:
				if began > 1 { // what is gone has no row
					f.lookAtAll()
				}
				whole = true
			}
		}
		if whole { // a snapshot is of the head from its begin on
			f.reached(func() { f.at.dns, f.at.dnsWhole = s.Seq(), true })
			f.gather(ctx, len(buf))
		}
	}
}

// followCalls looks at the DNs that have part in calls, and at calls that wait.
func (f *Fold) followCalls(ctx context.Context) error {
	s := f.cfg.Calls.Watch(feed.Position{})
	var buf []call.Item
	for began, whole := 0, false; ; {
		var err error
		if buf, err = s.Next(ctx, buf[:0]); err != nil {
			return err
		}
		for i := range buf {
			switch it := &buf[i]; it.Kind {
			case feed.Started:
				began, whole = began+1, false
			case feed.Row:
				f.lookAtCall(it.Call.ID)
				f.look(len(it.Call.Parties), func(i int) dn.Number { return it.Call.Parties[i].DN })
			case feed.EndOfSnapshot:
				if began > 1 {
					f.lookAtAll()
				}
				whole = true
			case feed.Change:
				switch e := it.Event; {
				case e.Kind.Waiting():
					f.lookAtCall(e.Call)
				case e.Kind == call.Released || e.Kind == call.Abandoned:
					f.lookBehindCall(e.ThisDN)
				default:
					f.look(1, func(int) dn.Number { return e.ThisDN })
				}
			}
		}
		clear(buf)
		if whole {
			f.reached(func() { f.at.calls, f.at.callsWhole = s.Seq(), true })
			f.gather(ctx, len(buf))
		}
	}
}

// lookAtAll derives everything anew.
func (f *Fold) lookAtAll() {
	var all []dn.Number
	for d := range f.cfg.Machine.View().DNs("") {
		all = append(all, dn.Number(d.GetNumber()))
	}
	f.mu.Lock()
	for n := range walk.Map(&f.mu, f.sums.shares) {
		all = append(all, n)
	}
	calls := make([]call.ID, 0, len(f.sums.waits))
	for id := range walk.Map(&f.mu, f.sums.waits) {
		calls = append(calls, id)
	}
	f.mu.Unlock()
	f.look(len(all), func(i int) dn.Number { return all[i] })
	for _, id := range calls {
		f.lookAtCall(id)
	}
	f.forget()
}

// forget drops what is remembered of groups that are no more.
func (f *Fold) forget() {
	view := f.cfg.Machine.View()
	f.mu.Lock()
	defer f.mu.Unlock()
	for g := range walk.Map(&f.mu, f.sums.changed) {
		if g != "" && view.Group(g) == nil && f.sums.version-f.sums.changed[g] > chunk {
			delete(f.sums.changed, g)
		}
	}
}

// look derives the shares of n DNs anew, each under the lock, so that the last look is the
// newest.
func (f *Fold) look(n int, number func(int) dn.Number) {
	for from := 0; from < n; from += chunk {
		view := f.cfg.Machine.View()
		f.mu.Lock()
		for i := from; i < min(n, from+chunk); i++ {
			if x := number(i); x != "" {
				f.one(view, x, false)
			}
		}
		f.mu.Unlock()
	}
}

// lookBehindCall looks at a DN where a call has ended.
func (f *Fold) lookBehindCall(n dn.Number) {
	view := f.cfg.Machine.View()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.one(view, n, true)
}

// one derives the share of a DN anew. ended: a call has, there. The use of the DN ends behind
// that, and the table tells of no use that was over before it told of its begin.
func (f *Fold) one(view *fsm.View, n dn.Number, ended bool) {
	config := view.DN(string(n))
	if k := config.GetKind(); k != configpb.DNKind_DN_KIND_SIP && k != configpb.DNKind_DN_KIND_PSTN {
		f.sums.drop(n)
		delete(f.passing, n)
		return
	}
	st, _ := f.cfg.Table.Get(n)
	var c class
	c.state, c.reason = stateOf(&st, config, view.LoginRequired(config), st.Busy && f.cfg.Calls.Talks(n))
	if st.State == dn.InSrv {
		c.site = view.Node(string(st.Owner)).GetSite()
	}
	f.sums.put(n, c, config.GetGroups())
	if st.Reserved || st.CoolUntil != 0 || ended && st.Busy {
		f.passing[n] = struct{}{}
	} else {
		delete(f.passing, n)
	}
}

// pass looks again at the DNs whose state ends by itself: the owner tells of such an end
// when it is heard, the table knows it at once. The caller holds the lock.
func (f *Fold) pass() {
	view := f.cfg.Machine.View()
	for n := range f.passing {
		f.one(view, n, true)
	}
}

func (f *Fold) lookAtCall(id call.ID) {
	view := f.cfg.Machine.View()
	f.mu.Lock()
	defer f.mu.Unlock()
	c, up := f.cfg.Calls.Get(id)
	if !up || c.Queue == nil {
		f.sums.wait(id, nil)
		return
	}
	f.sums.wait(id, &Waiting{Queue: *c.Queue, ID: id, Node: c.Node, Site: view.Node(string(c.Node)).GetSite(), ANI: c.ANI, DNIS: c.DNIS})
}

// reached notes how far the tables were read.
func (f *Fold) reached(note func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	note()
	if f.moved != nil {
		close(f.moved)
		f.moved, f.hurry = nil, make(chan struct{})
	}
}

// gather lets changes come together, as long as nobody waits for them and those that were
// read last were few: to be woken for each costs more than to look at it.
func (f *Fold) gather(ctx context.Context, last int) {
	if last >= chunk {
		return
	}
	f.mu.Lock()
	hurry := f.hurry
	f.mu.Unlock()
	enough := time.NewTimer(rest)
	defer enough.Stop()
	select {
	case <-ctx.Done():
	case <-hurry:
	case <-enough.C:
	}
}

// settled waits until everything is folded that had happened at DNs and calls when it was
// called. The error is the context's.
func (f *Fold) settled(ctx context.Context) error {
	f.asked.Send()
	dns, calls := f.cfg.Table.Head(), f.cfg.Calls.Head()
	for {
		f.mu.Lock()
		at := &f.at
		if at.dnsWhole && at.callsWhole && at.configWhole && at.dns >= dns && at.calls >= calls {
			f.mu.Unlock()
			return nil
		}
		if f.moved == nil {
			f.moved = make(chan struct{})
			close(f.hurry)
		}
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// Rows are those of the groups that wanted says, of all that happened before, ordered by
// group and site, with the version of the sums. The first one to ask waits until
// everything was folded once.
func (f *Fold) Rows(ctx context.Context, wanted func(group string) bool) ([]Row, uint64, error) {
	if err := f.settled(ctx); err != nil {
		return nil, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass()
	return f.sums.rows(wanted), f.sums.version, nil
}

// Now are the rows of this moment; none before everything was folded once. It waits for
// nothing.
func (f *Fold) Now() []Row {
	f.asked.Send()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.dnsWhole || !f.at.callsWhole || !f.at.configWhole {
		return nil
	}
	f.pass()
	return f.sums.rows(func(string) bool { return true })
}

// Changed are the groups of which Rows says something else than at a version, and the rows
// that they have now.
func (f *Fold) Changed(since uint64, wanted func(group string) bool) (groups []string, rows []Row, version uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass()
	if f.sums.version == since {
		return nil, nil, since
	}
	of := map[string]bool{}
	for g, v := range f.sums.changed {
		if v > since && wanted(g) {
			of[g] = true
			groups = append(groups, g)
		}
	}
	slices.Sort(groups)
	return groups, f.sums.rows(func(g string) bool { return of[g] }), f.sums.version
}

// Waiting are the calls that wait, the oldest first.
func (f *Fold) Waiting(ctx context.Context) ([]Waiting, error) {
	if err := f.settled(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	out := make([]Waiting, 0, len(f.sums.waits))
	for _, w := range walk.Map(&f.mu, f.sums.waits) {
		out = append(out, w)
	}
	f.mu.Unlock()
	slices.SortFunc(out, func(a, b Waiting) int { return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}
