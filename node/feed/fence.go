package feed

import "fmt"

// MaxIncarnation is the first nanosecond of the year 2200. An incarnation is the wall clock of
// the start, or one more than the last one: a clock may be wrong by years, and thousands of
// starts add a microsecond. Whoever claims more would keep the node out that it speaks for.
const MaxIncarnation = 7_258_118_400_000_000_000

// Fence says who may write the copy of one peer, and how far the copy reaches.
// Only the newest feed of the newest incarnation writes. The zero Fence is that
// of an empty copy of a peer of which nothing is known. Guarded by the lock of
// the table that holds the copy.
type Fence struct {
	// at is the newest incarnation that is known, and the copy's place in what it says.
	at Position
	// whole: the copy is complete up to there.
	whole bool
	// feed numbers the feeds of the copy; only the newest writes.
	feed uint64
	// round counts how often the copy began anew.
	round uint64
}

// Feed is the right to write the copy, until the next one begins or the copy
// begins anew.
type Feed struct {
	f  *Fence
	no uint64
	// Full: a snapshot follows, and what it does not mention is gone.
	Full bool
}

// Position is where to resume from; zeros when the copy is not whole.
func (f *Fence) Position() Position {
	if !f.whole {
		return Position{}
	}
	return f.at
}

// Whole tells whether the copy is complete up to its Position.
func (f *Fence) Whole() bool { return f.whole }

// Incarnation is the newest that is known.
func (f *Fence) Incarnation() uint64 { return f.at.Incarnation }

// Round counts how often the copy began anew: with a snapshot, a new incarnation or a
// Reset. What an earlier round mentioned last is gone at the end of a snapshot.
func (f *Fence) Round() uint64 { return f.round }

// Begin gives the right to write to a new feed: one that brings a snapshot, or
// with resumed what was said since Position. ErrStale: a newer incarnation is
// known. ErrIncarnation: there can't be such a one. ErrFenced: the copy began anew since Position was asked for, so that it can't
// go on from there.
func (f *Fence) Begin(incarnation uint64, resumed bool) (Feed, error) {
	switch {
	case incarnation > MaxIncarnation:
		return Feed{}, fmt.Errorf("%w: %d", ErrIncarnation, incarnation)
	case incarnation < f.at.Incarnation:
		return Feed{}, fmt.Errorf("%w: %d, after %d", ErrStale, incarnation, f.at.Incarnation)
	case resumed && (!f.whole || incarnation != f.at.Incarnation):
		return Feed{}, fmt.Errorf("%w: it began anew and can't be resumed", ErrFenced)
	case resumed:
		f.feed++
	default:
		f.at.Incarnation = incarnation
		f.Reset()
	}
	return Feed{f: f, no: f.feed, Full: !resumed}, nil
}

// Saw notes that an incarnation of the peer exists, and tells whether it is newer
// than all before: then the copy begins anew.
func (f *Fence) Saw(incarnation uint64) bool {
	if incarnation > MaxIncarnation {
		return false
	}
	if incarnation <= f.at.Incarnation {
		return false
	}
	f.at.Incarnation = incarnation
	f.Reset()
	return true
}

// Reset has the copy begin anew, and takes it from its feed.
func (f *Fence) Reset() {
	f.feed++
	f.round++
	f.at.Seq, f.whole = 0, false
}

// Check returns ErrFenced when the feed may no longer write.
func (d Feed) Check() error {
	if d.f.feed != d.no {
		return ErrFenced
	}
	return nil
}

// Reached says that the copy has what was said up to seq.
func (d Feed) Reached(seq uint64) error {
	if err := d.Check(); err != nil {
		return err
	}
	d.f.at.Seq = seq
	return nil
}

// Synced says that the copy is whole, at seq.
func (d Feed) Synced(seq uint64) error {
	if err := d.Reached(seq); err != nil {
		return err
	}
	d.f.whole = true
	return nil
}
