package proxy

import (
	"math/rand/v2"
	"sync/atomic"
)

// births name the INVITEs that begin calls here, so that a token can say of which one it
// is: the upper half names this process.
type births struct {
	life uint64
	last atomic.Uint32
}

func newBirths() *births { return &births{life: uint64(rand.Uint32()) | 1} }

func (b *births) next() uint64 { return b.life<<32 | uint64(b.last.Add(1)) }

// mine tells whether the INVITE came to this process.
func (b *births) mine(birth uint64) bool { return birth>>32 == b.life }
