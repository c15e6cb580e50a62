package workload

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Status asks a node again and again how it sees the cluster.
type Status struct {
	*Site
	Node  *cluster.Node
	Every time.Duration
}

// Run asks until ctx ends.
func (w *Status) Run(ctx context.Context) {
	every(ctx, w.Every, func(ctx context.Context) {
		if !w.Node.Running() {
			return
		}
		s := history.Status{Asked: w.Record.Now(), Node: w.Node.Name()}
		ask, cancel := context.WithTimeout(ctx, pollWithin)
		defer cancel()
		answer, err := w.Node.Status(ask)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Error = status.Convert(err).Message()
		} else {
			fill(&s, answer)
			w.count(ask, &s)
			w.voters(ask, &s)
		}
		w.Record.Status(s)
	})
}

func fill(s *history.Status, answer *tcpb.StatusResponse) {
	r := answer.GetRaft()
	s.State, s.Leader, s.Term, s.Applied, s.Quorum = r.GetState(), r.GetLeader(), r.GetTerm(), r.GetAppliedIndex(), r.GetQuorum()
	s.Level, s.Known, s.DigestIndex, s.Recovery = r.GetFeatureLevel(), r.GetFeatureKnown(), r.GetDigestIndex(), answer.GetRecovery()
	s.Digest = r.GetDigest()[:min(16, len(r.GetDigest()))]
	for _, p := range answer.GetProblems() {
		s.Problems = append(s.Problems, p.GetCode())
	}
	for _, p := range answer.GetPeers() {
		s.Peers = append(s.Peers, history.Peer{Node: p.GetNode(), Heard: p.GetReachable(), Reason: p.GetReason()})
	}
}

// count reads the node's counters: of what peers had no right to say, and of
// snapshots that it took.
func (w *Status) count(ctx context.Context, s *history.Status) {
	text, err := w.Node.Get(ctx, w.Cluster.Visitor(), "/metrics")
	if err != nil {
		return
	}
	var strangers, clones uint64
	s.Strangers, s.Clones = &strangers, &clones
	for line := range strings.Lines(string(text)) {
		name, v, _ := strings.Cut(line, " ")
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		switch {
		case err != nil:
		case name == "sipcluster_records_rejected_total":
			s.Refused = proto.Uint64(uint64(n))
		case name == `sipcluster_security_events_total{event="identity-refused"}`, name == `sipcluster_security_events_total{event="auth-failed"}`:
			strangers += uint64(n)
		case name == `sipcluster_security_events_total{event="node-cloned"}`:
			clones = uint64(n)
		case name == "sipcluster_configuration_restores_total":
			s.Restores = uint64(n)
		}
	}
}

// voters reads who votes by the node's own copy of the roster.
func (w *Status) voters(ctx context.Context, s *history.Status) {
	roster, err := w.Node.Configuration().ListNodes(ctx, &configpb.ListNodesRequest{})
	if err != nil {
		return
	}
	for _, n := range roster.GetNodes() {
		if !n.GetNonVoter() {
			s.Voters = append(s.Voters, n.GetName())
		}
	}
}

// Dump records a node's whole configuration.
func (s *Site) Dump(ctx context.Context, n *cluster.Node, final bool) error {
	d := history.Dump{Asked: s.Record.Now(), Node: n.Name(), Final: final}
	err := s.dump(ctx, n, &d)
	if err != nil {
		d.Error = status.Convert(err).Message()
	}
	s.Record.Dump(d)
	return err
}

// dump exports until the node's index is the same before and after.
func (s *Site) dump(ctx context.Context, n *cluster.Node, d *history.Dump) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := cluster.Eventually(ctx, 9*time.Second, "a quiet export of "+n.Name(), func(ctx context.Context) error {
		before, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if err = export(ctx, n, d); err != nil {
			return err
		}
		after, err := n.Status(ctx)
		if err != nil {
			return err
		}
		if d.Index = after.GetRaft().GetAppliedIndex(); d.Index != before.GetRaft().GetAppliedIndex() {
			return errors.New("the configuration changes")
		}
		return nil
	})
	return err
}

// export reads the node's own copy of everything.
func export(ctx context.Context, n *cluster.Node, d *history.Dump) error {
	stream, err := n.Configuration().Export(ctx, &configpb.ExportRequest{Secrets: true})
	if err != nil {
		return err
	}
	d.Entries, d.Objects, d.Misplaced = nil, nil, nil
	digest := sha256.New()
	add := func(kind, name string, m proto.Message) {
		b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m) // our own messages marshal
		_, _ = fmt.Fprintf(digest, "%d:", len(b))
		_, _ = digest.Write(b)
		d.Objects = append(d.Objects, history.Entry{Key: kind + "/" + name, Value: fmt.Sprintf("%x", sha256.Sum256(b))[:16]})
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			d.Digest = fmt.Sprintf("%x", digest.Sum(nil)[:12])
			return nil
		} else if err != nil {
			return err
		}
		if part.GetOptions() != nil {
			add("options", "", part.GetOptions())
		}
		for _, x := range part.GetNodes() {
			add("node", x.GetId(), x)
			if slices.ContainsFunc(n.Peers(), func(p *cluster.Node) bool {
				return p.Name() == x.GetName() && p.Running() && p.Addr(cluster.ClusterPort).String() != x.GetClusterAddr()
			}) {
				d.Misplaced = append(d.Misplaced, x.GetName())
			}
		}
		for _, x := range part.GetGroups() {
			add("group", x.GetName(), x)
		}
		for _, x := range part.GetDns() {
			if add("dn", x.GetNumber(), x); isEntry(x) {
				d.Entries = append(d.Entries, history.Entry{Key: x.GetNumber(), Value: valueOf(x)})
			}
		}
	}
}
