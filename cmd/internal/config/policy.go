package config

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// policyDoc is a policy; what it does not name the wider one says.
type policyDoc struct {
	RingTimeout *uint32 `yaml:"ring_timeout_ms,omitempty"`
	NoAnswer    string  `yaml:"no_answer_action,omitempty"`
	CoolDown    *uint32 `yaml:"cool_down_s,omitempty"`
	WrapUp      *uint32 `yaml:"wrap_up_s,omitempty"`
	DesktopLost string  `yaml:"desktop_lost,omitempty"`
}

// config is the policy, nil when it says nothing.
func (p *policyDoc) config() (c *configpb.Policy, err error) {
	if p == nil || *p == (policyDoc{}) {
		return nil, nil
	}
	c = &configpb.Policy{RingTimeoutMs: p.RingTimeout, CoolDownS: p.CoolDown, WrapUpS: p.WrapUp}
	if c.NoAnswerAction, err = configpb.ParseNoAnswer(p.NoAnswer); err != nil {
		return nil, fmt.Errorf("policy.no_answer_action %w", err)
	}
	if c.DesktopLost, err = configpb.ParseDesktopLost(p.DesktopLost); err != nil {
		return nil, fmt.Errorf("policy.desktop_lost %w", err)
	}
	return c, nil
}

func newPolicyDoc(c *configpb.Policy) *policyDoc {
	if c == nil || proto.Equal(c, &configpb.Policy{}) {
		return nil
	}
	return &policyDoc{c.RingTimeoutMs, c.NoAnswerAction.Word(), c.CoolDownS, c.WrapUpS, c.DesktopLost.Word()}
}

// config is the group that the cluster stores.
func (g *Group) config() (*configpb.AgentGroup, error) {
	p, err := g.Policy.config()
	if err != nil {
		return nil, fmt.Errorf("group %s: %w", g.Name, err)
	}
	return &configpb.AgentGroup{Name: g.Name, LoginRequired: g.LoginRequired, Policy: p}, nil
}

// policies sets what a DN does when it is dialled, and what a routing point's calls do.
func (n *DN) policies(d *configpb.DN) error {
	if n.Feature != "" {
		a, err := configpb.ParseFeature(n.Feature)
		if err != nil {
			return fmt.Errorf("feature %w", err)
		}
		d.Feature = &configpb.Feature{Action: a}
	}
	if n.RoutingPoint == nil {
		return nil
	}
	p, err := n.RoutingPoint.Policy.config()
	if err != nil {
		return fmt.Errorf("routing_point.%w", err)
	}
	d.RoutingPoint = &configpb.RoutingPoint{DefaultGroup: n.RoutingPoint.DefaultGroup, TimeoutMs: n.RoutingPoint.TimeoutMS, Policy: p, TellPosition: n.RoutingPoint.TellPosition, PreferSameMedia: n.RoutingPoint.PreferMedia}
	return nil
}
