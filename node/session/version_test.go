package session

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/routing"
)

// Who speaks another version, or no version at all, is told so twice: by an event and by
// the status that ends the session. A client of before version 1 finds the number of the
// message, the code and the text in the event where it looks for them.
func TestVersion_AnotherClientIsTurnedAway(t *testing.T) {
	open := func(version uint32) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{ProtocolVersion: version}}}
	}
	for name, c := range map[string]struct {
		first *tlibpb.ClientMessage
		code  tlibpb.ErrorCode
		text  string
	}{
		"of before version 1": {query("board"), tlibpb.ErrorCode_ERROR_CODE_NOT_CONNECTED, "is the client older than the node?"}, // as its OpenSession reads here
		"without a version":   {open(0), tlibpb.ErrorCode_ERROR_CODE_PROTOCOL_VERSION, "speaks version 1 of the T-Library protocol, the client 0"},
		"of the next version": {open(tlibpb.ProtocolVersion + 1), tlibpb.ErrorCode_ERROR_CODE_PROTOCOL_VERSION, "the client 2"},
		"with a bad cursor": {&tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{
			ProtocolVersion: tlibpb.ProtocolVersion, ResumeCursor: []byte("mine"),
		}}}, tlibpb.ErrorCode_ERROR_CODE_INVALID_ATTRIBUTE, "resume_cursor"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOffice(t).wire(TCport)
			e := w.ask(c.first)
			if e.GetError().GetCode() != c.code || !strings.Contains(e.GetError().GetText(), c.text) {
				t.Errorf("answered %v", e)
			}
			err := patience.Receive(t, "the end of the session", w.ended)
			if status.Code(err) != codes.FailedPrecondition || status.Convert(err).Message() != e.GetError().GetText() {
				t.Errorf("ended with %v", err)
			}
			old := map[protowire.Number]string{}
			for b := e.ProtoReflect().GetUnknown(); len(b) > 0; {
				n, typ, l := protowire.ConsumeTag(b)
				m := protowire.ConsumeFieldValue(n, typ, b[l:])
				old[n], b = string(b[l:l+m]), b[l+m:]
			}
			if old[1] != "4" || old[14] != string(rune(c.code)) || !strings.HasSuffix(old[15], e.GetError().GetText()) { // 52 is '4'
				t.Errorf("an old client reads %q", old)
			}
		})
	}
}

func TestVersion_CapabilitiesAreTheSessions(t *testing.T) {
	o := newOffice(t)
	o.control.cfg.Router = routing.New(routing.Config{Table: o.table, View: o.machine.View})
	for port, want := range map[Port]int{TCport: 0, DefaultPort: 1} {
		is := o.connect(port, nil).link.GetLinkConnected()
		if is.GetProtocolVersion() != tlibpb.ProtocolVersion || len(is.GetCapabilities()) != want {
			t.Errorf("%v: %v", port, is)
		}
	}
}
