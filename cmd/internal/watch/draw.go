package watch

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// around are the lines of a screen that are no rows: two of the head, an empty one, the
// columns' names, and the last.
const around = 5

// room is for how many rows the screen has room.
func (s *screen) room() int {
	room := s.height - around
	if s.pane == half {
		room -= s.paneHeight()
	}
	return max(room, 1)
}

// paneHeight is that of the lower half.
func (s *screen) paneHeight() int { return (s.height - around) / 2 }

// View implements tea.Model.
func (s *screen) View() tea.View {
	v := tea.NewView(strings.Join(s.lines(), "\n"))
	v.AltScreen, v.WindowTitle = true, "sipcluster watch"
	return v
}

// lines are the screen, as many as it has, none wider than it.
func (s *screen) lines() []string {
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	var all []string
	switch {
	case s.help:
		all = s.helpLines()
	case s.pane == full:
		all = s.onlyWhy()
	default:
		all = append([]string{s.head(), s.nodes(), ""}, s.table()...)
		if s.pane == half {
			all = append(all, s.below()...)
		}
		all = append(all, s.foot())
	}
	for i, line := range all {
		all[i] = ansi.Truncate(line, s.width, "…")
	}
	return all
}

// head is the first line: who tells, and how much there is.
func (s *screen) head() string {
	c := s.rows.count()
	head := fmt.Sprintf("seen from %s   DNs %d   in service %d   agents ready %d   routable %d   calls %d", console.Dash(s.rows.node), c.all, c.in, c.ready, c.routable, c.calls)
	if s.rows.away != "" {
		return s.tinted(s.rows.away, console.Red) + "   " + head
	}
	return head
}

// nodes is the second line: whom the node hears, and what is wrong with it.
func (s *screen) nodes() string {
	st := s.rows.status
	if st == nil {
		return ""
	}
	all := []string{"nodes"}
	if !st.GetRaft().GetQuorum() {
		all = append(all, s.tinted("no quorum: the configuration can't be changed", console.Red))
	}
	for _, p := range st.GetPeers() {
		text, tint := "● "+p.GetNode(), console.Green
		if !p.GetReachable() {
			text, tint = fmt.Sprintf("✕ %s %s %s", p.GetNode(), p.GetReason(), view.Age(s.now(), p.GetSince())), console.Red
		}
		all = append(all, s.tinted(text, tint))
	}
	for _, w := range st.GetWarnings() {
		all = append(all, s.tinted("! "+console.OneLine(w), console.Yellow))
	}
	return strings.Join(all, "  ")
}

func (s *screen) tinted(text string, t console.Tint) string {
	return console.Paint(console.Tinted(text, t), s.colour)
}

// table is the columns' names and the rows, filled up to the room that there is.
func (s *screen) table() []string {
	room := s.room()
	top := max(min(s.top, len(s.shown)-1), 0)
	visible := s.shown[top:min(top+room, len(s.shown))]
	cells, chosen := [][]console.Cell{}, -1
	for _, dn := range visible {
		e := s.rows.of[dn]
		if e == nil {
			continue // gone since
		}
		if dn == s.chosen {
			chosen = len(cells)
		}
		cells = append(cells, s.row(e))
	}
	laid, widths, hidden := layOut(cells, s.width-2)
	lines := make([]string, 0, room+1)
	for i, line := range laid {
		mark := "  "
		if i-1 == chosen && chosen >= 0 {
			mark = s.tinted("> ", console.Yellow)
		}
		lines = append(lines, mark+joined(line, widths, s.colour))
	}
	if hidden > 0 {
		lines[0] += s.tinted(fmt.Sprintf("  +%d", hidden), console.Dim)
	}
	for len(lines) < room+1 {
		lines = append(lines, "")
	}
	return lines
}

func (s *screen) row(e *tcpb.DNEvent) []console.Cell {
	now, agentFor, use, routable := s.now(), "-", console.Text(view.UseText(s.now(), e)), console.Text(console.YesNo(e.Routable))
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
	}, s.rows.calls.cells(now, e.Dn)...)
}

// foot is the last line: the filter while it is written, what is wrong, or where one is.
func (s *screen) foot() string {
	wrong := s.tinted(cmp.Or(s.problem, s.unanswered), console.Red)
	switch {
	case s.input.Focused():
		return s.input.View() + "  " + wrong
	case wrong != "":
		return wrong
	}
	first := min(s.top+1, len(s.shown))
	at := fmt.Sprintf("%d-%d of %d", first, min(s.top+s.room(), len(s.shown)), len(s.shown))
	if all := len(s.rows.of); all != len(s.shown) {
		at += fmt.Sprintf(" (%d in all)", all)
	}
	return at + s.chosenView() + s.tinted("   / filter  s order  Enter why  ? help  q end", console.Dim)
}

// chosenView is by what the rows were chosen and in what order they are.
func (s *screen) chosenView() string {
	text := ""
	if s.outOnly {
		text += "   only out of service"
	}
	if s.input.Value() != "" {
		text += "   filter " + s.input.Value()
	}
	switch o := s.order; {
	case o.by > 0 || o.reversed:
		text += "   order " + orders[o.by].name
		if o.reversed {
			text += " reversed"
		}
	case len(s.rows.lost()) > 0:
		text += "   out of service first"
	}
	return text
}

// below is the pane under the rows, with as many lines as it has.
func (s *screen) below() []string {
	height := s.paneHeight()
	lines := append([]string{s.rule()}, s.why...)
	if more := len(lines) - height; more > 0 {
		lines = append(lines[:max(height-1, 0)], s.tinted(fmt.Sprintf("%d more lines: Enter", more+1), console.Dim))
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return lines[:height]
}

func (s *screen) rule() string {
	title := "── " + console.Dash(s.chosen) + " "
	return s.tinted(title+strings.Repeat("─", max(s.width-ansi.StringWidth(title), 0)), console.Dim)
}

// onlyWhy is why, on a screen of its own.
func (s *screen) onlyWhy() []string {
	page := s.height - 2
	lines := append([]string{s.rule()}, s.why[min(s.whyTop, len(s.why)):min(s.whyTop+page, len(s.why))]...)
	for len(lines) < s.height-1 {
		lines = append(lines, "")
	}
	return append(lines, s.tinted(fmt.Sprintf("lines %d-%d of %d   ↑ ↓ PgUp PgDn   Esc back", min(s.whyTop+1, len(s.why)), min(s.whyTop+page, len(s.why)), len(s.why)), console.Dim))
}

func (s *screen) helpLines() []string {
	t := &console.Table{Head: []string{"KEY", ""}}
	for _, k := range keyHelp {
		t.Add(console.Text(k.keys), console.Text(k.what))
	}
	var b bytes.Buffer
	_ = t.Write(&b, s.colour)
	lines := append(strings.Split(b.String(), "\n"),
		"● in service   ○ out of service   ✕ a node that is not heard", "+3 beside the columns' names: so many have no room; Enter shows all of a DN", "", "any key: back")
	return lines[:min(len(lines), s.height)]
}

// whyLines are why a DN gets calls or none, or why that is not known; its sentence takes
// as many lines as it needs.
func whyLines(now time.Time, width int, colour bool, r *tcpb.ExplainDNResponse, err error) []string {
	if err != nil {
		return []string{console.Paint(console.Tinted(clean(err), console.Red), colour)}
	}
	var b bytes.Buffer
	_ = view.Why(&b, now, colour, r)
	sentence, tables, _ := strings.Cut(strings.TrimRight(b.String(), "\n"), "\n")
	return strings.Split(ansi.Wordwrap(sentence, width, "")+"\n"+tables, "\n")
}

// clean is an error on one line; "" for none.
func clean(err error) string {
	if err == nil {
		return ""
	}
	return console.OneLine(err.Error())
}
