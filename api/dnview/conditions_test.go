package dnview

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// Of whatever a DN is, its conditions say the same as Routable, and the sentence names
// the first that is not met.
func TestConditions_AreThoseOfRoutable(t *testing.T) {
	view, err := fsm.Empty().With([]*configpb.Mutation{
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "desk", LoginRequired: true}}},
		{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: "sales"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	coin := func() bool { return r.IntN(4) == 0 }
	kinds := []configpb.DNKind{configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN, configpb.DNKind_DN_KIND_ROUTING_POINT, configpb.DNKind_DN_KIND_TRUNK}
	first := map[tcpb.ConditionKind]int{}
	for range 100_000 {
		var config *configpb.DN
		if r.IntN(20) > 0 {
			config = &configpb.DN{Number: "1", Kind: kinds[min(r.IntN(12), 3)], Disabled: r.IntN(20) == 0}
			if coin() {
				config.Groups = []string{[]string{"desk", "sales"}[r.IntN(2)]}
			}
		}
		st := dn.Status{Number: "1", State: dn.InSrv, Reason: dn.Registered, Owner: "n", Busy: coin(), Reserved: coin(), ReservedBy: "r", DoNotDisturb: coin()}
		if coin() {
			st.State, st.Reason = dn.OOS, dn.PeerLost
		} else if coin() {
			st.Reason = dn.Unresponsive
		}
		if coin() {
			st.CoolUntil = 1
		}
		if r.IntN(2) == 0 {
			st.Agent = &dn.Agent{ID: "7", State: dn.AgentState(r.IntN(4))}
		}
		all := Conditions(view, config, &st)
		unmet := slices.IndexFunc(all, func(c *tcpb.Condition) bool { return !c.GetMet() })
		if (unmet < 0) != Routable(view, config, &st) {
			t.Fatalf("%v, %+v: routable %v, the conditions %v", config, st, !(unmet < 0), all)
		}
		sentence := Sentence("1", config, all, st.Reason)
		if k := config.GetKind(); !config.GetDisabled() && (k == configpb.DNKind_DN_KIND_ROUTING_POINT || k == configpb.DNKind_DN_KIND_TRUNK) {
			first[all[unmet].GetKind()]++
			if strings.Contains(sentence, "gets no calls") {
				t.Fatalf("of a %s: %s", k.Word(), sentence)
			}
		} else if unmet < 0 {
			first[tcpb.ConditionKind_CONDITION_KIND_UNSPECIFIED]++
		} else if k := all[unmet].GetKind(); !strings.Contains(sentence, whyNot[k]) || todo[k] == "" || !strings.Contains(sentence, todo[k]) && !strings.Contains(sentence, register(config, st.Reason)) {
			t.Fatalf("%v: %q", all[unmet], sentence)
		} else {
			first[k]++
		}
	}
	if len(first) != len(tcpb.ConditionKind_name) {
		t.Errorf("only these were the first that is not met: %v", first)
	}
}
