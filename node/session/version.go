package session

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// version1 are the requests that every node of version 1 of the protocol knows, by their
// numbers in ClientMessage; each other one belongs to an ability.
var version1 = []protowire.Number{1, 2, 3, 4, 8, 9, 10, 11, 127, 1000, 1001, 1002}

// kinds1 are the kinds of events of those nodes, as version1.
const kinds1 = tlibpb.EventKind_EVENT_KIND_USE

// ability is what not every node of version 1 can, with the requests that it is for.
type ability struct {
	what     tlibpb.Capability
	requests []protowire.Number
	has      func(*session) bool
	// kind of event that a monitor can ask for; most have none.
	kind tlibpb.EventKind
}

var abilities = []ability{
	{what: tlibpb.Capability_CAPABILITY_ROUTE_CALL, requests: []protowire.Number{36}, has: (*session).canRoute},
	{what: tlibpb.Capability_CAPABILITY_RELEASE_CALL, requests: []protowire.Number{17}, has: func(s *session) bool { return s.c.cfg.Release != nil }},
	{what: tlibpb.Capability_CAPABILITY_MAKE_CALL, requests: []protowire.Number{14}, has: func(s *session) bool { return s.c.cfg.Agents.MakesCalls() }},
	{what: tlibpb.Capability_CAPABILITY_SET_DND, requests: []protowire.Number{12, 13}, has: always},
	{what: tlibpb.Capability_CAPABILITY_UPDATE_USER_DATA, requests: []protowire.Number{31}, has: always},
	{what: tlibpb.Capability_CAPABILITY_DISTRIBUTE_USER_EVENT, requests: []protowire.Number{48}, has: always},
	{what: tlibpb.Capability_CAPABILITY_WITHDRAW_ROUTE, requests: []protowire.Number{1010}, has: (*session).canRoute},
	{what: tlibpb.Capability_CAPABILITY_SITE_EVENTS, has: (*session).hearsOfSites, kind: tlibpb.EventKind_EVENT_KIND_SITE},
}

func always(*session) bool { return true }

// canRoute tells whether calls can be routed in this session.
func (s *session) canRoute() bool { return s.c.cfg.Router != nil && s.port == DefaultPort }

// capabilities are what this session can do that not every node of this version can.
func (s *session) capabilities() []tlibpb.Capability {
	var can []tlibpb.Capability
	for _, a := range abilities {
		if a.has(s) {
			can = append(can, a.what)
		}
	}
	return can
}

// turnAway tells a client why it gets no session, by an event and by the status that
// ends the stream.
func (s *session) turnAway(ref uint64, why *refusal.Error) {
	s.out.refuse(ref, "", why)
	e := s.out.events[len(s.out.events)-1]
	e.ProtoReflect().SetUnknown(beforeVersion1(why))
	s.refused = status.Error(codes.FailedPrecondition, why.Text)
}

// beforeVersion1 has the error for clients of the protocol before version 1, in the
// fields of Event which that had: the message's number, the code and the text.
func beforeVersion1(why *refusal.Error) []byte {
	const message, code, text = 1, 14, 15
	b := protowire.AppendTag(nil, message, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(tlibpb.Message_MESSAGE_EVENT_ERROR))
	b = protowire.AppendTag(b, code, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(why.Code))
	b = protowire.AppendTag(b, text, protowire.BytesType)
	return protowire.AppendString(b, why.Text)
}
