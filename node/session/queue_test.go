package session

import (
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
)

func queues(group string) *tlibpb.MonitorAll {
	return &tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Kinds: []tlibpb.EventKind{tlibpb.EventKind_EVENT_KIND_QUEUE}, Group: group}}
}

// begins has a call wait at this node.
func (o *office) begins(t *testing.T, rp, group string) call.ID {
	t.Helper()
	id, err := o.traffic.Begin(call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4930", DNIS: rp})
	if err != nil {
		t.Fatal(err)
	}
	o.traffic.Waits(id, "9000", group)
	return id
}

// TestQueues_AreToldWhoAsksForThem: where calls wait, of all nodes, with a snapshot; to
// nobody else.
func TestQueues_AreToldWhoAsksForThem(t *testing.T) {
	o := newOffice(t)
	first := o.begins(t, "9000", "sales")
	far, err := o.traffic.Sync("b", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := far.Synced(1); err != nil {
		t.Fatal(err)
	}
	info := &call.Info{Caller: "trunk1", Type: call.Inbound, ANI: "+4931", DNIS: "9000", Began: 5}
	there := call.ID("00000000000000bb")
	apply := func(seq uint64, e call.Event) {
		t.Helper()
		e.Call, e.ThisDN, e.Role, e.Time, e.Info = there, "9000", call.Called, 6, info
		if bad, err := far.Apply([]*call.Event{&e}, seq); bad > 0 || err != nil {
			t.Fatal(bad, err)
		}
	}
	all, sales, others, own := o.connect(TCport, nil), o.connect(TCport, nil), o.connect(TCport, nil), o.connect(DefaultPort, nil)
	all.post(monitorAll(queues("")))
	sales.post(monitorAll(queues("sales")))
	others.post(monitorAll(&tlibpb.MonitorAll{}))
	own.post(monitorAll(queues("")))
	for _, w := range []*wire{all, sales} {
		w.wait("the row", func(e *tlibpb.Event) bool {
			return e.GetSnapshot() && e.GetQueued().GetGroup() == "sales" && e.GetCall().GetConnId() == string(first) && e.GetCall().GetThisQueue() == "9000" && e.GetCall().GetCallUuid() != "" && e.GetOwner() == "n1" && e.GetTime() != nil
		})
	}
	for _, w := range []*wire{all, sales, others, own} {
		w.wait("the end of the snapshot", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT })
		w.heard()
	}
	apply(2, call.Event{Kind: call.Waits})
	o.traffic.Waits(first, "9000", "desk")
	apply(3, call.Event{Kind: call.Chosen, OtherDN: "sales"})
	o.traffic.Left(first, "1001", 0)
	apply(4, call.Event{Kind: call.Left, Cause: 603})
	want := map[*wire][]string{
		all:    {"EVENT_QUEUED +4931 ", "EVENT_QUEUE_CHANGED +4930 desk", "EVENT_QUEUE_CHANGED +4931 sales", "EVENT_DIVERTED +4930 ", "EVENT_ABANDONED +4931 "},
		sales:  {"EVENT_QUEUE_CHANGED +4930 desk", "EVENT_QUEUE_CHANGED +4931 sales", "EVENT_ABANDONED +4931 "},
		others: nil,
		own:    nil,
	}
	for w, want := range want {
		var got []string
		patience.Until(t, "all that is told", func() bool {
			got = nil
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, e := range w.events {
				got = append(got, e.GetMessage().String()[len("MESSAGE_"):]+" "+e.GetCall().GetAni()+" "+e.GetQueued().GetGroup()+e.GetQueueChanged().GetGroup())
				if end := e.GetEnd(); end != nil && (end.GetReason() != tlibpb.EndReason_END_REASON_REFUSED || end.GetSipStatus() != 603 || e.GetOwner() != "n2") {
					t.Errorf("ended as %v", e)
				}
			}
			return len(got) >= len(want)
		})
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		w.heard()
		w.hearsNothing()
	}
	o.traffic.End(first, 0, false)
}
