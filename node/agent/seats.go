package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/internal/beat"
	"github.com/sipcluster/sipcluster/internal/wake"
	"github.com/sipcluster/sipcluster/internal/walk"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

const (
	// seatRetry is the pause before a DN's keeper is told again what it does not say, and
	// how often a keeper looks for clients whose node is away.
	seatRetry = time.Second
	// leftDelay is how long a keeper is not told of the end of clients here.
	leftDelay = 250 * time.Millisecond
)

// seat is what this node has to tell the keeper of a phone's DN: that clients here have
// registered it, or have not any more.
type seat struct {
	n    dn.Number
	desk dn.Desk
	left bool
	// due is when the keeper is told: of the end a little later, so that clients who go to
	// another node are there before.
	due time.Time
}

// seats are not told yet, one a DN, the last.
type seats struct {
	mu sync.Mutex
	// of is nil when nobody tells them any more.
	of   map[dn.Number]seat
	more wake.Signal
}

func newSeats() *seats { return &seats{of: map[dn.Number]seat{}, more: wake.New()} }

// Desktop says that clients of this node have registered a DN beside its phone, or with left
// that they have not any more. It does not wait: the DN's keeper is told as soon as it can
// be, when that means something: one of them has the DN for itself alone, or the agent is
// not to stay as he is when the desktop is lost.
func (reg *Registry) Desktop(n dn.Number, d dn.Desk, left bool) {
	st, _ := reg.table.Get(n)
	matters := d.Private || st.Desks != nil || DesktopOf(reg.cfg.View(), n).Loss != dn.LossKeep
	s := reg.seats
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, untold := s.of[n]; s.of != nil && (matters || untold) {
		x := seat{n: n, desk: d, left: left}
		if left {
			x.due = time.Now().Add(leftDelay)
		}
		s.of[n] = x
		s.more.Send()
	}
}

func (s *seats) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of = nil
}

func (s *seats) all() []seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]seat, 0, len(s.of))
	for _, x := range walk.Map(&s.mu, s.of) {
		all = append(all, x)
	}
	return all
}

// told drops a word, unless there is another one since.
func (s *seats) told(x seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[x.n] == x {
		delete(s.of, x.n)
	}
}

// tellSeats tells the keepers until the context ends, and looks for clients that are away.
func (reg *Registry) tellSeats(ctx context.Context) error {
	defer reg.seats.stop()
	tick := beat.New(seatRetry)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-reg.seats.more:
		case <-tick.C:
			tick.Again()
			reg.endAway()
		}
		reg.tellKeepers(ctx)
	}
}

// tellKeepers tells each keeper once what is not told yet. That clients are there is told
// when the table says so: the word of a keeper that dies is lost.
func (reg *Registry) tellKeepers(ctx context.Context) {
	lists, now := map[dn.Node][]seat{}, time.Now()
	for _, x := range reg.seats.all() {
		st, _ := reg.table.Get(x.n)
		switch known, _ := st.Seat(x.desk.Node); {
		case !x.left && known == x.desk, x.left && st.Keeper == "":
			reg.seats.told(x)
		case x.due.After(now):
		case st.Keeper == reg.table.Self() || reg.table.Heard(st.Keeper):
			lists[st.Keeper] = append(lists[st.Keeper], x)
		}
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	for keeper, list := range lists {
		asking.Go(func() {
			for part := range slices.Chunk(list, dn.MaxLeases) {
				reg.tellSome(ctx, keeper, part)
			}
		})
	}
}

// tellSome tells a keeper. That clients are gone it has to be told once.
func (reg *Registry) tellSome(ctx context.Context, keeper dn.Node, list []seat) {
	var elsewhere []uint32
	if keeper == reg.table.Self() {
		elsewhere = reg.seatAll(list)
	} else {
		m := &peerpb.RenewRequest{}
		for _, x := range list {
			m.Seats = append(m.Seats, &peerpb.Seat{Dn: string(x.n), Desk: tcontroller.DeskToProto(x.desk), Left: x.left})
		}
		answer := reg.tell(ctx, keeper, m)
		if answer == nil {
			return
		}
		elsewhere = answer.GetElsewhere()
	}
	for i, x := range list {
		if x.left && !slices.Contains(elsewhere, uint32(i)) {
			reg.seats.told(x)
		}
	}
}

// seatsOf is what another node tells.
func seatsOf(p []*peerpb.Seat) []seat {
	all := make([]seat, 0, len(p))
	for _, x := range p {
		all = append(all, seat{n: dn.Number(x.GetDn()), desk: tcontroller.DeskFromProto(x.GetDesk()), left: x.GetLeft()})
	}
	return all
}

// seatAll takes what a node says of its clients at DNs that this node keeps, and returns the
// indexes of those that it does not keep.
func (reg *Registry) seatAll(list []seat) (elsewhere []uint32) {
	for i, x := range list {
		if !reg.seatHere(x) {
			elsewhere = append(elsewhere, uint32(i))
		}
	}
	return elsewhere
}

// seatHere is false when this node does not keep the DN. With the last clients that had
// registered it beside its phone the agent has lost his desktop.
func (reg *Registry) seatHere(x seat) bool {
	for range maxAmends {
		r, ok := reg.kept(x.n)
		if !ok {
			return false
		}
		view := reg.cfg.View()
		d := view.DN(string(x.n))
		if d.GetKind() != configpb.DNKind_DN_KIND_SIP {
			return true
		}
		was := r
		if !x.left {
			r.Desks = dn.Seated(r.Desks, x.desk)
		} else if r.Desks = dn.Left(r.Desks, x.desk.Node, x.desk.Claim); r.Desks == nil {
			bereave(&r, view.Rules(d, nil), time.Now().UnixNano())
		}
		if r == was {
			return true
		}
		if _, ok := reg.table.Amend(r); ok {
			reg.sync(x.n)
			return true
		}
	}
	return true
}

// endAway ends the registrations by clients of phones' DNs that this node keeps whose node
// is away for longer than they have to come back.
func (reg *Registry) endAway() {
	grace := DesktopOf(reg.cfg.View(), "").Grace
	reg.table.Seats(func(st dn.Status) bool {
		if st.Keeper != reg.table.Self() {
			return true
		}
		for _, d := range st.Desks.All() {
			if away, is := reg.table.Away(d); is && away >= grace {
				reg.seatHere(seat{n: st.Number, desk: d, left: true})
			}
		}
		return true
	})
}
