package fsm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
)

func TestWatcher_MergesWhatChangedSinceItWasAsked(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	w := m.Watch()
	defer w.Close()
	if c, err := w.Next(t.Context()); err != nil || !c.All {
		t.Fatalf("first: %+v, %v", c, err)
	}
	mustApply(t, m, 2, command("", phone("1001"), phone("1000")))
	mustApply(t, m, 3, command("", deleteDN("1001"), node("id-b", "b")))
	if r := m.Apply(entryOf(t, 4, command("", deleteDN("77")))).(Result); r.Err == nil {
		t.Fatal("deleted nothing")
	}
	c, err := w.Next(t.Context())
	if err != nil || c.All || !slices.Equal(c.DNs, []string{"1000", "1001"}) || !c.Nodes || c.Options || c.Groups {
		t.Fatalf("%+v, %v", c, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestWatcher_SaysAllWhenItFallsFarBehind(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	w := m.Watch()
	defer w.Close()
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var ms []*configpb.Mutation
		for j := range maxPending / 2 {
			ms = append(ms, phone(fmt.Sprint(i*maxPending+j)))
		}
		mustApply(t, m, uint64(i+2), command("", ms...))
	}
	if c, err := w.Next(t.Context()); err != nil || !c.All || len(c.DNs) != 0 {
		t.Fatalf("%d DNs, all %v, %v", len(c.DNs), c.All, err)
	}
}

// TestWatcher_WithdrawnIsWhole: where it can't be, by a snapshot or too many, it says from when on.
func TestWatcher_WithdrawnIsWhole(t *testing.T) {
	m := machine(t)
	mustApply(t, m, 1, bootstrap("e"))
	w := m.Tail()
	defer w.Close()
	index := uint64(1)
	withdraw := func(from, to int) *View {
		t.Helper()
		var puts, gone []*configpb.Mutation
		for i := from; i < to; i++ {
			puts, gone = append(puts, phone(fmt.Sprint(i))), append(gone, deleteDN(fmt.Sprint(i)))
		}
		mustApply(t, m, index+1, command("", puts...))
		before := m.View()
		mustApply(t, m, index+2, command("", gone...))
		index += 2
		return before
	}
	next := func() Changes {
		t.Helper()
		c, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	withdraw(0, maxPending/2)
	withdraw(maxPending/2, maxPending)
	if c := next(); len(c.Withdrawn) != maxPending || c.Former != nil {
		t.Errorf("%d DNs, %v", len(c.Withdrawn), c.Former)
	}
	withdraw(0, maxPending)
	former := withdraw(maxPending, maxPending+1)
	withdraw(maxPending, maxPending+1)
	if c := next(); c.Former != former || len(c.Withdrawn) != maxPending || c.FormerAt <= c.Withdrawn["1"].At {
		t.Errorf("%d DNs, %v", len(c.Withdrawn), c.Former)
	}
	former = m.View()
	snapshot := *former
	snapshot.index += 10
	if err := m.replace(&snapshot); err != nil {
		t.Fatal(err)
	}
	if c := next(); !c.All || c.Former != former || c.FormerAt == 0 {
		t.Errorf("%+v", c)
	}
}

func TestWatcher_CloseEndsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Machine{watchers: map[*Watcher]struct{}{}}
		w := m.Watch()
		if _, err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := w.Next(t.Context())
			done <- err
		}()
		synctest.Wait()
		w.Close()
		if err := patience.Receive(t, "the end of the watch", done); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	})
}
