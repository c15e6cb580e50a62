package routing

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/invite"
)

func featureDN(number string, a configpb.FeatureAction) *configpb.Mutation {
	return putDN(&configpb.DN{Number: number, Kind: configpb.DNKind_DN_KIND_FEATURE, Feature: &configpb.Feature{Action: a}})
}

// beginHere raises the cluster to the feature level of this program.
func (x *exchange) beginHere() {
	x.office.t.Helper()
	level := fsm.Program().Known
	for _, n := range x.machine.View().Nodes() {
		n = proto.CloneOf(n)
		n.FeatureLevel, n.Revision = level, 0
		x.write(&configpb.Mutation{Op: &configpb.Mutation_PutNode{PutNode: n}})
	}
	x.write(&configpb.Mutation{Op: &configpb.Mutation_PutLevel{PutLevel: level}})
}

// TestFeature_APhoneDialsWhatItsAgentDoes: each number at the phone's own DN, and no call
// comes of it, at no trunk either.
func TestFeature_APhoneDialsWhatItsAgentDoes(t *testing.T) {
	x := newExchange(t)
	x.beginHere()
	x.write(
		featureDN("*40", configpb.FeatureAction_FEATURE_ACTION_LOGIN), featureDN("*41", configpb.FeatureAction_FEATURE_ACTION_LOGOUT),
		featureDN("*42", configpb.FeatureAction_FEATURE_ACTION_READY), featureDN("*43", configpb.FeatureAction_FEATURE_ACTION_NOT_READY),
		featureDN("*44", configpb.FeatureAction_FEATURE_ACTION_DND_ON), featureDN("*45", configpb.FeatureAction_FEATURE_ACTION_DND_OFF),
		putDN(&configpb.DN{Number: "any", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.9:5060", Prefix: "*"}}),
	)
	x.table.Register("1001", dn.Registered)
	phone := invite.Origin{DN: "1001"}
	for i, c := range []struct {
		called string
		from   invite.Origin
		code   int
		id     string
		state  dn.AgentState
		dnd    bool
	}{
		{"*42", phone, 403, "", dn.LoggedOut, false}, // nobody is logged in
		{"*407001", phone, 480, "7001", dn.LoggedIn, false},
		{"*42", phone, 480, "7001", dn.Ready, false},
		{"*44", phone, 480, "7001", dn.Ready, true},
		{"*45", phone, 480, "7001", dn.Ready, false},
		{"*43", phone, 480, "7001", dn.NotReady, false},
		{"*42", trunk, 404, "7001", dn.NotReady, false},
		{"*4299", invite.Origin{DN: "1004"}, 404, "7001", dn.NotReady, false}, // no login: a number outside
		{"*41", phone, 480, "7001", dn.LoggedOut, false},
		{"*40", phone, 480, "1001", dn.LoggedIn, false},
	} {
		in := &script{called: c.called, origin: c.from, answers: map[string]invite.Outcome{c.called + " at any": {Code: 404}}}
		in.serve(t.Context(), x.r)
		st, _ := x.table.Get("1001")
		state, id := dn.LoggedOut, ""
		if st.Agent != nil {
			state, id = st.Agent.State, st.Agent.ID
		}
		if in.rejected != c.code || id != c.id || state != c.state || st.DoNotDisturb != c.dnd {
			t.Errorf("%d: %s is answered %d: agent %q %v, do not disturb %v", i, c.called, in.rejected, id, state, st.DoNotDisturb)
		}
		if want := len(c.called) == 5 && c.called == "*4299"; (len(in.tries) > 0) != want {
			t.Errorf("%d: %s was sent to %q", i, c.called, in.tries)
		}
	}
	x.await("a free phone", func() bool { st, _ := x.table.Get("1001"); return !st.Busy })
}
