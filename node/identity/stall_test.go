package identity

import (
	"errors"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// TestIdentity_NoCheckWaitsForTheDisk: on a disk that does not answer whom a node believes
// changes at once, and everything that a check asks for is there, whatever else hangs. Who
// changed it hears that it isn't kept; it is when the disk answers.
func TestIdentity_NoCheckWaitsForTheDisk(t *testing.T) {
	m := lossyfs.New(t)
	i, seal := opened(t, m.Dir), NewSeal()
	if err := i.SetSeal(seal); err != nil {
		t.Fatal(err)
	}
	m.Freeze()
	renewed := make(chan error)
	go func() { renewed <- i.Renew("c1", []*configpb.Authority{sealed(t, seal)}, time.Now()) }()
	patience.Until(t, "the certificate is made", func() bool { return i.Certificate() != nil })
	known := &peerpb.Trust{ClusterId: "c1", Index: 7, Nodes: []*configpb.Node{{Id: "b", KeySha256: []string{"k"}}}}
	for what, change := range map[string]func() error{
		"Believe": func() error { return i.Believe(known) }, "Distrust": func() error { return i.Distrust("x", "sip9") },
	} {
		done := make(chan error, 1)
		go func() { done <- change() }()
		if err := patience.Receive(t, what+" on a frozen disk", done); !errors.Is(err, disk.ErrStalled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if i.Trust().Holds("b", "k") != nil || !i.Trust().Denied["x"] || len(i.Fingerprints()) != 1 || i.Known() != known {
		t.Errorf("it believes %+v", i.Trust())
	}
	m.Thaw()
	if err := patience.Receive(t, "the disk has answered", renewed); err != nil {
		t.Error(err)
	}
	patience.Until(t, "all is kept", func() bool {
		again := opened(t, m.Dir)
		return again.Trust().Holds("b", "k") == nil && again.Trust().Denied["x"] && again.Certificate() != nil
	})
}
