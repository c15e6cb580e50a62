package session

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Several who monitor all are told the same of a call, each event as it is where nobody
// shares it, and with the name that its node has then.
func TestBroadcast_EachEventIsThatOfItsPlace(t *testing.T) {
	o := newOffice(t)
	alone := &events{view: o.machine.View}
	all := []*wire{o.connect(TCport, nil), o.connect(TCport, nil), o.connect(TCport, nil)}
	for _, w := range all {
		w.ask(monitorAll(calls()))
	}
	told := func(kind tlibpb.Message, at string) (same *tlibpb.Event) {
		for _, w := range all {
			var got *tlibpb.Event
			w.wait(kind.String(), func(e *tlibpb.Event) bool { got = e; return e.GetMessage() == kind && e.GetThisDn() == at })
			if same != nil && !proto.Equal(got, same) {
				t.Errorf("one was told %v\nanother %v", same, got)
			}
			same = got
		}
		return same
	}
	id := begin(t, o.traffic, "2001")
	rings := told(tlibpb.Message_MESSAGE_EVENT_RINGING, "2001")
	if rings.GetSite() != "dc1" || rings.GetCall().GetCallUuid() != callUUID(id) || rings.GetCallSeq() == 0 {
		t.Errorf("told %v", rings)
	}
	n := proto.CloneOf(alone.view().Node("a"))
	n.Site = "dc9"
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: n}})
	o.traffic.Established(id, "2001")
	answers := told(tlibpb.Message_MESSAGE_EVENT_ESTABLISHED, "2001")
	if answers.GetSite() != "dc9" || answers.GetCallSeq() != rings.GetCallSeq()+1 {
		t.Errorf("after %v told %v", rings, answers)
	}
}

// An event is made again under the names of another View, and in the place that another
// one had, as often as they come by turns.
func TestBroadcast_MakesWhatItHasNot(t *testing.T) {
	o := newOffice(t)
	all, first := &broadcast{}, o.machine.View()
	o.write(&configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "other"}}})
	second, made := o.machine.View(), 0
	for i, c := range []struct {
		seq  uint64
		late bool
		made int
	}{{1, false, 1}, {1, false, 1}, {1, true, 2}, {1, true, 2}, {1 + 1<<10, true, 3}, {1, true, 4}, {2, true, 5}, {1, true, 5}} {
		view := first
		if c.late {
			view = second
		}
		e := all.get(c.seq, view, func() *tlibpb.Event {
			made++
			return &tlibpb.Event{CallSeq: c.seq}
		})
		m, err := received(&tlibpb.ServerMessage{Events: []*tlibpb.Event{e}})
		if err != nil || m.GetEvents()[0].GetCallSeq() != c.seq || made != c.made {
			t.Errorf("%d: %v %v, made %d times", i, m, err, made)
		}
	}
}
