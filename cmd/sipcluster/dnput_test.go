package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
)

func sipAs(alg configpb.DigestAlgorithm, password string, groups ...string) *configpb.DN {
	return &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: alg, Ha1: config.HA1(alg, "1001", "example.org", password), Groups: groups}
}

func userAs(alg configpb.DigestAlgorithm, user, realm, password string) *configpb.TrunkAuth {
	return &configpb.TrunkAuth{User: user, Algorithm: alg, Ha1: config.HA1(alg, user, realm, password)}
}

func bothAs(user, realm, password string) *configpb.TrunkAuth {
	a := &configpb.TrunkAuth{User: user}
	config.BothDigests(a, realm, password)
	return a
}

// What a dn put writes is what its flags say, and otherwise what was there.
func TestDNPut_WritesWhatTheFlagsSay(t *testing.T) {
	const md5, sha = configpb.DigestAlgorithm_DIGEST_ALGORITHM_MD5, configpb.DigestAlgorithm_DIGEST_ALGORITHM_SHA256
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("from the file\r\nand no more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	longest := strings.Repeat("x", 1024)
	point := func(group string, ms uint32) *configpb.DN {
		return &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_ROUTING_POINT, RoutingPoint: &configpb.RoutingPoint{DefaultGroup: group, TimeoutMs: ms}}
	}
	trunk := func(addr, prefix string, priority uint32) *configpb.DN {
		return &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: &configpb.Trunk{Address: addr, Prefix: prefix, Priority: priority}}
	}
	secured := func(t *configpb.Trunk) *configpb.DN {
		t.Address, t.Prefix, t.Priority = "gw:5060", "0", 3
		return &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_TRUNK, Trunk: t}
	}
	at := func(d *configpb.DN) *configpb.DN {
		d = proto.CloneOf(d)
		d.Revision = 7
		return d
	}
	kept := func(d *configpb.DN) *configpb.DN { // as it is read, without its secret
		d = at(d)
		d.Ha1 = ""
		return d
	}
	for name, tc := range map[string]struct {
		old   *configpb.DN
		args  string
		stdin string
		want  *configpb.DN
		keep  bool   // its secret
		fresh string // groups that are made
		fails string
	}{
		"a phone":                  {nil, "--password p", "", sipAs(md5, "p"), false, "", ""},
		"a password of stdin":      {nil, "--password-file -", "p\nq\n", sipAs(md5, "p"), false, "", ""},
		"one without a line's end": {nil, "--password-file -", "p", sipAs(md5, "p"), false, "", ""},
		"one of a file":            {nil, "--password-file " + file, "", sipAs(md5, "from the file"), false, "", ""},
		"the longest":              {nil, "--password-file -", longest + "\n", sipAs(md5, longest), false, "", ""},
		"a longer one":             {nil, "--password-file -", longest + "x\n", nil, false, "", "longer than 1024 bytes"},
		"an empty one":             {nil, "--password-file -", "\n", nil, false, "", "the password is empty"},
		"no file":                  {nil, "--password-file nowhere", "", nil, false, "", "no such file"},
		"no password":              {nil, "", "", nil, false, "", "a sip DN needs a password"},
		"another algorithm":        {nil, "--password p --algorithm sha-256", "", sipAs(sha, "p"), false, "", ""},
		"the algorithm that was":   {at(sipAs(sha, "o")), "--password p", "", sipAs(sha, "p"), false, "", ""},
		"another than was":         {at(sipAs(sha, "o")), "--password p --algorithm md5", "", sipAs(md5, "p"), false, "", ""},
		"an algorithm alone":       {kept(sipAs(md5, "o")), "--algorithm sha-256", "", nil, false, "", "--algorithm needs a password"},
		"an unknown algorithm":     {nil, "--password p --algorithm crc", "", nil, false, "", "want md5 or sha-256"},
		"groups, new and there":    {nil, "--password p --group sales,new --group support", "", sipAs(md5, "p", "sales", "new", "support"), false, "new", ""},
		"no groups any more":       {kept(sipAs(md5, "o", "sales")), "--group=", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: md5}, true, "", ""},
		"disabled":                 {kept(sipAs(md5, "o", "sales")), "--disabled", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: md5, Groups: []string{"sales"}, Disabled: true}, true, "", ""},
		"a desktop":                {nil, "--kind pstn --external +15551234567", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+15551234567"}, true, "", ""},
		"one without a number":     {nil, "--kind pstn", "", nil, false, "", "kind pstn needs --external"},
		"one with a password":      {nil, "--kind pstn --external +1 --password p", "", nil, false, "", "kind pstn takes no password"},
		"a routing point":          {nil, "--kind routing-point --default-group sales --route-timeout 2500ms", "", point("sales", 2500), true, "", ""},
		"its group":                {at(point("sales", 2500)), "--default-group support", "", point("support", 2500), true, "", ""},
		"its time":                 {at(point("sales", 2500)), "--route-timeout 3s", "", point("sales", 3000), true, "", ""},
		"a trunk":                  {nil, "--kind trunk --address gw:5060 --called-prefix 0 --priority 3", "", trunk("gw:5060", "0", 3), true, "", ""},
		"its address":              {at(trunk("gw:5060", "0", 3)), "--address gw:5080", "", trunk("gw:5080", "0", 3), true, "", ""},
		"its prefix":               {at(trunk("gw:5060", "0", 3)), "--called-prefix 00", "", trunk("gw:5060", "00", 3), true, "", ""},
		"its priority":             {at(trunk("gw:5060", "0", 3)), "--priority 4", "", trunk("gw:5060", "0", 4), true, "", ""},
		"its sources":              {at(trunk("gw:5060", "0", 3)), "--source 192.0.2.0/28,192.0.2.99 --source 2001:db8::/32", "", secured(&configpb.Trunk{Sources: []string{"192.0.2.0/28", "192.0.2.99", "2001:db8::/32"}}), true, "", ""},
		"no sources any more":      {at(secured(&configpb.Trunk{Sources: []string{"192.0.2.1"}})), "--source=", "", secured(&configpb.Trunk{}), true, "", ""},
		"a trusted one":            {at(trunk("gw:5060", "0", 3)), "--trusted --tls-name sbc.example.org", "", secured(&configpb.Trunk{Trusted: true, TlsName: "sbc.example.org"}), true, "", ""},
		"one that is asked":        {at(trunk("gw:5060", "0", 3)), "--inbound-user gw --inbound-password-file -", "p\n", secured(&configpb.Trunk{InboundAuth: userAs(md5, "gw", "example.org", "p")}), true, "", ""},
		"one that asks":            {at(trunk("gw:5060", "0", 3)), "--outbound-user us --outbound-realm carrier --outbound-password-file - --algorithm sha-256", "p\n", secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: userAs(sha, "us", "carrier", "p")}), true, "", ""},
		"one that asks for any":    {at(secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: userAs(sha, "us", "carrier", "o")})), "--outbound-user us --outbound-password-file -", "p\n", secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: bothAs("us", "carrier", "p")}), true, "", ""},
		"one whose user is none":   {at(secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: userAs(sha, "us", "carrier", "p")})), "--outbound-user=", "", secured(&configpb.Trunk{}), true, "", ""},
		"one that asks no more":    {at(secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: userAs(sha, "us", "carrier", "p")})), "--outbound-user= --outbound-realm=", "", secured(&configpb.Trunk{}), true, "", ""},
		"its numbers": {at(trunk("gw:5060", "0", 3)), "--inbound-called 0:1:+49 --inbound-called 1::9 --outbound-caller +49:3:0", "", secured(&configpb.Trunk{
			InboundNumbers:  &configpb.NumberRules{Called: []*configpb.NumberRule{{Match: "0", Strip: 1, Prepend: "+49"}, {Match: "1", Prepend: "9"}}},
			OutboundNumbers: &configpb.NumberRules{Caller: []*configpb.NumberRule{{Match: "+49", Strip: 3, Prepend: "0"}}},
		}), true, "", ""},
		"no rules any more": {at(secured(&configpb.Trunk{InboundNumbers: &configpb.NumberRules{Called: []*configpb.NumberRule{{Match: "0"}}}})), "--inbound-called=", "", secured(&configpb.Trunk{}), true, "", ""},
		"half a rule":       {at(trunk("gw:5060", "0", 3)), "--inbound-called 0:1", "", nil, false, "", "--inbound-called 0:1: want MATCH:STRIP:PREPEND"},
		"who calls by it": {at(trunk("gw:5060", "0", 3)), "--caller-number +4930 --caller-name ACME --user-phone --preferred-identity", "", secured(&configpb.Trunk{
			CallerId: &configpb.CallerID{Number: "+4930", Name: "ACME"}, UserPhone: true, PreferredIdentity: true,
		}), true, "", ""},
		"its limits": {at(trunk("gw:5060", "0", 3)), "--inbound-limit 30/5 --outbound-limit 20", "", secured(&configpb.Trunk{
			InboundLimit: &configpb.TrunkLimit{Calls: 30, CallsPerS: 5}, OutboundLimit: &configpb.TrunkLimit{Calls: 20},
		}), true, "", ""},
		"no limit any more": {at(secured(&configpb.Trunk{OutboundLimit: &configpb.TrunkLimit{Calls: 20}})), "--outbound-limit 0", "", secured(&configpb.Trunk{}), true, "", ""},
		"it registers": {at(secured(&configpb.Trunk{OutboundRealm: "carrier", OutboundAuth: userAs(md5, "us", "carrier", "p")})), "--register @carrier.example --register-called +4930 --register-expires 300", "", secured(&configpb.Trunk{
			OutboundRealm: "carrier", OutboundAuth: userAs(md5, "us", "carrier", "p"), Registration: &configpb.TrunkRegistration{Domain: "carrier.example", Called: "+4930", ExpiresS: 300},
		}), true, "", ""},
		"as somebody":              {at(trunk("gw:5060", "0", 3)), "--register +4930", "", secured(&configpb.Trunk{Registration: &configpb.TrunkRegistration{User: "+4930"}}), true, "", ""},
		"it registers no more":     {at(secured(&configpb.Trunk{Registration: &configpb.TrunkRegistration{User: "a"}})), "--register=", "", secured(&configpb.Trunk{}), true, "", ""},
		"calls of no registration": {at(trunk("gw:5060", "0", 3)), "--register-called 1", "", nil, false, "", "need --register"},
		"a limit of words":         {at(trunk("gw:5060", "0", 3)), "--outbound-limit few", "", nil, false, "", "--outbound-limit few: want CALLS or CALLS/PER_S"},
		"a phone's numbers": {kept(sipAs(md5, "o")), "--did +4930,+4931 --caller-number +4930 --caller-withheld", "", &configpb.DN{
			Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: md5, Dids: []string{"+4930", "+4931"}, CallerId: &configpb.CallerID{Number: "+4930", Withheld: true},
		}, true, "", ""},
		"its own name no more":       {at(&configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, CallerId: &configpb.CallerID{Number: "+4930"}}), "--caller-number=", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP}, true, "", ""},
		"a password of no user":      {at(trunk("gw:5060", "0", 3)), "--inbound-password-file -", "p\n", nil, false, "", "needs --inbound-user"},
		"a trunk's, of a phone":      {nil, "--password p --inbound-password-file -", "p\n", nil, false, "", "only kind trunk takes"},
		"where it may call":          {kept(sipAs(md5, "o")), "--outbound internal", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: md5, Outbound: &configpb.Outbound{Class: 2}}, true, "", ""},
		"what it may call":           {kept(sipAs(md5, "o")), "--outbound +49,00", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Algorithm: md5, Outbound: &configpb.Outbound{Class: 3, Prefixes: []string{"+49", "00"}}}, true, "", ""},
		"anywhere again":             {at(&configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP, Outbound: &configpb.Outbound{Class: 1}}), "--outbound all", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_SIP}, true, "", ""},
		"nobody knows where":         {kept(sipAs(md5, "o")), "--outbound home", "", nil, false, "", "--outbound"},
		"a trunk without an address": {nil, "--kind trunk", "", nil, false, "", "kind trunk needs --address"},
		"another kind, of which":     {at(trunk("gw:5060", "0", 3)), "--kind pstn --external +1", "", &configpb.DN{Number: "1001", Kind: configpb.DNKind_DN_KIND_PSTN, External: "+1"}, true, "", ""},
		"a phone that was a trunk":   {at(trunk("gw:5060", "0", 3)), "--kind sip", "", nil, false, "", "a sip DN needs a password"},
		"an unknown kind":            {nil, "--kind fax", "", nil, false, "", "--kind"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScripted(t)
			s.dn = tc.old
			got, stdout, stderr := runCLI(t.Context(), tc.stdin, append([]string{"dn", "put", "1001", "--addr", s.addr}, strings.Fields(tc.args)...)...)
			if tc.fails != "" {
				if got == exitDone || !strings.Contains(stderr, tc.fails) || len(s.writes) != 0 {
					t.Errorf("status %d, %s; want %s, and nothing written", got, stderr, tc.fails)
				}
				return
			}
			if got != exitDone || len(s.writes) != 1 {
				t.Fatalf("status %d, %s; %d writes", got, stderr, len(s.writes))
			}
			word, want := "created", []*configpb.Mutation{}
			said := ""
			if tc.old != nil {
				word = "changed"
			}
			if tc.fresh != "" {
				want, said = append(want, client.PutNewGroup(tc.fresh)), "group "+tc.fresh+" created\n"
			}
			m := &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: tc.want}, KeepHa1: tc.keep}
			if tc.old.GetKind() == tc.want.GetKind() { // only what differs is written, over whatever others change meanwhile
				m.Mask = configpb.Changed(tc.old, tc.want)
			} else {
				m.IfRevision = proto.Uint64(tc.old.GetRevision())
			}
			want = append(want, m)
			w := &configpb.WriteRequest{RequestId: s.writes[0].GetRequestId(), Mutations: want}
			if !proto.Equal(s.writes[0], w) || w.RequestId == "" {
				t.Errorf("written  %v\nwant     %v", s.writes[0], w)
			}
			clienttest.Same(t, stdout, said+"dn 1001 "+word+"\n")
		})
	}
}

func TestDev_RefusesWhatHasNoRoom(t *testing.T) {
	for args, want := range map[string]string{
		"--nodes 0": "--nodes 0: want 1 to 8", "--sip-port 0": "--sip-port 0: want 1 to 65505", "--sip-port 65506": "--sip-port 65506: want 1 to 65505",
		"--base-port 0": "--base-port 0: want 1 to 65445", "--base-port 65446": "--base-port 65446: want 1 to 65445",
		"--bind here": "--bind here: want an IP", "--bind ::": "--bind ::: want an IP", "--bind 0.0.0.0": "--bind 0.0.0.0: want an IP", "--bind fe80::1": "--bind fe80::1: want an IP",
		"--bind 2001:db8::1": "add --insecure",
	} {
		if got, _, stderr := runCLI(t.Context(), "", append([]string{"dev"}, strings.Fields(args)...)...); got != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("dev %s: status %d, %s; want %s", args, got, stderr, want)
		}
	}
}
