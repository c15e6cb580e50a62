package agent

import (
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

func TestReserve_SeesACallAtOnce(t *testing.T) {
	k := newNode(t, "a", twoNodes(t))
	k.table.Register("1001", dn.Registered)
	k.inCalls.Store(dn.Number("1001"), true)
	err := k.agents.Reserve(t.Context(), "1001", Reservation{Holder: "x", Duration: time.Second, AtOnce: true})
	if codeOf(t, err) != tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED {
		t.Error(err)
	}
}
