package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

// agents starts sipp at a phone's place and port, which takes calls there until
// the count is reached; wait waits for that.
func agents(t *testing.T, p phone, calls int) (wait func()) {
	t.Helper()
	path, err := filepath.Abs("testdata/agent.xml")
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "sipp", "-sf", path, "-i", p.from.IP().String(), "-p", fmt.Sprint(p.port),
		"-t", "u1", "-m", fmt.Sprint(calls), "-trace_msg", "-message_file", "messages.log", "-nostdin", "-timeout", "60s", "-timeout_error")
	cmd.Dir = t.TempDir()
	must(t, p.from.Start(cmd))
	return func() {
		t.Helper()
		if err := cmd.Wait(); err != nil {
			log, _ := os.ReadFile(filepath.Join(cmd.Dir, "messages.log"))
			t.Fatalf("the agent's phone %s: %v\n%s", p.dn, err, log[max(0, len(log)-6000):])
		}
	}
}

// call makes a phone call a number by way of a node, talk for some ms and hang up.
func placeCall(t *testing.T, n *cluster.Node, from phone, called string, talk int) (wait func() error) {
	t.Helper()
	cmd := sippCommand(t, "call", n, "u1", 0, from)
	cmd.Args = append(cmd.Args, "-p", fmt.Sprint(from.port), "-key", "called", called, "-d", fmt.Sprint(talk))
	must(t, from.from.Start(cmd))
	return func() error {
		if err := cmd.Wait(); err != nil {
			log, _ := os.ReadFile(filepath.Join(cmd.Dir, "messages.log"))
			return fmt.Errorf("the call of %s to %s: %w\n%s", from.dn, called, err, log[max(0, len(log)-6000):])
		}
		return nil
	}
}

func TestCall_ToADNOfAnotherNode(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), "8301", "8302")
	ph[1] = ph[1].at(c.Node(2))
	register(t, c.Node(1), ph[0])
	register(t, c.Node(2), ph[1])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[1:], c.Nodes()...)
	stat := statServer(t, c.Node(3))
	stat.forget()

	rings := agents(t, ph[1], 1)
	talks := placeCall(t, c.Node(1), ph[0], "8302", 1000)
	eventuallyGet(t, c.Node(3), "8302", func(d *tcpb.DNStatus) bool { return d.GetBusy() && !d.GetRoutable() })
	must(t, talks())
	rings()
	stat.wait(t, soon, "released", func(e *tlibpb.Event) bool {
		return e.GetMessage() == tlibpb.Message_EVENT_RELEASED && e.GetThisDn() == "8302"
	})
	stat.hears(t, soon, "8302", "EVENT_RINGING 8302 by 8301 at n1", "EVENT_ESTABLISHED 8302 by 8301 at n1", "EVENT_RELEASED 8302 by 8301 at n1")
	stat.hears(t, soon, "8301", "EVENT_ESTABLISHED 8301 by 8302 at n1", "EVENT_RELEASED 8301 by 8302 at n1")
	eventuallyGet(t, c.Node(3), "8302", func(d *tcpb.DNStatus) bool { return !d.GetBusy() && d.GetRoutable() })
}
