package e2e_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
)

func TestWatch_ResumedGoesOnWithoutAGap(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), numbers(6001, 6)...)
	for i := range ph {
		ph[i] = ph[i].at(c.Node(2))
	}
	first := observe(t, c.Node(1))
	register(t, c.Node(2), ph[:3]...)
	first.waitSeen(t, soon, inServiceAt(c.Node(2)), ph[:3]...)
	first.stop()
	patience.Receive(t, "the end of the watch", first.done)
	incarnation, at := first.position()

	register(t, c.Node(2), ph[3:]...)
	unregister(t, c.Node(2), ph[0])
	expectSeen(t, soon, inServiceAt(c.Node(2)), ph[3:], c.Node(1))
	expectSeen(t, soon, nobody, ph[:1], c.Node(1))

	again := observeFrom(t, c.Node(1), &tcpb.WatchRequest{ResumeCursor: at})
	again.waitSeen(t, soon, inServiceAt(c.Node(2)), ph[3:]...)
	again.waitSeen(t, soon, nobody, ph[0])
	if !again.started.GetResumed() {
		t.Error("the watch began anew; want it resumed")
	}
	again.expectSilence(t, ph[1:3]...)

	c.Node(1).Kill9()
	must(t, c.Node(1).Start(t.Context()))
	anew := observeFrom(t, c.Node(1), &tcpb.WatchRequest{ResumeCursor: at})
	if anew.started.GetResumed() || anew.started.GetIncarnation() <= incarnation {
		t.Errorf("after a restart: %v; want a snapshot of a later incarnation than %d", anew.started, incarnation)
	}
	anew.waitSeen(t, afterCut, inServiceAt(c.Node(2)), ph[1:]...)
}

func TestWatch_OnTheCommandLineTellsTheEvents(t *testing.T) {
	c := threeNodes(t)
	p := phones(t, c.Node(1), "6011")[0]
	out, stop := watchCLI(t, c.Node(3))
	out.wait(t, `"EndOfSnapshot"`)
	register(t, c.Node(1), p)
	out.wait(t, `"event":"EventDNBackInService","dn":"6011","state":"InSrv","owner":"n1"`)
	unregister(t, c.Node(1), p)
	out.wait(t, `"event":"EventDNOutOfService","dn":"6011","state":"OOS"`)
	stop()
}

func TestWatch_SlowClientLosesNoLastState(t *testing.T) {
	c := threeNodes(t)
	ph := phones(t, c.Node(1), numbers(6100, 50)...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*starting)
	defer cancel()
	stream, err := c.Node(2).Availability().Watch(ctx, &tcpb.WatchRequest{Filter: &tcpb.Filter{Prefix: "61"}})
	must(t, err)
	_, err = stream.Recv() // and then it reads nothing more for a while
	must(t, err)
	quick := observe(t, c.Node(2))
	for range 5 {
		register(t, c.Node(1), ph...)
		unregister(t, c.Node(1), ph...)
	}
	register(t, c.Node(1), ph...)
	quick.waitSeen(t, soon, inServiceAt(c.Node(1)), ph...)

	state := map[string]tcpb.DNState{}
	for inService := 0; inService < len(ph); {
		msg, err := stream.Recv()
		must(t, err)
		for _, e := range msg.GetEvents().GetEvents() {
			state[e.GetDn()] = e.GetState()
		}
		inService = 0
		for _, s := range state {
			if s == inSrv {
				inService++
			}
		}
	}
}

// spoken is what a command prints, line by line.
type spoken struct {
	lines <-chan string
	past  []string
}

func (s *spoken) wait(t *testing.T, part string) {
	t.Helper()
	timer := time.NewTimer(soon)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				t.Fatalf("the command ended; waited for %s; it said:\n%s", part, strings.Join(s.past, "\n"))
			}
			s.past = append(s.past, line)
			if strings.Contains(strings.ReplaceAll(line, ": ", ":"), part) {
				return
			}
		case <-timer.C:
			t.Fatalf("no %s in:\n%s", part, strings.Join(s.past, "\n"))
		}
	}
}

func watchCLI(t *testing.T, n *cluster.Node) (*spoken, func()) {
	t.Helper()
	lines, stop, err := n.CLILines("dn", "watch", "-o", "json")
	must(t, err)
	t.Cleanup(stop)
	return &spoken{lines: lines}, stop
}
