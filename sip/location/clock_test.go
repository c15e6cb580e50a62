package location

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// restartAt puts an entry that ends in an hour, steps the wall clock, restarts
// after pause in boot b, and returns how long the entry has still to live.
func restartAt(t *testing.T, step, pause time.Duration, b boot) time.Duration {
	t.Helper()
	dir := t.TempDir()
	wall := time.Unix(1_700_000_000, 0)
	now := func() time.Time { return wall }
	s, err := open(Config{Dir: dir, Log: quiet(), Now: now}, testBoot, testTune)
	if err != nil {
		t.Fatal(err)
	}
	s.Put(entry("2001", 1, wall.Add(time.Hour)))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	wall = wall.Add(step + pause)
	s, err = open(Config{Dir: dir, Log: quiet(), Now: now}, b, testTune)
	if err != nil {
		t.Fatal(err)
	}
	defer s.crash()
	return s.Get("2001").Bindings[0].Expires.Sub(wall)
}

func TestStore_WallClockStepChangesNoExpiryInTheSameBoot(t *testing.T) {
	later := boot{id: testBoot.id, since: testBoot.since + 10*time.Minute}
	for _, step := range []time.Duration{0, time.Hour, -time.Hour} {
		if left := restartAt(t, step, 10*time.Minute, later); left != 50*time.Minute {
			t.Errorf("step of %v: %v left, want 50m", step, left)
		}
	}
}

func TestStore_WallClockRulesInAnotherBoot(t *testing.T) {
	if left := restartAt(t, 0, 10*time.Minute, boot{id: "boot-b", since: 3 * time.Second}); left != 50*time.Minute {
		t.Errorf("%v left, want 50m", left)
	}
}

func TestStore_StepDuringARunIsKnownAfterTheNextBoot(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	end := time.Now().Round(0).Add(time.Hour)
	s.Put(entry("2001", 1, end))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.noteAhead(s.clock.boots[s.clock.number].ahead + time.Hour) // the wall clock is an hour further on
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	ahead := func() time.Time { return time.Now().Round(0).Add(time.Hour) }
	s, err := open(Config{Dir: dir, Log: quiet(), Now: ahead}, boot{id: "boot-b"}, testTune)
	if err != nil {
		t.Fatal(err)
	}
	defer s.crash()
	if off := s.Get("2001").Bindings[0].Expires.Round(0).Sub(end.Add(time.Hour)); off.Abs() > 5*time.Second {
		t.Errorf("it ends %v after an hour", off)
	}
}

func TestStore_ManyBootsLeaveOneWord(t *testing.T) {
	dir := t.TempDir()
	end := time.Now().Add(time.Hour)
	for i := range 5 {
		s := openAt(t, dir, boot{id: string(rune('a' + i)), since: time.Duration(i) * time.Minute})
		if i == 0 {
			s.Put(entry("2001", 1, end))
		}
		if err := errors.Join(s.Flush(), s.fold()); err != nil {
			t.Fatal(err)
		}
		if left := s.Get("2001").Bindings[0].Expires.Sub(end).Abs(); left > time.Second {
			t.Errorf("boot %d moved the end by %v", i, left)
		}
		s.crash()
	}
	s := openAt(t, dir, boot{id: "z"})
	defer s.crash()
	if len(s.clock.boots) > 3 {
		t.Errorf("%d boots are remembered", len(s.clock.boots))
	}
}

func TestStore_DueReportsEachEndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openAt(t, t.TempDir(), testBoot)
		defer s.crash()
		start := time.Now()
		put := func(n string, d time.Duration) { s.Put(entry(n, 1, start.Add(d))) }
		expect := func(at time.Duration, want ...dn.Number) {
			t.Helper()
			got := s.Due(start.Add(at))
			if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
				t.Errorf("at %v: due %v, want %v", at, got, want)
			}
		}
		put("1", 10*time.Second+300*time.Millisecond)
		put("2", 20*time.Second)
		put("3", time.Hour)
		expect(10 * time.Second)
		expect(10*time.Second + 299*time.Millisecond)
		expect(10*time.Second+300*time.Millisecond, "1")
		expect(11 * time.Second)
		put("2", time.Hour) // a refresh
		expect(25 * time.Second)
		put("3", 26*time.Second) // shortened
		expect(26*time.Second, "3")
		expect(3599 * time.Second)
		s.Delete("2")
		expect(2 * time.Hour)
		put("1", time.Second) // over already
		expect(2*time.Hour, "1")
		put("1", 3*time.Hour)
		expect(3*time.Hour - 1)
		expect(3*time.Hour, "1")
	})
}

func TestStore_RefreshesDoNotGrowTheWheel(t *testing.T) {
	s := openAt(t, t.TempDir(), testBoot)
	defer s.crash()
	for i := range 10_000 {
		s.Put(entry("2001", int64(i), time.Now().Add(time.Hour+time.Duration(i)*time.Second)))
	}
	if n := s.places(); n != 1 {
		t.Errorf("%d places on the wheel for one DN", n)
	}
}

// places are those on the wheel.
func (s *Store) places() (n int) {
	for _, b := range s.wheel.buckets {
		n += len(b)
	}
	return n
}

// TestStore_WhoComesBackFindsItsPlace: ends and returns do not grow the wheel,
// and the last registration is found when it ends.
func TestStore_WhoComesBackFindsItsPlace(t *testing.T) {
	for name, leave := range map[string]func(s *Store){
		"un-REGISTER": func(s *Store) { s.Put(&Entry{Record: entry("2001", 1, time.Time{}).Record}) },
		"withdrawn":   func(s *Store) { s.Delete("2001") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openAt(t, t.TempDir(), testBoot)
				defer s.crash()
				hour := time.Now().Add(time.Hour)
				for range 1000 {
					s.Put(entry("2001", 1, hour))
					leave(s)
				}
				if n := s.places(); n != 1 {
					t.Errorf("%d places on the wheel for one DN", n)
				}
				if due := s.Due(hour); len(due) != 0 {
					t.Errorf("due %v", due)
				}
				if n := s.places(); n != 0 {
					t.Errorf("%d places of one that is not there", n)
				}
				s.Put(entry("2001", 1, hour)) // in the second that was looked at
				leave(s)
				s.Put(entry("2001", 1, hour))
				if due := s.Due(hour); len(due) != 1 {
					t.Errorf("due %v", due)
				}
			})
		})
	}
}

func TestStore_ExpiredWhileDownIsDueAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, testBoot)
	s.Put(entry("2001", 1, time.Now().Add(time.Minute)))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	s = openAt(t, dir, boot{id: testBoot.id, since: testBoot.since + time.Hour})
	defer s.crash()
	if got := s.Due(time.Now()); len(got) != 1 || got[0] != "2001" {
		t.Errorf("due %v", got)
	}
}

// TestReadBoot_IsTheSameForAllStartsInARunOfTheMachine, and its time goes on.
func TestReadBoot_IsTheSameForAllStartsInARunOfTheMachine(t *testing.T) {
	if _, err := os.Stat("/proc/sys/kernel/random/boot_id"); err != nil {
		t.Skip(err)
	}
	a, b := readBoot(), readBoot()
	if a.id != b.id || len(a.id) != 36 || a.since <= 0 || b.since < a.since {
		t.Errorf("%+v, then %+v", a, b)
	}
}
