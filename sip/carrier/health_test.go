package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/quota"
)

func TestMain(m *testing.M) { leftover.Main(m) }

// board is a Book whose questions are answered as a test says.
type board struct {
	*Book
	began time.Time

	mu     sync.Mutex
	silent map[string]bool // by address
	away   map[string]bool // there is no way to them
	every  time.Duration
	log    []string
}

var errNobody, errAway = errors.New("nobody is there"), errors.New("there is no way")

// newBoard makes one, in a bubble, until the test ends.
func newBoard(t *testing.T, every time.Duration) *board {
	t.Helper()
	x := &board{began: time.Now(), silent: map[string]bool{}, away: map[string]bool{}, every: every}
	x.Book = New(Config{
		Ask: func(w Way, answered func(error)) {
			x.mu.Lock()
			there := !x.silent[w.Addr.String()]
			x.mu.Unlock()
			x.note("asks %s", w.Addr)
			if there {
				answered(nil)
				return
			}
			time.AfterFunc(4*time.Second, func() { answered(errNobody) })
		},
		Cannot: func(w Way) error {
			x.mu.Lock()
			defer x.mu.Unlock()
			if x.away[w.Addr.String()] {
				return errAway
			}
			return nil
		},
		Every: func() time.Duration { x.mu.Lock(); defer x.mu.Unlock(); return x.every }, Moved: func() {},
		Reached: func(n dn.Number, reached bool) { x.note("%s reached %v", n, reached) }, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); _ = x.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-over })
	return x
}

func (x *board) note(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.log = append(x.log, fmt.Sprintf("%v ", time.Since(x.began).Seconds())+fmt.Sprintf(format, args...))
}

func (x *board) goes(addr string, away bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.away[addr] = away
}

func (x *board) falls(addr string, silent bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.silent[addr] = silent
}

// until lets the time come, and tells what was noted since the last one.
func (x *board) until(at time.Duration) []string {
	<-time.After(at - time.Since(x.began))
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	log := x.log
	x.log = nil
	return log
}

func (x *board) want(t *testing.T, at time.Duration, want ...string) {
	t.Helper()
	if got := x.until(at); !slices.Equal(got, want) {
		t.Errorf("until %v: %q, want %q", at, got, want)
	}
}

const one, two = "192.0.2.1:5060", "192.0.2.2:5060"

// TestBook_AsksEachIntervalAndSooner while nobody answers; the first answer brings the
// trunk back.
func TestBook_AsksEachIntervalAndSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBoard(t, 30*time.Second)
		x.Put("9000", &configpb.Trunk{Address: one})
		x.want(t, 29*time.Second, "0 9000 reached true", "0 asks "+one)
		x.falls(one, true)
		x.want(t, 33*time.Second, "30 asks "+one)
		if len(x.Ways("9000")) != 1 {
			t.Error("it is down before its time is over")
		}
		x.want(t, 70*time.Second, "34 9000 reached false", "35 asks "+one, "41 asks "+one, "49 asks "+one, "61 asks "+one)
		if ways := x.Ways("9000"); len(ways) != 0 {
			t.Errorf("what is down is tried: %v", ways)
		}
		x.falls(one, false)
		x.want(t, 130*time.Second, "73 asks "+one, "73 9000 reached true", "103 asks "+one)
		if len(x.Ways("9000")) != 1 {
			t.Error("it is not tried again")
		}
	})
}

// TestBook_AWayIsLeftAlone for as long as it says, at most quota.MaxPause, and the others are
// tried: the trunk is left alone as a whole while all that answer want it. What is written
// anew is tried at once.
func TestBook_AWayIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBoard(t, 0)
		trunk := &configpb.Trunk{Address: one, MoreAddresses: []string{two}}
		x.Put("9000", trunk)
		x.until(time.Second)
		all := x.Ways("9000")
		want := func(left time.Duration, want ...Way) {
			t.Helper()
			if got := x.Ways("9000"); !slices.Equal(got, want) || x.Left("9000") != left {
				t.Errorf("%v, all left alone for %v; want %v, %v", got, x.Left("9000"), want, left)
			}
		}
		want(0, all...)
		x.Later("9000", all[0], time.Hour)
		want(0, all[1])
		x.Later("9000", all[1], 2*time.Second)
		want(2 * time.Second)
		x.until(3 * time.Second)
		want(0, all[1])
		x.Silent("9000", all[1], errNobody)
		want(quota.MaxPause - 2*time.Second)
		x.until(time.Second + quota.MaxPause)
		want(0, all...)
		x.Later("9000", all[0], time.Minute)
		x.Put("9000", &configpb.Trunk{Address: one, MoreAddresses: []string{two}, Prefix: "+"})
		want(0, all...)
		if x.Left("none") != 0 {
			t.Error("an unknown trunk is left alone")
		}
	})
}

// TestBook_ACallFindsOutSooner: what was silent is not tried from then on, and asked at
// once; of several addresses the others are tried, and the trunk is reached.
func TestBook_ACallFindsOutSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBoard(t, 30*time.Second)
		x.Put("9000", &configpb.Trunk{Address: one, MoreAddresses: []string{two}})
		x.until(10 * time.Second)
		ways := x.Ways("9000")
		if len(ways) != 2 || ways[0].Addr.String() != one {
			t.Fatal(ways)
		}
		x.falls(one, true)
		x.Silent("9000", ways[0], errNobody)
		x.want(t, 11*time.Second, "10 asks "+one)
		if left := x.Ways("9000"); len(left) != 1 || left[0] != ways[1] {
			t.Errorf("%v are tried", left)
		}
		x.Silent("9000", ways[1], errNobody) // answers OPTIONS: it is back at once
		x.want(t, 12*time.Second, "11 9000 reached false", "11 asks "+two, "11 9000 reached true")
		x.Heard("9000", ways[0])
		if len(x.Ways("9000")) != 2 {
			t.Error("an answer to a call does not bring it back")
		}
		if ways, down := x.Count(); ways != 2 || down != 0 {
			t.Errorf("%d of %d are down", down, ways)
		}
	})
}

// TestBook_WhoeverIsNotAskedIsTriedAgain some time after it was silent.
func TestBook_WhoeverIsNotAskedIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration
		trunk *configpb.Trunk
	}{
		"the option is off": {0, &configpb.Trunk{Address: one}},
		"this trunk is not": {30 * time.Second, &configpb.Trunk{Address: one, NoOptions: true}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newBoard(t, c.every)
				x.Put("9000", c.trunk)
				x.until(time.Second)
				x.Silent("9000", x.Ways("9000")[0], errNobody)
				x.want(t, 30*time.Second, "1 9000 reached false")
				if len(x.Ways("9000")) != 0 {
					t.Error("it is tried")
				}
				x.want(t, 90*time.Second, "31 9000 reached true")
			})
		})
	}
}

// TestBook_AChangeKeepsWhatIsKnown of the addresses that stay.
func TestBook_AChangeKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBoard(t, 30*time.Second)
		x.falls(one, true)
		x.Put("9000", &configpb.Trunk{Address: one})
		x.want(t, 4*time.Second, "0 9000 reached true", "0 asks "+one, "4 9000 reached false")
		x.Put("9000", &configpb.Trunk{Address: one, Priority: 3})
		if len(x.Ways("9000")) != 0 {
			t.Error("a trunk that is down is up by another priority")
		}
		x.Put("9000", &configpb.Trunk{Address: one, MoreAddresses: []string{two}})
		if ways := x.Ways("9000"); len(ways) != 1 || ways[0].Addr.String() != two {
			t.Errorf("%v", ways)
		}
		x.Drop("9000")
		if x.until(5 * time.Second); len(x.Ways("9000")) != 0 || len(x.States("9000")) != 0 {
			t.Error("a trunk that is gone has ways")
		}
	})
}

// TestBook_AnotherIntervalCountsAtOnce, shorter or longer, from never and to never, of what
// is up and of what is down.
func TestBook_AnotherIntervalCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newBoard(t, 3600*time.Second)
		every := func(d time.Duration) {
			x.mu.Lock()
			x.every = d
			x.mu.Unlock()
			x.Wake()
		}
		x.Put("9000", &configpb.Trunk{Address: one})
		x.want(t, 100*time.Second, "0 9000 reached true", "0 asks "+one)
		every(30 * time.Second)
		x.want(t, 101*time.Second, "100 asks "+one)
		every(10 * time.Second)
		x.want(t, 115*time.Second, "110 asks "+one)
		every(60 * time.Second)
		x.want(t, 171*time.Second, "170 asks "+one)
		every(0)
		x.want(t, 1000*time.Second)
		every(60 * time.Second)
		x.want(t, 1001*time.Second, "1000 asks "+one)
		every(0)
		x.Silent("9000", x.Ways("9000")[0], errNobody)
		x.falls(one, true)
		x.want(t, 1010*time.Second, "1001 9000 reached false")
		every(60 * time.Second)
		x.want(t, 1014*time.Second, "1010 asks "+one)
		x.want(t, 1016*time.Second, "1015 asks "+one)
	})
}

// TestBook_AsksNothingWhereThereIsNoWay: such an address is down, says so, and is no failure
// of the carrier's; whether there is a way is found out again, also of what is never asked.
func TestBook_AsksNothingWhereThereIsNoWay(t *testing.T) {
	for _, every := range []time.Duration{0, 30 * time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newBoard(t, every)
				const addr = "192.0.2.1:5060"
				x.goes(addr, true)
				x.Put("9000", &configpb.Trunk{Address: addr})
				synctest.Wait()
				s := x.States("9000")[0]
				if !s.Down || !s.Unable || !errors.Is(s.Err, errAway) || len(x.Ways("9000")) > 0 || !x.OutOfReach("9000") {
					t.Fatalf("%+v", s)
				}
				x.want(t, 5*time.Minute, "0 9000 reached true", "0 9000 reached false")
				if s := x.States("9000")[0]; !s.Since.Equal(x.began) {
					t.Errorf("it is down since %v, want since the beginning", s.Since.Sub(x.began))
				}
				x.goes(addr, false)
				x.until(5*time.Minute + untried)
				if s := x.States("9000")[0]; s.Down || s.Unable || len(x.Ways("9000")) != 1 || x.OutOfReach("9000") {
					t.Errorf("there is a way again: %+v", s)
				}
			})
		})
	}
}
