package node

import (
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

// TestIdentity_PowerFailureKeepsTheIDAndTheCluster at each operation of a first
// start and of a join: the identity is that of before or after, never damaged.
func TestIdentity_PowerFailureKeepsTheIDAndTheCluster(t *testing.T) {
	m, left := lossyfs.New(t), lossyfs.Memory(t)
	m.Watch(lossyfs.Plan{Every: 1, Most: 100})
	id, err := openCard(filepath.Join(m.Dir, "data"), "sip1", noDamage())
	if err != nil {
		t.Fatal(err)
	}
	made := m.Take()
	id.ClusterID = "c1"
	if err := id.save(); err != nil {
		t.Fatal(err)
	}
	joined := m.Take()
	for i := range joined + 1 {
		for seed := range uint64(6) {
			m.Extract(i, seed, left)
			got, err := openCard(filepath.Join(left, "data"), "sip1", noDamage())
			switch {
			case err != nil:
				t.Fatalf("image %d, seed %d: %v", i, seed, err)
			case i >= made && got.ID != id.ID, i == joined && got.ClusterID != "c1":
				t.Fatalf("image %d, seed %d: %+v, was %+v", i, seed, got, id)
			}
		}
	}
}
