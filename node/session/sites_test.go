package session

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/site"
)

// Who asks for the events of sites hears of each loss and of its end once, and at the
// begin of what is lost already; nobody else hears anything.
func TestSites_AreToldToThoseWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		here := site.State{Site: "dc1", Heard: []string{"n1"}}
		lost := site.State{Site: "dc2", Lost: []string{"n2", "n3"}, Since: time.Unix(100, 0)}
		back := site.State{Site: "dc2", Heard: []string{"n3"}, Lost: []string{"n2"}, Since: time.Unix(200, 0)}
		ask := monitorAll(&tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_SITE}}})
		all, w, def := o.connect(TCport, nil), o.connect(TCport, nil), o.connect(DefaultPort, nil)
		all.ask(monitorAll(&tlibpb.MonitorAll{}))
		w.ask(ask)
		def.ask(ask)
		synctest.Wait()
		for _, x := range []*wire{all, w, def} {
			x.heard()
		}
		o.control.Sites([]site.State{here, lost}, map[string]bool{"dc2": true})
		synctest.Wait()
		o.control.Sites([]site.State{here, lost}, map[string]bool{"dc2": true}) // nothing is new
		synctest.Wait()
		w.hears("EVENT_SITE_LOST dc2 [n2 n3]")
		late := o.connect(TCport, nil)
		if got := late.link.GetServer().GetLostSites(); !slices.Equal(got, []string{"dc2"}) {
			t.Errorf("a session opens with %v lost", got)
		}
		late.heard()
		late.ask(ask)
		synctest.Wait()
		if got := late.heard(); !slices.Contains(got, "EVENT_SITE_LOST dc2 [n2 n3] row") {
			t.Errorf("who comes later heard %q", got)
		}
		o.control.Sites([]site.State{here, back}, map[string]bool{})
		synctest.Wait()
		w.hears("EVENT_SITE_BACK dc2 [n3]")
		late.hears("EVENT_SITE_BACK dc2 [n3]")
		w.ask(&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_StopMonitor{StopMonitor: &tlibpb.StopMonitor{}}})
		o.control.Sites([]site.State{here, lost}, map[string]bool{"dc2": true})
		synctest.Wait()
		w.hears("END_OF_SNAPSHOT")
		for name, x := range map[string]*wire{"who monitors other kinds": all, "who comes by the default port": def} {
			if got := x.heard(); len(got) > 0 {
				t.Errorf("%s heard %q", name, got)
			}
		}
	})
}

// Whoever has to leave a node finds the others of its site first.
func TestNearFirst(t *testing.T) {
	var nodes []*configpb.Node
	for _, at := range []string{"dc2", "dc1", "dc3", "dc1", "dc2"} {
		nodes = append(nodes, &configpb.Node{Name: fmt.Sprint("n", len(nodes)), Site: at})
	}
	var got []string
	for _, n := range nearFirst(nodes, "dc1") {
		got = append(got, n.GetName())
	}
	if want := []string{"n1", "n3", "n0", "n2", "n4"}; !slices.Equal(got, want) || nodes[0].GetName() != "n0" {
		t.Errorf("%v, want %v", got, want)
	}
}
