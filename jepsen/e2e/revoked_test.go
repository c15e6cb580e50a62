package e2e_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/liar"
)

var errNotYet = errors.New("not yet")

// lastWord is how long after the acknowledged write something may still be accepted.
const lastWord = time.Second

// ends measures how long lines are of use behind a write.
func ends(t *testing.T, who string, lines []*liar.Line, write func(ctx context.Context) error) {
	t.Helper()
	for _, l := range lines {
		l.Begin()
		defer l.End()
	}
	var unused map[string]bool
	_, err := cluster.Eventually(t.Context(), soon, who+" is of use", func(context.Context) error {
		unused = map[string]bool{}
		for _, l := range lines {
			if l.Last().IsZero() {
				unused[l.What] = true
			}
		}
		if len(unused) > 1 { // a stream of SIP is opened by one of two nodes alone
			return errNotYet
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v: %v", who, err, unused)
	}
	stood := standing(t)
	must(t, write(t.Context()))
	written := time.Now()
	_, err = cluster.Eventually(t.Context(), 2*soon, who+" is of no use any more", func(context.Context) error {
		for _, l := range lines {
			if time.Since(l.Last()) < lastWord {
				return errNotYet
			}
		}
		return nil
	})
	must(t, err)
	allowed := lastWord + stood()
	last := lines[0]
	for _, l := range lines {
		if l.Last().After(last.Last()) {
			last = l
		}
	}
	after := max(0, last.Last().Sub(written))
	t.Logf("%s: of %d ways in use the last one was %s, %v after the write", who, len(lines), last.What, after.Round(time.Millisecond))
	if after > allowed {
		t.Errorf("something was accepted %v after the write; at most %v", after, allowed)
	}
}

// standing tells how long the machine stood still at most since it was called.
func standing(t *testing.T) func() time.Duration {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	longest := make(chan time.Duration, 1)
	go func() {
		const each = 10 * time.Millisecond
		tick := time.NewTicker(each)
		defer tick.Stop()
		worst, last := time.Duration(0), time.Now()
		for ctx.Err() == nil {
			<-tick.C
			worst, last = max(worst, time.Since(last)-each), time.Now()
		}
		longest <- worst
	}()
	return func() time.Duration { cancel(); return <-longest }
}

// What a token is used for ends within a second of its revocation, at every node.
func revokedEnds(t *testing.T, c *cluster.Cluster) {
	admin, err := c.Admin()
	must(t, err)
	for _, role := range []configpb.Role{configpb.Role_ROLE_STAT, configpb.Role_ROLE_ADMIN} {
		made, err := c.Node(1).Access().CreateToken(t.Context(), &configpb.CreateTokenRequest{Name: "guest", Role: role})
		must(t, err)
		var lines []*liar.Line
		for _, n := range c.Nodes() {
			_, err := cluster.Eventually(t.Context(), soon, "the token is known at "+n.Name(), func(context.Context) error {
				more, err := liar.TokenLines(n, c.Visitor(), admin, made.GetSecret())
				if err == nil {
					lines = append(lines, more...)
				}
				return err
			})
			must(t, err)
		}
		ends(t, "a token of role "+role.String(), lines, func(ctx context.Context) error {
			_, err := c.Node(2).Access().RevokeToken(ctx, &configpb.RevokeTokenRequest{Id: made.GetToken().GetId()})
			return err
		})
	}
}

// Whoever has the files of a node that was removed is nobody within a second.
func removedEnds(t *testing.T, c *cluster.Cluster) {
	gone := c.Node(2)
	thief := steal(t, c, gone)
	gone.Kill9()
	own := thief.Node(gone.Name())
	for _, n := range []*cluster.Node{c.Node(1), c.Node(3)} {
		_, err := cluster.Eventually(t.Context(), 2*soon, n.Name()+" hears a leader who lives", func(ctx context.Context) error {
			s, err := n.Status(ctx)
			if err == nil && (!s.GetRaft().GetQuorum() || s.GetRaft().GetLeader() == gone.Name()) {
				err = errNotYet
			}
			return err
		})
		must(t, err)
	}
	var lines []*liar.Line
	for _, name := range []string{"n1", "n3"} {
		more, err := thief.Lines(own, thief.Node(name))
		must(t, err)
		lines = append(lines, more...)
	}
	ends(t, "a removed node", lines, func(ctx context.Context) error {
		_, err := c.Node(1).Cluster().RemoveNode(ctx, &tcpb.RemoveNodeRequest{Name: gone.Name()})
		return err
	})
}
