package broken

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// Build builds a broken server into dir and returns its path.
func (f *Fault) Build(dir string) (string, error) {
	overlay, err := f.Overlay(dir)
	if err != nil {
		return "", err
	}
	return cluster.Build(filepath.Dir(overlay), "-overlay", overlay)
}

// Overlay writes what go's flag -overlay wants, into a directory of the
// fault's own in dir, and returns the path.
func (f *Fault) Overlay(dir string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "with-"+f.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	files, err := f.source(root)
	if err != nil {
		return "", fmt.Errorf("fault %s: %w", f.Name, err)
	}
	replace := map[string]string{}
	for file, text := range files {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		replace[filepath.Join(root, file)] = changed
		if err := os.WriteFile(changed, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, b, 0o644)
}

// source are the files that differ from the module's, with their texts.
func (f *Fault) source(root string) (map[string]string, error) {
	files := maps.Clone(f.added)
	if files == nil {
		files = map[string]string{}
	}
	for _, e := range f.Edits {
		text, changed := files[e.File]
		if !changed {
			b, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return nil, fmt.Errorf("%s has %d places like %q, want 1: the source has changed, change the fault", e.File, n, e.Old)
		}
		files[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	return files, nil
}

// ModuleRoot is the directory of the module.
func ModuleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if file := strings.TrimSpace(string(out)); err == nil && file != os.DevNull && file != "" {
		return filepath.Dir(file), nil
	}
	return "", errors.Join(errors.New("run this within the module's directory"), err)
}
