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
