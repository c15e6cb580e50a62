// Package fsm is the configuration of the cluster: DNs, agent groups, options
// and the roster of nodes, as a state machine that Raft feeds. Applying is a
// pure function; around it lies a store of the machine's own (bbolt), so that a
// node restarted alone, without a quorum, serves all that it had applied.
// Readers use an immutable View. Only node/consensus writes; sip, node and api
// read.
package fsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Config of a Machine.
type Config struct {
	// Path of the store's file; it and its directory are made when missing.
	Path string
	// Features of the program; nil: this one's.
	Features *Features
	// Log; nil discards.
	Log *slog.Logger
}

// Machine is the state machine. Raft calls Apply, ApplyBatch, Snapshot and
// Restore from one goroutine; everything else may be called by anyone.
type Machine struct {
	log      *slog.Logger
	features Features
	store    *store
	view     atomic.Pointer[View]
	marks    marks

	restores atomic.Uint64

	applying sync.Mutex // one at a time replaces the View
	fed      uint64     // index of the last command that came, applied or not

	mu        sync.Mutex
	watchers  map[*Watcher]struct{}
	published chan struct{} // closed and replaced when the View changes, or the machine parks
	failing   error
	parked    error
}

// Result is what Apply answers for a log entry.
type Result struct {
	// Index of the write: that of the first attempt for a repeated request id.
	Index uint64
	// Err is nil, a *Rejection, or wraps ErrFailed or ErrParked: then the entry is in
	// the log but was not applied here.
	Err error
}

// Open opens or makes the store and loads the View. The error is ErrCorrupt or
// the file system's.
func Open(cfg Config) (*Machine, error) {
	m, err := Begin(cfg)
	if err != nil {
		return nil, err
	}
	if err := m.Load(context.Background()); err != nil {
		return nil, errors.Join(err, m.store.close())
	}
	return m, nil
}

// Begin is Open but for the DNs, which Load reads. Until then they are looked up in the
// store, one by one, by DN, DNBytes, NearestDN and DNs; the View knows of no trunks,
// members or direct numbers, nor how many DNs there are.
func Begin(cfg Config) (*Machine, error) {
	m := &Machine{log: cfg.Log, store: newStore(cfg.Path), watchers: map[*Watcher]struct{}{}, published: make(chan struct{})}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.features = Program(); cfg.Features != nil {
		m.features = *cfg.Features
	}
	m.view.Store(Empty())
	if err := m.begin(); err != nil {
		return nil, err
	}
	return m, nil
}

// begin opens the store.
func (m *Machine) begin() error {
	v, err := m.store.open()
	if err != nil {
		return err
	}
	m.view.Store(v)
	if err := m.features.beyond(v.level); err != nil {
		_ = m.Park(err) // it is what Parked returns
	}
	return nil
}

// Load reads the DNs, unless ctx ends. Call it before anything is applied. After ErrCorrupt the file is not
// used any more: call Load again when another lies in its place, or none.
func (m *Machine) Load(ctx context.Context) error {
	if m.store.db == nil {
		if err := m.begin(); err != nil {
			return err
		}
	}
	v, err := m.store.load(ctx, m.View())
	if err != nil {
		return errors.Join(err, m.store.close())
	}
	m.marks.restart(Mark{v.index, m.store.sum})
	m.publish(v, []applied{{changes: Changes{All: true}}})
	return nil
}

// Close closes the store; the View goes on being readable.
func (m *Machine) Close() error {
	if errors.Is(m.Failing(), ErrCorrupt) {
		return nil // bbolt is stuck in the transaction that panicked
	}
	return m.store.close()
}

// Features are those of the program.
func (m *Machine) Features() Features { return m.features }

// View returns the present configuration; it is never nil.
func (m *Machine) View() *View { return m.view.Load() }

// Digest is that of the present View.
func (m *Machine) Digest() string { return m.View().Digest() }

// Failing returns why nothing is applied any more, nil while all is well.
func (m *Machine) Failing() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failing
}

// CopyTo makes a store of what is in this one, at another path.
func (m *Machine) CopyTo(path string) error { return m.store.copyTo(path) }

// Disk is what the store has under way.
func (m *Machine) Disk() *disk.Watch { return m.store.disk }

// Wait returns when the View includes the log entry index, with ctx's error, or with
// one that wraps ErrParked when the entry will not come.
func (m *Machine) Wait(ctx context.Context, index uint64) error {
	for {
		m.mu.Lock()
		published, parked := m.published, m.parked
		m.mu.Unlock()
		switch {
		case m.View().Index() >= index:
			return nil
		case parked != nil:
			return parked
		}
		select {
		case <-published:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Apply implements raft.FSM.
func (m *Machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM: it makes all entries durable with one
// transaction and then visible with one View. Entries that the store has
// already are skipped. Each response is a Result.
func (m *Machine) ApplyBatch(logs []*raft.Log) []any {
	m.applying.Lock()
	defer m.applying.Unlock()
	return m.applyBatch(logs)
}

func (m *Machine) applyBatch(logs []*raft.Log) []any {
	results := make([]any, len(logs))
	if err := m.Failing(); err != nil {
		return m.refuse(results, err)
	}
	view, batch := m.View(), make([]applied, 0, len(logs))
	for i, l := range logs {
		results[i] = Result{Index: l.Index}
		if l.Type != raft.LogCommand || l.Index <= view.index {
			continue
		}
		m.fed = max(m.fed, l.Index)
		if err := m.Parked(); err != nil {
			results[i] = Result{Err: err}
			continue
		}
		a, err := m.features.applyEntry(view, l)
		if err != nil {
			results[i] = Result{Err: m.Park(fmt.Errorf("log entry %d: %w", l.Index, err))}
			continue
		}
		view, batch = a.view, append(batch, a)
		results[i] = Result{Index: a.index, Err: a.result()}
	}
	if len(batch) == 0 {
		return results
	}
	marks, err := m.store.commit(view.index, batch)
	if err != nil {
		return m.refuse(results, m.fail(err))
	}
	m.marks.add(marks...)
	m.publish(view, batch)
	return results
}

func (a *applied) result() error {
	if a.err == nil {
		return nil
	}
	return a.err
}

// applyEntry does what the entry means at the View's level; the error is that
// this program does not know that.
func (f Features) applyEntry(v *View, l *raft.Log) (applied, error) {
	cmd, err := decodeCommand(l.Data)
	if err != nil {
		next := *v
		next.index = l.Index
		return applied{view: &next, index: l.Index, err: reject(ErrInvalid, "an unreadable log entry: %v", err)}, nil
	}
	if err := f.unknown(cmd); err != nil {
		return applied{}, err
	}
	f.as(levelOf(v, cmd), cmd.ProtoReflect())
	return apply(v, l.Index, cmd), nil
}

func decodeCommand(b []byte) (*peerpb.Command, error) {
	cmd := &peerpb.Command{}
	// Unknown fields would make the stored bytes depend on which program wrote them.
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, cmd); err != nil {
		return nil, err
	}
	return cmd, nil
}

func (m *Machine) refuse(results []any, err error) []any {
	for i := range results {
		results[i] = Result{Err: err}
	}
	return results
}

// fail stops the machine for good.
func (m *Machine) fail(cause error) error {
	err := fmt.Errorf("%w: %s: %w", ErrFailed, m.store.path, cause)
	m.mu.Lock()
	m.failing = err
	m.mu.Unlock()
	m.log.Error("configuration is read-only from now on", "err", err)
	return err
}

func (m *Machine) publish(view *View, batch []applied) {
	before, at := m.view.Load(), time.Now().UnixNano() // nobody has registered by the new View yet
	m.view.Store(view)
	m.mu.Lock()
	close(m.published)
	m.published = make(chan struct{})
	watchers := make([]*Watcher, 0, len(m.watchers))
	for w := range m.watchers {
		watchers = append(watchers, w)
	}
	m.mu.Unlock()
	for _, w := range watchers {
		for _, a := range batch {
			if !a.changes.empty() {
				w.add(a.changes, before, at)
			}
		}
	}
}

// Snapshot implements raft.FSM; it only takes the View. A parked machine gives
// none: Raft would drop entries from its log that are not applied.
func (m *Machine) Snapshot() (raft.FSMSnapshot, error) {
	if err := m.Parked(); err != nil {
		return nil, err
	}
	return snapshot{m.View()}, nil
}

// Restore implements raft.FSM. A snapshot of the same epoch that isn't newer
// than the View is read to its end and ignored: Raft restores the last one at
// every start. One of an unknown level parks the machine. Any other replaces
// everything at once.
func (m *Machine) Restore(in io.ReadCloser) error {
	defer in.Close()
	m.applying.Lock()
	defer m.applying.Unlock()
	if err := m.Failing(); err != nil {
		return err
	}
	r := newReader(in)
	epoch, index, err := r.header()
	if err != nil {
		return err
	}
	if have := m.View(); epoch == have.epoch && index <= have.index {
		_, err := io.Copy(io.Discard, in)
		return err
	}
	v, err := r.view(epoch, index, m.features)
	if errors.Is(err, ErrLevel) {
		_ = m.Park(fmt.Errorf("snapshot at %d: %w", index, err))
		_, err := io.Copy(io.Discard, in)
		return err
	}
	if err != nil {
		return err
	}
	return m.replace(v)
}

func (m *Machine) replace(v *View) error {
	if err := m.store.replace(v); err != nil {
		return m.fail(err)
	}
	m.marks.restart(Mark{v.index, m.store.sum})
	m.unpark()
	m.publish(v, []applied{{changes: Changes{All: true, Former: m.View()}}})
	m.restores.Add(1)
	m.log.Info("configuration replaced by a snapshot", "index", v.index, "dns", v.NumDNs())
	return nil
}

// Restores counts the snapshots that replaced the View since the Machine was opened.
func (m *Machine) Restores() uint64 { return m.restores.Load() }

// ApplyCommand applies the command as the entry behind the last one: for a
// machine that no Raft group feeds, as in the tests of those who read it.
func (m *Machine) ApplyCommand(c *peerpb.Command) Result {
	return m.Apply(&raft.Log{Index: m.View().Index() + 1, Type: raft.LogCommand, Data: encode(c)}).(Result)
}
