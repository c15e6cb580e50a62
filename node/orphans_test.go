package node

import (
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/siptest"
)

// TestOrphans_WhoseNodeEnded: a phone that rings for a caller of another node, which is
// waited for when it is cut off, is cancelled at once when that node ends.
func TestOrphans_WhoseNodeEnded(t *testing.T) {
	a, b := twoNodes(t, nil)
	options := &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: realm, OrphanRingMs: 30_000}}}
	a.write(t, []*member{a, b}, options, phoneDN("1001"), phoneDN("1002"))
	from, to := a.phone(t, "1001"), b.phone(t, "1002")
	await(t, "n1 knows where the phone is", func() bool { return a.dn(t, "1002") == "IN_SRV n2@site-n2" })
	ctx, cancel := siptest.Within(soon)
	defer cancel()
	if _, err := from.Place(ctx, "sip:1002@"+realm); err != nil {
		t.Fatal(err)
	}
	in, err := to.Take(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Ring(); err != nil {
		t.Fatal(err)
	}
	b.calls.Died(dn.Node(a.id.ID)) // as its link says
	m, err := in.Expect(ctx, "CANCEL")
	if err != nil {
		t.Fatal(err)
	}
	if why := m.Header("Reason"); why != `SIP;cause=480;text="The caller's node is lost"` {
		t.Errorf("the phone hears why: %q", why)
	}
}
