package configpb

import "google.golang.org/protobuf/proto"

// Defaults of the options whose zero value stands for them.
const (
	DefaultMinExpires  = 60
	DefaultMaxExpires  = 7200
	DefaultExpires     = 3600
	DefaultMaxContacts = 10
	DefaultPingMisses  = 3
	DefaultCollect     = 100
	DefaultPing        = 30
	DefaultFlowGrace   = 32
	DefaultFirstWord   = 2000
	DefaultMaxVoters   = 5
	DefaultDeadVoter   = 600
	DefaultRaftLog     = 16 << 20
	// DefaultTrunkOptions is in seconds.
	DefaultTrunkOptions = 30
)

// WithDefaults returns a copy of the options without zeros that mean something
// else: the values that hold. Options for which it gives the same are the same
// to a cluster.
func (x *Options) WithDefaults() *Options {
	o := proto.CloneOf(x)
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
	fill(&o.MaxVoters, DefaultMaxVoters)
	if o.RaftLogBytes == 0 {
		o.RaftLogBytes = DefaultRaftLog
	}
	for v, d := range map[**uint32]uint32{&o.PingIntervalS: DefaultPing, &o.FlowGraceS: DefaultFlowGrace, &o.FirstWordMs: DefaultFirstWord, &o.DeadVoterS: DefaultDeadVoter, &o.TrunkOptionsS: DefaultTrunkOptions} {
		if *v == nil {
			*v = proto.Uint32(d)
		}
	}
	return o
}
