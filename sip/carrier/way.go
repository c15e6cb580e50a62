package carrier

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Way is an address of a trunk, and how it is spoken to there.
type Way struct {
	Transport location.Transport
	Addr      netip.AddrPort
	// Name is that which a certificate has to be of, with TLS.
	Name string
	// Host is the address as it is configured, which requests name.
	Host string
}

// String is as in "udp 192.0.2.1:5060".
func (w Way) String() string {
	return fmt.Sprintf("%s %s", strings.ToLower(w.Transport.String()), w.Addr)
}

// Place is one of those that a call to a trunk may go to: a host with all its ways.
type Place struct {
	// Rank is when it is tried: those of the smallest first.
	Rank int
	// Weight is how often it is the first of its rank (RFC 2782).
	Weight uint16
	Ways   []Way
}

// Target is an address of a trunk as it is configured.
type Target struct {
	// Address is host:port, or a host whose port and transport are looked up.
	Address   string
	Transport configpb.TrunkTransport
	// Name that a certificate has to be of; "" takes the host.
	Name string
}

// targetsOf are those of a trunk, in the order in which they are tried.
func targetsOf(t *configpb.Trunk) (list []Target) {
	if t.GetAddress() == "" {
		return nil
	}
	for _, a := range append([]string{t.GetAddress()}, t.GetMoreAddresses()...) {
		list = append(list, Target{Address: a, Transport: t.GetTransport(), Name: t.GetTlsName()})
	}
	return list
}
