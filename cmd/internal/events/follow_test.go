package events

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// told is an event of a node at so many seconds after noon, by the asked node's clock.
func told(node, dn string, second float64) *tcpb.HistoryEvent {
	return &tcpb.HistoryEvent{Time: timestamppb.New(noon.Add(time.Duration(second * 1e9))), Node: node, Kind: tcpb.HistoryKind_HISTORY_KIND_STATE, Dn: dn}
}

func answer(b *tcpb.EventsPart, events ...*tcpb.HistoryEvent) *tcpb.ListEventsResponse {
	began := timestamppb.New(noon.Add(-time.Hour))
	if b.GetBegan() == nil {
		b.Began = began
	}
	b.Node = "b"
	return &tcpb.ListEventsResponse{Parts: []*tcpb.EventsPart{{Node: "a", Began: began}, b}, Events: events}
}

// Each event is shown once, though its time comes out otherwise each time by what is known of
// the clocks; of a silent node what the asked one knows is not shown, and all that it told
// itself when it is back.
func TestTail_EachEventOnce(t *testing.T) {
	ahead := func(seconds float64) *tcpb.EventsPart {
		return &tcpb.EventsPart{Ahead: durationpb.New(time.Duration(seconds * 1e9))}
	}
	tail := newTail(answer(ahead(5), told("a", "1", 1), told("b", "2", 2)), noon)
	for _, step := range []struct {
		what  string
		r     *tcpb.ListEventsResponse
		dns   []string
		notes []string
	}{
		{"nothing new, and the clock is known better", answer(ahead(5.5), told("a", "1", 1), told("b", "2", 1.5)), nil, nil},
		{"something of each", answer(ahead(5), told("a", "1", 1), told("b", "2", 2), told("b", "2", 3), told("a", "3", 4)), []string{"2", "3"}, nil},
		{"b is silent", answer(&tcpb.EventsPart{Error: "no answer"}, told("a", "3", 4), told("b", "9", 5), told("a", "4", 6)), []string{"4"}, []string{"b is silent: no answer"}},
		{"still", answer(&tcpb.EventsPart{Error: "no answer"}, told("a", "4", 6)), nil, nil},
		{"b is back", answer(ahead(5), told("b", "9", 5.1), told("a", "4", 6)), []string{"9"}, []string{"b answers again"}},
	} {
		news, notes := tail.take(step.r)
		var dns []string
		for _, e := range news {
			dns = append(dns, e.GetDn())
		}
		if !slices.Equal(dns, step.dns) || !slices.Equal(notes, step.notes) {
			t.Errorf("%s: %q, %q, want %q, %q", step.what, dns, notes, step.dns, step.notes)
		}
	}
	asked := tail.requests(&tcpb.ListEventsRequest{Dn: "1"})
	if len(asked) != 2 || asked[0].GetNode() != "" || asked[1].GetNode() != "b" || asked[1].GetDn() != "1" ||
		!asked[0].GetSince().AsTime().Equal(noon.Add(6*time.Second-again)) || !asked[1].GetSince().AsTime().Equal(noon.Add(4*time.Second-again)) {
		t.Errorf("asked for %v", asked)
	}
}

// What is remembered of what was shown is bounded by time, what was left out is said, and so
// is what a node that was started anew does not know.
func TestTail_Bounds(t *testing.T) {
	tail := newTail(answer(&tcpb.EventsPart{}, told("a", "1", 1)), noon)
	for second := range 1000 {
		if news, _ := tail.take(answer(&tcpb.EventsPart{}, told("a", "1", float64(second+2)))); len(news) != 1 {
			t.Fatalf("%d events", len(news))
		}
	}
	if len(tail.seen) > 50 {
		t.Errorf("%d events are remembered", len(tail.seen))
	}
	tail.take(answer(&tcpb.EventsPart{Error: "gone"}))
	_, notes := tail.take(answer(&tcpb.EventsPart{Cut: true, Began: timestamppb.New(noon.Add(2 * time.Hour))}))
	if len(notes) != 2 || notes[0] != "more than 10000 events at once: older ones are not shown" || notes[1][:len("b answers again; it remembers nothing before ")] != "b answers again; it remembers nothing before " {
		t.Errorf("%q", notes)
	}
}
