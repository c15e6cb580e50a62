// Package tlibtest makes events as a node would, for tests of what reads them.
package tlibtest

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

// Event is one of that kind which says nothing else.
func Event(m tlibpb.Message) *tlibpb.Event {
	e := &tlibpb.Event{}
	r := e.ProtoReflect()
	r.Mutable(r.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(m)))
	return e
}

// About is an event about a DN.
func About(m tlibpb.Message, dn string) *tlibpb.Event {
	e := Event(m)
	e.ThisDn = dn
	return e
}

// Call is an event of a DN's call.
func Call(m tlibpb.Message, dn string, c *tlibpb.Call) *tlibpb.Event {
	e := About(m, dn)
	r := e.ProtoReflect()
	body := r.Mutable(r.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(m))).Message()
	body.Set(body.Descriptor().Fields().ByName("call"), protoreflect.ValueOfMessage(c.ProtoReflect()))
	return e
}

// Refusal is EventError.
func Refusal(code tlibpb.ErrorCode, text string) *tlibpb.Event {
	return &tlibpb.Event{Body: &tlibpb.Event_Error{Error: &tlibpb.EventError{Code: code, Text: text}}}
}

// LinkConnected opens a session.
func LinkConnected(of *tlibpb.ServerInfo, token string, resumed bool) *tlibpb.Event {
	return &tlibpb.Event{Body: &tlibpb.Event_LinkConnected{LinkConnected: &tlibpb.EventLinkConnected{
		Server: of, SessionToken: token, Resumed: resumed, ProtocolVersion: tlibpb.ProtocolVersion,
	}}}
}

// Registered answers RegisterAddress of a DN in that state.
func Registered(dn string, state tcpb.DNState) *tlibpb.Event {
	return &tlibpb.Event{ThisDn: dn, Body: &tlibpb.Event_Registered{Registered: &tlibpb.EventRegistered{Status: &tcpb.DNStatus{Dn: dn, State: state}}}}
}
