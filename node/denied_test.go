package node

import (
	"errors"
	"testing"

	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
)

// TestDeniedTokens_NoCheckWaitsForTheDisk: each request asks whether its token is refused
// here. On a disk that does not answer it hears so at once, and who denied one after a while
// that it isn't kept; it is when the disk answers.
func TestDeniedTokens_NoCheckWaitsForTheDisk(t *testing.T) {
	m := lossyfs.New(t)
	d, err := openDeniedTokens(m.Dir, &damage{})
	if err != nil {
		t.Fatal(err)
	}
	m.Freeze()
	first := d.add("t1", nil)
	second := d.add("t2", nil)
	if !d.has("t1") || !d.has("t2") || d.has("t3") {
		t.Error("what is denied is not refused")
	}
	if err := errors.Join(first(), second()); !errors.Is(err, disk.ErrStalled) {
		t.Errorf("on a frozen disk: %v", err)
	}
	m.Thaw()
	patience.Until(t, "both are kept", func() bool {
		again, err := openDeniedTokens(m.Dir, &damage{})
		return err == nil && again.has("t1") && again.has("t2")
	})
}
