package call

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// traceJSON is call trace; names and order are a contract.
type traceJSON struct {
	Call     string        `json:"call"`
	CallID   string        `json:"call_id"`
	ConnID   string        `json:"conn_id"`
	Nodes    []tracerJSON  `json:"nodes"`
	Messages []messageJSON `json:"messages"`
}

type tracerJSON struct {
	Node    string  `json:"node"`
	Site    string  `json:"site"`
	Error   string  `json:"error,omitempty"`
	TookMS  float64 `json:"took_ms"`
	AheadMS float64 `json:"ahead_ms"`
	Since   string  `json:"since,omitempty"`
	Cut     bool    `json:"cut"`
	Off     bool    `json:"off"`
}

type messageJSON struct {
	Time      string `json:"time"`
	Node      string `json:"node"`
	Sent      bool   `json:"sent"`
	Peer      string `json:"peer,omitempty"`
	Transport string `json:"transport,omitempty"`
	Address   string `json:"address,omitempty"`
	Method    string `json:"method"`
	CSeq      uint32 `json:"cseq"`
	Code      uint32 `json:"code,omitempty"`
	Reason    string `json:"reason,omitempty"`
	URI       string `json:"uri,omitempty"`
	Size      uint32 `json:"size"`
	Again     bool   `json:"again"`
}

func (c commands) traceCommand() *cobra.Command {
	var list bool
	cmd := c.Reading(&cobra.Command{
		Use: "trace CONNID|CALL-ID", Short: "Show which SIP messages a call was made of, through all nodes", Args: cobra.ExactArgs(1),
		Long: `Show which SIP messages a call was made of, through all nodes, as a ladder: who sent what
to whom. The call may be over: each node remembers the messages of the last minutes in
so much memory as --call-trace-memory of server gives it, never headers or bodies. The
other nodes are asked at once, for a second at most; their times are shown by the clock
of the asked node.

With -o json
  {"call","call_id","conn_id","nodes":[{"node","site","error","took_ms","ahead_ms","since",
   "cut","off"}],"messages":[{"time","node","sent","peer","transport","address","method",
   "cseq","code","reason","uri","size","again"}]}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return console.Doing("call trace "+console.OneLine(args[0]), c.trace(cmd.Context(), args[0], list))
		},
	})
	cmd.Flags().BoolVar(&list, "list", false, "as a list of what each node received and sent, instead of a ladder")
	return cmd
}

// usualWidth is how many columns a ladder may have that is not shown by a terminal.
const usualWidth = 120

func (c commands) trace(ctx context.Context, id string, list bool) error {
	cl, err := c.Connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := client.Unary(ctx, cl, tcpb.NewCallsClient(cl.Conn).TraceCall, &tcpb.TraceCallRequest{Call: id})
	if err != nil {
		return err
	}
	all := merge(r.GetViews())
	if len(all) == 0 {
		return fmt.Errorf("no node remembers a message of such a call%s", doubts(r.GetViews()))
	}
	if c.JSON() {
		return console.Encode(c.Out, newTraceJSON(id, r, all))
	}
	if err := c.heading(r.GetViews()); err != nil {
		return err
	}
	if l := newLadder(all); !list && l.fits(c.Width(usualWidth)) {
		err = l.write(c.Out, c.Width(usualWidth))
	} else {
		err = c.Print(messageTable(all))
	}
	if err != nil {
		return err
	}
	return c.notes(r.GetViews(), all[0].at)
}

// known are the ids of the call, where a node knows them.
func known(views []*tcpb.CallTrace) (callID, connID string) {
	for _, v := range views {
		callID, connID = cmp.Or(callID, v.GetCallId()), cmp.Or(connID, v.GetConnId())
	}
	return callID, connID
}

func (c commands) heading(views []*tcpb.CallTrace) error {
	callID, connID := known(views)
	_, err := fmt.Fprintf(c.Out, "call %s, Call-ID %s\n\n", console.Dash(connID), console.Dash(callID))
	return err
}

// doubts are why there may be more than was told, for the end of a sentence.
func doubts(views []*tcpb.CallTrace) string {
	var why []string
	for _, v := range views {
		switch {
		case v.GetError() != "":
			why = append(why, v.GetNode()+": "+v.GetError())
		case v.GetOff():
			why = append(why, v.GetNode()+" remembers none (--call-trace-memory 0)")
		}
	}
	if len(why) == 0 {
		return ""
	}
	return "; " + strings.Join(why, "; ")
}

// notes tell what may be missing of a call that began then.
func (c commands) notes(views []*tcpb.CallTrace, began time.Time) error {
	var notes []string
	if d := doubts(views); d != "" {
		notes = append(notes, strings.TrimPrefix(d, "; "))
	}
	for _, v := range views {
		if s := v.GetSince(); s != nil && s.AsTime().After(began) {
			notes = append(notes, v.GetNode()+" remembers messages since "+clockText(s.AsTime())+" only")
		}
		if v.GetCut() {
			notes = append(notes, v.GetNode()+" remembers more of them than it tells")
		}
		if ahead := v.GetAhead().AsDuration(); ahead.Abs() > max(v.GetTook().AsDuration(), 5*time.Millisecond) {
			notes = append(notes, fmt.Sprintf("the clock of %s is %v from that of %s; its times are shown without that", v.GetNode(), ahead.Round(time.Millisecond), views[0].GetNode()))
		}
	}
	for i, n := range notes {
		sep := ""
		if i == 0 {
			sep = "\n"
		}
		if _, err := fmt.Fprintf(c.Out, "%s%s\n", sep, n); err != nil {
			return err
		}
	}
	return nil
}

func clockText(t time.Time) string { return t.Local().Format("15:04:05.000") }

func messageTable(all []*traced) *console.Table {
	t := &console.Table{Head: []string{"TIME", "NODE", "", "WITH", "MESSAGE", "CSEQ", "TO", "BYTES"}, Right: map[int]bool{5: true, 7: true}}
	for _, m := range all {
		way := "<-"
		if m.GetSent() {
			way = "->"
		}
		t.Add(console.Text(clockText(m.at)), console.Text(m.node), console.Text(way), console.Text(m.other()), console.Text(m.label()), console.Text(fmt.Sprint(m.GetCseq())),
			console.Text(console.Dash(m.GetUri())), console.Text(fmt.Sprint(m.GetSize())))
	}
	return t
}

func newTraceJSON(id string, r *tcpb.TraceCallResponse, all []*traced) traceJSON {
	j := traceJSON{Call: id, Nodes: []tracerJSON{}}
	j.CallID, j.ConnID = known(r.GetViews())
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, v := range r.GetViews() {
		j.Nodes = append(j.Nodes, tracerJSON{v.GetNode(), v.GetSite(), v.GetError(), ms(v.GetTook().AsDuration()), ms(v.GetAhead().AsDuration()), view.RFC3339(v.GetSince()), v.GetCut(), v.GetOff()})
	}
	for _, m := range all {
		j.Messages = append(j.Messages, messageJSON{
			m.at.UTC().Format(time.RFC3339Nano), m.node, m.GetSent(), m.GetPeer(), m.GetTransport(), m.GetAddress(), m.GetMethod(), m.GetCseq(), m.GetCode(), m.GetReason(), m.GetUri(), m.GetSize(), m.GetAgain(),
		})
	}
	return j
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
