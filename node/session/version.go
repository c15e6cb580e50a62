package session

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// capabilities are what this session can do that not every node of this version can.
func (s *session) capabilities() []tlibpb.Capability {
	var can []tlibpb.Capability
	if s.c.cfg.Router != nil && s.port == DefaultPort {
		can = append(can, tlibpb.Capability_CAPABILITY_ROUTE_CALL)
	}
	if s.c.cfg.Release != nil {
		can = append(can, tlibpb.Capability_CAPABILITY_RELEASE_CALL)
	}
	if s.c.cfg.Agents.MakesCalls() {
		can = append(can, tlibpb.Capability_CAPABILITY_MAKE_CALL)
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
