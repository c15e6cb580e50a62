package dnview

import (
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

// What is said of a DN is about what it is: nobody registers a routing point or a trunk, and
// it has no agent that could be missing.
func TestSentence_IsAboutWhatTheDNIs(t *testing.T) {
	view := fsm.Empty()
	point := &configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales"}}
	for name, c := range map[string]struct {
		config *configpb.DN
		st     dn.Status
		want   string
	}{
		"routing point":               {point, dn.Status{}, "Calls to 9000 wait there for a router, and without one for an agent of sales"},
		"routing point without group": {&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}, dn.Status{}, "--default-group GROUP"},
		"disabled":                    {&configpb.DN{Number: "9000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, Disabled: true}, dn.Status{}, "9000 gets no calls"},
		"trunk":                       {&configpb.DN{Number: "tr", Kind: configpb.DNKind_DN_KIND_TRUNK}, dn.Status{State: dn.InSrv, Since: 1}, "Calls can be sent by the trunk tr"},
		"trunk that is silent":        {&configpb.DN{Number: "tr", Kind: configpb.DNKind_DN_KIND_TRUNK}, dn.Status{State: dn.OOS, Reason: dn.Unresponsive, Since: 1}, "This node sends no calls by the trunk tr: no address of it answers (OOS, unresponsive). sipcluster dn get tr"},
		"feature":                     {&configpb.DN{Number: "*40", Kind: configpb.DNKind_DN_KIND_FEATURE}, dn.Status{}, "nobody is called there"},
		"desktop's":                   {&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN}, dn.Status{}, "No desktop has registered it"},
		"phone's":                     {&configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP}, dn.Status{}, "is the phone on"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Sentence(c.config.GetNumber(), c.config, Conditions(view, c.config, &c.st), c.st.Reason)
			if !strings.Contains(got, c.want) {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// Each reason for being out of service is one that somebody can do something about.
func TestSentence_EachReasonSaysWhatToDo(t *testing.T) {
	for r := dn.Unregistered; r.String() != "unknown"; r++ {
		if todoWhen[r] == "" {
			t.Errorf("%s says the same as of a DN that was never registered", r)
		}
	}
}
