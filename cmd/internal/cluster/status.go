package cluster

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// The JSON of status; names and order are a contract.
type (
	statusJSON struct {
		Node  string     `json:"node"`
		Site  string     `json:"site"`
		Raft  raftJSON   `json:"raft"`
		Peers []peerJSON `json:"peers"`
		DNs   dnsJSON    `json:"dns"`
		// Problems are the open faults of the node that was asked.
		Problems []problemJSON `json:"problems"`
		// Sites of the cluster, as that node sees them.
		Sites []siteJSON `json:"sites"`
		// Recovery that the configuration comes from.
		Recovery string `json:"recovery,omitempty"`
		// Insecure: nobody is asked who he is.
		Insecure bool `json:"insecure,omitempty"`
	}
	problemJSON struct {
		Code   string `json:"code"`
		Since  string `json:"since"`
		Text   string `json:"text"`
		Advice string `json:"advice"`
	}
	raftJSON struct {
		State        string `json:"state"`
		Leader       string `json:"leader"`
		Term         uint64 `json:"term"`
		AppliedIndex uint64 `json:"applied_index"`
		Quorum       bool   `json:"quorum"`
		FeatureLevel uint32 `json:"feature_level,omitempty"`
		Digest       string `json:"digest,omitempty"`
		DigestIndex  uint64 `json:"digest_index,omitempty"`
		Parked       string `json:"parked,omitempty"`
	}
	peerJSON struct {
		Node         string  `json:"node"`
		Site         string  `json:"site"`
		Reachable    bool    `json:"reachable"`
		Reason       string  `json:"reason"`
		RTT          float64 `json:"rtt_ms"`
		Owned        uint64  `json:"owned"`
		ToPeer       float64 `json:"to_peer_ms"`
		FromPeer     float64 `json:"from_peer_ms"`
		LastAnswer   float64 `json:"last_answer_ms"`
		SendQueue    uint64  `json:"send_queue"`
		SendBytes    uint64  `json:"send_queue_bytes"`
		ReceiveBytes uint64  `json:"receive_queue_bytes"`
	}
	siteJSON struct {
		Site      string   `json:"site"`
		Lost      bool     `json:"lost"`
		Heard     []string `json:"nodes_heard"`
		NodesLost []string `json:"nodes_lost"`
		InService uint64   `json:"in_service"`
		Since     string   `json:"since,omitempty"`
	}
	dnsJSON struct {
		Total        uint64 `json:"total"`
		InService    uint64 `json:"in_service"`
		OutOfService uint64 `json:"out_of_service"`
		Owned        uint64 `json:"owned"`
		WithStandby  uint64 `json:"with_standby,omitempty"`
	}
)

// StatusCommand is status.
func StatusCommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	var check bool
	cmd := c.Reading(&cobra.Command{
		Use: "status", Short: "Show how a node sees the cluster: configuration, peers, DNs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			s, err := client.Unary(cmd.Context(), cl, cl.Cluster.Status, &tcpb.StatusRequest{})
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			cl.Meet(cmd.Context(), len(s.GetPeers())+1)
			if c.JSON() {
				err = console.Encode(c.Out, newStatusJSON(s))
			} else {
				err = c.printStatus(s)
			}
			if err == nil && check {
				err = unwell(s)
			}
			return err
		},
	})
	cmd.Flags().BoolVar(&check, "check", false, "exit with 1 when the node is not well: it reaches no quorum, does not hear a node, or has a problem")
	return cmd
}

// unwell says what is wrong with a node or with what it hears; nil when nothing is.
func unwell(s *tcpb.StatusResponse) error {
	var why []string
	if !s.GetRaft().GetQuorum() {
		why = append(why, "it reaches no quorum")
	}
	for _, p := range s.GetPeers() {
		if !p.GetReachable() {
			why = append(why, "it does not hear "+p.GetNode())
		}
	}
	for _, p := range s.GetProblems() {
		why = append(why, p.GetCode())
	}
	if len(why) == 0 {
		return nil
	}
	return fmt.Errorf("status: %s is not well: %s", s.GetNode(), strings.Join(why, ", "))
}

func newStatusJSON(s *tcpb.StatusResponse) statusJSON {
	r, d := s.GetRaft(), s.GetDns()
	j := statusJSON{
		Node: s.Node, Site: s.Site,
		Raft:     raftJSON{r.GetState(), r.GetLeader(), r.GetTerm(), r.GetAppliedIndex(), r.GetQuorum(), r.GetFeatureLevel(), r.GetDigest(), r.GetDigestIndex(), r.GetParked()},
		Peers:    make([]peerJSON, 0, len(s.Peers)),
		DNs:      dnsJSON{d.GetTotal(), d.GetInService(), d.GetOutOfService(), d.GetOwned(), d.GetWithStandby()},
		Insecure: s.GetInsecure(), Recovery: s.GetRecovery(),
		Problems: make([]problemJSON, 0, len(s.Problems)),
	}
	for _, p := range s.Problems {
		j.Problems = append(j.Problems, problemJSON{p.Code, view.RFC3339(p.Since), p.Text, p.Advice})
	}
	for _, p := range s.Peers {
		j.Peers = append(j.Peers, peerJSON{
			p.Node, p.Site, p.Reachable, p.Reason, p.RttMs, p.Owned,
			p.ToPeerMs, p.FromPeerMs, p.LastAnswerMs, p.SendQueue, p.SendQueueBytes, p.ReceiveQueueBytes,
		})
	}
	j.Sites = sitesJSON(s.Sites)
	return j
}

func (c commands) printStatus(s *tcpb.StatusResponse) error {
	r, d, colour := s.GetRaft(), s.GetDns(), c.Colour()
	up := "-"
	if s.Started != nil {
		up = view.Age(c.Now(), s.Started)
	}
	drain := ""
	if s.Draining {
		drain = console.Paint(console.Tinted("  draining", console.Yellow), colour)
	}
	fmt.Fprintf(c.Out, "%s at %s  up %s  %s%s\n", s.Node, s.Site, up, s.Version, drain)
	quorum := console.Tinted("quorum", console.Green)
	if !r.GetQuorum() {
		quorum = console.Tinted("no quorum: the configuration can't be changed from here", console.Red)
	}
	fmt.Fprintf(c.Out, "configuration  %s, leader %s, term %d, index %d, %s\n", r.GetState(), console.Dash(r.GetLeader()), r.GetTerm(), r.GetAppliedIndex(), console.Paint(quorum, colour))
	standby := ""
	if n := d.GetWithStandby(); n > 0 {
		standby = fmt.Sprintf(" (%d with a standby)", n)
	}
	fmt.Fprintf(c.Out, "DNs            %d: %s%s, %d OOS; %d owned here\n", d.GetTotal(), console.Paint(console.Tinted(strconv.FormatUint(d.GetInService(), 10)+" InSrv", console.Green), colour), standby, d.GetOutOfService(), d.GetOwned())
	if s.GetRecovery() != "" {
		fmt.Fprintf(c.Out, "recovery       %s\n", s.GetRecovery())
	}
	if s.GetInsecure() {
		fmt.Fprintln(c.Out, console.Paint(console.Tinted("insecure       clients are asked for nothing, and what they say is not encrypted", console.Red), colour))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(c.Out, "%s        %s\n", console.Paint(console.Tinted("problem", console.Yellow), colour), problemLine(p, c.Now()))
	}
	if len(s.Peers) == 0 {
		_, err := fmt.Fprintln(c.Out, "\nno peers")
		return err
	}
	fmt.Fprintln(c.Out)
	if len(s.Sites) > 0 { // an older node has none
		if err := c.Print(siteTable(s.Sites, c.Now())); err != nil {
			return err
		}
		fmt.Fprintln(c.Out)
	}
	if err := c.Print(peerTable(s.Peers, c.Now())); err != nil {
		return err
	}
	fmt.Fprintln(c.Out)
	return c.Print(linkTable(s.Peers))
}

// problemLine is what is wrong, for how long, and what to do.
func problemLine(p *tcpb.Problem, now time.Time) string {
	line := fmt.Sprintf("%s: %s, for %s", p.Code, p.Text, view.Age(now, p.Since))
	if p.Advice != "" {
		line += ": " + p.Advice
	}
	return line
}

func peerTable(peers []*tcpb.PeerStatus, now time.Time) *console.Table {
	t := &console.Table{Head: []string{"PEER", "SITE", "LINK", "FOR", "RTT", "OWNED", "GOSSIP", "CLOCK"}, Right: map[int]bool{4: true, 5: true}}
	for _, p := range peers {
		link := console.Tinted("● heard", console.Green)
		if !p.Reachable {
			link = console.Tinted("○ "+p.Reason, console.Red)
		}
		rtt, skew := "-", "-"
		if p.RttMs > 0 {
			rtt = inMS(p.RttMs)
		}
		if p.Reachable {
			skew = fmt.Sprintf("%+d ms", int64(math.Round(p.ClockSkewMs)))
		}
		t.Add(console.Text(p.Node), console.Text(p.Site), link, console.Text(view.Age(now, p.Since)), console.Text(rtt), console.Text(strconv.FormatUint(p.Owned, 10)), console.Text(console.Dash(p.Gossip)), console.Text(skew))
	}
	return t
}

// linkTable is what the T-Controller measures on the way to each peer.
func linkTable(peers []*tcpb.PeerStatus) *console.Table {
	t := &console.Table{
		Head:  []string{"PEER", "TO PEER", "FROM PEER", "ANSWERED", "SEND QUEUE", "UNACKED", "UNREAD"},
		Right: map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true},
	}
	for _, p := range peers {
		to, from, answered := "-", "-", "-"
		if p.RttMs > 0 {
			to, from = inMS(p.ToPeerMs), inMS(p.FromPeerMs)
		}
		if p.LastAnswerMs > 0 {
			answered = ago(p.LastAnswerMs)
		}
		t.Add(console.Text(p.Node), console.Text(to), console.Text(from), console.Text(answered), console.Text(strconv.FormatUint(p.SendQueue, 10)), console.Text(inBytes(p.SendQueueBytes)), console.Text(inBytes(p.ReceiveQueueBytes)))
	}
	return t
}

func inMS(ms float64) string { return strconv.FormatFloat(ms, 'f', 2, 64) + " ms" }

// ago has milliseconds while the peer answers every ping.
func ago(ms float64) string {
	if ms < 1000 {
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms ago"
	}
	return view.Span(time.Duration(ms*float64(time.Millisecond))) + " ago"
}

func inBytes(n uint64) string {
	switch {
	case n < 10<<10:
		return strconv.FormatUint(n, 10) + " B"
	case n < 10<<20:
		return strconv.FormatUint(n>>10, 10) + " KiB"
	default:
		return strconv.FormatUint(n>>20, 10) + " MiB"
	}
}
