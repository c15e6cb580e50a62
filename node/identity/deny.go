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
	return i.setDenied(func(denied map[string]string) { denied[id] = name })
}

// Forget ends the distrust of nodes that are not on the roster any more.
func (i *Identity) Forget(onRoster func(id string) bool) error {
	return i.setDenied(func(denied map[string]string) {
		maps.DeleteFunc(denied, func(id, _ string) bool { return !onRoster(id) })
	})
}

// Distrusted are the names of those that this node refuses by itself, in order.
func (i *Identity) Distrusted() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(maps.Values(i.denied))
}

// setDenied changes who is refused, at once. What can't be kept counts all the same.
func (i *Identity) setDenied(change func(map[string]string)) error {
	kept, err := i.changeDenied(change)
	if err != nil {
		return err
	}
	return kept()
}

func (i *Identity) changeDenied(change func(map[string]string)) (kept func() error, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	denied := map[string]string{}
	maps.Copy(denied, i.denied)
	if change(denied); maps.Equal(denied, i.denied) {
		return func() error { return nil }, nil
	}
	i.denied = denied
	i.publish()
	b, err := json.MarshalIndent(denied, "", "  ")
	if err != nil {
		return nil, err
	}
	return i.files.denied.Put(append(b, '\n')), nil
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
