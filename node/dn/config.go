package dn

import (
	"time"

	"github.com/sipcluster/sipcluster/node/feed"
)

// Config of a Table.
type Config struct {
	// Self is this node.
	Self Node
	// Incarnation of this process: greater than at every earlier start.
	Incarnation uint64
	// Floor is the least claim time, ns since the epoch: nothing at or below
	// it is issued, so that a clock that stepped back reuses no stamp.
	Floor int64
	// Now is the wall clock; nil means time.Now. Its readings should carry the
	// monotonic clock: delays are measured with it too.
	Now func() time.Time
	// Busy tells whether as many calls are at a DN as it takes, and must not call the
	// table; nil means that none ever is. What it says of a DN changes with Touch.
	Busy func(Number) bool
	// Uses are the calls at a DN, as of the moment that it is asked; as Busy.
	Uses func(Number) Uses
	// Takes is how many calls a DN takes; nil means one. At tells whether a reservation is held
	// by a call that is at the DN, nil means that none ever is. As Uses.
	Takes func(Number) int
	At    func(n Number, holder string) bool
	// Configured is what the configuration makes of a DN: its class, and the groups that it is
	// in, for Free; nil means that all are Served, in none. What it says changes with Touch.
	Configured func(Number) (Class, []string)
	// Level of a DN in a group, for LongestIdle: greater is better; nil means that all are
	// alike. As Configured.
	Level func(n Number, group string) uint32
	// Told is told of each change that clients are told of, in order. It must not wait nor
	// call the table; nil: nobody is told.
	Told func(Number, Past)
	// History is how many changes a reader of a stream may lag behind at least before
	// it gets a snapshot again; more when there are more DNs. 0 means feed.DefaultHistory.
	History int
}

// whole is the configuration with what was left out.
func (cfg Config) whole() Config {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Busy == nil {
		cfg.Busy = func(Number) bool { return false }
	}
	if cfg.Uses == nil {
		cfg.Uses = func(Number) Uses { return Uses{} }
	}
	if cfg.Takes == nil {
		cfg.Takes = func(Number) int { return 1 }
	}
	if cfg.At == nil {
		cfg.At = func(Number, string) bool { return false }
	}
	if cfg.Configured == nil {
		cfg.Configured = func(Number) (Class, []string) { return Served, nil }
	}
	if cfg.Level == nil {
		cfg.Level = func(Number, string) uint32 { return 0 }
	}
	if cfg.History == 0 {
		cfg.History = feed.DefaultHistory
	}
	return cfg
}
