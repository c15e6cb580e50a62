package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/internal/patience"
	"github.com/sipcluster/sipcluster/node/call"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/feed"
	"github.com/sipcluster/sipcluster/node/routing"
)

// returning is a router of 9001 that goes and comes back, while one call waits.
type returning struct {
	l      *lobby
	w      *wire
	visits int
}

func newReturning(t *testing.T, history int) *returning {
	t.Helper()
	l := newLobbyIn(t, newOfficeOf(t, history))
	l.write(&configpb.Mutation{Op: &configpb.Mutation_PutOptions{PutOptions: &configpb.Options{DesktopGraceS: 300}}})
	l.table.Register("1001", dn.Registered) // so that there is a place to resume from
	l.arrives("+waits")                     // for an agent, whether or not a router is there
	l.waits("+waits", true)
	return &returning{l: l, w: l.router(shared, "+waits")}
}

// happens tells of visits that nobody waits at: one event of the log each.
func (r *returning) happens(n int) (lines []string) {
	for range n {
		r.visits++
		number := fmt.Sprint("+", r.visits)
		r.l.announcer.Announce(routing.Visit{Message: tlibpb.Message_MESSAGE_EVENT_QUEUED, RP: "9001", Call: &call.Call{Info: &call.Info{ANI: number}}})
		lines = append(lines, "EVENT_QUEUED 9001 "+number)
	}
	return lines
}

// leaves loses the router's connection once it knows everything.
func (r *returning) leaves() (seq, callSeq uint64) {
	r.l.t.Helper()
	seq, callSeq = r.w.awaitPlace()
	r.w.hangUp()
	if err := patience.Receive(r.l.t, "the end of the session", r.w.ended); err == nil {
		r.l.t.Error("a lost connection ended in good order")
	}
	return seq, callSeq
}

func (r *returning) comesBack(incarnation, seq, callSeq uint64) {
	r.l.t.Helper()
	r.w = r.l.connect(DefaultPort, &tlibpb.OpenSession{ResumeToken: r.w.link.GetLinkConnected().GetSessionToken(), ResumeCursor: feed.Cursor{Incarnation: incarnation, DNs: seq, Calls: callSeq}.Bytes()})
}

// beginsAnew wants the call that waits as rows, and then what happens.
func (r *returning) beginsAnew() {
	r.l.t.Helper()
	r.w.wait("the end of the snapshot", func(e *tlibpb.Event) bool { return e.GetMessage() == tlibpb.Message_MESSAGE_END_OF_SNAPSHOT })
	at := r.l.traffic.Head()
	r.hears(at, append([]string{"EVENT_QUEUED 9001 +waits row", "EVENT_ROUTE_REQUEST 9001 +waits row"}, r.happens(1)...))
}

// goesOn wants these visits, at the places from callSeq on, and then what happens.
func (r *returning) goesOn(callSeq uint64, told []string) {
	r.l.t.Helper()
	if n := len(told); n > 0 {
		r.w.wait(told[n-1], func(e *tlibpb.Event) bool { return line(e) == told[n-1] })
	}
	r.hears(callSeq, append(told, r.happens(1)...))
}

// hears wants exactly these events of 9001, those that are no rows at the
// places from callSeq on.
func (r *returning) hears(callSeq uint64, want []string) {
	r.l.t.Helper()
	last := want[len(want)-1]
	r.w.wait(last, func(e *tlibpb.Event) bool { return line(e) == last })
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	var got []string
	for _, e := range r.w.events {
		if e.GetThisDn() != "9001" {
			continue
		}
		got = append(got, line(e))
		if e.GetSnapshot() {
			continue
		}
		if callSeq++; e.GetCallSeq() != callSeq {
			r.l.t.Errorf("%s is at %d, want %d", line(e), e.GetCallSeq(), callSeq)
		}
	}
	if !slices.Equal(got, want) {
		r.l.t.Errorf("heard %q, want %q", got, want)
	}
	r.w.events = nil
}

// A router that comes back hears each visit once as long as the log has all
// that it missed; with one more it is told of the calls that wait, and of what
// comes.
func TestResume_ARouterAtTheEdgesOfTheLog(t *testing.T) {
	const size = 8
	for _, before := range []int{0, 1, size - 1, size, size + 1, 3*size + 2} {
		t.Run(fmt.Sprint(before, " before"), func(t *testing.T) {
			r := newReturning(t, size)
			for range before {
				r.w.awaits(r.happens(1)[0])
			}
			for behind := range size + 3 {
				seq, at := r.leaves()
				told := r.happens(behind)
				r.comesBack(1, seq, at)
				if behind <= size {
					r.goesOn(at, told)
				} else {
					r.beginsAnew()
				}
			}
		})
	}
}

// A place that is none of this log's begins anew.
func TestResume_ARouterFromAPlaceOfAnotherLog(t *testing.T) {
	for name, tc := range map[string]struct {
		incarnation  uint64
		ahead, calls uint64
		anew         bool
	}{
		"the place where it was":     {incarnation: 1},
		"of an earlier incarnation":  {incarnation: 0, anew: true},
		"of a later incarnation":     {incarnation: 2, anew: true},
		"a visit ahead of the log":   {incarnation: 1, calls: 1, anew: true},
		"a DN ahead of the journal":  {incarnation: 1, ahead: 1, anew: true},
		"both far ahead":             {incarnation: 1, ahead: 1 << 40, calls: 1 << 40, anew: true},
		"as far ahead as can be":     {incarnation: 1, calls: ^uint64(0) >> 1, anew: true},
		"the greatest there can be":  {incarnation: 1, ahead: ^uint64(0) >> 1, anew: true},
		"another log's, and further": {incarnation: 2, calls: 1, anew: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReturning(t, 64)
			seq, at := r.leaves()
			told := r.happens(3)
			r.comesBack(tc.incarnation, seq+tc.ahead, at+3*min(tc.calls, 1)+tc.calls)
			if tc.anew {
				r.beginsAnew()
			} else {
				r.goesOn(at, told)
			}
		})
	}
}
