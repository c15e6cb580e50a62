package bounds

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
)

const (
	// maxSum is the length of a SHA-256 in hex, maxSource that of an address that
	// somebody comes from.
	maxSum, maxSource = 64, 64
	// maxCertificate is the length of a certificate (DER).
	maxCertificate = 16 << 10
	// maxLifetimeS of a token or an invite: 10 years.
	maxLifetimeS = 10 * 366 * 86_400
	// maxTokenText is the length of a token as its owner has it.
	maxTokenText = 128
)

// access are the fields of who may do what.
var access = map[protoreflect.FullName]Bound{
	"config.v1.Scope.routing_points":           items(fsm.MaxScope),
	"config.v1.Scope.routing_points[]":         text(dn.MaxNumber),
	"config.v1.Scope.groups":                   items(fsm.MaxScope),
	"config.v1.Scope.groups[]":                 text(fsm.MaxName),
	"config.v1.Scope.dn_prefixes":              items(fsm.MaxScope),
	"config.v1.Scope.dn_prefixes[]":            text(dn.MaxNumber),
	"config.v1.Scope.external_prefixes":        items(fsm.MaxScope),
	"config.v1.Scope.external_prefixes[]":      text(1 + fsm.MaxExternal),
	"config.v1.Token.id":                       text(fsm.MaxTokenID),
	"config.v1.Token.secret_sha256":            text(maxSum),
	"config.v1.Token.certificate_sha256":       text(maxSum),
	"config.v1.Token.name":                     text(fsm.MaxName),
	"config.v1.Token.not_before_ms":            number(0, maxTimeMS),
	"config.v1.Token.expires_ms":               number(0, maxTimeMS),
	"config.v1.Token.revision":                 position,
	"config.v1.Mutation.delete_token":          text(fsm.MaxTokenID),
	"config.v1.CreateTokenRequest.name":        text(fsm.MaxName),
	"config.v1.CreateTokenRequest.lifetime_s":  number(0, maxLifetimeS),
	"config.v1.CreateTokenRequest.certificate": text(maxCertificate),
	"config.v1.RevokeTokenRequest.id":          text(fsm.MaxTokenID),
	"config.v1.CreateInviteRequest.node_name":  text(fsm.MaxNodeName),
	"config.v1.CreateInviteRequest.lifetime_s": number(0, maxLifetimeS),
	"config.v1.RevokeInviteRequest.id":         text(fsm.MaxTokenID),
	"config.v1.DistrustNodeRequest.name":       text(fsm.MaxNodeName),
	"config.v1.AuditRequest.after":             position,
	"config.v1.ClearBansRequest.source":        text(maxSource),
	"config.v1.ClearBansRequest.dn":            text(dn.MaxNumber),

	"config.v1.Actor.token":   text(fsm.MaxTokenID),
	"config.v1.Actor.name":    text(fsm.MaxName),
	"config.v1.Actor.source":  text(maxSource),
	"config.v1.Actor.node":    text(fsm.MaxName),
	"peer.v1.Command.time_ms": clock,
	"peer.v1.Proof.token":     text(maxTokenText),
	"peer.v1.Proof.source":    text(maxSource),
}
