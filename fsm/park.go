package fsm

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// ErrParked says that nothing is applied here any more, although the store works:
// the log has what this program does not know (ErrLevel), or the state is not that
// of the others (ErrDiverged), which it wraps. The View stays as it was.
var ErrParked = errors.New("the configuration plane of this node is parked")

// Parked returns why nothing is applied, nil while all is well.
func (m *Machine) Parked() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parked
}

// Park stops applying until the state is replaced or the process ends: what Raft
// hands over is skipped, and stays in its log. The first cause counts; it returns
// the error that Parked does.
func (m *Machine) Park(cause error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.parked == nil {
		m.parked = fmt.Errorf("%w: %w", ErrParked, cause)
		close(m.published)
		m.published = make(chan struct{})
		m.log.Error("nothing is applied to the configuration any more, it stays readable", "err", m.parked)
	}
	return m.parked
}

func (m *Machine) unpark() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parked = nil
}

// Fed is the index of the last command that Raft handed over, applied or not.
func (m *Machine) Fed() uint64 {
	m.applying.Lock()
	defer m.applying.Unlock()
	return max(m.fed, m.View().Index())
}

// Replace makes a snapshot of another node the state of a machine that is parked,
// which ends that, and applies the commands behind it that came meanwhile: missed
// returns the log's entries from one index to another, both included. The snapshot
// must be of the same epoch and not older than the View.
func (m *Machine) Replace(in io.Reader, missed func(from, to uint64) ([]*raft.Log, error)) error {
	r := newReader(in)
	epoch, index, err := r.header()
	if err != nil {
		return err
	}
	v, err := r.view(epoch, index, m.features)
	if err != nil {
		return err
	}
	m.applying.Lock()
	defer m.applying.Unlock()
	if have := m.View(); epoch != have.epoch || index < have.index {
		return fmt.Errorf("%w: it is at %d of %q, this node at %d of %q", ErrSnapshot, index, epoch, have.index, have.epoch)
	}
	var logs []*raft.Log
	if index < m.fed {
		if logs, err = missed(index+1, m.fed); err != nil {
			return fmt.Errorf("reading the log behind the snapshot: %w", err)
		}
	}
	if err := m.replace(v); err != nil {
		return err
	}
	m.applyBatch(logs)
	return m.Failing()
}
