package fsm

import (
	"net"
	"strconv"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/number"
)

// Limits of a command and of what it may hold.
const (
	// MaxMutations of one command.
	MaxMutations = 10_000
	// MaxMask is how many fields a mask names, MaxPath the length of each in bytes.
	MaxMask, MaxPath = 32, 64
	// MaxRequestID is the greatest length of a request id in bytes.
	MaxRequestID = 128
	// MaxName of a group, a site or a node id, MaxNodeName of a node's name or a
	// trunk's prefix, MaxRealm and MaxAddr (a DNS name of 255, a colon and a port), in bytes.
	MaxName, MaxNodeName, MaxRealm, MaxAddr = 64, configpb.MaxNodeName, 255, 261
	// MaxGroups of one DN.
	MaxGroups = 32
	// MaxSources of a trunk, each of MaxSource bytes; MaxPrefixes of a DN's class of service.
	MaxSources, MaxSource, MaxPrefixes = 64, 43, 32
	// MaxMoreAddresses of a trunk, beside the first; MaxTrunkOptions, in seconds, is the greatest of that option.
	MaxMoreAddresses, MaxTrunkOptions = 15, 3600
	// MaxTimeoutMS of a routing point.
	MaxTimeoutMS = 600_000
	// The greatest values of the options, in their units.
	// MinRaftLog and MaxRaftLog bound how many bytes of changes are kept in the Raft log.
	MinRaftLog, MaxRaftLog = 1 << 20, 1 << 30

	MaxExpires, MaxContacts, MaxPing, MaxMisses, MaxGrace, MaxCollect = 31 * 24 * 3600, 100, 24 * 3600, 100, 300, 2000
	MaxOrphanRing, MaxFirstWord                                       = 30_000, 32_000
	// MaxVoters and MaxDeadVoter, in seconds, are the greatest of those options.
	MaxVoters, MaxDeadVoter = 9, 30 * 24 * 3600
	// MaxExternal is the number of digits of an external number, a plus not counted (ITU-T E.164).
	MaxExternal = 15
)

// checkDN checks what does not depend on other objects. keep allows an empty ha1; level is
// the feature level of the state.
func checkDN(d *configpb.DN, keep bool, level uint32) *Rejection {
	if !number.Valid(d.GetNumber()) {
		return reject(ErrInvalid, "%.70q is %v", d.GetNumber(), number.Err)
	}
	if r := checkKind(d, level); r != nil {
		return r
	}
	if r := checkOutbound(d); r != nil {
		return r
	}
	if r := checkSecrets(d, keep); r != nil {
		return r
	}
	if len(d.GetGroups()) > MaxGroups {
		return reject(ErrInvalid, "DN %s: %d groups, at most %d are possible", d.GetNumber(), len(d.GetGroups()), MaxGroups)
	}
	for i, g := range d.GetGroups() {
		if !validName(g) {
			return reject(ErrInvalid, "DN %s: %s", d.GetNumber(), badName("group", g))
		}
		for _, h := range d.GetGroups()[:i] {
			if g == h {
				return reject(ErrInvalid, "DN %s: group %q is named twice", d.GetNumber(), g)
			}
		}
	}
	if r := checkNumbers(d); r != nil {
		return r
	}
	return checkTakes(d)
}

// checkSecrets checks the digests of a phone or a trunk.
func checkSecrets(d *configpb.DN, keep bool) *Rejection {
	if d.GetKind() == configpb.DNKind_DN_KIND_SIP {
		return checkHA1(d.GetNumber(), d.GetAlgorithm(), d.GetHa1(), keep)
	}
	return checkAuth(d.GetNumber(), d.GetTrunk(), keep)
}

// checkKind refuses fields that belong to another kind and checks those of its own.
func checkKind(d *configpb.DN, level uint32) *Rejection {
	n, kind := d.GetNumber(), d.GetKind()
	known := kind >= configpb.DNKind_DN_KIND_SIP && kind <= configpb.DNKind_DN_KIND_TRUNK
	if !known && (kind != configpb.DNKind_DN_KIND_FEATURE || d.GetFeature() == nil) { // in these words at every feature level
		return reject(ErrInvalid, "DN %s: its kind is missing: want sip, pstn, routing-point or trunk", n)
	}
	isSIP, isPSTN := kind == configpb.DNKind_DN_KIND_SIP, kind == configpb.DNKind_DN_KIND_PSTN
	switch {
	case !isSIP && (d.GetHa1() != "" || d.GetAlgorithm() != 0):
		return reject(ErrInvalid, "DN %s: only kind sip has a password", n)
	case !isPSTN && d.GetExternal() != "":
		return reject(ErrInvalid, "DN %s: only kind pstn has an external number", n)
	case kind != configpb.DNKind_DN_KIND_ROUTING_POINT && d.GetRoutingPoint() != nil:
		return reject(ErrInvalid, "DN %s: only kind routing-point has routing_point", n)
	case kind != configpb.DNKind_DN_KIND_TRUNK && d.GetTrunk() != nil:
		return reject(ErrInvalid, "DN %s: only kind trunk has trunk", n)
	case !isSIP && !isPSTN && len(d.GetGroups()) > 0:
		return reject(ErrInvalid, "DN %s: only kinds sip and pstn belong to agent groups", n)
	case isPSTN && !validExternal(d.GetExternal()):
		return reject(ErrInvalid, "DN %s: external %.40q is not a number in E.164 form, as +15551234567", n, d.GetExternal())
	case d.GetRoutingPoint().GetTimeoutMs() > MaxTimeoutMS:
		return reject(ErrInvalid, "DN %s: timeout_ms is %d: at most %d", n, d.GetRoutingPoint().GetTimeoutMs(), MaxTimeoutMS)
	case d.GetRoutingPoint().GetDefaultGroup() != "" && !validName(d.GetRoutingPoint().GetDefaultGroup()):
		return reject(ErrInvalid, "DN %s: %s", n, badName("default_group", d.GetRoutingPoint().GetDefaultGroup()))
	}
	if kind == configpb.DNKind_DN_KIND_TRUNK {
		return checkTrunk(n, d.GetTrunk(), level)
	}
	return nil
}

func checkHA1(number string, algorithm configpb.DigestAlgorithm, ha1 string, keep bool) *Rejection {
	want := 32
	switch algorithm {
	case configpb.DigestAlgorithm_DIGEST_ALGORITHM_UNSPECIFIED, configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5:
	case configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256:
		want = 64
	default:
		return reject(ErrInvalid, "DN %s: unknown digest algorithm %d", number, algorithm)
	}
	if ha1 == "" {
		if keep {
			return nil
		}
		return reject(ErrInvalid, "DN %s: a password is missing", number)
	}
	if len(ha1) != want || strings.Trim(ha1, "0123456789abcdef") != "" {
		return reject(ErrInvalid, "DN %s: ha1 is not %d lower-case hex digits", number, want)
	}
	return nil
}

func checkNode(n *configpb.Node) *Rejection {
	if !validName(n.GetId()) {
		return reject(ErrInvalid, "%s", badName("node id", n.GetId()))
	}
	if !configpb.ValidNodeName(n.GetName()) {
		return reject(ErrInvalid, "node name %.40q: %s", n.GetName(), configpb.NodeNameRule)
	}
	if n.GetSite() != "" && !validName(n.GetSite()) {
		return reject(ErrInvalid, "node %s: %s", n.GetName(), badName("site", n.GetSite()))
	}
	if n.GetFeatureLevel() > MaxLevel {
		return reject(ErrInvalid, "node %s: feature level %d, at most %d", n.GetName(), n.GetFeatureLevel(), MaxLevel)
	}
	if n.GetClusterAddr() == "" {
		return reject(ErrInvalid, "node %s: cluster_addr is missing", n.GetName())
	}
	for _, a := range []struct{ field, addr string }{
		{"sip_addr", n.GetSipAddr()}, {"default_addr", n.GetDefaultAddr()}, {"tc_addr", n.GetTcAddr()},
		{"cluster_addr", n.GetClusterAddr()}, {"gossip_addr", n.GetGossipAddr()}, {"http_addr", n.GetHttpAddr()},
	} {
		if a.addr != "" && !validAddr(a.addr) {
			return reject(ErrInvalid, "node %s: %s %.80q is not host:port of at most %d bytes", n.GetName(), a.field, a.addr, MaxAddr)
		}
	}
	return nil
}

func checkOptions(o *configpb.Options) *Rejection {
	f := o.WithDefaults()
	switch {
	case o.GetRealm() != "" && !ValidRealm(o.GetRealm()):
		return reject(ErrInvalid, "realm %.80q: want a domain name", o.GetRealm())
	case f.GetMaxExpiresS() > MaxExpires:
		return reject(ErrInvalid, "max_expires_s is %d: at most %d", f.GetMaxExpiresS(), MaxExpires)
	case f.GetMinExpiresS() > f.GetDefaultExpiresS() || f.GetDefaultExpiresS() > f.GetMaxExpiresS():
		return reject(ErrInvalid, "want min_expires_s (%d) <= default_expires_s (%d) <= max_expires_s (%d)",
			f.GetMinExpiresS(), f.GetDefaultExpiresS(), f.GetMaxExpiresS())
	case f.GetMaxContacts() > MaxContacts:
		return reject(ErrInvalid, "max_contacts is %d: at most %d", f.GetMaxContacts(), MaxContacts)
	case f.GetPingIntervalS() > MaxPing:
		return reject(ErrInvalid, "ping_interval_s is %d: at most %d", f.GetPingIntervalS(), MaxPing)
	case f.GetPingMisses() > MaxMisses:
		return reject(ErrInvalid, "ping_misses is %d: at most %d", f.GetPingMisses(), MaxMisses)
	case f.GetDesktopGraceS() > MaxGrace:
		return reject(ErrInvalid, "desktop_grace_s is %d: at most %d", f.GetDesktopGraceS(), MaxGrace)
	case f.GetFlowGraceS() > MaxGrace:
		return reject(ErrInvalid, "flow_grace_s is %d: at most %d", f.GetFlowGraceS(), MaxGrace)
	case f.GetOrphanRingMs() > MaxOrphanRing:
		return reject(ErrInvalid, "orphan_ring_ms is %d: at most %d", f.GetOrphanRingMs(), MaxOrphanRing)
	case f.GetMaxVoters() > MaxVoters:
		return reject(ErrInvalid, "max_voters is %d: at most %d", f.GetMaxVoters(), MaxVoters)
	case f.GetDeadVoterS() > MaxDeadVoter:
		return reject(ErrInvalid, "dead_voter_s is %d: at most %d", f.GetDeadVoterS(), MaxDeadVoter)
	case f.GetTrunkOptionsS() > MaxTrunkOptions:
		return reject(ErrInvalid, "trunk_options_s is %d: at most %d", f.GetTrunkOptionsS(), MaxTrunkOptions)
	case f.GetFirstWordMs() > MaxFirstWord:
		return reject(ErrInvalid, "first_word_ms is %d: at most %d", f.GetFirstWordMs(), MaxFirstWord)
	case f.GetRaftLogBytes() < MinRaftLog || f.GetRaftLogBytes() > MaxRaftLog:
		return reject(ErrInvalid, "raft_log_bytes is %d: want %d to %d", f.GetRaftLogBytes(), MinRaftLog, MaxRaftLog)
	case f.GetReservationCollectMs() > MaxCollect:
		return reject(ErrInvalid, "reservation_collect_ms is %d: at most %d", f.GetReservationCollectMs(), MaxCollect)
	case o.GetVoicemailTrunk() != "" && !number.Valid(o.GetVoicemailTrunk()):
		return reject(ErrInvalid, "voicemail_trunk %.80q: want the number of a trunk", o.GetVoicemailTrunk())
	case o.GetAgentLogin() < 0 || o.GetAgentLogin() > configpb.AgentLogin_AGENT_LOGIN_TAKE_OVER:
		return reject(ErrInvalid, "agent_login %d is unknown", o.GetAgentLogin())
	}
	return checkPolicy("options", o.GetPolicy(), false)
}

const (
	letters    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	realmChars = letters + ".-_"
	nameChars  = letters + ".-_"
)

// validName holds for groups, sites and node ids.
func validName(s string) bool {
	return len(s) > 0 && len(s) <= MaxName && strings.Trim(s, nameChars) == ""
}

func badName(what, name string) string {
	return what + " " + strconv.Quote(name[:min(len(name), 70)]) + ": " + NameRule
}

// validExternal holds for 2 to 15 digits (ITU-T E.164), with or without a plus.
func validExternal(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return len(s) >= 2 && len(s) <= MaxExternal && strings.Trim(s, "0123456789") == ""
}

func validAddr(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(s) > MaxAddr || strings.ContainsAny(host, " \t\r\n\"<>@/\x00") {
		return false
	}
	p, err := strconv.ParseUint(port, 10, 16)
	return err == nil && p > 0
}

// NameRule says in words what ValidName takes.
const NameRule = "want 1 to 64 characters of A-Z a-z 0-9 . - _"

// ValidName tells whether a text can name a group or a site.
func ValidName(s string) bool { return validName(s) }

// ValidRealm tells whether a text can be the SIP domain of a cluster.
func ValidRealm(s string) bool {
	return s != "" && len(s) <= MaxRealm && strings.Trim(s, realmChars) == ""
}
