package access_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/leftover"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

func TestMain(m *testing.M) { leftover.Main(m) }

// configuration is a machine with DNs 1001 (group sales), 1002 (support), 2001 (pstn,
// sales), routing points 8000 and 8001, trunk 4000.
func configuration(t *testing.T) *fsm.Machine {
	t.Helper()
	m, err := fsm.Open(fsm.Config{Path: t.TempDir() + "/config.db"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	put := func(d *configpb.DN) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: d}}
	}
	group := func(name string) *configpb.Mutation {
		return &configpb.Mutation{Op: &configpb.Mutation_PutGroup{PutGroup: &configpb.AgentGroup{Name: name}}}
	}
	phone := func(n, g string) *configpb.Mutation {
		return put(&configpb.DN{Number: n, Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("0", 32), Groups: []string{g}})
	}
	write(t, m, &peerpb.Command{Version: fsm.Version, NewEpoch: "e", Mutations: []*configpb.Mutation{
		{Op: &configpb.Mutation_PutNode{PutNode: &configpb.Node{Id: "id-a", Name: "a", ClusterAddr: "10.0.0.1:7002"}}},
		group("sales"), group("support"), phone("1001", "sales"), phone("1002", "support"),
		put(&configpb.DN{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Groups: []string{"sales"}}),
		put(&configpb.DN{Number: "8000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}),
		put(&configpb.DN{Number: "8001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}),
		put(&configpb.DN{Number: "4000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "gw:5060"}}),
	}})
	return m
}

func write(t *testing.T, m *fsm.Machine, c *peerpb.Command) {
	t.Helper()
	if r := m.ApplyCommand(c); r.Err != nil {
		t.Fatal(r.Err)
	}
}

// may is which roles call a method, as docs/security.md has it.
func TestMethods_OfEachRole(t *testing.T) {
	const all = "admin config operator router stat gateway metrics"
	for method, want := range map[string]string{
		"/sipcluster.config.v1.Configuration/Write":                 "admin config",
		"/sipcluster.config.v1.Configuration/Import":                "admin config",
		"/sipcluster.config.v1.Configuration/Export":                "admin config",
		"/sipcluster.config.v1.Configuration/GetDN":                 "admin config operator stat",
		"/sipcluster.tc.v1.Availability/Watch":                      "admin config operator stat",
		"/sipcluster.tc.v1.Cluster/DrainNode":                       "admin operator",
		"/sipcluster.tc.v1.Cluster/RemoveNode":                      "admin",
		"/sipcluster.peer.v1.Fabric/SetCut":                         "admin",
		"/sipcluster.tlib.v1.TLibrary/Session":                      "admin operator router stat gateway",
		"/sipcluster.config.v1.Access/WhoAmI":                       all,
		"/sipcluster.config.v1.Access/CreateToken":                  "admin",
		"/sipcluster.config.v1.Access/Audit":                        "admin",
		"/sipcluster.config.v1.Access/ClearBans":                    "admin operator",
		"/sipcluster.config.v1.Access/Unheard":                      "",
		"/sipcluster.peer.v1.Consensus/Propose":                     "",
		"":                                                          "",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": all,
	} {
		var may []string
		for _, name := range configpb.RoleNames() {
			if r, _ := configpb.ParseRole(name); access.Allows(r, method) {
				may = append(may, name)
			}
		}
		if got := strings.Join(may, " "); got != want {
			t.Errorf("%s: %q may, want %q", method, got, want)
		}
		if access.Allows(configpb.Role_ROLE_UNSPECIFIED, method) || access.Allows(99, method) {
			t.Errorf("%s: who has no role may", method)
		}
	}
}

// bodies are a request of each kind, about DNs that are there.
func bodies() map[string]*tlibpb.ClientMessage {
	register := func(n string, m tlibpb.AddressMode) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RegisterAddress{RegisterAddress: &tlibpb.RegisterAddress{Dn: n, Mode: m}}}
	}
	query := func(n string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_QueryAddress{QueryAddress: &tlibpb.QueryAddress{Dn: n}}}
	}
	reserve := func(n string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_ReserveAgent{ReserveAgent: &tlibpb.ReserveAgent{Dn: n}}}
	}
	login := func(n string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_AgentLogin{AgentLogin: &tlibpb.AgentLogin{Dn: n}}}
	}
	route := func(r *tlibpb.RouteCall) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_RouteCall{RouteCall: r}}
	}
	monitor := func(group string) *tlibpb.ClientMessage {
		return &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_MonitorAll{MonitorAll: &tlibpb.MonitorAll{Filter: &tlibpb.MonitorFilter{Group: group}}}}
	}
	return map[string]*tlibpb.ClientMessage{
		"open":         {Body: &tlibpb.ClientMessage_OpenSession{OpenSession: &tlibpb.OpenSession{}}},
		"server":       {Body: &tlibpb.ClientMessage_QueryServer{QueryServer: &tlibpb.QueryServer{}}},
		"unregister":   {Body: &tlibpb.ClientMessage_UnregisterAddress{UnregisterAddress: &tlibpb.UnregisterAddress{Dn: "1001"}}},
		"stop":         {Body: &tlibpb.ClientMessage_StopMonitor{StopMonitor: &tlibpb.StopMonitor{}}},
		"register8000": register("8000", 0), "register8001": register("8001", tlibpb.AddressMode_ADDRESS_MODE_MONITOR),
		"register1001": register("1001", 0), "register2001": register("2001", tlibpb.AddressMode_ADDRESS_MODE_PRIVATE),
		"monitor1001": register("1001", tlibpb.AddressMode_ADDRESS_MODE_MONITOR), "monitor1002": register("1002", tlibpb.AddressMode_ADDRESS_MODE_MONITOR),
		"query1001": query("1001"), "query1002": query("1002"), "query8001": query("8001"), "query2001": query("2001"),
		"all": monitor(""), "all-sales": monitor("sales"), "all-support": monitor("support"),
		"login1001": login("1001"), "login2001": login("2001"),
		"logout2001":   {Body: &tlibpb.ClientMessage_AgentLogout{AgentLogout: &tlibpb.AgentLogout{Dn: "2001"}}},
		"ready2001":    {Body: &tlibpb.ClientMessage_AgentReady{AgentReady: &tlibpb.AgentReady{Dn: "2001"}}},
		"notready2001": {Body: &tlibpb.ClientMessage_AgentNotReady{AgentNotReady: &tlibpb.AgentNotReady{Dn: "2001"}}},
		"dnd2001":      {Body: &tlibpb.ClientMessage_SetDndOn{SetDndOn: &tlibpb.SetDNDOn{Dn: "2001"}}},
		"nodnd2001":    {Body: &tlibpb.ClientMessage_SetDndOff{SetDndOff: &tlibpb.SetDNDOff{Dn: "2001"}}},
		"reserve1001":  reserve("1001"), "reserve1002": reserve("1002"), "reserve9": reserve("9"),
		"route1001": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Dn{Dn: "1001"}}), "route1002": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Dn{Dn: "1002"}}),
		"route-sales": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Group{Group: "sales"}}), "route-support": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Group{Group: "support"}}),
		"route+49": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_External{External: "+4930"}}), "route+1": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_External{External: "+1900"}}),
		"reject": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Reject{Reject: 486}}), "withdraw": {Body: &tlibpb.ClientMessage_WithdrawRoute{}},
		"overflow-support": route(&tlibpb.RouteCall{Destination: &tlibpb.RouteCall_Dn{Dn: "1001"}, Overflow: []*tlibpb.RoutePlace{{Place: &tlibpb.RoutePlace_Group{Group: "support"}}}}),
		"release2001":      {Body: &tlibpb.ClientMessage_ReleaseCall{ReleaseCall: &tlibpb.ReleaseCall{Dn: "2001"}}},
		"make2001":         {Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: "2001", Number: "1002"}}},
		"make1001":         {Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: "1001", Number: "1002"}}},
		"make+49":          {Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: "2001", Number: "+4930"}}},
		"make+1":           {Body: &tlibpb.ClientMessage_MakeCall{MakeCall: &tlibpb.MakeCall{Dn: "2001", Number: "+1900"}}},
		"distribute2001":   {Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{Dn: "2001"}}},
		"distribute":       {Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{ConnId: "c"}}},
		"data":             {Body: &tlibpb.ClientMessage_UpdateUserData{UpdateUserData: &tlibpb.UpdateUserData{}}},
		"none":             {},
	}
}

const (
	everybody = "open server unregister "
	watching  = "all all-sales all-support stop "
	agents    = "data distribute distribute2001 login1001 login2001 logout2001 ready2001 notready2001 dnd2001 nodnd2001 release2001 make2001 make1001 make+49 make+1 "
	routing   = "route1001 route1002 route-sales route-support overflow-support route+49 route+1 reject withdraw reserve1001 reserve1002 reserve9 "
	asking    = "query1001 query1002 query8001 query2001 "
	monitors  = "monitor1001 monitor1002 register8001 "
)

func TestRequests_OfEachRoleAndScope(t *testing.T) {
	view := configuration(t).View()
	bound := &configpb.Scope{RoutingPoints: []string{"8000"}, Groups: []string{"sales"}, DnPrefixes: []string{"2", "30"}, ExternalPrefixes: []string{"+49"}}
	for _, c := range []struct {
		role  string
		scope *configpb.Scope
		want  string
	}{
		{"admin", nil, everybody + watching + agents + routing + asking + monitors + "register8000 register1001 register2001"},
		{"operator", nil, everybody + watching + agents + routing + asking + monitors + "register8000 register1001 register2001"},
		{"router", nil, everybody + watching + routing + asking + monitors + "data distribute distribute2001 register8000"},
		{"stat", nil, everybody + watching + asking + monitors},
		{"gateway", nil, everybody + agents + "query1001 query1002 query2001 register1001 register2001 monitor1001 monitor1002 query8001"},
		{"config", nil, ""}, {"metrics", nil, ""}, {"none", nil, ""},
		{"router", bound, everybody + "data distribute distribute2001 all all-sales stop register8000 query1001 query2001 monitor1001 route1001 route-sales route+49 reject withdraw reserve1001"},
		{"gateway", bound, everybody + "data distribute distribute2001 login2001 logout2001 ready2001 notready2001 dnd2001 nodnd2001 release2001 make2001 make+49 query2001 register2001"},
		{"stat", bound, everybody + "all all-sales stop query1001 query1002 query2001 monitor1001 monitor1002"},
		{"operator", bound, everybody + "data distribute distribute2001 all all-sales stop register8000 register1001 register2001 monitor1001 monitor1002 query1001 query1002 query2001 login2001 logout2001 ready2001 notready2001 dnd2001 nodnd2001 release2001 make2001 make+49 route1001 route-sales route+49 reject withdraw reserve1001"},
	} {
		role, _ := configpb.ParseRole(c.role)
		who := &access.Who{Role: role, Scope: c.scope}
		want := strings.Fields(c.want)
		for name, m := range bodies() {
			if err := who.Request(view, m); (err == nil) != slices.Contains(want, name) {
				t.Errorf("%s, bound %v, %s: %v", c.role, c.scope != nil, name, err)
			}
		}
	}
	for name, m := range bodies() {
		if err := (*access.Who)(nil).Request(view, m); err != nil {
			t.Errorf("where nobody is asked, %s: %v", name, err)
		}
	}
}

// TestRequests_AUserEventIsForTheScope of its client, whatever bounds that.
func TestRequests_AUserEventIsForTheScope(t *testing.T) {
	view := configuration(t).View()
	router := &access.Who{Role: configpb.Role_ROLE_ROUTER, Scope: &configpb.Scope{Groups: []string{"sales"}, RoutingPoints: []string{"8000"}}}
	for n, want := range map[string]bool{"1001": true, "1002": false, "2001": true, "8000": true, "8001": false} {
		m := &tlibpb.ClientMessage{Body: &tlibpb.ClientMessage_DistributeUserEvent{DistributeUserEvent: &tlibpb.DistributeUserEvent{Dn: n}}}
		if err := router.Request(view, m); (err == nil) != want {
			t.Errorf("to %s: %v", n, err)
		}
	}
}

func TestRequests_EveryKindHasARow(t *testing.T) {
	seen := map[string]bool{}
	view, who := configuration(t).View(), &access.Who{Role: configpb.Role_ROLE_ADMIN}
	fields := (&tlibpb.ClientMessage{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for _, m := range bodies() {
		if f := m.ProtoReflect().WhichOneof(fields.Get(0).ContainingOneof()); f != nil {
			seen[string(f.Name())] = true
		}
	}
	for i := range fields.Len() {
		f := fields.Get(i)
		m := &tlibpb.ClientMessage{}
		m.ProtoReflect().Set(f, m.ProtoReflect().NewField(f))
		if err := who.Request(view, m); err != nil {
			t.Errorf("%s has no row: %v", f.Name(), err)
		}
		if !seen[string(f.Name())] {
			t.Errorf("%s: no test has such a request among %v", f.Name(), slices.Sorted(maps.Keys(seen)))
		}
	}
}

func TestHears_OfWhatIsInTheScope(t *testing.T) {
	dn := func(n string, groups ...string) *configpb.DN { return &configpb.DN{Number: n, Groups: groups} }
	point := &configpb.DN{Number: "8000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT}
	for _, c := range []struct {
		scope *configpb.Scope
		dn    *configpb.DN
		want  bool
	}{
		{nil, dn("1001"), true}, {nil, nil, true},
		{&configpb.Scope{Groups: []string{"sales"}}, dn("1001", "support", "sales"), true},
		{&configpb.Scope{Groups: []string{"sales"}}, dn("1001", "support"), false},
		{&configpb.Scope{Groups: []string{"sales"}}, dn("1001"), false},
		{&configpb.Scope{DnPrefixes: []string{"10", "20"}}, dn("2001"), true},
		{&configpb.Scope{DnPrefixes: []string{"10", "20"}}, dn("3001"), false},
		{&configpb.Scope{DnPrefixes: []string{"10"}, Groups: []string{"sales"}}, dn("1001", "support"), false},
		{&configpb.Scope{DnPrefixes: []string{"10"}, Groups: []string{"sales"}}, dn("2001", "sales"), false},
		{&configpb.Scope{DnPrefixes: []string{"10"}, Groups: []string{"sales"}}, dn("1001", "sales"), true},
		{&configpb.Scope{RoutingPoints: []string{"8000"}}, point, true},
		{&configpb.Scope{RoutingPoints: []string{"8001"}}, point, false},
		{&configpb.Scope{Groups: []string{"sales"}}, nil, false},
	} {
		if got := (&access.Who{Role: configpb.Role_ROLE_STAT, Scope: c.scope}).Hears(c.dn); got != c.want {
			t.Errorf("%v of %v: %v", c.scope, c.dn, got)
		}
	}
	if !(*access.Who)(nil).Hears(dn("1001")) {
		t.Error("where nobody is asked, somebody hears nothing")
	}
}

func TestTakes_OnlyRoutingPointsOfTheScope(t *testing.T) {
	who := &access.Who{Role: configpb.Role_ROLE_ROUTER, Scope: &configpb.Scope{RoutingPoints: []string{"8000"}}}
	if !who.Takes("8000") || who.Takes("8001") || who.Takes("80001") || who.Takes("") {
		t.Error("a routing point in the scope is refused, or another one taken")
	}
	if !(*access.Who)(nil).Takes("8001") || !(&access.Who{}).Takes("8001") {
		t.Error("a scope without routing points bounds")
	}
}
