// Command statserver is a small Stat Server: it prints a live board of all DNs
// of the cluster, with their agents.
//
//	make run                               in one terminal
//	go run ./api/tlib/examples/statserver  in another
//
// It goes on at the next node when its own dies.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/tlib"
	"github.com/sipcluster/sipcluster/api/tlibpb"
)

func main() {
	addrs := flag.String("addr", "127.0.0.1:7001,127.0.0.1:7011,127.0.0.1:7021", "TCports, the first that answers is asked")
	group := flag.String("group", "", "only DNs of this agent group")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	nodes := strings.Split(*addrs, ",")
	as, err := contexts.DialOptions(nodes[0])
	if err != nil {
		log.Fatal(err)
	}
	c, err := tlib.Dial(ctx, nodes[0], tlib.Options{Application: "statserver", More: nodes[1:], DialOptions: as})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.MonitorAll(ctx, &tlibpb.MonitorFilter{Group: *group}); err != nil {
		log.Fatal(err)
	}
	b := board{rows: map[string]row{}, from: c.Server().GetNode()}
	if err := b.follow(ctx, c); ctx.Err() == nil {
		log.Fatal(err)
	}
}

// states of an agent, as rows of a snapshot name them.
var states = map[tlibpb.Message]string{
	tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN: "logged-in", tlibpb.Message_MESSAGE_EVENT_AGENT_LOGOUT: "logged-out",
	tlibpb.Message_MESSAGE_EVENT_AGENT_READY: "ready", tlibpb.Message_MESSAGE_EVENT_AGENT_NOT_READY: "not-ready",
}

// row is what is known of a DN, and the session in which it was told last.
type row struct {
	state, owner, agent string
	session             int
}

type board struct {
	rows    map[string]row
	from    string
	session int
}

// follow prints the board when it changed and nothing more came for a moment.
func (b *board) follow(ctx context.Context, c *tlib.Client) error {
	for changed := false; ; {
		moment, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		e, err := c.Next(moment)
		cancel()
		switch {
		case err == nil:
			changed = true
			b.take(e)
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		case changed:
			b.print()
			changed = false
		}
	}
}

func (b *board) take(e *tlibpb.Event) {
	r := b.rows[e.GetThisDn()]
	switch e.GetMessage() {
	case tlibpb.Message_MESSAGE_EVENT_DN_BACK_IN_SERVICE, tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE:
		r.state, r.owner = "InSrv", e.GetOwner()
		if e.GetMessage() == tlibpb.Message_MESSAGE_EVENT_DN_OUT_OF_SERVICE {
			r.state = "OOS " + e.GetReason().Word()
		}
		if e.GetSnapshot() {
			a := e.GetStatus().GetAgent()
			r.agent = strings.TrimSpace(a.GetId() + " " + a.GetState().Word())
		}
	case tlibpb.Message_MESSAGE_EVENT_LINK_DISCONNECTED:
		b.from = "nobody: " + e.GetLinkDisconnected().GetText()
		return
	case tlibpb.Message_MESSAGE_EVENT_LINK_CONNECTED:
		b.from, b.session = e.GetServer().GetNode(), b.session+1
		return
	case tlibpb.Message_MESSAGE_END_OF_SNAPSHOT: // what a whole snapshot does not have is no more
		maps.DeleteFunc(b.rows, func(_ string, r row) bool { return !e.GetResumed() && r.session < b.session })
		return
	default:
		r.agent = e.GetAgent().GetId() + " " + states[e.GetMessage()]
	}
	r.session = b.session
	b.rows[e.GetThisDn()] = r
}

func (b *board) print() {
	fmt.Printf("\n%s, as %s sees it\n%-8s %-16s %-8s %s\n", time.Now().Format(time.TimeOnly), b.from, "DN", "STATE", "OWNER", "AGENT")
	for _, dn := range slices.Sorted(maps.Keys(b.rows)) {
		fmt.Printf("%-8s %-16s %-8s %s\n", dn, b.rows[dn].state, b.rows[dn].owner, b.rows[dn].agent)
	}
}
