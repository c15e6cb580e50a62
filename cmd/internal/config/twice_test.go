package config

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// TestApplyTwice_ChangesNothingTheSecondTime holds for every value that a
// file may have, zeros that stand for a default included.
func TestApplyTwice_ChangesNothingTheSecondTime(t *testing.T) {
	for _, text := range []string{
		"options: {min_expires_s: 0}", "options: {max_expires_s: 0}", "options: {default_expires_s: 0}",
		"options: {max_contacts: 0}", "options: {ping_interval_s: 0}", "options: {ping_misses: 0}",
		"options: {flow_grace_s: 0}", "options: {orphan_ring_ms: 0}", "options: {first_word_ms: 0}", "options: {desktop_grace_s: 0}", "options: {reservation_collect_ms: 0}", "options: {raft_log_bytes: 0}", "options: {max_voters: 0}", "options: {dead_voter_s: 0}", "options: {trunk_options_s: 0}", "options: {dual_registration: false}", "options: {voicemail_trunk: ''}",
		"options: {min_expires_s: 120, max_expires_s: 0, default_expires_s: 0}",
		"options: {min_expires_s: 9000, max_expires_s: 0, default_expires_s: 0, max_contacts: 3}",
		"groups: [{name: sales, login_required: false}, {name: new}]",
		"dns: [{dn: 1001, kind: sip, disabled: false, groups: []}]",
		"dns: [{dn: 1001, kind: sip, password: x, algorithm: md5}]",
		"dns: [{dn: 1001, kind: sip, password: x, algorithm: sha-256, groups: [a, b]}]",
		"dns: [{dn: 3000, kind: routing-point}]",
		"dns: [{dn: 3000, kind: routing-point, routing_point: {default_group: '', timeout_ms: 0}}]",
		"dns: [{dn: 4000, kind: trunk, trunk: {address: '192.0.2.9:5060', prefix: '', priority: 0}}]",
		"dns: [{dn: 4000, kind: trunk, trunk: {address: carrier.example, more_addresses: [192.0.2.9], transport: tcp, no_options: true}}]",
		"dns: [{dn: 2001, kind: pstn, external: '+15551234567', groups: []}]",
	} {
		t.Run(text, func(t *testing.T) {
			has := stored()
			first, err := planFor(t, text, has)
			if err != nil {
				t.Fatal(err)
			}
			second, err := planFor(t, text, written(has, first.Mutations))
			if err != nil {
				t.Fatal(err)
			}
			if said := second.report(false); len(second.Mutations) != 0 || said != "unchanged" {
				t.Errorf("first %q, then %q: %v", first.report(false), said, second.Mutations)
			}
		})
	}
}

// TestApply_ZeroOptionThatIsNoDefaultChanges sees that a zero is written where
// it means something.
func TestApply_ZeroOptionThatIsNoDefaultChanges(t *testing.T) {
	for option, value := range map[string]uint32{
		"min_expires_s": 61, "max_expires_s": 7201, "default_expires_s": 3601, "max_contacts": 11, "ping_interval_s": 1,
		"ping_misses": 4, "desktop_grace_s": 1, "reservation_collect_ms": 101,
	} {
		t.Run(option, func(t *testing.T) {
			has := &configpb.ExportResponse{Options: (&configpb.Options{Realm: "example.org"}).WithDefaults()}
			fields := has.Options.ProtoReflect()
			f := fields.Descriptor().Fields().ByName(protoreflect.Name(option))
			fields.Set(f, protoreflect.ValueOfUint32(value))
			p, err := planFor(t, "options: {"+option+": 0}", has)
			if err != nil || p.report(false) != "options changed" {
				t.Errorf("of %d: %v %s", value, err, p.report(false))
			}
		})
	}
}

// written is what a cluster has after the mutations, as it exports it.
func written(has *configpb.ExportResponse, mutations []*configpb.Mutation) *configpb.ExportResponse {
	has = proto.CloneOf(has)
	for _, m := range mutations {
		switch op := m.Op.(type) {
		case *configpb.Mutation_PutOptions:
			has.Options = op.PutOptions.WithDefaults()
		case *configpb.Mutation_PutGroup:
			has.Groups = append(has.Groups, op.PutGroup)
		case *configpb.Mutation_PutDn:
			d := proto.CloneOf(op.PutDn)
			for _, old := range has.Dns {
				if old.Number == d.Number && m.KeepHa1 && d.Ha1 == "" && d.Kind == configpb.DNKind_DN_KIND_SIP {
					d.Ha1, d.Algorithm = old.Ha1, old.Algorithm
				}
			}
			has.Dns = append(has.Dns, d)
		}
	}
	return has
}
