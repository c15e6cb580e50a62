package workload

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

func TestSession_OutcomeIsWhatTheAnswerProves(t *testing.T) {
	refused := func(c tlibpb.ErrorCode) *tlibpb.Event {
		return tlibtest.Refusal(c, "")
	}
	for _, tc := range []struct {
		event *tlibpb.Event
		err   error
		want  history.Outcome
	}{
		{tlibtest.Event(tlibpb.Message_MESSAGE_EVENT_REGISTERED), nil, history.OK},
		{refused(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED), nil, history.Fail},
		{refused(tlibpb.ErrorCode_ERROR_CODE_OUT_OF_SERVICE), nil, history.Fail},
		{refused(tlibpb.ErrorCode_ERROR_CODE_TIMEOUT), nil, history.Unknown},
		{refused(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR), nil, history.Unknown},
		{nil, errors.New("the connection is lost"), history.Unknown},
	} {
		var op history.Op
		if sessionOutcome(&op, tc.event, tc.err); op.Outcome != tc.want {
			t.Errorf("answered %v, %v: %s, want %s", tc.event, tc.err, op.Outcome, tc.want)
		}
	}
}

func TestStatServer_RemembersWhereToResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	record, err := history.Create(path, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	w := &StatServer{Site: &Site{Record: record}, Name: "stat", Node: &cluster.Node{}, Prefix: "20"}
	state := func(dn string, seq uint64) *tlibpb.Event {
		return &tlibpb.Event{ThisDn: dn, Seq: seq, Snapshot: seq == 0, Body: &tlibpb.Event_DnBackInService{DnBackInService: &tlibpb.EventDNBackInService{}}}
	}
	w.told(&tlibpb.ServerMessage{Events: []*tlibpb.Event{tlibtest.LinkConnected(&tlibpb.ServerInfo{Incarnation: 5}, "", false)}})
	w.told(&tlibpb.ServerMessage{Events: []*tlibpb.Event{state("2001", 0)}})
	if w.whole {
		t.Error("a snapshot that has not ended can't be resumed")
	}
	w.told(&tlibpb.ServerMessage{Cursor: []byte("40"), Events: []*tlibpb.Event{{Seq: 40, Body: &tlibpb.Event_EndOfSnapshot{EndOfSnapshot: &tlibpb.EndOfSnapshot{}}}}})
	w.told(&tlibpb.ServerMessage{Cursor: []byte("42"), Events: []*tlibpb.Event{state("2001", 41), state("3001", 42)}})
	if !w.whole || w.incarnation != 5 || w.behind != 42 || string(w.cursor) != "42" {
		t.Errorf("resumes from %d of %d, whole %v; want 42 of 5", w.behind, w.incarnation, w.whole)
	}
	if err := record.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []history.ItemKind
	for i := range h.Items {
		kinds = append(kinds, h.Items[i].Kind)
	}
	want := []history.ItemKind{history.Started, history.Event, history.EndOfSnapshot, history.Heartbeat, history.Event, history.Heartbeat}
	for i := range want {
		if len(kinds) != len(want) || kinds[i] != want[i] {
			t.Fatalf("noted %v, want %v", kinds, want)
		}
	}
}

func TestRouter_TheHistorySaysWhenItsSessionEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	record, err := history.Create(path, history.Header{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	s := &tsession{ended: ended, stop: func(error) { close(ended) }}
	w := &Router{Site: &Site{Record: record}, Name: "r", Node: &cluster.Node{}, session: s, process: "r/1"}
	w.end()
	w.end()
	if err := record.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := history.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Ops) != 1 || h.Ops[0].Kind != history.HangUp || h.Ops[0].Arg != "r/1" || !h.Ops[0].OK() {
		t.Errorf("the history has %+v, want that r/1 hung up", h.Ops)
	}
}
