package node

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api"
	"github.com/sipcluster/sipcluster/api/dnview"
	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/sip/trace"
)

// newTrace remembers the messages of calls; nil where that is not wanted.
func (c *Config) newTrace() *trace.Log {
	if c.CallTrace == 0 {
		return nil
	}
	return trace.New(c.CallTrace, nil)
}

func (n *Node) callService() *api.Calls {
	return api.NewCalls(api.CallsConfig{Self: n.table.Self(), Table: n.calls, View: n.machine.View, Trace: n.traceView, Ask: n.askTrace})
}

// askTrace asks another node what it remembers of a call's messages.
func (n *Node) askTrace(ctx context.Context, id dn.Node, call string) (*tcpb.CallTrace, time.Duration, error) {
	conn, err := n.peers.conn(id)
	if err != nil {
		return nil, 0, err
	}
	began := time.Now()
	r, err := peerpb.NewWitnessClient(conn).Trace(ctx, &peerpb.TraceRequest{ClusterId: n.lineage(), Call: call})
	if err != nil {
		return nil, 0, unanswered(err)
	}
	return r.GetView(), n.aheadOf(id, began, r.GetNow().AsTime()), nil
}

// aheadOf is how much a peer's wall clock is ahead of this node's: as the link to it knows, or
// else by what it said of it when it was asked.
func (n *Node) aheadOf(id dn.Node, asked, said time.Time) time.Duration {
	for _, p := range n.mesh.Status() {
		if p.ID == id && p.Heard {
			return p.Skew
		}
	}
	return said.Sub(asked.Add(time.Since(asked) / 2))
}

// traceView is what this node remembers of a call's messages.
func (n *Node) traceView(call string) *tcpb.CallTrace {
	t := n.trace.Of(call)
	v := &tcpb.CallTrace{CallId: t.CallID, ConnId: t.Conn, Cut: t.Cut, Off: n.trace == nil}
	if t.Since != 0 {
		v.Since = timestamppb.New(time.Unix(0, t.Since))
	}
	seen := make(map[trace.Entry]bool, len(t.Entries))
	for _, e := range t.Entries {
		m := n.tracedMessage(&e)
		e.Time, e.Size = 0, 0
		m.Again = seen[e]
		seen[e] = true
		v.Messages = append(v.Messages, m)
	}
	return v
}

func (n *Node) tracedMessage(e *trace.Entry) *tcpb.SIPMessage {
	m := &tcpb.SIPMessage{
		Time: timestamppb.New(time.Unix(0, e.Time)), Sent: e.Sent, Method: e.Method, Cseq: e.CSeq, Code: uint32(e.Code), Reason: e.Reason, Uri: e.URI, Size: uint32(e.Size),
	}
	if e.Peer != "" {
		m.Peer = dnview.NodeName(n.machine.View(), e.Peer)
		return m
	}
	m.Transport, m.Address = strings.ToLower(e.Transport.String()), e.Addr.String()
	return m
}
