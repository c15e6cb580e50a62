package history

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// ErrVersion says that a file has a format which this package does not know.
var ErrVersion = errors.New("history of another version")

// Load reads the history stored at path.
func Load(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	h, err := ReadFrom(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// ReadFrom reads a whole history. A last line that breaks off is left out and
// told as Torn; a broken line before it is an error. An operation without a
// return has the outcome Unknown.
func ReadFrom(from io.Reader) (*History, error) {
	r := reader{ops: map[int64]int{}, faults: map[int64]int{}, rows: map[pollKey][]Row{}}
	in := bufio.NewReaderSize(from, 1<<20)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			r.h.Torn = len(line) > 0
			break
		}
		if err == nil && n == 1 {
			err = r.header(line)
		} else if err == nil {
			err = r.entry(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if r.h.Version == 0 {
		return nil, errors.New("not a history: it has no header")
	}
	return r.finish(), nil
}

type reader struct {
	h      History
	ops    map[int64]int // by ID, index in h.Ops
	faults map[int64]int
	rows   map[pollKey][]Row
}

func (r *reader) header(line []byte) error {
	if err := json.Unmarshal(line, &r.h.Header); err != nil {
		return fmt.Errorf("not a history's header: %w", err)
	}
	if r.h.Version != Version {
		return fmt.Errorf("%w: %d, want %d", ErrVersion, r.h.Version, Version)
	}
	r.h.Bounds = r.h.Bounds.WithDefaults()
	return nil
}

func (r *reader) entry(line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	r.end(e.At)
	switch {
	case e.Invoke != nil:
		op := *e.Invoke
		op.Invoke, op.Return, op.Outcome = e.At, Never, Unknown
		r.ops[op.ID] = len(r.h.Ops)
		r.h.Ops = append(r.h.Ops, op)
	case e.Return != nil:
		return r.returned(e.At, *e.Return)
	case e.Poll != nil:
		return r.poll(e.At, *e.Poll)
	case e.Status != nil:
		e.Status.Asked = e.At
		r.end(e.Status.Answered)
		r.h.Statuses = append(r.h.Statuses, *e.Status)
	case e.Sums != nil:
		e.Sums.Asked = e.At
		r.end(e.Sums.Answered)
		r.h.Sums = append(r.h.Sums, *e.Sums)
	case e.Holds != nil:
		e.Holds.Asked = e.At
		r.end(e.Holds.Answered)
		r.h.Holds = append(r.h.Holds, *e.Holds)
	case e.Dump != nil:
		e.Dump.Asked = e.At
		r.end(e.Dump.Answered)
		r.h.Dumps = append(r.h.Dumps, *e.Dump)
	case e.Item != nil:
		e.Item.At = e.At
		r.h.Items = append(r.h.Items, *e.Item)
	case e.Fault != nil:
		return r.fault(e.At, *e.Fault)
	case e.Life != nil:
		e.Life.At = e.At
		r.h.Lives = append(r.h.Lives, *e.Life)
	case e.Note != nil:
		e.Note.At = e.At
		r.h.Notes = append(r.h.Notes, *e.Note)
	case e.Stall != nil:
		e.Stall.To = e.At
		r.h.Stalls = append(r.h.Stalls, *e.Stall)
	default:
		return errors.New("an entry of no known kind")
	}
	return nil
}

func (r *reader) returned(at time.Duration, op Op) error {
	i, invoked := r.ops[op.ID]
	if !invoked {
		return fmt.Errorf("operation %d returns without an invocation", op.ID)
	}
	op.Invoke, op.Return = r.h.Ops[i].Invoke, at
	r.h.Ops[i] = op
	return nil
}

func (r *reader) poll(at time.Duration, p Poll) error {
	p.Asked = at
	r.end(p.Answered)
	key := pollKey{p.Node, p.View}
	if p.Same {
		rows, known := r.rows[key]
		if !known {
			return fmt.Errorf("a poll of %s repeats one that is not there", p.Node)
		}
		p.Rows, p.Same = rows, false
	}
	if p.Error == "" {
		r.rows[key] = p.Rows
	}
	r.h.Polls = append(r.h.Polls, p)
	return nil
}

func (r *reader) fault(at time.Duration, e faultEntry) error {
	if e.Phase == Inject && e.Fault != nil {
		f := *e.Fault
		f.Inject, f.Confirmed, f.Heal, f.Healed = at, Never, Never, Never
		r.faults[f.ID] = len(r.h.Faults)
		r.h.Faults = append(r.h.Faults, f)
		return nil
	}
	i, known := r.faults[e.ID]
	if !known {
		return fmt.Errorf("phase %q of fault %d, which was not injected", e.Phase, e.ID)
	}
	f := &r.h.Faults[i]
	switch e.Phase {
	case Confirmed:
		f.Confirmed = at
	case Heal:
		f.Heal = at
	case Healed:
		f.Healed = at
	default:
		return fmt.Errorf("fault %d has the unknown phase %q", e.ID, e.Phase)
	}
	return nil
}

func (r *reader) end(at time.Duration) { r.h.End = max(r.h.End, at) }

// finish orders everything by its first time. Items keep the order in which
// their observer saw them.
func (r *reader) finish() *History {
	h := &r.h
	slices.SortStableFunc(h.Ops, func(a, b Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	slices.SortStableFunc(h.Polls, func(a, b Poll) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Items, func(a, b Item) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(h.Statuses, func(a, b Status) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Sums, func(a, b Sums) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Holds, func(a, b Holds) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Dumps, func(a, b Dump) int { return cmp.Compare(a.Asked, b.Asked) })
	slices.SortStableFunc(h.Faults, func(a, b Fault) int { return cmp.Compare(a.Inject, b.Inject) })
	slices.SortStableFunc(h.Lives, func(a, b Life) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(h.Notes, func(a, b Note) int { return cmp.Compare(a.At, b.At) })
	return h
}
