package location_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// lostAtMost is what README promises of a power failure; after a failed fsync
// the next one has to succeed for that.
const lostAtMost, lostAfterFault = time.Second, 2*time.Second + 100*time.Millisecond

// thorough is for a night: more power failures, at more operations.
var thorough = flag.Int("thorough", 1, "times as many power failures")

// said is a state of a DN that was put; claim 0 is a Delete.
type said struct {
	claim int64
	real  time.Duration // lossyfs.Now when Flush had returned, 0 before
	fake  time.Duration // the bubble's time then
}

// ledger knows what a store was told, and when that was acknowledged.
type ledger struct {
	dir    string // of the node, in the mount
	lost   time.Duration
	mu     sync.Mutex
	began  time.Time
	claim  int64
	dns    map[dn.Number][]said
	ticks  []said // real and fake time
	floors []said
	// incarnation is that of the store since opened.
	incarnation uint64
	opened      time.Duration
	failures    int // of the power, judged
}

func newLedger() *ledger {
	return &ledger{dir: "node", lost: lostAtMost, began: time.Now(), dns: map[dn.Number][]said{}}
}

// tell puts or deletes a DN, flushes, and notes the acknowledgement. A store
// that can't write acknowledges nothing.
func (l *ledger) tell(s *location.Store, n dn.Number, gone bool) {
	l.claim++
	x := said{claim: l.claim}
	if gone {
		x.claim = 0
		s.Delete(n)
	} else {
		s.Put(&location.Entry{
			Record:   dn.Record{Number: n, ClaimTime: l.claim, State: dn.InSrv, Reason: dn.Registered},
			Bindings: []location.Binding{{Contact: "sip:" + string(n) + "@192.0.2.7", CallID: "c", Expires: time.Now().Add(time.Hour)}},
		})
	}
	err := s.Flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		x.real, x.fake = lossyfs.Now(), time.Since(l.began)
	}
	l.dns[n] = append(l.dns[n], x)
}

// raise has the store remember a claim of somebody else's.
func (l *ledger) raise(s *location.Store) {
	l.claim++
	s.Raise(l.claim)
	if s.Flush() == nil {
		l.floors = append(l.floors, said{l.claim, lossyfs.Now(), time.Since(l.began)})
	}
}

// find notes what a store has when it was opened: durable all of it.
func (l *ledger) find(s *location.Store) {
	l.opened, l.incarnation, l.claim = lossyfs.Now(), s.Meta().Incarnation, s.Meta().Floor
	s.Range(func(e *location.Entry) bool {
		l.dns[e.Record.Number] = []said{{claim: e.Record.ClaimTime, real: l.opened, fake: -time.Hour}}
		return true
	})
}

func (l *ledger) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticks = append(l.ticks, said{real: lossyfs.Now(), fake: time.Since(l.began)})
}

// fakeAt is a time of the bubble that was past when an image was taken.
func (l *ledger) fakeAt(real time.Duration) (at time.Duration) {
	for _, x := range l.ticks {
		if x.real <= real {
			at = x.fake
		}
	}
	return at
}

// judge opens what an image left and compares it with what may be there.
func (l *ledger) judge(t *testing.T, dir string, at time.Duration) {
	t.Helper()
	// A clock that says long ago: the incarnation can't come from there.
	long := time.Unix(1000, 0)
	s, err := location.Open(location.Config{Dir: dir, Now: func() time.Time { return long }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Errorf("the store does not open: %v", err)
		return
	}
	defer s.Close()
	now, floor := l.fakeAt(at), int64(0)
	for n, states := range l.dns {
		due := -1 // the last state that has to be there, or a later one
		for i, x := range states {
			if x.real > 0 && x.real <= at && x.fake < now-l.lost {
				due, floor = i, max(floor, x.claim)
			}
		}
		got := int64(0)
		if e := s.Get(n); e != nil {
			got = e.Record.ClaimTime
		}
		if !allowed(states, due, got) {
			t.Errorf("at %v DN %s has claim %d, want one of %+v from number %d on", now, n, got, states, due)
		}
	}
	for _, x := range l.floors {
		if x.real <= at && x.fake < now-l.lost {
			floor = max(floor, x.claim)
		}
	}
	if m := s.Meta(); m.Floor < floor || at > l.opened && m.Incarnation <= l.incarnation {
		t.Errorf("at %v meta %+v, want a floor of %d and more than incarnation %d", now, m, floor, l.incarnation)
	}
}

func allowed(states []said, due int, got int64) bool {
	if due < 0 && got == 0 {
		return true
	}
	for _, x := range states[max(0, due):] {
		if x.claim == got {
			return true
		}
	}
	return false
}

// run has a store on the mount for the time that fn takes, with its Run.
func (l *ledger) run(t *testing.T, m *lossyfs.Mount, fn func(s *location.Store)) {
	t.Helper()
	s, err := location.Open(location.Config{Dir: filepath.Join(m.Dir, l.dir, "location"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l.find(s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			l.tick()
		}
	})
	fn(s)
	cancel()
	patience.Ended("the end of the store", wg.Wait)
	_ = s.Close() // on a disk that fails it says so
}

// load registers and unregisters 30 DNs for a while.
func (l *ledger) load(s *location.Store, luck *rand.Rand, steps int) {
	for range steps {
		l.tell(s, dn.Number(fmt.Sprint(2000+luck.IntN(30))), luck.IntN(4) == 0)
		if luck.IntN(5) == 0 {
			l.raise(s)
		}
		if luck.IntN(3) == 0 {
			<-time.After(time.Duration(luck.IntN(400)) * time.Millisecond)
		}
	}
}

// judgeAll has the power fail at every image in several ways, and starts on what
// is left as often as starts says.
func (l *ledger) judgeAll(t *testing.T, m *lossyfs.Mount, left string, starts int, seeds ...uint64) {
	t.Helper()
	images := m.Images()
	for i, im := range images {
		for _, seed := range seeds {
			if seed > 1 {
				seed += uint64(i) * 1000
			}
			m.Extract(i, seed, left)
			// The second start finds what the first one made of it.
			for range starts {
				l.judge(t, filepath.Join(left, l.dir, "location"), im.At)
			}
			if t.Failed() {
				t.Fatalf("image %d, before operation %d, seed %d: %q", i, im.Step, seed, near(m.Log(), im.Step))
			}
		}
	}
	l.failures += len(images) * len(seeds)
}

// near are the operations around one.
func near(log []string, step int) []string { return log[max(0, step-12):min(len(log), step+3)] }

// foldAge is when the store folds its journal by itself.
const foldAge = 5 * time.Minute

func TestStore_PowerFailureCostsTheLastSecondAtMost(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	var l *ledger
	synctest.Test(t, func(t *testing.T) {
		l = newLedger()
		luck := rand.New(rand.NewPCG(1, 1))
		m.Watch(lossyfs.Plan{Every: 3, Most: 150 * *thorough})
		l.run(t, m, func(s *location.Store) { l.load(s, luck, 200**thorough) })
	})
	l.judgeAll(t, m, left, 2, 0, 1, 2)
	l.lost = -time.Hour // Close has synced all
	m.Extract(m.Take(), 0, left)
	l.judge(t, filepath.Join(left, l.dir, "location"), lossyfs.Now())
}

// aroundAFold loads the store from two seconds before its fold to three after
// it; begin is called when the load does.
func (l *ledger) aroundAFold(s *location.Store, luck *rand.Rand, begin func()) {
	l.load(s, luck, 40)
	<-time.After(foldAge - time.Since(l.began) - 2*time.Second)
	begin()
	for time.Since(l.began) < foldAge+3*time.Second {
		l.load(s, luck, 1)
	}
}

// TestStore_PowerFailureInAFold has it fail at each operation of one, and then
// goes on with what was left, twice: the next folds meet what the last one left.
func TestStore_PowerFailureInAFold(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	for round := range 3 {
		var l *ledger
		luck := rand.New(rand.NewPCG(2, uint64(round)))
		synctest.Test(t, func(t *testing.T) {
			l = newLedger()
			l.run(t, m, func(s *location.Store) {
				l.aroundAFold(s, luck, func() { m.Watch(lossyfs.Plan{Every: 1, Most: 150}) })
			})
		})
		if !slices.Contains(m.Log(), "sync location.db") {
			t.Fatalf("there was no fold: %q", m.Log())
		}
		l.judgeAll(t, m, left, 2-round%2, 0, 2)
		m.Restore(luck.IntN(len(m.Images())), uint64(luck.IntN(9)))
	}
}

// TestStore_DiskThatFailsOnceOrForAWhile has each operation around a fold fail,
// by itself and with all that follow of its kind, and the power fail then. When
// the disk has recovered, all is on it that was said.
func TestStore_DiskThatFailsOnceOrForAWhile(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	for name, x := range map[string]struct {
		fault lossyfs.Fault // its Skip is tried from 0 on
		also  []lossyfs.Fault
	}{
		"write, full":                 {fault: lossyfs.Fault{Kind: "write", Errno: syscall.ENOSPC}},
		"write":                       {fault: lossyfs.Fault{Kind: "write", Errno: syscall.EIO}},
		"short write":                 {fault: lossyfs.Fault{Kind: "write", Short: 60}},
		"sync":                        {fault: lossyfs.Fault{Kind: "sync", Errno: syscall.EIO}},
		"create, full":                {fault: lossyfs.Fault{Kind: "create", Errno: syscall.ENOSPC}},
		"rename":                      {fault: lossyfs.Fault{Kind: "rename", Errno: syscall.EIO}},
		"remove":                      {fault: lossyfs.Fault{Kind: "remove", Errno: syscall.EIO}},
		"syncdir":                     {fault: lossyfs.Fault{Kind: "syncdir", Errno: syscall.EIO}},
		"truncate, full":              {fault: lossyfs.Fault{Kind: "truncate", Errno: syscall.ENOSPC}},
		"sync while no base can be":   {lossyfs.Fault{Kind: "sync", Errno: syscall.EIO}, []lossyfs.Fault{{Name: "location.db.new", Errno: syscall.EIO}}},
		"write while nothing is cut":  {lossyfs.Fault{Kind: "write", Short: 60}, []lossyfs.Fault{{Kind: "truncate", Errno: syscall.EIO}}},
		"sync, then what it lost too": {lossyfs.Fault{Kind: "sync", Errno: syscall.EIO}, []lossyfs.Fault{{Kind: "remove", Errno: syscall.EIO}}},
	} {
		t.Run(name, func(t *testing.T) {
			f, step := x.fault, 1
			if testing.Short() {
				step = 7
			}
			for met := true; met && f.Skip < 50; f.Skip += step + f.Skip / *thorough {
				for _, f.Count = range []int{0, 1} {
					met = failingDisk(t, m, left, f, x.also)
				}
			}
		})
	}
}

var runs int

// failingDisk returns false when the fault met nothing.
func failingDisk(t *testing.T, m *lossyfs.Mount, left string, f lossyfs.Fault, also []lossyfs.Fault) (met bool) {
	t.Helper()
	var l *ledger
	if f.Short > 0 { // the rest of what was short fails
		also = append([]lossyfs.Fault{{Kind: f.Kind, Skip: f.Skip, Count: f.Count, Errno: syscall.ENOSPC}}, also...)
	}
	runs++
	synctest.Test(t, func(t *testing.T) {
		l = newLedger()
		l.dir, l.lost = fmt.Sprint("node-", runs), lostAfterFault
		luck := rand.New(rand.NewPCG(3, uint64(f.Skip)))
		l.run(t, m, func(s *location.Store) {
			l.aroundAFold(s, luck, func() {
				m.Watch(lossyfs.Plan{Every: max(1, 40 / *thorough), Most: 100})
				m.Fail(append([]lossyfs.Fault{f}, also...)...)
			})
			met = m.Met() > 0
			m.Fail()
			<-time.After(12 * time.Second) // the pause after a failed fold is 10 s
			if err := s.Failing(); err != nil {
				t.Errorf("%+v: still failing: %v", f, err)
			}
			m.Take()
		})
	})
	if f.Count == 0 && f.Errno == syscall.EIO { // nothing can be durable meanwhile
		l.lost = time.Hour
	}
	l.judgeAll(t, m, left, 1, 0)
	l.lost = lostAtMost
	images := m.Images()
	m.Extract(len(images)-1, 0, left)
	l.judge(t, filepath.Join(left, l.dir, "location"), images[len(images)-1].At)
	if t.Failed() {
		t.Fatalf("with %+v: %q", f, m.Log())
	}
	return met
}
