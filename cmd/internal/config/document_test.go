package config

import (
	"bytes"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// stored is a configuration with every sort of object.
func stored() *configpb.ExportResponse {
	return &configpb.ExportResponse{
		Options: &configpb.Options{Realm: "example.org", MinExpiresS: 60, MaxExpiresS: 7200, DefaultExpiresS: 3600, MaxContacts: 10, PingIntervalS: proto.Uint32(0), PingMisses: 3, ReservationCollectMs: 100, FlowGraceS: proto.Uint32(32), FirstWordMs: proto.Uint32(2000), Revision: 4},
		Nodes:   []*configpb.Node{{Id: "a1", Name: "sip1", Site: "dc1", SipAddr: "192.0.2.1:5060", TcAddr: "192.0.2.1:7001"}},
		Groups:  []*configpb.AgentGroup{{Name: "sales", LoginRequired: true, Revision: 5}, {Name: "support", Revision: 5}},
		Dns: []*configpb.DN{
			{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Ha1: strings.Repeat("a", 32), Groups: []string{"sales", "support"}, Revision: 6},
			{Number: "1002", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256, Ha1: strings.Repeat("b", 64), Disabled: true, Revision: 7},
			{Number: "2001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567", Revision: 8},
			{Number: "3000", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: "sales", TimeoutMs: 3000}, Revision: 9},
			{Number: "4000", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: "192.0.2.9:5060", Prefix: "+", Priority: 1}, Revision: 9},
		},
	}
}

const exported = `# The configuration of a sipcluster; "sipcluster apply -f FILE" brings it back.
# WARNING: each ha1 is worth as much as the phone's password. Keep this file as you keep passwords.
options:
  realm: example.org
  min_expires_s: 60
  max_expires_s: 7200
  default_expires_s: 3600
  max_contacts: 10
  ping_interval_s: 0
  ping_misses: 3
  desktop_grace_s: 0
  reservation_collect_ms: 100
  flow_grace_s: 32
  orphan_ring_ms: 0
  first_word_ms: 2000
# Nodes, for information only: server --join adds one, node remove removes one.
#   sip1 at dc1, SIP 192.0.2.1:5060, TCport 192.0.2.1:7001
groups:
  - name: sales
    login_required: true
  - name: support
dns:
  - dn: "1001"
    kind: sip
    ha1: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    groups: [sales, support]
  - dn: "1002"
    kind: sip
    disabled: true
    algorithm: sha-256
    ha1: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
  - dn: "2001"
    kind: pstn
    external: "+15551234567"
  - dn: "3000"
    kind: routing-point
    routing_point:
      default_group: sales
      timeout_ms: 3000
  - dn: "4000"
    kind: trunk
    trunk:
      address: 192.0.2.9:5060
      prefix: +
      priority: 1
`

func export(t *testing.T, secrets bool, parts ...*configpb.ExportResponse) string {
	t.Helper()
	var out bytes.Buffer
	e := exporter{out: &out, secrets: secrets}
	for _, p := range parts {
		if err := e.write(p); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestExport_IsStableText(t *testing.T) {
	if got := export(t, true, stored()); got != exported {
		t.Errorf("got\n%s\nwant\n%s", got, exported)
	}
	all := stored()
	first, second := &configpb.ExportResponse{Options: all.Options, Nodes: all.Nodes, Groups: all.Groups, Dns: all.Dns[:2]}, &configpb.ExportResponse{Dns: all.Dns[2:]}
	if got := export(t, true, first, second); got != exported {
		t.Errorf("in two parts:\n%s", got)
	}
}

// planFor compares a text with a configuration.
func planFor(t *testing.T, text string, has *configpb.ExportResponse) (*Plan, error) {
	t.Helper()
	doc, err := readDocument(strings.NewReader(text), maxDocument)
	if err != nil {
		return nil, err
	}
	p := NewPlan()
	if err := p.Know(has); err != nil {
		t.Fatal(err)
	}
	return p, p.Compare(doc)
}

func TestApply_OwnExportChangesNothing(t *testing.T) {
	bare := stored()
	for _, d := range bare.Dns {
		d.Ha1 = ""
	}
	for name, text := range map[string]string{"with secrets": exported, "without": export(t, false, bare)} {
		p, err := planFor(t, text, stored())
		if err != nil || len(p.Mutations) != 0 || p.report(false) != "unchanged" {
			t.Errorf("%s: %v %v", name, err, p.Mutations)
		}
	}
}

func TestApply_RestoresAnEmptyCluster(t *testing.T) {
	p, err := planFor(t, exported, &configpb.ExportResponse{Options: &configpb.Options{Realm: "example.org", MinExpiresS: 60, MaxExpiresS: 7200, DefaultExpiresS: 3600, MaxContacts: 10, PingIntervalS: proto.Uint32(0), PingMisses: 3, ReservationCollectMs: 100, FlowGraceS: proto.Uint32(32), FirstWordMs: proto.Uint32(2000)}})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.report(false); got != "options unchanged; groups 2 created, 0 changed, 0 unchanged; DNs 5 created, 0 changed, 0 unchanged" {
		t.Error(got)
	}
	for i, want := range stored().Dns {
		want.Revision = 0
		if want.Kind == configpb.DNKind_DN_KIND_SIP && want.Algorithm == 0 {
			want.Algorithm = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5
		}
		if got := p.Mutations[2+i].GetPutDn(); !proto.Equal(got, want) {
			t.Errorf("DN %d: got %v, want %v", i, got, want)
		}
	}
}

func TestApply_Changes(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"option":               {"options: {max_contacts: 3}", "options changed"},
		"group":                {"groups: [{name: sales}]", "groups 0 created, 1 changed, 0 unchanged"},
		"DN and its new group": {"dns: [{dn: 1001, kind: sip, groups: [sales, new]}]", "groups 1 created, 0 changed, 0 unchanged; DNs 0 created, 1 changed, 0 unchanged"},
		"password":             {"dns: [{dn: 1001, kind: sip, password: x, groups: [sales, support]}]", "DNs 0 created, 1 changed, 0 unchanged"},
		"enable":               {"dns: [{dn: 1002, kind: sip, algorithm: sha-256}]", "DNs 0 created, 1 changed, 0 unchanged"},
		"nothing":              {"", "unchanged"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := planFor(t, tc.text, stored())
			if err != nil {
				t.Fatal(err)
			}
			if got := p.report(false); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestApply_KeepsCredentialsThatItDoesNotName(t *testing.T) {
	p, err := planFor(t, "dns: [{dn: 1002, kind: sip}]", stored())
	if err != nil || len(p.Mutations) != 1 {
		t.Fatal(err, p.Mutations)
	}
	m := p.Mutations[0]
	if !m.KeepHa1 || m.GetPutDn().Ha1 != "" || m.GetPutDn().Algorithm != configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256 {
		t.Error(m)
	}
}

func TestApply_Refusals(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":    {"dns:\n  - dn: 1001\n    kinds: sip\n", "line 3: unknown key kinds"},
		"unknown on top": {"nodes: []\n", "line 1: unknown key nodes"},
		"no mapping":     {"- a\n", "line 1: a seq does not fit here"},
		"not a number":   {"options: {max_contacts: many}\n", "line 1: a str `many` does not fit here"},
		"no YAML":        {"dns: [", "line 1: did not find expected node content"},
		"two documents":  {"groups: []\n---\ngroups: []\n", "the file has more than one YAML document: want one"},
		"DN twice":       {"dns: [{dn: 1, kind: pstn}, {dn: 1, kind: pstn}]", "DN 1 appears twice"},
		"group twice":    {"groups: [{name: a}, {name: a}]", `group "a" appears twice`},
		"both secrets":   {"dns: [{dn: 1, kind: sip, ha1: a, password: b}]", "DN 1 has both ha1 and password: want one"},
		"realm":          {"options: {realm: other.org}", "options.realm: the file has other.org, but this cluster's is example.org and can't change, because every stored ha1 depends on it"},
		"kind":           {"dns: [{dn: 1, kind: fax}]", `DN 1: kind "fax": want sip, pstn, routing-point, trunk or feature`},
		"pstn password":  {"dns: [{dn: 1, kind: pstn, password: x}]", "DN 1: kind pstn takes no ha1, password or algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := planFor(t, tc.text, stored()); err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestHA1(t *testing.T) {
	// RFC 7616 section 3.9.1: its user, realm and password.
	const user, realm, password = "Mufasa", "http-auth@example.org", "Circle of Life"
	for alg, want := range map[configpb.DigestAlgorithm]string{
		configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5:    "3d78807defe7de2157e2b0b6573a855f",
		configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256: "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
	} {
		if got := HA1(alg, user, realm, password); got != want {
			t.Errorf("%v: %s", alg, got)
		}
	}
}

func TestApply_FileIsBounded(t *testing.T) {
	const text = "groups:\n  - name: a\n"
	for size, want := range map[int64]string{
		int64(len(text)): "", int64(len(text)) - 1: "the file is larger than 19 bytes: split it", 5: "the file is larger than 5 bytes: split it",
	} {
		doc, err := readDocument(iotest.OneByteReader(strings.NewReader(text)), size)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("at most %d bytes: %v", size, err)
		}
		if err == nil && len(doc.Groups) != 1 {
			t.Errorf("at most %d bytes: %v", size, doc)
		}
	}
	again := strings.NewReader(text + "---\n" + text)
	if _, err := readDocument(again, int64(len(text))+8); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Error(err)
	}
	if maxDocument != 256<<20 {
		t.Error("another limit than the manual's")
	}
}
