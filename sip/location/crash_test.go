package location

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// childEnv makes the test binary a process that registers until it is killed.
const childEnv = "LOCATION_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	leftover.Main(m, "lossyd") // which is built once and stays
}

// child puts and flushes from eight goroutines with folds in between, and says
// each DN and claim on stdout once it is flushed.
func child(dir string) error {
	tune := testTune
	tune.foldSize = 1
	s, err := open(Config{Dir: dir, Log: quiet()}, testBoot, tune)
	if err != nil {
		return err
	}
	var claim atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				e := entry(fmt.Sprint(1000*g+i%50), claim.Add(1), time.Now().Add(time.Hour))
				s.Put(e)
				if s.Flush() != nil {
					return
				}
				fmt.Printf("%s %d\n", e.Record.Number, e.Record.ClaimTime)
				if g == 0 && i%50 == 49 && s.fold() != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.New("a flush or a fold failed")
}

func TestStore_KilledProcessLosesNothingFlushed(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		said := killedChild(t, dir, 400)
		s := openAt(t, dir, testBoot)
		for n, claim := range said {
			if e := s.Get(n); e == nil || e.Record.ClaimTime < claim {
				t.Errorf("round %d: DN %s was flushed with claim %d, came back as %+v", round, n, claim, e)
			}
		}
		if files := damagedFiles(t, dir); len(files) > 0 {
			t.Errorf("set aside: %v", files)
		}
		s.crash()
	}
}

// killedChild runs a child until it said enough lines, kills it, and returns
// the last claim of each DN that it said.
func killedChild(t *testing.T, dir string, enough int) map[dn.Number]int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience.Limit) // kills it too
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(map[dn.Number]int64)
	lines := 0
	for sc := bufio.NewScanner(out); sc.Scan(); lines++ {
		var n dn.Number
		var claim int64
		if _, err := fmt.Sscan(sc.Text(), &n, &claim); err != nil {
			continue // the line that the kill cut
		}
		said[n] = max(said[n], claim)
		if lines == enough {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); lines < enough {
		t.Fatalf("the child ended by itself after %d lines: %v", lines, err)
	}
	return said
}

// smallDisk mounts a tmpfs of the size in bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: mounting a small tmpfs needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("SKIPPED: mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

func fillDisk(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 12, 1} {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStore_FullDiskKeepsMemoryRightAndIsMadeUpForLater(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	s := openAt(t, dir, testBoot)
	end := time.Now().Add(time.Hour)
	s.Put(entry("2000", 1, end))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	free := fillDisk(t, dir)
	// The journal's last page has some room: the first writes may fit.
	var err error
	claim := int64(1)
	for range 200 {
		for i := range 10 {
			claim++
			s.Put(entry(fmt.Sprint(2000+i), claim, end))
		}
		err = s.Flush()
	}
	if !errors.Is(err, unix.ENOSPC) || !errors.Is(s.Failing(), unix.ENOSPC) {
		t.Fatalf("Flush: %v, Failing: %v; want no space", err, s.Failing())
	}
	if err := s.fold(); err == nil {
		t.Error("a fold on the full disk succeeded")
	}
	if len(s.dirty) > 10 || len(s.changed) > 10 {
		t.Errorf("backlog of %d and %d for 10 DNs", len(s.dirty), len(s.changed))
	}
	want := contents(s)
	if len(want) != 10 || want["2009"].Record.ClaimTime != claim {
		t.Errorf("memory is wrong: %v", want)
	}
	free()
	if err := s.Flush(); err != nil || len(s.dirty) != 0 {
		t.Fatalf("with room again: %v", err)
	}
	s.crash()
	s = openAt(t, dir, testBoot)
	defer func() { s.crash() }()
	if s.Len() != 10 || s.Get("2009").Record.ClaimTime != claim {
		t.Errorf("after the restart: %v", contents(s))
	}
	if err := s.fold(); err != nil {
		t.Error(err)
	}
	if err := s.health.report(s.log, "journal", nil); err != nil || s.Failing() != nil {
		t.Errorf("still failing: %v", s.Failing())
	}
}

func TestStore_StartsOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	s := openAt(t, dir, testBoot)
	s.Put(entry("2000", 1, time.Now().Add(time.Hour)))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	s.crash()
	free := fillDisk(t, dir)
	s = openAt(t, dir, testBoot)
	defer func() { s.crash() }()
	if s.Get("2000") == nil || !errors.Is(s.Failing(), unix.ENOSPC) {
		t.Errorf("entry %v, failing %v", s.Get("2000"), s.Failing())
	}
	s.Put(entry("2001", 2, time.Now().Add(time.Hour)))
	free()
	if err := s.Flush(); err != nil || s.Failing() != nil {
		t.Errorf("with room again: %v, failing %v", err, s.Failing())
	}
	s.crash()
	if s = openAt(t, dir, testBoot); s.Len() != 2 {
		t.Errorf("%d entries", s.Len())
	}
}

func TestStore_RunFoldsWhileOthersWrite(t *testing.T) {
	dir := t.TempDir()
	tune := testTune
	tune.foldSize, tune.foldBatch = 1, 64
	s, err := open(Config{Dir: dir, Log: quiet()}, testBoot, tune)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n := fmt.Sprint(1000*g + i%100)
				s.Put(entry(n, int64(i), time.Now().Add(time.Hour)))
				if i%7 == 0 {
					s.Delete(dn.Number(n))
				}
				if err := s.Flush(); err != nil {
					t.Error(err)
				}
				s.Get(dn.Number(n))
				s.Due(time.Now())
			}
		})
	}
	folded := func() bool {
		_, err := os.Stat(filepath.Join(dir, "location.db"))
		return err == nil && s.Failing() == nil
	}
	for tick := time.NewTicker(10 * time.Millisecond); !folded(); {
		select {
		case <-tick.C:
		case <-time.After(20 * time.Second):
			t.Fatal("no fold in 20 s")
		}
	}
	cancel()
	patience.Done(t, "the end of the store and of who writes", wg.Wait)
	want := contents(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, testBoot)
	defer s.crash()
	got := contents(s)
	for n, e := range want {
		if !same(got[n], e, time.Minute) { // the test's boot clock stands still
			t.Errorf("DN %s: %+v, want %+v", n, got[n], e)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
}

func TestStore_SaysOnceThatItFails(t *testing.T) {
	var lines strings.Builder
	h := health{}
	log := logTo(&lines)
	for range 3 {
		_ = h.report(log, "journal", unix.ENOSPC)
	}
	_ = h.report(log, "journal", nil)
	_ = h.report(log, "journal", nil)
	if n := strings.Count(lines.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want one when it begins and one when it ends:\n%s", n, lines.String())
	}
}
