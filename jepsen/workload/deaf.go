package workload

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Deaf is a telephone that refuses every call, and falls silent again and again, so
// that whoever calls it then waits in vain; it speaks again when it registers.
type Deaf struct {
	*Telephone
	// Hears and Silent are how long it does the one and the other, on the average.
	Hears, Silent time.Duration
}

// Run uses the telephone until ctx ends.
func (w *Deaf) Run(ctx context.Context) error {
	w.engaged = &atomic.Bool{}
	w.engaged.Store(true)
	w.atEnd = func(f func()) func() bool { return context.AfterFunc(ctx, f) }
	w.device = &device{life: longLife}
	if err := w.open(); err != nil {
		return err
	}
	taking, leave := context.WithCancel(context.WithoutCancel(ctx))
	go w.take(taking)
	w.Later(func() { leave(); w.ua.Close() }) // who calls it last is refused yet
	r := w.random("deaf-" + w.DN)
	for w.enrol(ctx); pause(ctx, between(r, w.Hears/2, w.Hears*3/2)); w.enrol(ctx) {
		op := w.invoke(history.Op{Kind: history.Silence, Key: w.DN}, "/silence")
		w.ua.Mute(true)
		op.Outcome = history.OK
		w.Record.Return(op)
		pause(ctx, between(r, w.Silent/2, w.Silent*3/2))
		w.ua.Mute(false)
	}
	return nil
}
