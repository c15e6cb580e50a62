package location

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"

	"github.com/sipcluster/sipcluster/node/disk"
)

// health remembers which parts of the store fail, and logs when that changes.
type health struct {
	mu      sync.Mutex
	failing map[string]error
}

// report notes the outcome of a part's work and returns it.
func (h *health) report(log *slog.Logger, part string, err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.failing[part]
	switch {
	case err == nil && was != nil:
		delete(h.failing, part)
		log.Info("location store works again", "part", part)
	case err != nil && was == nil:
		if h.failing == nil {
			h.failing = make(map[string]error)
		}
		h.failing[part] = err
		log.Error("location store cannot write; bindings stay in memory and are written when it can", "part", part, "err", err)
	case err != nil:
		h.failing[part] = err
	}
	return err
}

// Disks are what the store has under way.
func (s *Store) Disks() []*disk.Watch {
	return []*disk.Watch{s.disks.journal, s.disks.sync, s.disks.base}
}

// Failing returns why the store cannot write at present, nil when it can.
func (s *Store) Failing() error {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	errs := []error{cmp.Or(s.disks.journal.Waits(disk.Patience), s.disks.sync.Stalled())}
	for _, err := range s.health.failing {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
