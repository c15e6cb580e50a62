package fsm

import (
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
)

// Defaults of the options whose zero value stands for them.
const (
	DefaultMinExpires  = 60
	DefaultMaxExpires  = 7200
	DefaultExpires     = 3600
	DefaultMaxContacts = 10
	DefaultPingMisses  = 3
	DefaultCollect     = 100
)

// withDefaults returns a copy of o without zeros that mean something else.
func withDefaults(o *configpb.Options) *configpb.Options {
	o = proto.CloneOf(o)
	fill := func(v *uint32, d uint32) {
		if *v == 0 {
			*v = d
		}
	}
	fill(&o.MinExpiresS, DefaultMinExpires)
	fill(&o.MaxExpiresS, max(DefaultMaxExpires, o.MinExpiresS))
	fill(&o.DefaultExpiresS, min(max(DefaultExpires, o.MinExpiresS), o.MaxExpiresS))
	fill(&o.MaxContacts, DefaultMaxContacts)
	fill(&o.PingMisses, DefaultPingMisses)
	fill(&o.ReservationCollectMs, DefaultCollect)
	return o
}
