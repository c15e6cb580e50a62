package tlibpb_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
)

// The oneof, the enum and what Go programs ask agree: each message has the number of its
// field, the name of its type, and its call, when it has one.
func TestEvent_EachMessageHasOneNumber(t *testing.T) {
	fields := (&tlibpb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	numbers := tlibpb.Message(0).Descriptor().Values()
	if fields.Len() != numbers.Len()-1 {
		t.Errorf("%d messages and %d numbers", fields.Len(), numbers.Len()-1)
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		m := tlibpb.Message(f.Number())
		if got := tlibtest.Event(m).GetMessage(); got != m || numbers.ByNumber(protoreflect.EnumNumber(m)) == nil {
			t.Errorf("%s says that it is %v", f.Name(), got)
		}
		if name := strings.ReplaceAll(strings.TrimPrefix(m.String(), "MESSAGE_"), "_", ""); !strings.EqualFold(name, string(f.Message().Name())) {
			t.Errorf("%s is called %s", m, f.Message().Name())
		}
		if f.Message().Fields().ByName("call") == nil {
			continue
		}
		if got := tlibtest.Call(m, "1001", &tlibpb.Call{ConnId: "c"}); got.GetCall().GetConnId() != "c" {
			t.Errorf("%s has the call %v", m, got.GetCall())
		}
	}
}
