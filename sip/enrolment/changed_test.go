package enrolment

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/dn"
)

// TestKeeper_AskedAtOnceWhenTheTrunkIsChanged: another address is told, and the one of before
// no more; after a refusal another password is tried.
func TestKeeper_AskedAtOnceWhenTheTrunkIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registrar{answer: accepts}
		x := newNodes(t, r, "a")
		put := func(change func(*configpb.Trunk)) {
			t.Helper()
			k := &configpb.Trunk{Address: "carrier.test:5060", OutboundRealm: "carrier", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: "00000000000000000000000000000000"},
				Registration: &configpb.TrunkRegistration{Domain: "carrier.example"}}
			change(k)
			x.write(&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: k}}})
		}
		type sent struct {
			at      string
			expires time.Duration
		}
		want := func(what string, list ...sent) {
			t.Helper()
			var got []sent
			heard, at := r.take()
			for i, q := range heard {
				got = append(got, sent{at[i], q.Expires})
			}
			if !slices.Equal(got, list) {
				t.Errorf("%s: %v, want %v", what, got, list)
			}
		}
		put(func(*configpb.Trunk) {})
		passes(firstWait)
		want("at first", sent{"carrier.test:5060", usualExpires})
		put(func(k *configpb.Trunk) { k.Priority = 1 })
		want("what does not concern it")
		put(func(k *configpb.Trunk) { k.Address = "other.test:5060" })
		want("another address", sent{"carrier.test:5060", 0}, sent{"other.test:5060", usualExpires})
		put(func(k *configpb.Trunk) { k.Address, k.MoreAddresses = "other.test:5060", []string{"more.test"} })
		want("one more", sent{"other.test:5060", usualExpires})
		r.answers(func(*Request) Answer { return Answer{Code: 403} })
		passes(usualExpires)
		r.take()
		put(func(k *configpb.Trunk) {
			k.Address, k.MoreAddresses, k.OutboundAuth.Ha1 = "other.test:5060", []string{"more.test"}, "00000000000000000000000000000001"
		})
		want("another password", sent{"other.test:5060", usualExpires})
	})
}

// TestKeeper_ADeafCarrierIsNotTheNextOne: who has passed its turn on has it again at another
// address.
func TestKeeper_ADeafCarrierIsNotTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newNodes(t, &registrar{answer: accepts}, "a", "b")
		x.trunk(&configpb.TrunkRegistration{})
		one := Chosen("gw", []dn.Node{"a", "b"}, nobody)
		x.change(func() { x.mute[one] = true })
		passes(time.Hour)
		if p := x.keepers[one].Passes().Trunks; len(p) != 1 {
			t.Fatalf("%s passes %v", one, p)
		}
		x.write(&configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "gw", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{
			Address: "other.test:5060", OutboundRealm: "carrier", OutboundAuth: &configpb.TrunkAuth{User: "we", Ha1: "00000000000000000000000000000000"}, Registration: &configpb.TrunkRegistration{},
		}}}})
		if p := x.keepers[one].Passes().Trunks; len(p) != 0 {
			t.Errorf("%s passes %v", one, p)
		}
	})
}
