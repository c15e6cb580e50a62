package identity

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// Distrust makes this node refuse another one from now on, whatever the roster says.
func (i *Identity) Distrust(id, name string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	denied := maps.Clone(i.denied)
	if denied == nil {
		denied = map[string]string{}
	}
	denied[id] = name
	return i.setDenied(denied)
}

// Forget ends the distrust of nodes that are not on the roster any more.
func (i *Identity) Forget(onRoster func(id string) bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	denied := maps.Clone(i.denied)
	maps.DeleteFunc(denied, func(id, _ string) bool { return !onRoster(id) })
	if len(denied) == len(i.denied) {
		return nil
	}
	return i.setDenied(denied)
}

// Distrusted are the names of those that this node refuses by itself, in order.
func (i *Identity) Distrusted() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(maps.Values(i.denied))
}

// setDenied is called with the lock held. What can't be kept counts all the same.
func (i *Identity) setDenied(denied map[string]string) error {
	i.denied = denied
	i.publish()
	b, err := json.MarshalIndent(denied, "", "  ")
	if err != nil {
		return err
	}
	return WriteSecret(i.path(deny), append(b, '\n'))
}

func (i *Identity) readDenied() error {
	b, err := os.ReadFile(i.path(deny))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, &i.denied)
	}
	if err != nil {
		i.denied = nil
		return i.cfg.Damaged(i.path(deny), err, "nodes that this node alone refused are taken again", "remove them from the cluster: sipcluster node remove NAME")
	}
	return nil
}
