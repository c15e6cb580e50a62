package session

import (
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
	queues map[dn.Number][]ask
	n      int
	// held is an agent's event that waits for the answer of the request on its
	// way; told is what the last answer said, until the stream says it too.
	held map[dn.Number]dn.Item
	told map[dn.Number]agent.Done
	wg   *sync.WaitGroup
}

// ask is a request for a DN's owner. do runs in a goroutine of its own.
type ask struct {
	n   dn.Number
	ref uint64
	// agent: about the agent, and answered by the agent's event.
	agent bool
	do    func(context.Context) (agent.Done, error)
	// event is the answer of a request that is not about the agent.
	event tlibpb.Message
}

// done is an ask with its outcome.
type done struct {
	ask
	result agent.Done
	err    error
}

func newAsked() asked {
	return asked{
		done: make(chan done), queues: map[dn.Number][]ask{}, held: map[dn.Number]dn.Item{},
		told: map[dn.Number]agent.Done{}, wg: &sync.WaitGroup{},
	}
}

// end waits for the goroutines: their context has ended.
func (a *asked) end() { a.wg.Wait() }

// ask puts a request on its way, behind those about the same DN.
func (s *session) ask(ctx context.Context, a ask) {
	if s.asked.n >= maxAsked {
		s.refuse(a.ref, a.n, refusal.New(tlibpb.ErrorCode_INTERNAL_ERROR, "%d requests of this session are not answered yet: wait for some", maxAsked))
		return
	}
	s.asked.n++
	q := append(s.asked.queues[a.n], a)
	s.asked.queues[a.n] = q
	if len(q) == 1 {
		s.start(ctx, a)
	}
}

func (s *session) start(ctx context.Context, a ask) {
	s.asked.wg.Go(func() {
		result, err := a.do(ctx)
		select {
		case s.asked.done <- done{a, result, err}:
		case <-ctx.Done():
		}
	})
}

// answer tells the client the outcome, then what happened to the agent meanwhile.
func (s *session) answer(ctx context.Context, d done) {
	a := &s.asked
	a.n--
	q := a.queues[d.n][1:]
	if len(q) > 0 {
		a.queues[d.n] = q
	} else {
		delete(a.queues, d.n)
	}
	switch {
	case d.err != nil:
		s.refuse(d.ref, d.n, asError(d.err))
	case d.agent:
		s.answerAgent(d)
	default:
		s.out = append(s.out, &tlibpb.Event{Message: d.event, ReferenceId: d.ref, ThisDn: string(d.n), Time: now()})
	}
	if item, held := a.held[d.n]; held {
		delete(a.held, d.n)
		s.tellAgent(item) // or holds it again
	}
	if len(q) > 0 {
		s.start(ctx, q[0])
	}
}

func (s *session) answerAgent(d done) {
	st, _ := s.c.table.Get(d.n)
	st.Number, st.Agent = d.n, d.result.Agent
	e := s.agentEvent(&st)
	e.ReferenceId = d.ref
	s.out = append(s.out, e)
	s.asked.told[d.n] = d.result
}

// tellAgent tells a change of an agent, unless an answer did.
func (s *session) tellAgent(it dn.Item) {
	n := it.Status.Number
	if slices.ContainsFunc(s.asked.queues[n], func(a ask) bool { return a.agent }) {
		s.asked.held[n] = it
		return
	}
	if t, ok := s.asked.told[n]; ok {
		if it.Status.Version.Less(t.Version) {
			return
		}
		delete(s.asked.told, n)
		if it.Status.Agent.Equal(t.Agent) {
			return
		}
	}
	e := s.agentEvent(&it.Status)
	e.Seq = it.Seq
	s.out = append(s.out, e)
}
