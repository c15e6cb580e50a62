package configpb_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Of each field the narrowest policy that says it counts, by itself.
func TestRulesOf_TheNarrowestSaysIt(t *testing.T) {
	type p = configpb.Policy
	const sip, pstn = configpb.DNKind_DN_KIND_SIP, configpb.DNKind_DN_KIND_PSTN
	const notReady, coolDown, none = configpb.NoAnswerAction_NO_ANSWER_ACTION_NOT_READY, configpb.NoAnswerAction_NO_ANSWER_ACTION_COOL_DOWN, configpb.NoAnswerAction_NO_ANSWER_ACTION_NONE
	const keep, lost, logout = configpb.DesktopLost_DESKTOP_LOST_KEEP, configpb.DesktopLost_DESKTOP_LOST_NOT_READY, configpb.DesktopLost_DESKTOP_LOST_LOGOUT
	for what, c := range map[string]struct {
		kind configpb.DNKind
		from []*p
		want configpb.Rules
	}{
		"nobody says anything":          {sip, nil, configpb.Rules{15 * time.Second, notReady, 30 * time.Second, 0, keep}},
		"nothing is said":               {sip, []*p{nil, {}, nil}, configpb.Rules{15 * time.Second, notReady, 30 * time.Second, 0, keep}},
		"a telephone in the network":    {pstn, []*p{nil}, configpb.Rules{15 * time.Second, notReady, 30 * time.Second, 0, lost}},
		"the widest":                    {sip, []*p{nil, {RingTimeoutMs: proto.Uint32(7), WrapUpS: proto.Uint32(9)}}, configpb.Rules{7 * time.Millisecond, notReady, 30 * time.Second, 9 * time.Second, keep}},
		"the narrowest, zeros too":      {pstn, []*p{{CoolDownS: proto.Uint32(0), WrapUpS: proto.Uint32(0)}, {CoolDownS: proto.Uint32(5), WrapUpS: proto.Uint32(5)}}, configpb.Rules{15 * time.Second, notReady, 0, 0, lost}},
		"each field by itself":          {sip, []*p{{NoAnswerAction: coolDown}, {NoAnswerAction: none, DesktopLost: logout}, {RingTimeoutMs: proto.Uint32(1), DesktopLost: keep}}, configpb.Rules{time.Millisecond, coolDown, 30 * time.Second, 0, logout}},
		"a telephone's desktop is kept": {pstn, []*p{{DesktopLost: keep}}, configpb.Rules{15 * time.Second, notReady, 30 * time.Second, 0, keep}},
	} {
		if got := configpb.RulesOf(c.kind, c.from...); got != c.want {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

func TestParse_WordsOfPolicies(t *testing.T) {
	for a := configpb.FeatureAction_FEATURE_ACTION_UNSPECIFIED; a <= configpb.FeatureAction_FEATURE_ACTION_DND_OFF; a++ {
		if got, err := configpb.ParseFeature(a.Word()); got != a || err != nil {
			t.Errorf("%v: %v %v", a, got, err)
		}
	}
	if _, err := configpb.ParseAgentLogin("both"); err == nil || err.Error() != `"both": want refuse, take-over` {
		t.Errorf("an unknown word: %v", err)
	}
}
