package session

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/agent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// asked are a session's requests that wait for a DN's owner. Requests
// about one DN are asked one after the other, in the client's order.
type asked struct {
	done chan done
	// queues of the DNs that have requests; the first of each is on its way.
	queues map[string][]ask
	n      int
	// held is an agent's event that waits for the answer of the request on its
	// way; told is what the last answer said, until the stream says it too.
	held map[dn.Number]dn.Item
	told map[dn.Number]agent.Done
	wg   sync.WaitGroup
}

// ask is a request for a DN's owner. do runs in a goroutine of its own.
type ask struct {
	n dn.Number
	// line is where it waits for those before it: "" for that of the DN.
	line string
	ref  uint64
	// agent: about the agent, and answered by the agent's event.
	agent bool
	do    func(context.Context) (agent.Done, error)
	// answer to a request that is not about the agent, whole but for its time. It is
	// do's until that has returned.
	answer *tlibpb.Event
}

func (q *ask) queue() string { return cmp.Or(q.line, string(q.n)) }

// done is an ask with its outcome.
type done struct {
	ask
	result agent.Done
	err    error
}

func newAsked() *asked {
	return &asked{
		done: make(chan done), queues: map[string][]ask{}, held: map[dn.Number]dn.Item{},
		told: map[dn.Number]agent.Done{},
	}
}

// end waits for the goroutines: their context has ended.
func (a *asked) end() { a.wg.Wait() }

// put puts a request on its way, behind those about the same DN; false when too
// many wait.
func (a *asked) put(ctx context.Context, q ask) bool {
	if a.n >= maxAsked {
		return false
	}
	a.n++
	line := q.queue()
	a.queues[line] = append(a.queues[line], q)
	if len(a.queues[line]) == 1 {
		a.start(ctx, q)
	}
	return true
}

func (a *asked) start(ctx context.Context, q ask) {
	a.wg.Go(func() {
		result, err := q.do(ctx)
		select {
		case a.done <- done{q, result, err}:
		case <-ctx.Done():
		}
	})
}

// take takes a request out that is answered, and returns those behind it.
func (a *asked) take(q *ask) (behind []ask) {
	a.n--
	line := q.queue()
	behind = a.queues[line][1:]
	if len(behind) > 0 {
		a.queues[line] = behind
	} else {
		delete(a.queues, line)
	}
	return behind
}

// news tells whether a change of an agent is to be told now: not while an answer
// is on its way, which it waits for, nor when that has told it.
func (a *asked) news(it *dn.Item) bool {
	n := it.Status.Number
	if slices.ContainsFunc(a.queues[string(n)], func(q ask) bool { return q.agent }) {
		a.held[n] = *it
		return false
	}
	t, ok := a.told[n]
	if !ok {
		return true
	}
	if it.Status.Version.Less(t.Version) {
		return false
	}
	delete(a.told, n)
	return !it.Status.Agent.Equal(t.Agent)
}

// ask puts a request on its way to a DN's owner.
func (s *session) ask(ctx context.Context, a ask) {
	if !s.asked.put(ctx, a) {
		s.out.refuse(a.ref, a.n, refusal.New(tlibpb.ErrorCode_ERROR_CODE_INTERNAL_ERROR, "%d requests of this session are not answered yet: wait for some", maxAsked))
	}
}

// answer tells the client the outcome, then what happened to the agent meanwhile.
func (s *session) answer(ctx context.Context, d done) {
	behind := s.asked.take(&d.ask)
	switch {
	case d.err != nil:
		s.out.refuse(d.ref, d.n, asError(d.err))
	case d.agent:
		s.answerAgent(d)
	default:
		d.answer.Time = now()
		s.out.add(d.answer)
	}
	if item, held := s.asked.held[d.n]; held {
		delete(s.asked.held, d.n)
		s.feeder.tellAgent(&item) // or holds it again
	}
	if len(behind) > 0 {
		s.asked.start(ctx, behind[0])
	}
}

func (s *session) answerAgent(d done) {
	st, _ := s.c.table.Get(d.n)
	st.Number, st.Agent = d.n, d.result.Agent
	e := s.feeder.events.agent(&st)
	e.ReferenceId = d.ref
	s.out.add(e)
	s.asked.told[d.n] = d.result
}
