package consensus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/histogram"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// retryPause is how long a refused attempt waits for a change of leader.
const retryPause = 50 * time.Millisecond

// Propose has the command applied, through the leader wherever it is, and
// returns its log index. It takes at most Config.Timeout. The errors are
// ErrNoQuorum, ErrFailed, ErrRejected and *fsm.AskLeader: not applied; and
// ErrUnknownOutcome. A
// command without a request id gets one. Attempts that were surely not applied
// are repeated within the time; so are those of unknown outcome, since the
// request id makes that safe. When it returns, the View of this node includes
// the write, unless the node lags behind by more than the time.
func (g *Group) Propose(ctx context.Context, cmd *peerpb.Command) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	if cmd.GetRequestId() == "" {
		cmd = proto.CloneOf(cmd)
		cmd.RequestId = uuid.NewString()
	}
	client := g.cfg.Clients.Asking(ctx)
	began, forwarded := time.Now(), false
	index, err := g.retry(ctx, func() (uint64, error) {
		forwarded = false
		switch {
		case g.leads():
			return g.lead(ctx, cmd, client, g.cfg.Self.GetId())
		case client.Certificate != "" && client.Proof.GetToken() == "":
			return 0, g.askLeader()
		}
		forwarded = true
		return g.forward(ctx, cmd, client.Proof)
	})
	if err == nil && g.machine.Wait(ctx, index) == nil && forwarded { // acknowledged in any case
		g.forwarded.Observe(time.Since(began))
	}
	return index, err
}

// ForwardTimes is how long writes that this node has forwarded to the leader took until they
// were applied here.
func (g *Group) ForwardTimes() histogram.Reading { return g.forwarded.Read() }

// retry repeats attempts at the leader until one has a definite answer.
func (g *Group) retry(ctx context.Context, attempt func() (uint64, error)) (uint64, error) {
	var unknown error
	for {
		if err := g.Err(); err != nil {
			if unknown != nil {
				return 0, unknown // the failure says nothing of the attempt before
			}
			return 0, err
		}
		if ctx.Err() != nil {
			return 0, gaveUp(ctx, unknown)
		}
		change := g.leaderChange()
		index, err := attempt()
		switch {
		case errors.Is(err, ErrUnknownOutcome):
			unknown = err
		case errors.Is(err, errNotLeader), errors.Is(err, ErrNoQuorum):
		case unknown != nil && !decided(err): // it says nothing of the attempt before: the next leader knows
		default:
			return index, err
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-change:
		case <-pause.C:
		case <-g.failed:
		case <-ctx.Done():
			pause.Stop()
			return 0, gaveUp(ctx, unknown)
		}
		pause.Stop()
	}
}

// decided tells whether an answer says what became of an attempt before, too: the state
// machine knows a request by its id. Whoever refuses it in front of that doesn't: a
// leader that has failed, one that believes the client no more, somebody in its place.
func decided(err error) bool {
	return err == nil || errors.Is(err, ErrRejected) && !errors.Is(err, fsm.ErrDenied)
}

// gaveUp says what is known of a request when its time is over.
func gaveUp(ctx context.Context, unknown error) error {
	switch {
	case unknown != nil:
		return unknown
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%w: %w", ErrNoQuorum, ctx.Err())
	}
	return ErrNoQuorum
}

// apply appends the command here, at the leader.
func (g *Group) apply(ctx context.Context, cmd *peerpb.Command) (uint64, error) {
	b, err := proto.Marshal(cmd)
	if err != nil {
		return 0, fmt.Errorf("encoding a command: %w", err)
	}
	f := g.raft.Apply(b, g.cfg.Timeout)
	if err := g.await(ctx, f); err != nil {
		return 0, err
	}
	g.nudge()
	return result(f.Response())
}

// answered waits until Raft has answered whatever it was asked, whoever waits for it still:
// of what it has under way when it is shut down it answers nothing. Without a majority that
// takes until its lease is over.
func (g *Group) answered() {
	limit, look := time.NewTimer(g.cfg.Election), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer look.Stop()
	for g.asked.Load() > 0 {
		select {
		case <-look.C:
		case <-limit.C:
			return
		case <-g.failed: // it was shut down
			return
		}
	}
}

// await waits for a future of Raft and sorts its errors into the package's.
func (g *Group) await(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	g.asked.Add(1)
	go func() { // ends when Raft answers: see answered
		defer g.asked.Add(-1)
		done <- f.Error()
	}()
	var err error
	select {
	case err = <-done:
	case <-g.failed:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, g.cause()) // Err says "not applied"
	case <-ctx.Done():
		return fmt.Errorf("%w: no answer from a majority of the nodes in time", ErrUnknownOutcome)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return errNotLeader
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore), errors.Is(err, raft.ErrRaftShutdown):
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	}
	return err
}

// forward sends the command to the leader.
func (g *Group) forward(ctx context.Context, cmd *peerpb.Command, proof *peerpb.Proof) (uint64, error) {
	client, err := g.leaderClient(ctx)
	if err != nil {
		return 0, err
	}
	r, err := client.Propose(ctx, &peerpb.ProposeRequest{ClusterId: g.lineage(), Command: cmd, Proof: proof})
	if err != nil {
		return 0, fromStatus(err)
	}
	return r.GetIndex(), nil
}

// leaderClient returns a client whose connection stands, so that an error of a
// call means that the request may have arrived.
func (g *Group) leaderClient(ctx context.Context) (peerpb.ConsensusClient, error) {
	_, id := g.raft.LeaderWithID()
	if id == "" || string(id) == g.cfg.Self.GetId() {
		return nil, ErrNoQuorum
	}
	address := g.cfg.Address(string(id))
	if address == "" {
		return nil, fmt.Errorf("%w: the leader's address is unknown", ErrNoQuorum)
	}
	conn, err := g.conns.ready(ctx, string(id), address)
	if err != nil {
		return nil, fmt.Errorf("%w: the leader at %s can't be reached: %w", ErrNoQuorum, address, err)
	}
	return peerpb.NewConsensusClient(conn), nil
}

// settled is the term in which this leader has applied all entries of former terms.
type settled struct {
	mu   sync.Mutex
	term uint64
}

// settle makes sure that this node leads and its View includes all that was
// acknowledged under former leaders: a barrier, once a term.
func (g *Group) settle(ctx context.Context) error {
	term := g.raft.CurrentTerm()
	if !g.leads() {
		return errNotLeader
	}
	g.settled.mu.Lock()
	done := g.settled.term == term
	g.settled.mu.Unlock()
	if done {
		return nil
	}
	if err := g.await(ctx, g.raft.Barrier(g.cfg.Timeout)); err != nil {
		return err
	}
	g.settled.mu.Lock()
	g.settled.term = max(g.settled.term, term)
	g.settled.mu.Unlock()
	return nil
}

// leaderIndex returns an index that includes every write acknowledged before
// the call, or an error when this node isn't the leader any more.
func (g *Group) leaderIndex(ctx context.Context) (uint64, error) {
	if err := g.settle(ctx); err != nil {
		return 0, err
	}
	index := g.machine.View().Index() // before asking the others: the order matters
	if err := g.await(ctx, g.raft.VerifyLeader()); err != nil {
		return 0, err
	}
	return index, nil
}

// ReadIndex returns when the View of this node includes every write that was
// acknowledged anywhere before the call: a read after it is linearizable. It
// takes at most Config.Timeout; the errors are ErrNoQuorum and ErrFailed.
func (g *Group) ReadIndex(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	index, err := g.retry(ctx, func() (uint64, error) {
		if g.leads() {
			return g.leaderIndex(ctx)
		}
		client, err := g.leaderClient(ctx)
		if err != nil {
			return 0, err
		}
		r, err := client.ReadIndex(ctx, &peerpb.ReadIndexRequest{ClusterId: g.lineage()})
		return r.GetIndex(), fromStatus(err)
	})
	if err == nil {
		err = g.machine.Wait(ctx, index)
	}
	switch {
	case errors.Is(err, ErrUnknownOutcome), errors.Is(err, context.DeadlineExceeded):
		return ErrNoQuorum
	case errors.Is(err, fsm.ErrParked):
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return err
}
