package wire

import (
	"container/list"
	"net/netip"
	"time"
)

// settled is how long a connection that has not said who it is may be sure of its
// place: who comes in a rush gets through, one after the other.
const settled = time.Second

// crowd are connections that have not said yet who they are, in the order in which
// they came. Its user locks it.
type crowd[T any] struct {
	// each of a source may be there, and not more.
	each int
	all  list.List // of *place[T]
	of   map[netip.Addr]*list.List
}

// place is that of one in the crowd.
type place[T any] struct {
	who      T
	from     netip.Addr
	since    time.Time
	all, own *list.Element
}

func newCrowd[T any](each int) *crowd[T] {
	return &crowd[T]{each: each, of: map[netip.Addr]*list.List{}}
}

func (c *crowd[T]) len() int { return c.all.Len() }

func (c *crowd[T]) add(from netip.Addr, who T) *place[T] {
	own := c.of[from]
	if own == nil {
		own = list.New()
		c.of[from] = own
	}
	p := &place[T]{who: who, from: from, since: time.Now()}
	p.all, p.own = c.all.PushBack(p), own.PushBack(p)
	return p
}

// remove may be called more than once, and of no place.
func (c *crowd[T]) remove(p *place[T]) {
	if p == nil || p.all == nil {
		return
	}
	c.all.Remove(p.all)
	own := c.of[p.from]
	if own.Remove(p.own); own.Len() == 0 {
		delete(c.of, p.from)
	}
	p.all, p.own = nil, nil
}

// tooMany tells whether a source has as many as it may; then oldest is the one of
// them that gives its place to a newcomer, nil when that has to go.
func (c *crowd[T]) tooMany(from netip.Addr) (oldest *place[T], yes bool) {
	own := c.of[from]
	if own == nil || own.Len() < c.each {
		return nil, false
	}
	if oldest = own.Front().Value.(*place[T]); time.Since(oldest.since) < settled {
		oldest = nil
	}
	return oldest, true
}

// oldest of all; nil when nobody is there.
func (c *crowd[T]) oldest() *place[T] {
	if e := c.all.Front(); e != nil {
		return e.Value.(*place[T])
	}
	return nil
}
