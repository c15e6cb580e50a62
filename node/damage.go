package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/problem"
)

// damage is what was found damaged in the data directory at this start, and set aside:
// the node starts without it, and says so until the next start.
type damage struct {
	log *slog.Logger

	mu    sync.Mutex
	found []damagedFile
}

type damagedFile struct {
	path, aside string
	// means is what the node does without the file, advice what has it whole again; ""
	// when nothing has to be done.
	means, advice string
}

// without sets a damaged file aside. An error says that it could not be.
func (d *damage) without(path string, why error, means, advice string) error {
	aside, err := disk.SetAside(path, time.Now())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is damaged (%w) and can't be set aside: %w", path, why, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, damagedFile{path, aside, means, advice})
	d.log.Error("a damaged file is set aside", "file", path, "kept_as", aside, "err", why, "means", means)
	return nil
}

// problems tells of them.
func (d *damage) problems(report func(problem.Problem)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.found {
		advice := f.advice
		if advice == "" {
			advice = "look at the disk, then remove it: rm -r " + f.aside + "; this line ends with the next start"
		}
		report(problem.Problem{Code: "file-damaged", Subject: f.path, Text: fmt.Sprintf("%s was damaged and is set aside: %s", f.path, f.means), Advice: advice})
	}
}
