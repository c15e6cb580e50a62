package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/disk"
)

// card is who this data directory is: made at the first start, kept in
// node.json.
type card struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// ClusterID is empty until the node bootstrapped or joined.
	ClusterID string `json:"cluster_id"`
	// Told are the addresses that the roster had of it from itself.
	Told []string `json:"told,omitempty"`
	// Recovery is that which the configuration comes from, until it is here and says so
	// itself.
	Recovery string `json:"recovery,omitempty"`

	mu   sync.Mutex // guards Told once the node runs
	path string
}

func (id *card) told() []string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.Told
}

func (id *card) tell(addrs []string) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.Told = addrs
	return id.save()
}

// readCard reads the identity of a directory that has one.
func readCard(dir string) (*card, error) {
	id := &card{path: filepath.Join(dir, "node.json")}
	b, err := os.ReadFile(id.path)
	if err == nil {
		err = json.Unmarshal(b, id)
	}
	if err == nil && id.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w: is it that of a node?", dir, err)
	}
	return id, nil
}

// openCard reads the directory's identity, or makes one for an empty directory. Of a
// damaged one the configuration tells what it was.
func openCard(dir, name string, found *damage) (*card, error) {
	if err := disk.MakeDir(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w: choose another --data-dir", err)
	}
	id := &card{path: filepath.Join(dir, "node.json")}
	b, err := os.ReadFile(id.path)
	if errors.Is(err, os.ErrNotExist) {
		id.ID, id.Name = name+"."+uuid.NewString()[:8], name
		return id, id.save()
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = json.Unmarshal(b, id)
	if err == nil && id.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return id, id.fromConfiguration(name, err, found)
	}
	if id.Name != name {
		return nil, fmt.Errorf("data directory %s belongs to node %s, not %s: start with --node %s or another --data-dir", dir, id.Name, name, id.Name)
	}
	return id, nil
}

// fromConfiguration makes a damaged card anew: the roster knows who has the name.
func (id *card) fromConfiguration(name string, damaged error, found *damage) error {
	view := fsm.Empty()
	if m, err := fsm.Open(fsm.Config{Path: filepath.Join(filepath.Dir(id.path), configFile)}); err == nil {
		view = m.View()
		if err := m.Close(); err != nil {
			return err
		}
	}
	n := view.NodeByName(name)
	if n == nil {
		return fmt.Errorf("%s is damaged: %w: restore it, or move the whole data directory away and join again", id.path, damaged)
	}
	if err := found.without(id.path, damaged, "it is made anew from the configuration", ""); err != nil {
		return err
	}
	id.ID, id.Name, id.ClusterID = n.GetId(), name, view.Epoch()
	return id.save()
}

// save replaces the file in one step.
func (id *card) save() error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	if err := disk.WriteFile(id.path, append(b, '\n'), 0o640); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}
