package registrar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// flow1001 is a REGISTER of 1001 by one of the flows of its phone (RFC 5626).
func flow1001(callID string, cseq uint32, params string) *Request {
	r := inFlight1001()
	r.CallID, r.CSeq = []byte(callID), cseq
	r.contacts[0].params = []byte(params)
	return r
}

const instance = `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000A>"`

// hears gives a table what another one says of 1001 now.
func hears(t *testing.T, to, from *dn.Table) {
	t.Helper()
	c, err := to.Sync(from.Self(), 1, false)
	if err == nil {
		r, _ := from.Own("1001")
		_, err = c.Apply([]dn.Record{r}, 0)
	}
	if err == nil {
		err = c.Synced(1)
	}
	if err != nil {
		t.Fatal(err)
	}
	to.SetHeard(from.Self(), true)
}

// TestRegistrar_TwoAccountsOfAPhone: nothing tells them apart from two phones but
// what is configured, for the DN or for all.
func TestRegistrar_TwoAccountsOfAPhone(t *testing.T) {
	one := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("0", 32), DualRegistration: true}}}
	all := &configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{Realm: "example.org", DualRegistration: true}}}
	for name, m := range map[string]*configpb.Mutation{"of the DN": one, "of all DNs": all} {
		t.Run(name, func(t *testing.T) {
			owner, other := newDeskAt(t, "n1", "1001"), newDeskAt(t, "n2", "1001")
			for _, w := range []*desk{owner, other} {
				w.apply(&peerpb.Command{Version: 1, Mutations: []*configpb.Mutation{m}})
			}
			for cseq := range uint32(3) {
				for i, w := range []*desk{owner, other} {
					if a := w.update(w.machine.View(), flow1001(fmt.Sprint("account ", i), cseq+1, "")); a.Code != 200 {
						t.Fatalf("%d %s", a.Code, a.Reason)
					}
					hears(t, other.table, owner.table)
					if cseq > 0 || i > 0 {
						hears(t, owner.table, other.table)
					}
				}
			}
			for _, w := range []*desk{owner, other} {
				if st := w.state("1001"); st.Owner != "n1" || st.Standby != "n2" {
					t.Errorf("%s has %+v", w.table.Self(), st)
				}
			}
		})
	}
}

// TestRegistrar_APhoneStandsByAtAnotherNode: its two flows have one instance; whoever says
// another one takes the DN.
func TestRegistrar_APhoneStandsByAtAnotherNode(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		both          bool
	}{
		"two flows":                {instance + ";reg-id=1", instance + ";reg-id=2", true},
		"two flows, in any case":   {instance + ";reg-id=1", `;+SIP.instance="<urn:uuid:00000000-0000-1000-8000-00000000000a>";reg-id=2`, true},
		"the flow moves":           {instance + ";reg-id=1", instance + ";reg-id=1", false},
		"another phone":            {instance + ";reg-id=1", `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000B>";reg-id=2`, false},
		"a phone without flows":    {instance + ";reg-id=1", "", false},
		"phones without flows":     {"", "", false},
		"an instance, and no flow": {instance, instance, false},
	} {
		t.Run(name, func(t *testing.T) {
			owner, other := newDeskAt(t, "n1", "1001"), newDeskAt(t, "n2", "1001")
			owner.run()
			other.run()
			if a := owner.update(owner.machine.View(), flow1001("a", 1, c.first)); a.Code != 200 {
				t.Fatalf("%d %s", a.Code, a.Reason)
			}
			hears(t, other.table, owner.table)
			if a := other.update(other.machine.View(), flow1001("b", 1, c.second)); a.Code != 200 {
				t.Fatalf("%d %s", a.Code, a.Reason)
			}
			hears(t, owner.table, other.table)
			if !c.both {
				patience.Until(t, "the first node to forget the phone", func() bool { return owner.store.Get("1001") == nil })
				if st := owner.state("1001"); st.Owner != "n2" || st.Standby != "" {
					t.Errorf("%+v", st)
				}
				return
			}
			for _, w := range []*desk{owner, other} {
				if st := w.state("1001"); st.Owner != "n1" || st.Standby != "n2" || w.store.Get("1001") == nil {
					t.Errorf("%s has %+v", w.table.Self(), st)
				}
			}
			gone := flow1001("a", 2, c.first)
			gone.contacts[0].expires = 0
			if a := owner.update(owner.machine.View(), gone); a.Code != 200 {
				t.Fatalf("%d %s", a.Code, a.Reason)
			}
			hears(t, other.table, owner.table)
			for _, w := range []*desk{owner, other} {
				if st := w.state("1001"); st.State != dn.InSrv || st.Owner != "n2" {
					t.Errorf("without the owner's way %s has %+v", w.table.Self(), st)
				}
			}
		})
	}
}
