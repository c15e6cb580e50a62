package watch

import (
	"fmt"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// eventLines prints a line for each event, for people or as JSON. The calls that
// are up are rows of the DNs' snapshot.
type eventLines struct {
	con *console.Console
	req *tcpb.WatchRequest

	mu     sync.Mutex
	node   string
	headed bool
	// whole: a snapshot has ended; what happens to calls follows.
	whole bool
	// here are the DNs that pass a filter by owner.
	here  map[string]bool
	calls *parties
}

func newEventLines(con *console.Console, req *tcpb.WatchRequest) *eventLines {
	return &eventLines{con: con, req: req, here: map[string]bool{}, calls: newParties()}
}

func (l *eventLines) Started(s *tcpb.WatchStarted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.node = s.Node
}

func (l *eventLines) Lost(err error) {
	fmt.Fprintf(l.con.Err, "sipcluster: watch: %v; reconnecting\n", err)
}

func (l *eventLines) Found() { fmt.Fprintln(l.con.Err, "sipcluster: watch: reconnected") }

func (l *eventLines) Event(e *tcpb.DNEvent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byOwner() {
		l.here[e.Dn] = !leaves(l.req, l.node, e)
	}
	if l.con.JSON() {
		return console.Encode(l.con.Out, newWatchJSON(e))
	}
	return l.line(l.clock(e.Snapshot), watchEventName(e), view.StateCell(e.State).Text, e.Dn,
		console.Dash(e.Owner), console.Dash(e.Site), view.UseText(l.con.Now(), e), console.Dash(view.ReasonName(e.Reason)), view.AgentCell(e.Agent).Text)
}

func (l *eventLines) byOwner() bool { return l.req.GetOwnOnly() || l.req.GetFilter().GetOwner() != "" }

func (l *eventLines) call(e *tlibpb.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.calls.take(e) {
		if !l.whole {
			continue
		}
		if err := l.party(e); err != nil {
			return err
		}
	}
	return nil
}

// party prints an event of a call.
func (l *eventLines) party(e *tlibpb.Event) error {
	switch {
	case l.byOwner() && !l.here[e.GetThisDn()]:
		return nil
	case l.con.JSON():
		return console.Encode(l.con.Out, newCallJSON(e))
	}
	why := endWord(e)
	if e.GetEnd().GetSipStatus() != 0 {
		why = strconv.Itoa(int(e.GetEnd().GetSipStatus()))
	}
	of := fmt.Sprintf("with %s, call %s at %s", console.Dash(e.GetCall().GetOtherDn()), e.GetCall().GetConnId(), e.GetOwner())
	if text := e.GetEnd().GetText(); text != "" {
		of += ": " + text
	}
	return l.line(l.clock(e.GetSnapshot()), tlib.EventName(e.GetMessage()), "-", e.GetThisDn(), "-", "-", "-", console.Dash(why), of)
}

func (l *eventLines) EndOfSnapshot(seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.calls.all() {
		e = proto.CloneOf(e)
		e.Snapshot, e.CallSeq = true, 0
		if err := l.party(e); err != nil {
			return err
		}
	}
	l.whole = true
	if l.con.JSON() {
		return console.Encode(l.con.Out, watchJSON{Event: "EndOfSnapshot", Seq: seq})
	}
	if err := l.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(l.con.Out, "-- end of snapshot; changes follow --")
	return err
}

func (l *eventLines) clock(snapshot bool) string {
	if snapshot {
		return "-"
	}
	return l.con.Now().Local().Format("15:04:05.000")
}

func (l *eventLines) head() error {
	if l.headed {
		return nil
	}
	l.headed = true
	_, err := fmt.Fprintf(l.con.Out, watchColumns, "TIME", "EVENT", "STATE", "DN", "OWNER", "SITE", "USE", "REASON", "AGENT / CALL")
	return err
}

// watchColumns don't wait for later lines.
const watchColumns = "%-12s  %-20s  %-7s  %-12s  %-8s  %-8s  %-8s  %-12s  %s\n"

func (l *eventLines) line(cells ...any) error {
	if err := l.head(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(l.con.Out, watchColumns, cells...)
	return err
}
