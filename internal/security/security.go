// Package security tells whoever guards a node what concerns them: one structured
// line with security=KIND for each event, and a count of each kind. Lines are
// limited, counts are not. What is told has no secret in it, nor the hash of one.
// Everything that checks who somebody is calls it.
package security

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Kind of an event.
type Kind string

const (
	// AuthFailed: a password, token, certificate or invite was wrong.
	AuthFailed Kind = "auth-failed"
	// Banned: a source is not answered for a while.
	Banned Kind = "banned"
	// Limited: a source was refused more connections or sessions.
	Limited Kind = "limited"
	// TokenUsed: a token is used, again after some time.
	TokenUsed Kind = "token-used"
	// ConfigWrite: somebody changed the configuration through this node.
	ConfigWrite Kind = "config-write"
	// NodeJoined and NodeRemoved: the roster changed.
	NodeJoined  Kind = "node-joined"
	NodeRemoved Kind = "node-removed"
	// IdentityRefused: who spoke as a node of the cluster was not that one.
	IdentityRefused Kind = "identity-refused"
	// NodeCloned: a second process of a node was refused.
	NodeCloned Kind = "node-cloned"
)

// kinds are all of them, in order.
var kinds = []Kind{AuthFailed, Banned, Limited, TokenUsed, ConfigWrite, NodeJoined, NodeRemoved, IdentityRefused, NodeCloned}

const (
	// burst lines of a kind come at once, perSecond after that.
	burst     = 20
	perSecond = 5
)

// Events counts and tells. A nil one does neither; all methods may be called by
// anyone.
type Events struct {
	log    *slog.Logger
	counts map[Kind]*count
}

// count of one kind.
type count struct {
	total atomic.Uint64

	mu      sync.Mutex
	tokens  float64
	last    time.Time
	skipped uint64
}

// New makes Events that are told to log.
func New(log *slog.Logger) *Events {
	e := &Events{log: log, counts: make(map[Kind]*count, len(kinds))}
	for _, k := range kinds {
		e.counts[k] = &count{tokens: burst}
	}
	return e
}

// Event counts an event, and tells of it with these attributes (as slog takes
// them) unless too many of its kind were told lately; the next line says then how
// many were skipped.
func (e *Events) Event(kind Kind, attrs ...any) {
	if e == nil {
		return
	}
	c := e.counts[kind]
	c.total.Add(1)
	skipped, tell := c.take(time.Now())
	if !tell {
		return
	}
	all := append([]any{"security", string(kind)}, attrs...)
	if skipped > 0 {
		all = append(all, "skipped", skipped)
	}
	e.log.Log(context.Background(), kind.level(), "security event", all...)
}

// level is that of the line.
func (k Kind) level() slog.Level {
	if slices.Contains([]Kind{AuthFailed, Banned, Limited, IdentityRefused, NodeCloned}, k) {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// take tells whether a line may be written, and how many were not before it.
func (c *count) take(now time.Time) (skipped uint64, tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.IsZero() {
		c.tokens = min(burst, c.tokens+now.Sub(c.last).Seconds()*perSecond)
	}
	c.last = now
	if c.tokens < 1 {
		c.skipped++
		return 0, false
	}
	c.tokens--
	skipped, c.skipped = c.skipped, 0
	return skipped, true
}

// Counts hands over how many events of each kind there were, in a fixed order.
func (e *Events) Counts(fn func(kind Kind, n uint64)) {
	if e == nil {
		return
	}
	for _, k := range kinds {
		fn(k, e.counts[k].total.Load())
	}
}
