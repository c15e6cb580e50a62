package node

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/sip"
	"github.com/sipcluster/sipcluster/sip/source"
)

// sipBans are those of the SIP port, as the API knows them.
type sipBans struct{ server *sip.Server }

// Bans implements api.Bans.
func (s sipBans) Bans() []*configpb.Ban {
	now, list := time.Now(), s.server.Bans()
	out := make([]*configpb.Ban, len(list))
	for i, b := range list {
		out[i] = &configpb.Ban{Source: source.Text(b.Source), Dn: b.DN, Failures: uint32(b.Failures), UntilMs: uint64(now.Add(b.Left).UnixMilli())}
	}
	return out
}

// ClearBans implements api.Bans.
func (s sipBans) ClearBans(address, dn string) (int, error) {
	var from netip.Addr
	if address != "" {
		var ok bool
		if from, ok = source.Parse(address); !ok {
			return 0, fmt.Errorf("source %q: want an IP address, or an IPv6 network of 64 bits", address)
		}
	}
	return s.server.ClearBans(from, dn), nil
}
