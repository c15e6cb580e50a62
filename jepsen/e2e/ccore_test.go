package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// python is Debian's, which has python3-grpcio; one of a user's may come first.
const python = "/usr/bin/python3"

// needCCore skips a test where there is no client with the C core of gRPC.
func needCCore(t *testing.T) {
	t.Helper()
	if exec.Command(python, "-c", "import grpc").Run() != nil {
		skipFor(t, "python3-grpcio")
	}
}

// A client in another language asks, thinks for a while, and asks again: it answers no
// ping meanwhile, and none of its requests fails.
func TestCCore_AnIdleClientIsNotSentAway(t *testing.T) {
	needCCore(t)
	c := threeNodes(t)
	script, err := filepath.Abs("testdata/ccore.py")
	must(t, err)
	failed, err := c.Node(2).Phones().Exec(t.Context(), python, script, c.Node(1).Addr(cluster.TCPort).String(), "5", "3")
	must(t, err)
	if failed != "" {
		t.Error(failed)
	}
}
