package bounds

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
)

// Limits that no package below has.
const (
	// MaxMessage is the greatest message that a port takes, in bytes.
	MaxMessage = 4 << 20
	// MaxWrite mutations make one Raft entry, of less than MaxWriteBytes.
	MaxWrite      = 500
	MaxWriteBytes = 512 << 10
	// MaxImportPart mutations come in one message of an import.
	MaxImportPart = 10_000
	// MaxRestorePart bytes come in one message of a restore.
	MaxRestorePart = 1 << 20
	// MaxPage DNs are in one answer of a list.
	MaxPage = 10_000
	// MaxApplication is the length of what a client calls itself, MaxToken that
	// of what it resumes by, in bytes.
	MaxApplication, MaxToken = 64, 64
	// MaxDrainMS is how long a draining node may keep its DNs: 30 days.
	MaxDrainMS = 30 * 24 * 3_600_000
	// maxTimeMS is the latest moment, ms since the epoch: the first of the year 2200.
	maxTimeMS = 7_258_118_400_000
	// MaxPageToken is the length of a page token.
	MaxPageToken = 128
	// MaxEventsPlaces is the length of what says where each node's events go on, as bytes or
	// as text: of each of 255 nodes some 190 bytes.
	MaxEventsPlaces = 64 << 10
	// MaxChanges of a DN are told at most.
	MaxChanges = 1000
	// MaxKinds of events in a filter.
	MaxKinds = 16
	// maxEventKinds are in a position in a node's history, those of later versions too.
	maxEventKinds = 64
	// maxGroups are asked for at once.
	maxGroups = 1000
	// maxURI is the length of a number or a URI that somebody asks about.
	maxURI = 255
	// connID is the length of a call's id.
	connID = 16
)

func text(most uint64) Bound          { return Bound{Sort: Text, Max: most} }
func items(most uint64) Bound         { return Bound{Sort: Items, Max: most} }
func number(least, most uint64) Bound { return Bound{Sort: Number, Min: least, Max: most} }
func whole(most uint64) Bound         { return Bound{Sort: Whole, Max: most} }

func (b Bound) by(pkg string) Bound     { b.By = pkg; return b }
func (b Bound) instead(do string) Bound { b.Hint = ": " + do; return b }
func (b Bound) capped() Bound           { b.Capped = true; return b }

// size-free numbers.
var (
	position = Bound{Sort: Any} // in a stream or the log
	identity = Bound{Sort: Any} // comes back, or is compared
	clock    = Bound{Sort: Any}
	rank     = Bound{Sort: Any} // only its order counts
)

// table has every field of every request by its full name, "[]" behind the name
// of a list for its elements; booleans, and enums that are checked here, need no row.
var table = merge(configuration, consensus, availability, cluster, links, agents, tlibrary, access)

func merge(parts ...map[protoreflect.FullName]Bound) map[protoreflect.FullName]Bound {
	all := map[protoreflect.FullName]Bound{}
	for _, p := range parts {
		for name, b := range p {
			all["sipcluster."+name] = b
		}
	}
	all["google.protobuf.Duration.seconds"] = Bound{Sort: Any, By: "node/session"}
	all["google.protobuf.Duration.nanos"] = Bound{Sort: Any, By: "node/session"}
	all["google.protobuf.Timestamp.seconds"] = Bound{Sort: Any, By: "api"}
	all["google.protobuf.Timestamp.nanos"] = Bound{Sort: Any, By: "api"}
	all["google.protobuf.FieldMask.paths"] = items(fsm.MaxMask)
	all["google.protobuf.FieldMask.paths[]"] = text(fsm.MaxPath)
	return all
}

var configuration = map[protoreflect.FullName]Bound{
	"config.v1.DN.number":                      text(dn.MaxNumber).by("fsm"),
	"config.v1.DN.kind":                        {Sort: Any, By: "fsm"},
	"config.v1.DN.algorithm":                   {Sort: Any, By: "fsm"},
	"config.v1.DN.ha1":                         text(64).by("fsm"),
	"config.v1.DN.groups":                      items(fsm.MaxGroups).by("fsm"),
	"config.v1.DN.groups[]":                    text(fsm.MaxName).by("fsm"),
	"config.v1.DN.external":                    text(1 + fsm.MaxExternal).by("fsm"),
	"config.v1.DN.revision":                    position,
	"config.v1.RoutingPoint.default_group":     text(fsm.MaxName).by("fsm"),
	"config.v1.RoutingPoint.timeout_ms":        number(0, fsm.MaxTimeoutMS).by("fsm"),
	"config.v1.Trunk.address":                  text(fsm.MaxAddr).by("fsm"),
	"config.v1.Trunk.more_addresses":           items(fsm.MaxMoreAddresses).by("fsm"),
	"config.v1.Trunk.more_addresses[]":         text(fsm.MaxAddr).by("fsm"),
	"config.v1.Trunk.transport":                {Sort: Any, By: "fsm"},
	"config.v1.Options.trunk_options_s":        number(0, fsm.MaxTrunkOptions).by("fsm"),
	"config.v1.Trunk.prefix":                   text(fsm.MaxNodeName).by("fsm"),
	"config.v1.Trunk.priority":                 rank,
	"config.v1.Trunk.sources":                  items(fsm.MaxSources).by("fsm"),
	"config.v1.Trunk.sources[]":                text(fsm.MaxSource).by("fsm"),
	"config.v1.Trunk.tls_name":                 text(fsm.MaxRealm).by("fsm"),
	"config.v1.Trunk.outbound_realm":           text(fsm.MaxRealm).by("fsm"),
	"config.v1.NumberRules.called":             items(fsm.MaxRules).by("fsm"),
	"config.v1.NumberRules.caller":             items(fsm.MaxRules).by("fsm"),
	"config.v1.NumberRule.match":               text(1 + configpb.MaxPrefix).by("fsm"),
	"config.v1.NumberRule.strip":               number(0, fsm.MaxStrip).by("fsm"),
	"config.v1.NumberRule.prepend":             text(configpb.MaxPrefix).by("fsm"),
	"config.v1.CallerID.number":                text(1 + fsm.MaxExternal).by("fsm"),
	"config.v1.CallerID.name":                  text(fsm.MaxName).by("fsm"),
	"config.v1.TrunkLimit.calls":               number(0, fsm.MaxTrunkCalls).by("fsm"),
	"config.v1.TrunkLimit.calls_per_s":         number(0, fsm.MaxTrunkRate).by("fsm"),
	"config.v1.TrunkRegistration.domain":       text(fsm.MaxRealm).by("fsm"),
	"config.v1.TrunkRegistration.user":         text(fsm.MaxName).by("fsm"),
	"config.v1.TrunkRegistration.called":       text(fsm.MaxName).by("fsm"),
	"config.v1.TrunkRegistration.expires_s":    number(0, fsm.MaxTrunkExpires).by("fsm"),
	"config.v1.DN.dids":                        items(fsm.MaxDIDs).by("fsm"),
	"config.v1.DN.dids[]":                      text(1 + fsm.MaxExternal).by("fsm"),
	"config.v1.TrunkAuth.user":                 text(fsm.MaxName).by("fsm"),
	"config.v1.TrunkAuth.algorithm":            {Sort: Any, By: "fsm"},
	"config.v1.TrunkAuth.ha1":                  text(64).by("fsm"),
	"config.v1.TrunkAuth.sha256_ha1":           text(64).by("fsm"),
	"config.v1.Outbound.class":                 {Sort: Any, By: "fsm"},
	"config.v1.Outbound.prefixes":              items(fsm.MaxPrefixes).by("fsm"),
	"config.v1.Outbound.prefixes[]":            text(configpb.MaxPrefix).by("fsm"),
	"config.v1.DN.capacity":                    number(0, fsm.MaxCapacity).by("fsm"),
	"config.v1.DN.skills":                      items(fsm.MaxGroups).by("fsm"),
	"config.v1.DN.SkillsEntry.key":             text(fsm.MaxName).by("fsm"),
	"config.v1.DN.SkillsEntry.value":           number(0, fsm.MaxSkill).by("fsm"),
	"config.v1.Feature.action":                 {Sort: Any, By: "fsm"},
	"config.v1.Policy.ring_timeout_ms":         number(0, fsm.MaxRingMS).by("fsm"),
	"config.v1.Policy.no_answer_action":        {Sort: Any, By: "fsm"},
	"config.v1.Policy.cool_down_s":             number(0, fsm.MaxCoolDown).by("fsm"),
	"config.v1.Policy.wrap_up_s":               number(0, fsm.MaxWrapUp).by("fsm"),
	"config.v1.Policy.desktop_lost":            {Sort: Any, By: "fsm"},
	"config.v1.Options.agent_login":            {Sort: Any, By: "fsm"},
	"config.v1.Options.voicemail_trunk":        text(dn.MaxNumber).by("fsm"),
	"config.v1.AgentGroup.name":                text(fsm.MaxName).by("fsm"),
	"config.v1.AgentGroup.revision":            position,
	"config.v1.Node.id":                        text(fsm.MaxName),
	"config.v1.Node.name":                      text(fsm.MaxNodeName),
	"config.v1.Node.site":                      text(fsm.MaxName),
	"config.v1.Node.sip_addr":                  text(fsm.MaxAddr),
	"config.v1.Node.default_addr":              text(fsm.MaxAddr),
	"config.v1.Node.tc_addr":                   text(fsm.MaxAddr),
	"config.v1.Node.cluster_addr":              text(fsm.MaxAddr),
	"config.v1.Node.gossip_addr":               text(fsm.MaxAddr),
	"config.v1.Node.http_addr":                 text(fsm.MaxAddr),
	"config.v1.Node.drain_until_ms":            number(0, maxTimeMS),
	"config.v1.Node.key_sha256":                items(fsm.MaxNodeKeys),
	"config.v1.Node.key_sha256[]":              text(64),
	"config.v1.Node.drain_for_ms":              number(0, MaxDrainMS),
	"config.v1.Node.feature_level":             number(0, fsm.MaxLevel),
	"config.v1.Node.revision":                  position,
	"config.v1.Invite.id":                      text(fsm.InviteID),
	"config.v1.Invite.secret_sha256":           text(64),
	"config.v1.Invite.node_name":               text(fsm.MaxNodeName),
	"config.v1.Invite.expires_ms":              number(0, maxTimeMS),
	"config.v1.Invite.revision":                position,
	"config.v1.Join.invite":                    text(fsm.InviteID),
	"config.v1.Join.secret":                    text(fsm.MaxSecret),
	"config.v1.Authority.certificate":          text(fsm.MaxCertificate),
	"config.v1.Authority.sealed_key":           text(fsm.MaxSealedKey),
	"config.v1.Authority.cross":                text(fsm.MaxCertificate),
	"config.v1.Authority.previous":             text(fsm.MaxCertificate),
	"config.v1.Authority.made_ms":              number(0, maxTimeMS),
	"config.v1.Key.id":                         identity,
	"config.v1.Key.secret":                     text(fsm.RingKey),
	"config.v1.Key.made_ms":                    number(0, maxTimeMS),
	"config.v1.Keyring.keys":                   items(fsm.MaxRing),
	"config.v1.Keyring.primary":                identity,
	"config.v1.Security.authorities":           items(fsm.MaxAuthorities),
	"config.v1.Security.revision":              position,
	"config.v1.Options.realm":                  text(fsm.MaxRealm).by("fsm"),
	"config.v1.Options.min_expires_s":          number(0, fsm.MaxExpires).by("fsm"),
	"config.v1.Options.max_expires_s":          number(0, fsm.MaxExpires).by("fsm"),
	"config.v1.Options.default_expires_s":      number(0, fsm.MaxExpires).by("fsm"),
	"config.v1.Options.max_contacts":           number(0, fsm.MaxContacts).by("fsm"),
	"config.v1.Options.ping_interval_s":        number(0, fsm.MaxPing).by("fsm"),
	"config.v1.Options.ping_misses":            number(0, fsm.MaxMisses).by("fsm"),
	"config.v1.Options.desktop_grace_s":        number(0, fsm.MaxGrace).by("fsm"),
	"config.v1.Options.reservation_collect_ms": number(0, fsm.MaxCollect).by("fsm"),
	"config.v1.Options.flow_grace_s":           number(0, fsm.MaxGrace).by("fsm"),
	"config.v1.Options.orphan_ring_ms":         number(0, fsm.MaxOrphanRing).by("fsm"),
	"config.v1.Options.first_word_ms":          number(0, fsm.MaxFirstWord).by("fsm"),
	"config.v1.Options.max_voters":             number(0, fsm.MaxVoters).by("fsm"),
	"config.v1.Options.dead_voter_s":           number(0, fsm.MaxDeadVoter).by("fsm"),
	"config.v1.Options.raft_log_bytes":         number(0, fsm.MaxRaftLog).by("fsm"),
	"config.v1.Options.revision":               position,
	"config.v1.Mutation.delete_dn":             text(dn.MaxNumber),
	"config.v1.Mutation.delete_group":          text(fsm.MaxName),
	"config.v1.Mutation.delete_node":           text(fsm.MaxName),
	"config.v1.Mutation.delete_invite":         text(fsm.InviteID),
	"config.v1.Mutation.put_level":             number(0, fsm.MaxLevel),
	"config.v1.Mutation.if_revision":           position,
	"config.v1.WriteRequest":                   whole(MaxWriteBytes).by("api"),
	"config.v1.WriteRequest.request_id":        text(fsm.MaxRequestID),
	"config.v1.WriteRequest.mutations":         items(MaxWrite).instead("use Import"),
	"config.v1.ImportRequest.mutations":        items(MaxImportPart).instead("send more messages"),
	"config.v1.Mutation.restore":               text(fsm.MaxRestore),
	"config.v1.RestoreRequest.data":            text(MaxRestorePart),
	"config.v1.GetDNRequest.number":            text(dn.MaxNumber),
}

var consensus = map[protoreflect.FullName]Bound{
	"peer.v1.ProposeRequest.cluster_id":     text(fsm.MaxName),
	"peer.v1.ReadIndexRequest.cluster_id":   text(fsm.MaxName),
	"peer.v1.CompareRequest.cluster_id":     text(fsm.MaxName),
	"peer.v1.CompareRequest.index":          position,
	"peer.v1.CompareRequest.sum":            text(32),
	"peer.v1.SnapshotRequest.cluster_id":    text(fsm.MaxName),
	"peer.v1.SnapshotRequest.index":         position,
	"peer.v1.ReturnRequest.cluster_id":      text(fsm.MaxName),
	"peer.v1.ReturnRequest.node":            text(fsm.MaxName),
	"peer.v1.ReachRequest.cluster_id":       text(fsm.MaxName),
	"peer.v1.EnterRequest.invite":           text(fsm.InviteID),
	"peer.v1.EnterRequest.secret":           text(fsm.MaxSecret),
	"peer.v1.LearnRequest.cluster_id":       text(fsm.MaxName),
	"peer.v1.LearnRequest.node":             text(fsm.MaxName),
	"peer.v1.ProgressRequest.cluster_id":    text(fsm.MaxName),
	"peer.v1.FindRequest.contact":           text(1024),
	"peer.v1.ViewDNRequest.cluster_id":      text(fsm.MaxName),
	"peer.v1.ViewDNRequest.dn":              text(dn.MaxNumber),
	"peer.v1.ViewClusterRequest.cluster_id": text(fsm.MaxName),
	"peer.v1.ReportRequest.cluster_id":      text(fsm.MaxName),
	"peer.v1.HistoryRequest.cluster_id":     text(fsm.MaxName),
	"peer.v1.TraceRequest.cluster_id":       text(fsm.MaxName),
	"peer.v1.TraceRequest.call":             text(maxURI),
	"peer.v1.ViewDNRequest.changes":         number(0, MaxChanges),
	"peer.v1.Command.version":               {Sort: Any, By: "fsm"},
	"peer.v1.Command.request_id":            text(fsm.MaxRequestID),
	"peer.v1.Command.mutations":             items(fsm.MaxMutations),
	"peer.v1.Command.new_epoch":             text(fsm.MaxName),
	"peer.v1.Command.time_ms":               clock,
	"peer.v1.Command.level":                 number(0, fsm.MaxLevel),
}

var availability = map[protoreflect.FullName]Bound{
	"tc.v1.Filter.owner":                     text(fsm.MaxName),
	"tc.v1.Filter.site":                      text(fsm.MaxName),
	"tc.v1.Filter.group":                     text(fsm.MaxName),
	"tc.v1.Filter.prefix":                    text(dn.MaxNumber),
	"tc.v1.ListRoutableRequest.page_size":    number(0, MaxPage).capped(),
	"tc.v1.ListRoutableRequest.page_token":   text(MaxPageToken),
	"tc.v1.ListDNsRequest.page_size":         number(0, MaxPage).capped(),
	"tc.v1.ListDNsRequest.page_token":        text(MaxPageToken),
	"tc.v1.TestRouteRequest.called":          text(maxURI),
	"tc.v1.TestRouteRequest.from":            text(dn.MaxNumber),
	"tc.v1.TestRouteRequest.caller":          text(maxURI),
	"tc.v1.GetDNStatusRequest.dn":            text(dn.MaxNumber),
	"tc.v1.ExplainDNRequest.dn":              text(dn.MaxNumber),
	"tc.v1.ExplainDNRequest.changes":         number(0, MaxChanges),
	"tc.v1.WatchRequest.resume_cursor":       text(feed.MaxCursor),
	"tc.v1.GetGroupsRequest.groups":          items(maxGroups),
	"tc.v1.GetGroupsRequest.groups[]":        text(fsm.MaxName),
	"tc.v1.WatchGroupsRequest.groups":        items(maxGroups),
	"tc.v1.WatchGroupsRequest.groups[]":      text(fsm.MaxName),
	"tc.v1.ListWaitingRequest.group":         text(fsm.MaxName),
	"tc.v1.ListWaitingRequest.routing_point": text(dn.MaxNumber),
	"tc.v1.ListWaitingRequest.page_size":     number(0, MaxPage).capped(),
	"tc.v1.ListEventsRequest.dn":             text(dn.MaxNumber),
	"tc.v1.ListEventsRequest.group":          text(fsm.MaxName),
	"tc.v1.ListEventsRequest.agent":          text(dn.MaxAgentID),
	"tc.v1.ListEventsRequest.conn_id":        text(connID),
	"tc.v1.ListEventsRequest.kinds":          items(MaxKinds),
	"tc.v1.ListEventsRequest.node":           text(fsm.MaxNodeName),
	"tc.v1.ListEventsRequest.limit":          number(0, MaxPage).capped(),
	"tc.v1.ListEventsRequest.page_token":     text(MaxEventsPlaces),
	"tc.v1.WatchEventsRequest.dn":            text(dn.MaxNumber),
	"tc.v1.WatchEventsRequest.group":         text(fsm.MaxName),
	"tc.v1.WatchEventsRequest.agent":         text(dn.MaxAgentID),
	"tc.v1.WatchEventsRequest.conn_id":       text(connID),
	"tc.v1.WatchEventsRequest.kinds":         items(MaxKinds),
	"tc.v1.WatchEventsRequest.node":          text(fsm.MaxNodeName),
	"tc.v1.WatchEventsRequest.cursor":        text(MaxEventsPlaces),
	"tc.v1.EventsPosition.store":             identity,
	"tc.v1.EventsPosition.next":              items(maxEventKinds),
	"tc.v1.EventsPosition.next[]":            position,
	"tc.v1.ListCallsRequest.dn":              text(dn.MaxNumber),
	"tc.v1.ListCallsRequest.node":            text(fsm.MaxNodeName),
	"tc.v1.ListCallsRequest.routing_point":   text(dn.MaxNumber),
	"tc.v1.ListCallsRequest.page_size":       number(0, MaxPage).capped(),
	"tc.v1.ListCallsRequest.page_token":      text(MaxPageToken),
	"tc.v1.GetCallRequest.conn_id":           text(connID),
	"tc.v1.TraceCallRequest.call":            text(maxURI),
}

var cluster = map[protoreflect.FullName]Bound{
	"tc.v1.RemoveNodeRequest.name":       text(fsm.MaxNodeName),
	"tc.v1.DrainNodeRequest.name":        text(fsm.MaxNodeName),
	"tc.v1.DrainNodeRequest.deadline_ms": number(0, MaxDrainMS),
	"tc.v1.WatchNodeRequest.name":        text(fsm.MaxNodeName),
	"peer.v1.SetCutRequest.nodes":        items(feed.MaxNodes),
	"peer.v1.SetCutRequest.nodes[]":      text(fsm.MaxNodeName),
}

var links = map[protoreflect.FullName]Bound{
	"peer.v1.FollowHello.cluster_id":              text(fsm.MaxName),
	"peer.v1.FollowHello.follower":                text(fsm.MaxName),
	"peer.v1.FollowHello.publisher":               text(fsm.MaxName),
	"peer.v1.FollowHello.resume_incarnation":      identity,
	"peer.v1.FollowHello.resume_seq":              position,
	"peer.v1.FollowHello.resume_call_seq":         position,
	"peer.v1.FollowHello.resume_call_incarnation": identity,
	"peer.v1.FollowHello.instance":                identity,
	"peer.v1.FollowHello.up_ms":                   clock,
	"peer.v1.Digests.ranges":                      items(dn.MaxDigests),
	"peer.v1.Digest.last":                         text(dn.MaxNumber),
	"peer.v1.Digest.sum":                          text(16),
	"peer.v1.MeetRequest.cluster_id":              text(fsm.MaxName),
	"peer.v1.Presence.instance":                   identity,
	"peer.v1.Presence.up_ms":                      clock,
	"peer.v1.Presence.last_log":                   position,
	"peer.v1.Ping.sent_mono":                      clock,
	"peer.v1.Ping.sent_wall":                      clock,
	"peer.v1.Ping.applied":                        position,
}

var agents = map[protoreflect.FullName]Bound{
	"peer.v1.KeyValue.key":                  text(dn.MaxReasonKey),
	"peer.v1.KeyValue.value":                text(dn.MaxReasonValue),
	"peer.v1.SetAgentRequest.dn":            text(dn.MaxNumber),
	"peer.v1.SetAgentRequest.agent_id":      text(dn.MaxAgentID),
	"peer.v1.SetAgentRequest.work_mode":     number(0, uint64(dn.WorkModes)-1),
	"peer.v1.SetAgentRequest.reasons":       items(dn.MaxReasons),
	"peer.v1.SetAgentRequest.routing_point": text(dn.MaxNumber),
	"peer.v1.ReserveRequest.dn":             text(dn.MaxNumber),
	"peer.v1.ReserveRequest.holder":         text(dn.MaxHolder),
	"peer.v1.ReserveRequest.duration_ms":    number(0, uint64(dn.MaxReserved)/1e6),
	"peer.v1.ReserveRequest.priority":       rank,
	"peer.v1.ReserveRequest.instead_of":     text(dn.MaxHolder),
	"peer.v1.RenewRequest.wanted":           items(dn.MaxLeases),
	"peer.v1.RenewRequest.given_back":       items(dn.MaxLeases),
	"peer.v1.RenewRequest.seats":            items(dn.MaxLeases),
	"peer.v1.Seat.dn":                       text(dn.MaxNumber),
	"peer.v1.Desk.node":                     text(dn.MaxHolder),
	"peer.v1.Desk.incarnation":              identity,
	"peer.v1.Desk.claim":                    rank,
	"peer.v1.MakeCallRequest.dn":            text(dn.MaxNumber),
	"peer.v1.MakeCallRequest.number":        text(dn.MaxNumber),
	"peer.v1.MakeCallRequest.request_id":    text(fsm.MaxRequestID),
	"peer.v1.Lease.dn":                      text(dn.MaxNumber),
	"peer.v1.Lease.holder":                  text(dn.MaxHolder),
}

var tlibrary = map[protoreflect.FullName]Bound{
	"tlib.v1.ClientMessage.reference_id":              identity,
	"tlib.v1.OpenSession.application":                 text(MaxApplication),
	"tlib.v1.OpenSession.resume_token":                text(MaxToken),
	"tlib.v1.OpenSession.protocol_version":            {Sort: Any, By: "session"},
	"tlib.v1.OpenSession.resume_cursor":               text(feed.MaxCursor),
	"tlib.v1.RegisterAddress.dn":                      text(dn.MaxNumber),
	"tlib.v1.UnregisterAddress.dn":                    text(dn.MaxNumber),
	"tlib.v1.QueryAddress.dn":                         text(dn.MaxNumber),
	"tlib.v1.MonitorAll.resume_cursor":                text(feed.MaxCursor),
	"tlib.v1.MonitorFilter.kinds":                     items(MaxKinds),
	"tlib.v1.MonitorFilter.group":                     text(fsm.MaxName),
	"tlib.v1.MonitorFilter.owner":                     text(fsm.MaxName),
	"tlib.v1.AgentLogin.dn":                           text(dn.MaxNumber),
	"tlib.v1.AgentLogin.agent_id":                     text(dn.MaxAgentID),
	"tlib.v1.AgentLogin.reasons":                      items(dn.MaxReasons),
	"tlib.v1.AgentLogin.ReasonsEntry.key":             text(dn.MaxReasonKey),
	"tlib.v1.AgentLogin.ReasonsEntry.value":           text(dn.MaxReasonValue),
	"tlib.v1.AgentLogout.dn":                          text(dn.MaxNumber),
	"tlib.v1.AgentLogout.reasons":                     items(dn.MaxReasons),
	"tlib.v1.AgentLogout.ReasonsEntry.key":            text(dn.MaxReasonKey),
	"tlib.v1.AgentLogout.ReasonsEntry.value":          text(dn.MaxReasonValue),
	"tlib.v1.AgentReady.dn":                           text(dn.MaxNumber),
	"tlib.v1.AgentReady.reasons":                      items(dn.MaxReasons),
	"tlib.v1.AgentReady.ReasonsEntry.key":             text(dn.MaxReasonKey),
	"tlib.v1.AgentReady.ReasonsEntry.value":           text(dn.MaxReasonValue),
	"tlib.v1.AgentNotReady.dn":                        text(dn.MaxNumber),
	"tlib.v1.AgentNotReady.reasons":                   items(dn.MaxReasons),
	"tlib.v1.AgentNotReady.ReasonsEntry.key":          text(dn.MaxReasonKey),
	"tlib.v1.AgentNotReady.ReasonsEntry.value":        text(dn.MaxReasonValue),
	"tlib.v1.ReserveAgent.dn":                         text(dn.MaxNumber),
	"tlib.v1.SetDNDOn.dn":                             text(dn.MaxNumber),
	"tlib.v1.SetDNDOff.dn":                            text(dn.MaxNumber),
	"tlib.v1.ReserveAgent.priority":                   rank,
	"tlib.v1.RouteCall.conn_id":                       text(connID),
	"tlib.v1.RouteCall.dn":                            text(dn.MaxNumber),
	"tlib.v1.RouteCall.group":                         text(fsm.MaxName),
	"tlib.v1.RouteCall.external":                      text(dn.MaxNumber),
	"tlib.v1.RouteCall.overflow":                      items(16),
	"tlib.v1.RoutePlace.dn":                           text(dn.MaxNumber),
	"tlib.v1.RoutePlace.group":                        text(fsm.MaxName),
	"tlib.v1.RoutePlace.external":                     text(dn.MaxNumber),
	"tlib.v1.WithdrawRoute.conn_id":                   text(connID),
	"tlib.v1.RouteCall.reject":                        number(400, 699),
	"tlib.v1.RouteCall.user_data":                     items(call.MaxUserData),
	"tlib.v1.RouteCall.UserDataEntry.key":             text(call.MaxKey),
	"tlib.v1.RouteCall.UserDataEntry.value":           text(call.MaxUserDataBytes).by("node/session"),
	"tlib.v1.MakeCall.dn":                             text(dn.MaxNumber),
	"tlib.v1.MakeCall.number":                         text(dn.MaxNumber),
	"tlib.v1.MakeCall.request_id":                     text(fsm.MaxRequestID),
	"tlib.v1.ReleaseCall.dn":                          text(dn.MaxNumber),
	"tlib.v1.ReleaseCall.conn_id":                     text(connID),
	"tlib.v1.DistributeUserEvent.dn":                  text(dn.MaxNumber),
	"tlib.v1.DistributeUserEvent.conn_id":             text(connID),
	"tlib.v1.DistributeUserEvent.user_data":           items(call.MaxUserData),
	"tlib.v1.DistributeUserEvent.UserDataEntry.key":   text(call.MaxKey),
	"tlib.v1.DistributeUserEvent.UserDataEntry.value": text(call.MaxUserDataBytes).by("node/session"),
	"tlib.v1.UpdateUserData.conn_id":                  text(connID),
	"tlib.v1.UpdateUserData.user_data":                items(call.MaxUserData),
	"tlib.v1.UpdateUserData.UserDataEntry.key":        text(call.MaxKey),
	"tlib.v1.UpdateUserData.UserDataEntry.value":      text(call.MaxUserDataBytes).by("node/session"),
}
