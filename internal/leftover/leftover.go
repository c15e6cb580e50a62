// Package leftover is how a test ends: nothing of it is left. It counts what
// the process has (goroutines, open files) and asks components what they hold.
// Only tests call it.
package leftover

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/internal/patience"
)

// Holder is a component that tells how much it holds, by kind. What is still
// wanted when nothing goes on any more is none of it.
type Holder interface{ Held() map[string]int }

// But is a holder without some kinds.
func But(h Holder, kinds ...string) Holder { return but{h, kinds} }

type but struct {
	Holder
	kinds []string
}

// Held implements Holder.
func (b but) Held() map[string]int {
	held := b.Holder.Held()
	for _, k := range b.kinds {
		delete(held, k)
	}
	return held
}

// Above is a holder of what h holds more than now.
func Above(h Holder) Holder { return above{h, h.Held()} }

type above struct {
	Holder
	before map[string]int
}

// Held implements Holder.
func (a above) Held() map[string]int {
	held := a.Holder.Held()
	for kind, n := range a.before {
		held[kind] -= n
	}
	return held
}

// checked are the tests that end with a comparison.
var checked sync.Map

// Check has the test fail when goroutines or open files are left at its end
// that were not there when Check was called first: so the first thing that a
// harness does is to call it, and what it opens is closed by clean-ups. No other
// test may run at the same time. Goroutines in whose stack one of except stands
// are let be: those of a library that cannot be ended.
func Check(t testing.TB, except ...string) {
	t.Helper()
	if _, again := checked.LoadOrStore(t, true); again {
		return
	}
	before := Take()
	t.Cleanup(func() {
		checked.Delete(t)
		if !t.Failed() { // one that failed leaves what it was about
			Since(t, before, except...)
		}
	})
}

// Main runs the tests of a package, and fails when goroutines or open files are
// left at their end, but for what except says.
func Main(m *testing.M, except ...string) {
	before := Take()
	code := m.Run()
	if code == 0 {
		if left := since(before, except); left != "" {
			fmt.Fprintf(os.Stderr, "FAIL: left behind by the tests:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// Since fails the test when the process has more than in the census, but for
// what except says.
func Since(t testing.TB, before Census, except ...string) {
	t.Helper()
	if left := since(before, except); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func since(before Census, except []string) string {
	let := func(what string) bool {
		return slices.ContainsFunc(except, func(e string) bool { return strings.Contains(what, e) })
	}
	var left []string
	patience.Within(settle, func() bool {
		left = slices.DeleteFunc(Take().beyond(before), let)
		if slices.ContainsFunc(left, func(what string) bool { return strings.HasPrefix(what, "open: pipe:") }) {
			runtime.GC() // the pipes by which Go splices connections are kept in a pool, which that empties
		}
		return len(left) == 0
	})
	return strings.Join(left, "\n")
}

// settle is how long goroutines may take that were told to end.
const settle = 10 * time.Second

// None fails the test unless the holders let go of everything by themselves
// within the time.
func None(t testing.TB, within time.Duration, holders ...Holder) {
	t.Helper()
	var left map[string]int
	if !soon(within, func() bool { left = held(holders); return len(left) == 0 }) {
		t.Errorf("still held after %v: %s", within, describe(left))
	}
}

// soon tells whether ok says so within the time. It asks ever less often, so that the
// minutes of a bubble cost little.
func soon(within time.Duration, ok func() bool) bool {
	began, pause := time.Now(), 2*time.Millisecond
	for ; !ok(); pause += pause / 4 {
		left := within - time.Since(began)
		if left <= 0 {
			return false
		}
		<-time.After(min(pause, max(within/20, time.Millisecond), left))
	}
	return true
}

// AtOnce fails the test when the holders hold anything now.
func AtOnce(t testing.TB, holders ...Holder) {
	t.Helper()
	if left := held(holders); len(left) > 0 {
		t.Errorf("still held: %s", describe(left))
	}
}

func held(holders []Holder) map[string]int {
	all := map[string]int{}
	for _, h := range holders {
		for kind, n := range h.Held() {
			if n != 0 {
				all[kind] += n
			}
		}
	}
	return all
}

func describe(left map[string]int) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(left)) {
		parts = append(parts, fmt.Sprintf("%d %s", left[kind], kind))
	}
	return strings.Join(parts, ", ")
}
