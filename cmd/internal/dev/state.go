package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// devState is what `sipcluster dev` writes down, so that `dev cut` finds its
// nodes and `dev heal` knows what is cut.
type devState struct {
	PID   int         `json:"pid"`
	Nodes []devNode   `json:"nodes"`
	Cuts  [][2]string `json:"cuts"`
	// As is the cluster's administrator; nil where nobody is asked.
	As *credential.Context `json:"as,omitempty"`

	path string
}

// statePath is where the state lies unless --state says otherwise.
func statePath() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "sipcluster", "dev.json")
}

// loadState reads the state of a cluster that runs.
func loadState(path string) (*devState, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no dev cluster is running (%s does not exist): start one with sipcluster dev", path)
	}
	if err != nil {
		return nil, err
	}
	s := &devState{path: path}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): start sipcluster dev again", path, err)
	}
	if !alive(s.PID) {
		return nil, fmt.Errorf("the dev cluster of %s has ended: start one with sipcluster dev", path)
	}
	return s, nil
}

// claimState begins a state; it fails when another cluster that runs has the file.
func claimState(path string, nodes []devNode) (*devState, error) {
	if old, err := loadState(path); err == nil && old.PID != os.Getpid() {
		return nil, fmt.Errorf("another dev cluster is running (process %d, %s): stop it, or give this one its own --state FILE, --base-port and --sip-port", old.PID, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	s := &devState{PID: os.Getpid(), Nodes: nodes, path: path}
	return s, s.save()
}

func (s *devState) save() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.path + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	return os.Rename(tmp, s.path)
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || pid <= 0 {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

// named are the nodes that a node's or a site's name means.
func (s *devState) named(name string) ([]string, error) {
	var nodes, known []string
	for _, n := range s.Nodes {
		known = append(known, n.Name)
		if n.Name == name || n.Site == name {
			nodes = append(nodes, n.Name)
		}
	}
	if nodes == nil {
		return nil, console.Usagef("unknown node or site %s: want one of %s", name, strings.Join(known, ", "))
	}
	return nodes, nil
}

// pairs are the links that the names mean: between two, of one to all others,
// or, without names, all.
func (s *devState) pairs(names []string) ([][2]string, error) {
	sides := [2][]string{s.all(), s.all()}
	for i, name := range names {
		nodes, err := s.named(name)
		if err != nil {
			return nil, err
		}
		sides[i] = nodes
	}
	var pairs [][2]string
	for _, a := range sides[0] {
		for _, b := range sides[1] {
			within := len(names) == 1 && slices.Contains(sides[0], b)
			if p := pair(a, b); a != b && !within && !slices.Contains(pairs, p) {
				pairs = append(pairs, p)
			}
		}
	}
	if len(pairs) == 0 {
		return nil, console.Usagef("%s has no link to itself: name two different nodes or sites", strings.Join(names, " "))
	}
	return pairs, nil
}

func (s *devState) all() []string {
	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// pair is a link, written one way only.
func pair(a, b string) [2]string {
	if b < a {
		a, b = b, a
	}
	return [2]string{a, b}
}

// cutOff are the nodes that a node is cut from.
func (s *devState) cutOff(node string) []string {
	var others []string
	for _, c := range s.Cuts {
		switch node {
		case c[0]:
			others = append(others, c[1])
		case c[1]:
			others = append(others, c[0])
		}
	}
	return others
}

// change cuts or heals links in the state, and returns those for which that is
// news; the nodes are told by apply.
func (s *devState) change(pairs [][2]string, cut bool) (changed [][2]string) {
	for _, p := range pairs {
		if slices.Contains(s.Cuts, p) != cut {
			changed = append(changed, p)
		}
	}
	s.Cuts = slices.DeleteFunc(s.Cuts, func(c [2]string) bool { return slices.Contains(pairs, c) })
	if cut {
		s.Cuts = append(s.Cuts, pairs...)
	}
	return changed
}
