package dev

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestDevLayout_NoPortTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range layout(maxDevNodes, maxDevNodes, "127.0.0.1", 5060, 7000) {
		for _, a := range []string{n.SIPAddr, n.WSAddr, n.DefaultAddr, n.TCAddr, n.ClusterAddr, n.GossipAddr, n.HTTPAddr} {
			if seen[a] {
				t.Errorf("%s twice", a)
			}
			seen[a] = true
		}
	}
	sites := ""
	for _, n := range layout(5, 2, "127.0.0.1", 5060, 7000) {
		sites += n.Site
	}
	clienttest.Same(t, sites, "dc1dc2dc1dc2dc1")
	first := layout(1, 1, "127.0.0.1", 5060, 7000)[0]
	clienttest.Same(t, fmt.Sprint(first.SIPAddr, first.WSAddr, first.TCAddr, first.HTTPAddr), "127.0.0.1:5060127.0.0.1:5066127.0.0.1:7001127.0.0.1:7080")
}

func TestDevFlags_TheHighestPortsFit(t *testing.T) {
	f := devFlags{nodes: maxDevNodes, sipPort: 65535 - 10*maxDevNodes, basePort: 65445, bind: "127.0.0.1"}
	if err := f.check(); err != nil {
		t.Error(err)
	}
}

// Bases whose ports meet are told before anything is started.
func TestDevLayout_PortsThatMeet(t *testing.T) {
	err := checkPorts(layout(3, 3, "127.0.0.1", 19160, 19100))
	if err == nil || !strings.Contains(err.Error(), "would be one of node") || !strings.Contains(err.Error(), "farther apart") {
		t.Errorf("SIP ports among the others: %v", err)
	}
}
