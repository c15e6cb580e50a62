package sip

import (
	"net"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
)

// refusing is an address at which nobody takes connections.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// TestLoneTrunk_ItsFailureIsThatOfTheCall: the caller of a trunk that has one address, and
// whom nobody else can take, hears 503: that the next call would fare no better is known
// here. When to try again is passed on.
func TestLoneTrunk_ItsFailureIsThatOfTheCall(t *testing.T) {
	tcp, tls := configpb.TrunkTransport_TRUNK_TRANSPORT_TCP, configpb.TrunkTransport_TRUNK_TRANSPORT_TLS
	for _, c := range []struct {
		name      string
		says      string // to an INVITE; "-": nobody takes connections
		transport configpb.TrunkTransport
		want      int
		after     string
		down      bool
	}{
		{"refuses connections", "-", tcp, 503, "", true},
		{"refuses connections of TLS", "-", tls, 503, "", true},
		{"503", "503 Service Unavailable", tcp, 503, "", false},
		{"503, until later", "503 Service Unavailable\r\nRetry-After: 120", tcp, 503, "120", false},
		{"500", "500 Oh", tcp, 500, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := ""
			if c.says == "-" {
				addr = refusing(t)
			} else {
				addr = newCarrierServer(t, nil, c.says).addr
			}
			w := carrierWorld(t, newAuthority(t), func(k *configpb.Trunk) { k.Address, k.Transport = addr, c.transport })
			x := newScript(t)
			res := x.await(x.place(w.ua("udp", "1001"), "9000"), c.want)
			if got := res.Header("Retry-After"); got != c.after {
				t.Errorf("Retry-After %q, want %q", got, c.after)
			}
			if o := patience.Receive(t, "the outcome", w.outcomes); !o.Retry || (o.RetryAfter > 0) != (c.after != "") {
				t.Errorf("%+v", o)
			}
			if states := w.server.TrunkStates("9000"); len(states) != 1 || states[0].Down != c.down {
				t.Errorf("%+v", states)
			}
			want := dn.InSrv
			if c.down {
				want = dn.OOS
			}
			if st, known := w.table.Get("9000"); !known || st.State != want {
				t.Errorf("the trunk is listed %+v", st)
			}
		})
	}
}

// TestLoneTrunk_ARefusedOPTIONSIsAnAnswer: nobody waits for one where there is no
// connection.
func TestLoneTrunk_ARefusedOPTIONSIsAnAnswer(t *testing.T) {
	w := carrierWorld(t, nil, func(k *configpb.Trunk) {
		k.Address, k.Transport = refusing(t), configpb.TrunkTransport_TRUNK_TRANSPORT_TCP
	})
	w.options(&configpb.Options{Realm: testRealm, TrunkOptionsS: proto.Uint32(3600)})
	until(t, "the trunk is out of service", func() bool { st, _ := w.table.Get("9000"); return st.Reason == dn.Unresponsive })
	if st, _ := w.table.Get("9000"); st.State != dn.OOS {
		t.Errorf("%+v", st)
	}
}
