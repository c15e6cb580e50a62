package access

import (
	"slices"

	"github.com/sipcluster/sipcluster/api/configpb"
)

const (
	admin    = configpb.Role_ROLE_ADMIN
	config   = configpb.Role_ROLE_CONFIG
	operator = configpb.Role_ROLE_OPERATOR
	router   = configpb.Role_ROLE_ROUTER
	stat     = configpb.Role_ROLE_STAT
	gateway  = configpb.Role_ROLE_GATEWAY
	metrics  = configpb.Role_ROLE_METRICS
)

// permission is who may call a method.
type permission struct {
	// open: anybody, unasked.
	open  bool
	roles []configpb.Role
}

func (p permission) allows(r configpb.Role) bool { return p.open || slices.Contains(p.roles, r) }

var (
	open     = permission{open: true}
	everyone = to(admin, config, operator, router, stat, gateway, metrics)
	reads    = to(admin, config, operator, stat)
)

func to(roles ...configpb.Role) permission { return permission{roles: roles} }

// methods of both ports for clients, by full name. What has no row is refused.
var methods = map[string]permission{
	"/grpc.health.v1.Health/Check": open,
	"/grpc.health.v1.Health/List":  open,
	"/grpc.health.v1.Health/Watch": open,

	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      everyone,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": everyone,

	"/sipcluster.config.v1.Configuration/Write":      to(admin, config),
	"/sipcluster.config.v1.Configuration/Import":     to(admin, config),
	"/sipcluster.config.v1.Configuration/Export":     to(admin, config),
	"/sipcluster.config.v1.Configuration/Backup":     to(admin),
	"/sipcluster.config.v1.Configuration/Restore":    to(admin),
	"/sipcluster.config.v1.Configuration/GetDN":      reads,
	"/sipcluster.config.v1.Configuration/GetOptions": reads,
	"/sipcluster.config.v1.Configuration/ListNodes":  reads,

	"/sipcluster.tc.v1.Availability/ListRoutable": reads,
	"/sipcluster.tc.v1.Availability/ListDNs":      reads,
	"/sipcluster.tc.v1.Availability/TestRoute":    reads,
	"/sipcluster.tc.v1.Availability/GetDN":        reads,
	"/sipcluster.tc.v1.Availability/Watch":        reads,

	"/sipcluster.tc.v1.Diagnosis/ExplainDN":      to(admin, config, operator),
	"/sipcluster.tc.v1.Diagnosis/Survey":         to(admin, config, operator),
	"/sipcluster.tc.v1.Diagnosis/CollectReports": to(admin),
	"/sipcluster.tc.v1.Diagnosis/ListEvents":     to(admin, operator),
	"/sipcluster.tc.v1.Diagnosis/WatchEvents":    to(admin, operator),

	"/sipcluster.tc.v1.Calls/ListCalls": to(admin, operator, router, stat),
	"/sipcluster.tc.v1.Calls/GetCall":   to(admin, operator, router, stat),
	"/sipcluster.tc.v1.Calls/TraceCall": to(admin, operator),

	"/sipcluster.tc.v1.Statistics/GetGroups":   to(admin, config, operator, router, stat),
	"/sipcluster.tc.v1.Statistics/WatchGroups": to(admin, config, operator, router, stat),
	"/sipcluster.tc.v1.Statistics/ListWaiting": to(admin, config, operator, router, stat),

	"/sipcluster.tc.v1.Cluster/Status":     reads,
	"/sipcluster.tc.v1.Cluster/WatchNode":  to(admin, operator, stat),
	"/sipcluster.tc.v1.Cluster/DrainNode":  to(admin, operator),
	"/sipcluster.tc.v1.Cluster/RemoveNode": to(admin),
	"/sipcluster.peer.v1.Fabric/SetCut":    to(admin),

	// Each request in it is judged by itself: requests.
	"/sipcluster.tlib.v1.TLibrary/Session": to(admin, operator, router, stat, gateway),

	"/sipcluster.config.v1.Access/WhoAmI":          everyone,
	"/sipcluster.config.v1.Access/CreateToken":     to(admin),
	"/sipcluster.config.v1.Access/RevokeToken":     to(admin),
	"/sipcluster.config.v1.Access/ListTokens":      to(admin),
	"/sipcluster.config.v1.Access/CreateInvite":    to(admin),
	"/sipcluster.config.v1.Access/ListInvites":     to(admin),
	"/sipcluster.config.v1.Access/RevokeInvite":    to(admin),
	"/sipcluster.config.v1.Access/RekeyNode":       to(admin),
	"/sipcluster.config.v1.Access/DistrustNode":    to(admin),
	"/sipcluster.config.v1.Access/ShowAuthority":   to(admin),
	"/sipcluster.config.v1.Access/RotateAuthority": to(admin),
	"/sipcluster.config.v1.Access/RotateKeys":      to(admin),
	"/sipcluster.config.v1.Access/ListKeys":        to(admin),
	"/sipcluster.config.v1.Access/Audit":           to(admin),
	"/sipcluster.config.v1.Access/ListBans":        to(admin, operator),
	"/sipcluster.config.v1.Access/ClearBans":       to(admin, operator),
}

// Known tells whether a method has a row: one without is refused to everybody.
func Known(method string) bool {
	_, known := methods[method]
	return known
}

// Allows tells whether a role may call a method.
func Allows(r configpb.Role, method string) bool { return methods[method].allows(r) }
