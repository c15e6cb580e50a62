package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// requests of the T-Library by the name of their field in ClientMessage. What has no
// row is refused.
var requests = map[protoreflect.Name]permission{
	"open_session":          to(admin, operator, router, stat, gateway),
	"query_server":          to(admin, operator, router, stat, gateway),
	"register_address":      to(admin, operator, router, stat, gateway),
	"unregister_address":    to(admin, operator, router, stat, gateway),
	"query_address":         to(admin, operator, router, stat, gateway),
	"monitor_all":           to(admin, operator, router, stat),
	"stop_monitor":          to(admin, operator, router, stat),
	"agent_login":           to(admin, operator, gateway),
	"agent_logout":          to(admin, operator, gateway),
	"agent_ready":           to(admin, operator, gateway),
	"agent_not_ready":       to(admin, operator, gateway),
	"set_dnd_on":            to(admin, operator, gateway),
	"set_dnd_off":           to(admin, operator, gateway),
	"reserve_agent":         to(admin, operator, router),
	"make_call":             to(admin, operator, gateway),
	"release_call":          to(admin, operator, gateway),
	"update_user_data":      to(admin, operator, router, gateway),
	"distribute_user_event": to(admin, operator, router, gateway),
	"route_call":            to(admin, operator, router),
	"withdraw_route":        to(admin, operator, router),
}

// Request returns why the client may not make a T-Library request, nil when it may.
// Of a RouteCall the routing point is not known here: see Takes; of requests about a call
// its parties are not: see Hears.
func (w *Who) Request(view *fsm.View, m *tlibpb.ClientMessage) error {
	if w == nil {
		return nil
	}
	r := m.ProtoReflect()
	body := r.WhichOneof(r.Descriptor().Oneofs().ByName("body"))
	if body == nil || !requests[body.Name()].allows(w.Role) {
		return fmt.Errorf("role %s has no such request", configpb.RoleName(w.Role))
	}
	switch b := m.GetBody().(type) {
	case *tlibpb.ClientMessage_RegisterAddress:
		return w.registers(view, b.RegisterAddress.GetDn(), b.RegisterAddress.GetMode())
	case *tlibpb.ClientMessage_QueryAddress:
		return w.about(view, b.QueryAddress.GetDn())
	case *tlibpb.ClientMessage_MonitorAll:
		return w.monitors(b.MonitorAll.GetFilter())
	case *tlibpb.ClientMessage_AgentLogin:
		return w.keeps(b.AgentLogin.GetDn())
	case *tlibpb.ClientMessage_AgentLogout:
		return w.keeps(b.AgentLogout.GetDn())
	case *tlibpb.ClientMessage_AgentReady:
		return w.keeps(b.AgentReady.GetDn())
	case *tlibpb.ClientMessage_AgentNotReady:
		return w.keeps(b.AgentNotReady.GetDn())
	case *tlibpb.ClientMessage_DistributeUserEvent:
		if n := b.DistributeUserEvent.GetDn(); n != "" {
			return cmp.Or(w.keeps(n), w.about(view, n))
		}
	case *tlibpb.ClientMessage_MakeCall:
		return w.calls(view, b.MakeCall.GetDn(), b.MakeCall.GetNumber())
	case *tlibpb.ClientMessage_ReleaseCall:
		return w.keeps(b.ReleaseCall.GetDn())
	case *tlibpb.ClientMessage_SetDndOn:
		return w.keeps(b.SetDndOn.GetDn())
	case *tlibpb.ClientMessage_SetDndOff:
		return w.keeps(b.SetDndOff.GetDn())
	case *tlibpb.ClientMessage_ReserveAgent:
		return w.reaches(view, b.ReserveAgent.GetDn())
	case *tlibpb.ClientMessage_RouteCall:
		return w.routes(view, b.RouteCall)
	}
	return nil
}

// Registers returns why the client may not have the DN registered in that mode, nil
// when it may.
func (w *Who) Registers(view *fsm.View, n string, mode tlibpb.AddressMode) error {
	if w == nil {
		return nil
	}
	return w.registers(view, n, mode)
}

func (w *Who) registers(view *fsm.View, n string, mode tlibpb.AddressMode) error {
	monitor := mode == tlibpb.AddressMode_ADDRESS_MODE_MONITOR
	point := view.DN(n).GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT
	switch {
	case w.Role == stat && !monitor:
		return fmt.Errorf("role stat registers DNs to monitor them only")
	case w.Role == gateway && point:
		return fmt.Errorf("role gateway registers no routing points")
	case w.Role == router && !point && !monitor:
		return fmt.Errorf("role router registers routing points, and other DNs to monitor them only")
	}
	return w.about(view, n)
}

// about is for requests that tell of a DN.
func (w *Who) about(view *fsm.View, n string) error {
	switch point := view.DN(n).GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT; {
	case point:
		if !w.Takes(n) {
			return fmt.Errorf("routing point %s is not in the token's scope", n)
		}
		return nil
	case w.Role == gateway:
		return w.keeps(n)
	case w.Role == router:
		return w.reaches(view, n)
	}
	return nil
}

// monitors is for MonitorAll. Of what it tells, see Hears.
func (w *Who) monitors(f *tlibpb.MonitorFilter) error {
	if g := f.GetGroup(); g != "" && !within(w.Scope.GetGroups(), g) {
		return fmt.Errorf("group %s is not in the token's scope", g)
	}
	return nil
}

// Bounded tells whether the client's scope leaves out any DN.
func (w *Who) Bounded() bool {
	return w != nil && len(w.Scope.GetGroups())+len(w.Scope.GetRoutingPoints())+len(w.Scope.GetDnPrefixes()) > 0
}

// Hears tells whether a client that monitors all hears of the DN: a routing point of its
// scope, or a DN that is in one of its groups and begins with one of its prefixes.
func (w *Who) Hears(d *configpb.DN) bool {
	if !w.Bounded() {
		return true
	}
	if d.GetKind() == configpb.DNKind_DN_KIND_ROUTING_POINT {
		return w.Takes(d.GetNumber())
	}
	groups, prefixes := w.Scope.GetGroups(), w.Scope.GetDnPrefixes()
	return (len(groups) == 0 || slices.ContainsFunc(d.GetGroups(), func(g string) bool { return slices.Contains(groups, g) })) &&
		(len(prefixes) == 0 || begins(prefixes, d.GetNumber()))
}

// Takes tells whether the client may take calls from a routing point.
func (w *Who) Takes(rp string) bool { return w == nil || within(w.Scope.GetRoutingPoints(), rp) }

// keeps is for the DNs that a client registers and whose agents it changes.
func (w *Who) keeps(n string) error {
	if p := w.Scope.GetDnPrefixes(); len(p) > 0 && !begins(p, n) {
		return fmt.Errorf("DN %s is not in the token's scope", n)
	}
	return nil
}

// reaches is for the DNs that a client sends calls to.
func (w *Who) reaches(view *fsm.View, n string) error {
	groups := w.Scope.GetGroups()
	if len(groups) == 0 || slices.ContainsFunc(view.DN(n).GetGroups(), func(g string) bool { return slices.Contains(groups, g) }) {
		return nil
	}
	return fmt.Errorf("DN %s is in no group of the token's scope", n)
}

func (w *Who) routes(view *fsm.View, m *tlibpb.RouteCall) error {
	if err := w.place(view, m); err != nil {
		return err
	}
	for _, p := range m.GetOverflow() {
		if err := w.place(view, p); err != nil {
			return err
		}
	}
	return nil
}

// place is where a router sends a call.
type place interface {
	GetDn() string
	GetGroup() string
	GetExternal() string
}

func (w *Who) place(view *fsm.View, p place) error {
	if n := p.GetDn(); n != "" {
		return w.reaches(view, n)
	}
	if g := p.GetGroup(); g != "" && !within(w.Scope.GetGroups(), g) {
		return fmt.Errorf("group %s is not in the token's scope", g)
	}
	return w.leaves(p.GetExternal())
}

// calls is for a DN that a client has call a number.
func (w *Who) calls(view *fsm.View, n, number string) error {
	if err := w.keeps(n); err != nil {
		return err
	}
	if view.DN(number) != nil {
		return nil
	}
	return w.leaves(number)
}

// leaves is for a number outside, "" for none.
func (w *Who) leaves(x string) error {
	if of := w.Scope.GetExternalPrefixes(); x != "" && len(of) > 0 && !begins(of, x) {
		return fmt.Errorf("number %s is not in the token's scope", x)
	}
	return nil
}

// within tells whether a list names it; an empty list has no bound.
func within(list []string, name string) bool { return len(list) == 0 || slices.Contains(list, name) }

// begins tells whether a text begins with one of these.
func begins(prefixes []string, s string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
