package node

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	sippeer "github.com/sipcluster/sipcluster/sip/peer"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// streamsStand waits until each member has all streams to all others.
func streamsStand(t *testing.T, all []*member) {
	t.Helper()
	for _, m := range all {
		for _, other := range all {
			if other != m {
				await(t, "the streams of "+m.cfg.Name+" to "+other.cfg.Name, func() bool { return m.sip.PeerStreams()[dn.Node(other.id.ID)] == sippeer.Streams })
			}
		}
	}
}

// callsAcross is a call from a phone of one member to a phone of another, with what
// belongs to it.
func callsAcross(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	streamsStand(t, all)
	if _, err := configpb.NewConfigurationClient(a.admin(t, a)).Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{phoneDN("1701"), phoneDN("1702")}}); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" knows the DNs", func() bool { return m.machine.View().DN("1702") != nil })
	}
	from, to := a.phone(t, "1701"), b.phone(t, "1702")
	await(t, "n1 knows where the phone is", func() bool { st, _ := a.table.Get("1702"); return st.State == dn.InSrv })
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	out, err := from.Place(ctx, "sip:1702@"+realm)
	if err != nil {
		t.Fatal(err)
	}
	in, err := to.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Answer(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Await(ctx, 200); err != nil {
		t.Fatal(err)
	}
	if err := out.Ack(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Expect(ctx, "ACK"); err != nil {
		t.Fatal(err)
	}
	if res, err := in.Do(ctx, "BYE"); err != nil || res.Code != 200 {
		t.Errorf("%v %v", res, err)
	}
	if _, err := out.Expect(ctx, "BYE"); err != nil {
		t.Error(err)
	}
}
