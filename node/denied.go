package node

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/problem"
)

// deniedTokens are those that this node refuses by itself, because somebody said so
// while there was no quorum. They are kept in a file, and revoked in the cluster by
// whoever said it as soon as that is possible.
type deniedTokens struct {
	path string
	file *disk.Kept

	mu  sync.Mutex
	ids map[string]*access.Who // who denied it; nil when this process was not told
}

func openDeniedTokens(dir string, found *damage) (*deniedTokens, error) {
	d := &deniedTokens{path: filepath.Join(dir, "deny-tokens.json"), ids: map[string]*access.Who{}}
	d.file = disk.NewKept(d.path, 0o600)
	b, err := os.ReadFile(d.path)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	var ids []string
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &ids); err != nil {
		return d, found.without(d.path, err, "tokens that this node alone refused are taken again",
			"revoke them in the cluster, sipcluster token revoke ID; sipcluster audit tells which are meant")
	}
	for _, id := range ids {
		d.ids[id] = nil
	}
	return d, nil
}

func (d *deniedTokens) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, denied := d.ids[id]
	return denied
}

// add denies a token from now on, even when that can't be kept; kept waits for the disk.
func (d *deniedTokens) add(id string, by *access.Who) (kept func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ids[id] = by
	return d.save()
}

// save is called with the lock held; kept waits for the disk.
func (d *deniedTokens) save() (kept func() error) {
	b, err := json.Marshal(slices.Sorted(maps.Keys(d.ids)))
	if err != nil {
		return func() error { return err }
	}
	return d.file.Put(append(b, '\n'))
}

// settle forgets those that the cluster does not have any more, and returns the
// others with who denied them.
func (d *deniedTokens) settle(view *fsm.View) map[string]*access.Who {
	left, kept := d.sort(view)
	_ = kept() // those that it forgets are in nobody's way
	return left
}

func (d *deniedTokens) sort(view *fsm.View) (left map[string]*access.Who, kept func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left, before := map[string]*access.Who{}, len(d.ids)
	for id, by := range d.ids {
		if view.Token(id) == nil {
			delete(d.ids, id)
		} else {
			left[id] = by
		}
	}
	if len(d.ids) < before {
		return left, d.save()
	}
	return left, func() error { return nil }
}

// problems name what is refused here alone.
func (d *deniedTokens) problems(report func(problem.Problem)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, by := range d.ids {
		if by == nil {
			report(problem.Problem{Code: "token-denied", Subject: id, Text: "token " + id + " is refused by this node alone", Advice: "sipcluster token revoke " + id})
		}
	}
}

// revokeEach is how often the revocation of what is denied here is tried.
const revokeEach = 5 * time.Second

// revokeDenied revokes in the cluster what is denied here, for those who said so.
func (n *Node) revokeDenied(ctx context.Context) error {
	tick := beat.New(revokeEach)
	defer tick.Stop()
	for {
		for id, by := range n.denied.settle(n.machine.View()) {
			if by == nil {
				continue
			}
			m := &configpb.Mutation{Op: &configpb.Mutation_DeleteToken{DeleteToken: id}}
			c := &peerpb.Command{Version: fsm.Version, Mutations: []*configpb.Mutation{m}}
			_, err := n.group.Propose(access.With(ctx, by), c)
			switch {
			case errors.Is(err, fsm.ErrRejected):
				n.log.Warn("a token that is refused here alone can't be revoked in the cluster", "token", id, "err", err)
				_ = n.denied.add(id, nil)() // it is kept already
			case err == nil:
				n.log.Info("a token that was refused here alone is revoked in the cluster", "token", id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			tick.Again()
		}
	}
}

// denyToken has this node refuse a token at once.
func (n *Node) denyToken(ctx context.Context, id string) error {
	kept := n.denied.add(id, access.From(ctx))
	if n.guard != nil {
		n.guard.Deny()
	}
	return kept()
}
