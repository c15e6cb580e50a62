package node

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
	"github.com/sipcluster/sipcluster/sip/location"
)

// The disk of a node stops answering, as on a frozen file system: phones go on, status
// says which store stalls, and a node that is told to stop then closes all its ports,
// has its peer know, and waits for nobody.
func TestNode_StopsAlthoughItsDiskStalls(t *testing.T) {
	m := lossyfs.New(t)
	t.Cleanup(m.Thaw)
	a, b := twoNodes(t, func(c *Config) {
		if c.Name == "n2" {
			c.DataDir = m.Dir
		}
	})
	b.write(t, []*member{a, b}, phoneDN("1001"), phoneDN("1002"))
	m.Freeze()
	b.phone(t, "1001")
	await(t, "the stalled store is named", func() bool {
		for _, p := range b.status(t).GetProblems() {
			if p.GetCode() == "disk-stalled" && p.GetSince() != nil && p.GetAdvice() != "" {
				return true
			}
		}
		return false
	})
	b.phone(t, "1002")
	b.says(t, "1002", "IN_SRV n2@site-n2")
	if err := b.stop(); !errors.Is(err, ErrHung) {
		t.Errorf("stopped with %v", err)
	}
	b.stop = func() error { return nil }
	await(t, "the peer knows", func() bool { return a.status(t).GetPeers()[0].GetReason() == "left" })
	for _, addr := range []string{b.cfg.SIPAddr, b.cfg.TCAddr, b.cfg.DefaultAddr, b.cfg.ClusterAddr, b.cfg.HTTPAddr} {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			t.Errorf("still open: %v", err)
			continue
		}
		_ = ln.Close()
	}
	if udp, err := net.ListenPacket("udp", b.cfg.SIPAddr); err != nil {
		t.Errorf("still open: %v", err)
	} else {
		_ = udp.Close()
	}
	m.Thaw()
	await(t, "what hung has ended", func() bool {
		s, err := location.Open(location.Config{Dir: filepath.Join(m.Dir, "location")})
		if err == nil {
			err = s.Close()
		}
		return err == nil
	})
}
