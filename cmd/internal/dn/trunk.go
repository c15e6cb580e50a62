package dn

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/config"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// trunkFlags are what dn put may say about a trunk.
type trunkFlags struct {
	address, prefix, tlsName string
	more                     []string
	transport                string
	noOptions                bool
	priority                 uint32
	sources                  []string
	trusted                  bool
	inbound, outbound        authFlags
	realm                    string
}

// authFlags are a user of a trunk, and the file that has the password.
type authFlags struct{ user, file string }

func (f *trunkFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "address", "", "`HOST:PORT` of a trunk's gateway, or a host whose port and transport its NAPTR and SRV records say")
	flags.StringSliceVar(&f.more, "more-address", nil, "another `HOST:PORT` of the same carrier, tried behind --address, repeatable; replaces those that were, \"\" removes them")
	flags.StringVar(&f.transport, "transport", "", "`udp, tcp or tls`; \"\": as the name's records say, or udp")
	flags.BoolVar(&f.noOptions, "no-options", false, "a trunk is not asked by OPTIONS whether it is there")
	flags.StringVar(&f.prefix, "called-prefix", "", "use the trunk for called numbers that begin with `DIGITS`")
	flags.Uint32Var(&f.priority, "priority", 0, "the trunk of the smallest `NUMBER` is tried first")
	flags.StringSliceVar(&f.sources, "source", nil, "IP `ADDRESS` or prefix that a trunk calls from, repeatable; replaces those that were, \"\" removes them")
	flags.StringVar(&f.tlsName, "tls-name", "", "`NAME` in the certificate that a trunk shows, whoever of the two connects by TLS")
	flags.BoolVar(&f.trusted, "trusted", false, "the trunk is told who calls (P-Asserted-Identity), and believed")
	flags.StringVar(&f.inbound.user, "inbound-user", "", "`USER` that a trunk has to prove to be when it calls; \"\" asks for none")
	flags.StringVar(&f.inbound.file, "inbound-password-file", "", "read that user's password from the first line of `FILE`, - for stdin")
	flags.StringVar(&f.outbound.user, "outbound-user", "", "`USER` that a trunk knows this cluster as when it asks for a digest; \"\" is none")
	flags.StringVar(&f.outbound.file, "outbound-password-file", "", "read that user's password from the first line of `FILE`, - for stdin")
	flags.StringVar(&f.realm, "outbound-realm", "", "`REALM` that a trunk names when it asks")
}

// passwords tells whether a flag names one.
func (f *trunkFlags) passwords() bool { return f.inbound.file != "" || f.outbound.file != "" }

// change makes of the DN's trunk what the flags want.
func (f *trunkFlags) change(flags *pflag.FlagSet, d *configpb.DN) (err error) {
	for name, set := range map[string]func(t *configpb.Trunk){
		"address":        func(t *configpb.Trunk) { t.Address = f.address },
		"more-address":   func(t *configpb.Trunk) { t.MoreAddresses = without(f.more, "") },
		"transport":      func(t *configpb.Trunk) { t.Transport, err = configpb.ParseTrunkTransport(f.transport) },
		"no-options":     func(t *configpb.Trunk) { t.NoOptions = f.noOptions },
		"called-prefix":  func(t *configpb.Trunk) { t.Prefix = f.prefix },
		"priority":       func(t *configpb.Trunk) { t.Priority = f.priority },
		"source":         func(t *configpb.Trunk) { t.Sources = without(f.sources, "") },
		"tls-name":       func(t *configpb.Trunk) { t.TlsName = f.tlsName },
		"trusted":        func(t *configpb.Trunk) { t.Trusted = f.trusted },
		"inbound-user":   func(t *configpb.Trunk) { t.InboundAuth = f.inbound.change(t.InboundAuth) },
		"outbound-user":  func(t *configpb.Trunk) { t.OutboundAuth = f.outbound.change(t.OutboundAuth) },
		"outbound-realm": func(t *configpb.Trunk) { t.OutboundRealm = f.realm },
	} {
		if flags.Changed(name) {
			if d.Trunk == nil {
				d.Trunk = &configpb.Trunk{}
			}
			set(d.Trunk)
		}
	}
	if flags.Changed("outbound-user") && f.outbound.user == "" && !flags.Changed("outbound-realm") {
		d.Trunk.OutboundRealm = "" // it is that user's
	}
	if err != nil {
		return console.Usagef("--transport %s: %w", f.transport, err)
	}
	return nil
}

func (f *authFlags) change(old *configpb.TrunkAuth) *configpb.TrunkAuth {
	if f.user == "" {
		return nil
	}
	return &configpb.TrunkAuth{User: f.user, Algorithm: old.GetAlgorithm()}
}

// setPasswords computes the digests of the passwords that flags name.
func (f *trunkFlags) setPasswords(ctx context.Context, cl *client.Client, t *configpb.Trunk, stdin io.Reader, algorithm string) error {
	if !f.passwords() {
		return nil
	}
	realm, err := cl.Realm(ctx)
	if err != nil {
		return err
	}
	level := uint32(1)
	if f.outbound.file != "" && algorithm == "" {
		if level, err = cl.Level(ctx); err != nil {
			return err
		}
	}
	if err := f.inbound.set(t.GetInboundAuth(), "inbound", realm, stdin, algorithm, false); err != nil {
		return err
	}
	return f.outbound.set(t.GetOutboundAuth(), "outbound", t.GetOutboundRealm(), stdin, algorithm, algorithm == "" && level > 1)
}

// set computes the digest of the password that the flags name, or both if it is not said by
// which algorithm.
func (f *authFlags) set(a *configpb.TrunkAuth, way, realm string, stdin io.Reader, algorithm string, both bool) error {
	if f.file == "" {
		return nil
	}
	if a == nil {
		return console.Usagef("--%s-password-file needs --%s-user", way, way)
	}
	alg, err := config.ParseAlgorithm(algorithm)
	if err != nil {
		return console.Usagef("--algorithm %w", err)
	}
	password, err := passwordOf(f.file, stdin, "--"+way+"-password-file")
	if err != nil {
		return err
	}
	a.Algorithm, a.Ha1, a.Sha256Ha1 = alg, config.HA1(alg, a.User, realm, password), ""
	if both {
		config.BothDigests(a, realm, password)
	}
	return nil
}

// trunkLines tells how a trunk is known, as far as that is not by its address alone.
func trunkLines(line func(name, value string), t *configpb.Trunk) {
	for _, x := range [][2]string{
		{"transport", t.GetTransport().Word()},
		{"sources", strings.Join(t.GetSources(), ", ")}, {"tls name", t.GetTlsName()},
		{"asked for", t.GetInboundAuth().GetUser()}, {"known as", t.GetOutboundAuth().GetUser()},
	} {
		if x[1] != "" {
			line(x[0], x[1])
		}
	}
	if t.GetTrusted() {
		line("trusted", "yes")
	}
}

// reached is an address of a trunk in words: what it leads to, and whether that answers.
func reached(now time.Time, a *tcpb.TrunkAddress) string {
	switch {
	case a.GetLeadsTo() == "":
		return a.GetAddress() + ": " + a.GetError()
	case a.GetUp():
		return a.GetLeadsTo() + " up for " + view.Age(now, a.GetSince())
	}
	return a.GetLeadsTo() + " DOWN for " + view.Age(now, a.GetSince()) + ": " + a.GetError()
}

// addressJSON is an address of a trunk; names and order are a contract.
type addressJSON struct {
	Address string `json:"address"`
	LeadsTo string `json:"leads_to"`
	Up      bool   `json:"up"`
	Since   string `json:"since"`
	Error   string `json:"error"`
}

func newAddressesJSON(of []*tcpb.TrunkAddress) (list []addressJSON) {
	for _, a := range of {
		list = append(list, addressJSON{a.GetAddress(), a.GetLeadsTo(), a.GetUp(), view.RFC3339(a.GetSince()), a.GetError()})
	}
	return list
}
