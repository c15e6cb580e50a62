package dn

import (
	"bytes"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
)

func TestWatchLine_ForPeople(t *testing.T) {
	var b bytes.Buffer
	e := &tcpb.DNEvent{Dn: "1001", State: tcpb.DNState_DN_STATE_OOS, Owner: "sip2", Site: "dc2", Reason: tcpb.Reason_REASON_PEER_LOST}
	at := time.Date(2026, 11, 22, 12, 0, 0, 5e6, time.Local)
	for _, at := range []time.Time{at, time.Unix(0, 0)} {
		if err := watchLine(&b, at, e, false); err != nil {
			t.Fatal(err)
		}
	}
	clienttest.Same(t, b.String(), `12:00:00.005  ○ OOS    1001          sip2      dc2       peer-lost
-             ○ OOS    1001          sip2      dc2       peer-lost
`)
}
