package session

import (
	"slices"
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

// A session says what it can, by its port and by what its node has.
func TestVersion_CapabilitiesAreTheSessions(t *testing.T) {
	o := newOffice(t)
	o.control.cfg.Router = routing.New(routing.Config{Table: o.table, View: o.machine.View})
	everywhere := []tlibpb.Capability{tlibpb.Capability_CAPABILITY_SET_DND, tlibpb.Capability_CAPABILITY_UPDATE_USER_DATA, tlibpb.Capability_CAPABILITY_DISTRIBUTE_USER_EVENT}
	for port, more := range map[Port][]tlibpb.Capability{TCport: {tlibpb.Capability_CAPABILITY_SITE_EVENTS}, DefaultPort: {tlibpb.Capability_CAPABILITY_ROUTE_CALL, tlibpb.Capability_CAPABILITY_WITHDRAW_ROUTE}} {
		is := o.connect(port, nil).link.GetLinkConnected()
		want := slices.Sorted(slices.Values(append(more, everywhere...)))
		if is.GetProtocolVersion() != tlibpb.ProtocolVersion || !slices.Equal(is.GetCapabilities(), want) {
			t.Errorf("%v: %v, want %v", port, is, want)
		}
	}
}

// Each request is of version 1, or has the one capability by which a client sees that the
// node knows it; each capability is for some. Whoever adds a request adds to these.
func TestVersion_EachRequestHasItsCapability(t *testing.T) {
	of := map[protowire.Number]int{}
	for _, n := range version1 {
		of[n]++
	}
	named, kinds := map[tlibpb.Capability]bool{}, 0
	for _, a := range abilities {
		if len(a.requests) == 0 && a.kind == 0 || named[a.what] {
			t.Errorf("%v is for nothing, or twice there", a.what)
		}
		if a.kind > 0 {
			kinds++
		}
		named[a.what] = true
		for _, n := range a.requests {
			of[n]++
		}
	}
	requests := (&tlibpb.ClientMessage{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range requests.Len() {
		if f := requests.Get(i); of[f.Number()] != 1 {
			t.Errorf("request %s (%d) is of version 1, or of a capability, %d times", f.Name(), f.Number(), of[f.Number()])
		}
	}
	if len(of) != requests.Len() {
		t.Errorf("%d requests are known, there are %d", len(of), requests.Len())
	}
	if want := len(tlibpb.EventKind_name) - 1 - int(kinds1); kinds != want {
		t.Errorf("%d kinds of events have a capability, %d are newer than version 1", kinds, want)
	}
	if want := len(tlibpb.Capability_name) - 1; len(named) != want {
		t.Errorf("%d capabilities are told, there are %d", len(named), want)
	}
}

// A request of a version to come is refused in words, and the session goes on.
func TestVersion_AnUnknownRequestIsRefused(t *testing.T) {
	w := newOffice(t).connect(TCport, nil)
	m := &tlibpb.ClientMessage{}
	m.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1999, protowire.BytesType), nil))
	e := w.ask(m)
	if e.GetError().GetCode() != tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION || e.GetError().GetText() == "" {
		t.Errorf("answered %v", e)
	}
	w.says("EVENT_REGISTERED 2001 InSrv", registerAddress("2001", shared))
}
