package session

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// broadcast are events of calls that many sessions are told of, encoded once for all of them.
// An event has one place in the log of calls, whoever reads it.
type broadcast struct {
	recent [1 << 10]atomic.Pointer[encoded]
}

// encoded is the event at a place of the log, with the names that a View has for the nodes.
type encoded struct {
	seq   uint64
	view  *fsm.View
	event tlibpb.Event // its octets are in the unknown fields: nothing else is to be encoded
}

// get returns the event at a place, which nobody may change, and has it made when it is
// not there.
func (s *broadcast) get(seq uint64, view *fsm.View, made func() *tlibpb.Event) *tlibpb.Event {
	slot := &s.recent[seq%uint64(len(s.recent))]
	if x := slot.Load(); x != nil && x.seq == seq && x.view == view {
		return &x.event
	}
	e := made()
	b, err := proto.Marshal(e)
	if err != nil {
		return e
	}
	x := &encoded{seq: seq, view: view}
	x.event.ProtoReflect().SetUnknown(b)
	slot.Store(x)
	return &x.event
}
