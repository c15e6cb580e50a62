// Package events is the command that tells what happened in the cluster.
package events

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

type commands struct{ *client.Operator }

// eventJSON is an event; names and order are a contract.
type eventJSON struct {
	Time   string      `json:"time"`
	Node   string      `json:"node"`
	Kind   string      `json:"kind"`
	DN     string      `json:"dn,omitempty"`
	Change *changeJSON `json:"change,omitempty"`
	Call   *callJSON   `json:"call,omitempty"`
	Link   *linkJSON   `json:"link,omitempty"`
	Write  *writeJSON  `json:"write,omitempty"`
}

type changeJSON struct {
	State        string          `json:"state"`
	Reason       string          `json:"reason"`
	Owner        string          `json:"owner"`
	Busy         bool            `json:"busy"`
	Reserved     bool            `json:"reserved"`
	DoNotDisturb bool            `json:"do_not_disturb"`
	CoolingDown  bool            `json:"cooling_down"`
	Agent        *view.AgentJSON `json:"agent,omitempty"`
}

type callJSON struct {
	ConnID string `json:"conn_id"`
	What   string `json:"what"`
	Role   string `json:"role"`
	Other  string `json:"other"`
	Cause  uint32 `json:"cause"`
	Why    string `json:"why"`
	Caller string `json:"caller"`
	Called string `json:"called"`
}

type linkJSON struct {
	Peer  string `json:"peer"`
	Heard bool   `json:"heard"`
	Why   string `json:"why"`
}

type writeJSON struct {
	Index     uint64   `json:"index"`
	By        string   `json:"by"`
	Changes   []string `json:"changes"`
	Mutations uint32   `json:"mutations"`
	Refused   string   `json:"refused"`
}

// Command is events.
func Command(op *client.Operator) *cobra.Command {
	c := commands{op}
	r := &tcpb.ListEventsRequest{}
	var since, until string
	var kinds []string
	follows, limit := false, 0
	cmd := c.Reading(&cobra.Command{
		Use: "events", Short: "Tell what happened: DNs, agents, calls, lost nodes, and who changed the configuration", Args: cobra.NoArgs,
		Long: `Tell what happened, from what all nodes remember, by time: changes of DNs and of the agents
at them, what became of calls, which node heard another one no more, and, for
administrators, who changed the configuration. What several nodes know is told once, by
the node whose word it is; of a node that does not answer there is what the asked one
knows. Times are by the clock of the asked node.

With --follow it goes on with what happens until Ctrl-C: the node asks all others each
second for what each has told itself. Who falls silent is said, and what it told meanwhile
is shown when it answers again.

A time is RFC 3339, a time of the last 24 hours as 14:00 or 14:02:30, one with its day as
"2026-01-02 14:00", both in local time, or how long ago as 90s, 10m, 2h.

With -o json a line for each event:
  {"time","node","kind","dn","change":{"state","reason","owner","busy","reserved",
   "do_not_disturb","cooling_down","agent"},"call":{"conn_id","what","role","other","cause",
   "why","caller","called"},"link":{"peer","heard","why"},"write":{"index","by","changes",
   "mutations","refused"}}
of the four the one that its kind has.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fill(r, c.Now(), since, until, kinds); err != nil {
				return err
			}
			if limit < 1 || limit > most {
				return console.Usagef("--limit %d: want 1 to %d", limit, most)
			}
			if follows && (until != "" || r.EachNode) {
				return console.Usagef("--follow goes with neither --until nor --each-node")
			}
			return console.Doing("events", c.events(cmd.Context(), r, limit, follows))
		},
	})
	f := cmd.Flags()
	f.StringVar(&since, "since", "1h", "only from this `TIME` on")
	f.BoolVar(&follows, "follow", false, "go on with what happens, until Ctrl-C")
	f.StringVar(&until, "until", "", "only up to this `TIME`")
	f.StringVar(&r.Dn, "dn", "", "only of this `DN`")
	f.StringVar(&r.Group, "group", "", "only of the DNs of this `GROUP`")
	f.StringVar(&r.Agent, "agent", "", "only of the agent with this `ID`")
	f.StringVar(&r.ConnId, "call", "", "only of the call with this `CONNID`")
	f.StringSliceVar(&kinds, "kind", nil, "only of this `KIND`, repeatable: "+strings.Join(kindNames(), ", "))
	f.StringVar(&r.Node, "node", "", "only what this `NODE` tells")
	f.BoolVar(&r.EachNode, "each-node", false, "what several nodes know as each of them saw it")
	f.IntVar(&limit, "limit", 1000, "the last `NUMBER` of them, up to 1000000")
	return cmd
}

func kindNames() (names []string) {
	for k := tcpb.HistoryKind_HISTORY_KIND_STATE; k.Word() != "" && tcpb.HistoryKind_name[int32(k)] != ""; k++ {
		names = append(names, k.Word())
	}
	return names
}

func fill(r *tcpb.ListEventsRequest, now time.Time, since, until string, kinds []string) (err error) {
	if r.Since, err = moment(now, "since", since); err != nil {
		return err
	}
	if r.Until, err = moment(now, "until", until); err != nil {
		return err
	}
	if from, to := r.GetSince().AsTime(), r.GetUntil().AsTime(); r.Since != nil {
		switch {
		case from.After(now.Add(early)):
			return console.Usagef("--since %s is still to come", since)
		case r.Until != nil && from.After(to):
			return console.Usagef("--since %s is later than --until %s: there is nothing between them", since, until)
		}
	}
	names := kindNames()
	for _, k := range kinds {
		i := slices.Index(names, k)
		if i < 0 {
			return console.Usagef("--kind %q: want %s", k, strings.Join(names, ", "))
		}
		r.Kinds = append(r.Kinds, tcpb.HistoryKind(i+1))
	}
	return nil
}

// most is how many events are shown, page how many of them a node tells at once; early is
// how far a time may be ahead of this machine's clock, which need not be the node's.
const (
	most, page = 1_000_000, 10_000
	early      = 5 * time.Minute
)

// days are times with a date, in local time, as this program shows them.
var days = []string{time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly}

// moment reads a time of the command line; "" is none.
func moment(now time.Time, flag, s string) (*timestamppb.Timestamp, error) {
	if s == "" {
		return nil, nil //nolint:nilnil // no time was asked for
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return timestamppb.New(now.Add(-d)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return timestamppb.New(t), nil
	}
	for _, layout := range days {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return timestamppb.New(t), nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		y, m, d := now.Local().Date()
		at := time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
		if at.After(now) {
			at = time.Date(y, m, d-1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
		}
		return timestamppb.New(at), nil
	}
	return nil, console.Usagef("--%s %q: want a time as 14:00, 2026-01-02 14:00, 2026-01-02T14:00:00Z, or how long ago as 10m", flag, s)
}

// pages are the last so many events, the newest page first asked for; what else is said is
// that of the first answer, and of the last one whether there are older ones.
func (c commands) pages(ctx context.Context, cl *client.Client, req *tcpb.ListEventsRequest, limit int) (*tcpb.ListEventsResponse, error) {
	var first *tcpb.ListEventsResponse
	var events [][]*tcpb.HistoryEvent
	older := false
	p := c.Progress("reading events")
	defer p.End()
	for rest := limit; rest > 0; {
		req.Limit = uint32(min(rest, page)) //nolint:gosec // 10,000 at most
		r, err := client.Unary(ctx, cl, tcpb.NewDiagnosisClient(cl.Conn).ListEvents, req)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = r
		}
		events, rest = append(events, r.GetEvents()), rest-len(r.GetEvents())
		p.Say(strconv.Itoa(limit - rest))
		older = r.GetNextPageToken() != "" || slices.ContainsFunc(r.GetParts(), (*tcpb.EventsPart).GetCut)
		if req.PageToken = r.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	req.PageToken = ""
	for i, part := range first.GetParts() {
		part.Cut = i == 0 && older
	}
	slices.Reverse(events)
	first.Events = slices.Concat(events...)
	return first, nil
}

func (c commands) events(ctx context.Context, req *tcpb.ListEventsRequest, limit int, follows bool) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := c.pages(ctx, cl, req, limit)
	if err == nil && len(r.GetEvents()) == 0 && req.GetDn() != "" { // one that was deleted may have events still
		_, err = client.Unary(ctx, cl, cl.Availability.GetDN, &tcpb.GetDNStatusRequest{Dn: req.GetDn()})
	}
	if err != nil {
		return err
	}
	if len(r.GetEvents()) == 0 && req.GetAgent() != "" {
		if err := c.say([]string{"nothing is remembered of an agent " + strconv.Quote(req.GetAgent()) + " in that time"}); err != nil {
			return err
		}
	}
	if follows {
		return c.tail(ctx, cl, req, r)
	}
	if c.JSON() {
		for _, e := range r.GetEvents() {
			if err := c.line(e); err != nil {
				return err
			}
		}
		return c.say(notes(req, r))
	}
	t := &console.Table{Head: []string{"TIME", "NODE", "KIND", "DN", "WHAT"}}
	for _, e := range r.GetEvents() {
		t.Add(console.Text(timeText(c.Now(), e.GetTime().AsTime())), console.Text(e.GetNode()), console.Text(e.GetKind().Word()), console.Text(console.Dash(e.GetDn())), what(e))
	}
	if err := c.Print(t); err != nil {
		return err
	}
	return c.say(notes(req, r))
}

// say tells on stderr what is missing.
func (c commands) say(notes []string) error {
	for _, n := range notes {
		if _, err := fmt.Fprintln(c.Err, n); err != nil {
			return err
		}
	}
	return nil
}

func timeText(now, t time.Time) string {
	if now.Sub(t) < 20*time.Hour {
		return t.Local().Format("15:04:05.000")
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// notes are what an answer does not have of what was asked for.
func notes(req *tcpb.ListEventsRequest, r *tcpb.ListEventsResponse) (list []string) {
	cut := false
	for _, p := range r.GetParts() {
		cut = cut || p.GetCut()
		switch {
		case p.GetError() != "":
			list = append(list, p.GetNode()+": "+p.GetError())
		case req.GetSince() != nil && p.GetSince().AsTime().After(req.GetSince().AsTime()):
			list = append(list, p.GetNode()+" remembers events since "+p.GetSince().AsTime().Local().Format("2006-01-02 15:04:05")+" only")
		}
		if ahead := p.GetAhead().AsDuration(); ahead.Abs() > max(p.GetTook().AsDuration(), 50*time.Millisecond) {
			list = append(list, fmt.Sprintf("the clock of %s is %v from that of the asked node; its times are shown without that", p.GetNode(), ahead.Round(time.Millisecond)))
		}
	}
	if cut {
		list = append(list, "there are older ones: ask with --until, a filter, or a greater --limit")
	}
	return list
}

func newEventJSON(e *tcpb.HistoryEvent) eventJSON {
	j := eventJSON{Time: view.RFC3339(e.GetTime()), Node: e.GetNode(), Kind: e.GetKind().Word(), DN: e.GetDn()}
	if c := e.GetChange(); c != nil {
		s := c.GetStatus()
		j.Change = &changeJSON{view.StateName(s.GetState()), view.ReasonName(s.GetReason()), s.GetOwner(), s.GetBusy(), s.GetReserved(), s.GetDoNotDisturb(), c.GetCoolingDown(), view.NewAgentJSON(s.GetAgent())}
	}
	if x := e.GetCall(); x != nil {
		j.Call = &callJSON{x.GetConnId(), x.GetWhat(), role(x), x.GetOther(), x.GetCause(), x.GetWhy(), x.GetAni(), x.GetDnis()}
	}
	if l := e.GetLink(); l != nil {
		j.Link = &linkJSON{l.GetPeer(), l.GetHeard(), l.GetWhy()}
	}
	if w := e.GetWrite(); w != nil {
		j.Write = &writeJSON{w.GetIndex(), w.GetBy(), append([]string{}, w.GetChanges()...), w.GetMutations(), w.GetRefused()}
	}
	return j
}

func role(x *tcpb.HistoryCall) string {
	if x.GetCaller() {
		return "caller"
	}
	return "called"
}

// what happened, for people.
func what(e *tcpb.HistoryEvent) console.Cell {
	switch {
	case e.GetLink() != nil:
		return link(e.GetLink())
	case e.GetCall() != nil:
		return console.Text(call(e.GetCall()))
	case e.GetWrite() != nil:
		return write(e.GetWrite())
	}
	return change(e)
}

func link(l *tcpb.HistoryLink) console.Cell {
	if l.GetHeard() {
		return console.Tinted("hears "+l.GetPeer(), console.Green)
	}
	return console.Tinted("lost "+l.GetPeer()+": "+cmp.Or(l.GetWhy(), "not heard"), console.Red)
}

func call(x *tcpb.HistoryCall) string {
	s := x.GetConnId() + " " + x.GetWhat()
	if x.GetOther() != "" {
		s += ", other " + x.GetOther()
	}
	if x.GetCause() == 1 {
		s += ", its node was lost"
	} else if x.GetCause() > 1 {
		s += ", " + strconv.Itoa(int(x.GetCause()))
	}
	if x.GetWhy() != "" {
		s += ", " + console.OneLine(x.GetWhy())
	}
	return s
}

// toldChanges are told of a write, unless only those of a DN were asked for.
const toldChanges = 20

func write(w *tcpb.HistoryWrite) console.Cell {
	s := strings.Join(w.GetChanges(), ", ")
	switch all, told := int(w.GetMutations()), len(w.GetChanges()); {
	case told < min(all, toldChanges):
		s += fmt.Sprintf(" (of %d changes)", all)
	case told < all:
		s += fmt.Sprintf(" and %d more", all-told)
	}
	s = console.OneLine(s + " by " + w.GetBy())
	if w.GetRefused() != "" {
		return console.Tinted(s+", refused: "+console.OneLine(w.GetRefused()), console.Yellow)
	}
	return console.Text(s)
}

func change(e *tcpb.HistoryEvent) console.Cell {
	c, s := e.GetChange(), e.GetChange().GetStatus()
	switch e.GetKind() {
	case tcpb.HistoryKind_HISTORY_KIND_AGENT:
		return view.AgentCell(s.GetAgent())
	case tcpb.HistoryKind_HISTORY_KIND_USE:
		return console.Text(use(c))
	}
	cell := view.StateCell(s.GetState())
	if r := view.ReasonName(s.GetReason()); r != "" {
		cell.Text += ", " + r
	}
	if s.GetOwner() != "" {
		cell.Text += ", at " + s.GetOwner()
	}
	return cell
}

func use(c *tcpb.DNChange) string {
	s := c.GetStatus()
	var is []string
	for _, x := range []struct {
		on   bool
		word string
	}{{s.GetBusy(), "busy"}, {s.GetReserved(), "reserved"}, {s.GetDoNotDisturb(), "do not disturb"}, {c.GetCoolingDown(), "cooling down"}, {s.GetReason() == tcpb.Reason_REASON_UNRESPONSIVE, "does not answer"}} {
		if x.on {
			is = append(is, x.word)
		}
	}
	return cmp.Or(strings.Join(is, ", "), "free")
}
