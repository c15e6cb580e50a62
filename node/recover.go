package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/consensus"
	"github.com/sipcluster/sipcluster/node/disk"
)

// What the configuration plane keeps in a data directory.
const (
	configFile, raftDir = "config.db", "raft"
	// recovering is where a recovery makes the new ones.
	recovering = "recovering"
)

// Recovered is what a recovery made.
type Recovered struct {
	// Node that goes on, and the Cluster's id.
	Node, Cluster string
	// Recovery is the name of the recovery: what other nodes have to accept.
	Recovery string
	// Self and Others are the roster.
	Self   *configpb.Node
	Others []*configpb.Node
	DNs    int
	// Index of the last change that is known, and its time; zero when nothing tells.
	Index uint64
	Last  time.Time
	// Missing says which of the two copies could not be read, and why; "" for none.
	Missing []string
	// Aside are the paths that the former files have now.
	Aside []string
}

// Recover makes a node whose cluster lost its majority for good the first of a cluster
// of the same identity, in its data directory, of which no process may run: all that
// the node knows of the configuration stays, and so does everything else there. It
// destroys nothing: the former files are set aside.
func Recover(dir string, now time.Time) (Recovered, error) {
	id, err := readCard(dir)
	if err != nil {
		return Recovered{}, err
	}
	if id.ClusterID == "" {
		return Recovered{}, fmt.Errorf("data directory %s: this node never belonged to a cluster: there is nothing to recover", dir)
	}
	work := filepath.Join(dir, recovering)
	if err := errors.Join(os.RemoveAll(work), disk.MakeDir(work, 0o700)); err != nil {
		return Recovered{}, err
	}
	r := Recovered{Node: id.Name, Cluster: id.ClusterID}
	view, term, err := r.gather(dir, work)
	if err == nil {
		err = r.found(dir, work, id, view, term)
	}
	if err == nil {
		err = r.swap(dir, work, now)
	}
	if err == nil {
		id.Recovery = r.Recovery
		err = id.save()
	}
	if err == nil {
		err = ownedAs(dir, filepath.Join(dir, configFile), filepath.Join(dir, raftDir), id.path)
	}
	return r, errors.Join(err, os.RemoveAll(work))
}

// gather returns the newest configuration that the two copies give together, and the
// term to go on from.
func (r *Recovered) gather(dir, work string) (view *fsm.View, term uint64, err error) {
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(work, "gathered.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	path := filepath.Join(dir, configFile)
	if _, missing := os.Stat(path); missing == nil {
		have, openErr := fsm.Open(fsm.Config{Path: path})
		switch {
		case openErr == nil:
			view := have.View()
			if err := errors.Join(have.Close(), take(m, view)); err != nil {
				return nil, 0, err
			}
		case errors.Is(openErr, fsm.ErrCorrupt):
			r.Missing = append(r.Missing, fmt.Sprintf("%s can't be read: what the log has beyond its last snapshot is all that is known", path))
		default:
			return nil, 0, openErr // in use, or no permission
		}
	}
	term, err = consensus.Replay(filepath.Join(dir, raftDir), m)
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("the log in %s can't be read (%v): what it has beyond %s is missing", filepath.Join(dir, raftDir), err, configFile))
	}
	if m.View().Epoch() == "" {
		return nil, 0, fmt.Errorf("data directory %s: neither the configuration store nor the log can be read: recover another node, or restore a backup into a new cluster", dir)
	}
	return m.View(), term, nil
}

// take makes a View the content of a machine.
func take(m *fsm.Machine, v *fsm.View) error {
	if v.Epoch() == "" {
		return nil
	}
	var b bytes.Buffer
	if _, err := v.WriteTo(&b); err != nil {
		return err
	}
	return m.Restore(io.NopCloser(&b))
}

// found makes the new files in work.
func (r *Recovered) found(dir, work string, id *card, view *fsm.View, term uint64) error {
	self := view.Node(id.ID)
	if self == nil {
		return fmt.Errorf("data directory %s: this node was removed from the cluster: recover another one", dir)
	}
	r.DNs, r.Index, r.Self = view.NumDNs(), view.Index(), self
	for _, n := range view.Nodes() {
		if n.GetId() != id.ID {
			r.Others = append(r.Others, n)
		}
	}
	for e := range view.Audit(0) {
		r.Last = time.UnixMilli(int64(e.GetTimeMs()))
	}
	next := view.Recovered()
	r.Recovery = next.Recovery()
	m, err := fsm.Open(fsm.Config{Path: filepath.Join(work, configFile)})
	if err != nil {
		return err
	}
	if err := errors.Join(take(m, next), m.Close()); err != nil {
		return err
	}
	return consensus.Found(filepath.Join(work, raftDir), self, next, term+1)
}

// swap puts the new files in the place of the former ones. Whenever it is cut short,
// the recovery can be made again.
func (r *Recovered) swap(dir, work string, now time.Time) error {
	for _, name := range []string{configFile, raftDir} {
		aside, err := setAside(filepath.Join(dir, name), now)
		if err != nil {
			return err
		}
		if aside != "" {
			r.Aside = append(r.Aside, aside)
		}
		if err := os.Rename(filepath.Join(work, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	_ = os.Remove(filepath.Join(dir, configCopy)) // of the former configuration
	return disk.SyncDir(dir)
}

// setAside renames what is not to be used any more, and returns its new path; "" when
// it is not there.
func setAside(path string, now time.Time) (string, error) {
	aside := path + ".set-aside-" + now.UTC().Format("20060102T150405.000Z")
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	return aside, disk.SyncDir(filepath.Dir(path))
}

// ownedAs gives what root has made to whoever owns the data directory.
func ownedAs(dir string, paths ...string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	for _, path := range paths {
		err = errors.Join(err, filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
			return errors.Join(err, os.Lchown(p, int(owner.Uid), int(owner.Gid)))
		}))
	}
	return err
}
