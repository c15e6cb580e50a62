package watch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// What the terminal is told: a screen of its own without a cursor and without
// wrapping of lines, and back.
const (
	boardOpen  = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	boardClose = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	boardHome  = "\x1b[H"
	lineEnd    = "\x1b[K\n"
	restGone   = "\x1b[J"
)

// drawEvery is how often a board that changes is drawn.
const drawEvery = 100 * time.Millisecond

// board is a table of DNs that is updated in place.
type board struct {
	out    io.Writer
	now    func() time.Time
	height func() int
	colour bool
	req    *tcpb.WatchRequest
	// list has every DN of the filter, also those that nobody ever registered,
	// of which a stream says nothing.
	list func(add func(*tcpb.DNStatus) error) error

	mu   sync.Mutex
	node string
	// rows by DN; order are their numbers, sorted, nil when that has to be done
	// anew. stale rows wait for the end of a snapshot: those that it does not
	// have are no more.
	rows  map[string]*tcpb.DNEvent
	order []string
	stale map[string]bool
	calls *parties
	// away says why there is no connection; "" when there is one.
	away string
	// changed since it was drawn.
	changed bool
}

func newBoard(out io.Writer, now func() time.Time, height func() int, colour bool, req *tcpb.WatchRequest) *board {
	return &board{
		out: out, now: now, height: height, colour: colour, req: req, rows: map[string]*tcpb.DNEvent{}, stale: map[string]bool{}, calls: newParties(),
		list: func(func(*tcpb.DNStatus) error) error { return nil },
	}
}

// screen is the terminal's height in lines.
func screen(c *console.Console) int {
	if f, ok := c.Out.(interface{ Fd() uintptr }); ok {
		if _, h, err := term.GetSize(int(f.Fd())); err == nil && h > 0 {
			return h
		}
	}
	return 24
}

func (b *board) open() { _, _ = io.WriteString(b.out, boardOpen) }

func (b *board) close() { _, _ = io.WriteString(b.out, boardClose) }

// run draws until the context ends: what changes soon, ages each second.
func (b *board) run(ctx context.Context) error {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := b.draw(n%int(time.Second/drawEvery) == 0); err != nil {
			return err
		}
	}
}

func (b *board) Started(s *tcpb.WatchStarted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.node = s.Node
	if !s.Resumed {
		for dn := range b.rows {
			b.stale[dn] = true
		}
	}
	b.changed = true
}

func (b *board) Event(e *tcpb.DNEvent) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = true
	delete(b.stale, e.Dn)
	if leaves(b.req, b.node, e) {
		b.remove(e.Dn)
		return nil
	}
	b.put(e)
	return nil
}

func (b *board) call(e *tlibpb.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.calls.take(e)) > 0 {
		b.changed = true
	}
	return nil
}

func (b *board) put(e *tcpb.DNEvent) {
	if b.rows[e.Dn] == nil {
		b.order = nil
	}
	b.rows[e.Dn] = e
}

func (b *board) remove(dn string) {
	delete(b.rows, dn)
	b.order = nil
}

func (b *board) EndOfSnapshot(uint64) error {
	var never []string
	err := b.list(func(d *tcpb.DNStatus) error {
		if d.Since == nil {
			never = append(never, d.Dn)
		}
		return nil
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	for dn := range b.stale {
		b.remove(dn)
	}
	clear(b.stale)
	for _, dn := range never {
		if e := (&tcpb.DNEvent{Dn: dn, State: view.OOS}); b.rows[dn] == nil && !leaves(b.req, b.node, e) {
			b.put(e)
		}
	}
	b.changed = true
	return err
}

func (b *board) Lost(err error) { b.setAway(err.Error() + "; reconnecting") }

func (b *board) Found() { b.setAway("") }

func (b *board) setAway(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away, b.changed = console.OneLine(why), true
}

// draw draws the board if it changed or has to.
func (b *board) draw(must bool) error {
	b.mu.Lock()
	picture, changed := []byte(nil), b.changed || must
	if changed {
		picture, b.changed = b.picture(), false
	}
	b.mu.Unlock()
	if !changed {
		return nil
	}
	_, err := b.out.Write(picture)
	return err
}

// picture is the whole screen.
func (b *board) picture() []byte {
	room := max(b.height()-4, 1) // head, an empty line, the columns' names, the last line
	if b.order == nil {
		b.order = slices.Sorted(maps.Keys(b.rows))
	}
	shown := b.visible(room)
	t := &console.Table{Head: []string{"DN", "STATE", "FOR", "OWNER", "SITE", "REASON", "AGENT", "FOR", "USE", "ROUTABLE", "CALL", "WITH", "FOR"}}
	for _, dn := range shown {
		t.Add(b.row(b.rows[dn])...)
	}
	var text, p bytes.Buffer
	text.WriteString(b.head() + "\n\n")
	_ = t.Write(&text, b.colour)
	if n := len(b.order) - len(shown); n > 0 {
		fmt.Fprintf(&text, "... and %d more; narrow the list with --group, --owner or --own\n", n)
	}
	p.WriteString(boardHome)
	p.WriteString(strings.TrimSuffix(strings.ReplaceAll(text.String(), "\n", lineEnd), "\n"))
	p.WriteString(restGone)
	return p.Bytes()
}

// visible are the DNs for which there is room: when it is too small for all,
// those in service.
func (b *board) visible(room int) []string {
	if len(b.order) <= room {
		return b.order
	}
	var shown []string
	for _, dn := range b.order {
		if len(shown) < room && b.rows[dn].State == view.InSrv {
			shown = append(shown, dn)
		}
	}
	return shown
}

func (b *board) row(e *tcpb.DNEvent) []console.Cell {
	now, agentFor, use, routable := b.now(), "-", console.Cell{Text: view.UseText(b.now(), e)}, console.Text(console.YesNo(e.Routable))
	if e.Agent != nil {
		agentFor = view.Age(now, e.Agent.Since)
	}
	if use.Text != "-" {
		use.Tint = console.Yellow
	}
	if e.Routable {
		routable.Tint = console.Green
	}
	return append([]console.Cell{
		console.Text(e.Dn), view.StateCell(e.State), console.Text(view.Age(now, e.Time)), console.Text(console.Dash(e.Owner)), console.Text(console.Dash(e.Site)), console.Text(console.Dash(view.ReasonName(e.Reason))),
		view.AgentCell(e.Agent), console.Text(agentFor), use, routable,
	}, b.calls.cells(b, e.Dn)...)
}

// head is the first line.
func (b *board) head() string {
	var in, ready, routable int
	for _, e := range b.rows {
		if e.State == view.InSrv {
			in++
			if e.Agent.GetState() == tcpb.AgentState_AGENT_STATE_READY {
				ready++
			}
		}
		if e.Routable {
			routable++
		}
	}
	head := fmt.Sprintf("seen from %s   DNs %d   in service %d   agents ready %d   routable %d   calls %d", console.Dash(b.node), len(b.rows), in, ready, routable, len(b.calls.calls))
	if b.away != "" {
		head += "   " + console.Paint(console.Tinted(b.away, console.Red), b.colour)
	}
	return head
}
