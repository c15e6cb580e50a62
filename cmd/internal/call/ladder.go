package call

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// clockWidth is that of the times in front of a ladder.
	clockWidth = len("15:04:05.000")
	// leastRung and mostRung are the distance of two lines of a ladder.
	leastRung, mostRung = 20, 32
)

// ladder shows a call as arrows between lines: one for each node, phone and gateway.
type ladder struct {
	arrows []arrow
	lines  []string
	// users are who is called at the lines; "" for nobody.
	users []string
}

// arrow is a message from a line to another.
type arrow struct {
	from, to int
	at       string
	label    string
	// lost: it did not arrive, as its receiver would remember.
	lost bool
}

func newLadder(all []*traced) *ladder {
	l := &ladder{}
	for _, m := range all {
		if m.pair != nil && !m.GetSent() {
			continue // its sender's is shown
		}
		from, to := m.other(), m.node
		if m.GetSent() {
			from, to = to, from
		}
		a := arrow{from: l.line(from), to: l.line(to), at: clockText(m.at), label: m.label(), lost: m.missed}
		if m.GetMethod() == "INVITE" && m.GetCode() == 0 && m.GetSent() && m.GetPeer() == "" && l.users[a.to] == "" {
			l.users[a.to] = userOf(m.GetUri())
		}
		l.arrows = append(l.arrows, a)
	}
	return l
}

func (l *ladder) line(name string) int {
	if i := slices.Index(l.lines, name); i >= 0 {
		return i
	}
	l.lines, l.users = append(l.lines, name), append(l.users, "")
	return len(l.lines) - 1
}

// userOf is the user part of a URI.
func userOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, found := strings.Cut(rest, "@")
	if !found {
		return ""
	}
	return user
}

// margin is what the first and the last name need beside their lines.
func (l *ladder) margin() int {
	return max(utf8.RuneCountInString(l.lines[0]), utf8.RuneCountInString(l.lines[len(l.lines)-1]))/2 + 1
}

// rung is the distance of two lines on so many columns.
func (l *ladder) rung(width int) int {
	if len(l.lines) < 2 {
		return mostRung
	}
	return min(max(l.room(width), leastRung), mostRung)
}

// room is the distance of two lines for which there are columns.
func (l *ladder) room(width int) int {
	return (width - clockWidth - 2*l.margin()) / max(len(l.lines)-1, 1)
}

// fits tells whether the ladder can be read on so many columns.
func (l *ladder) fits(width int) bool { return l.room(width) >= leastRung }

func (l *ladder) write(w io.Writer, width int) error {
	b, rung := bufio.NewWriter(w), l.rung(width)
	at := func(i int) int { return clockWidth + l.margin() + i*rung }
	for _, names := range [][]string{l.lines, l.users} {
		row := newRow(at(len(l.lines)-1) + l.margin() + 1)
		for i, n := range names {
			n = clip(n, rung-1)
			row.put(at(i)-utf8.RuneCountInString(n)/2, n)
		}
		row.write(b)
	}
	for _, a := range l.arrows {
		row := newRow(at(len(l.lines)-1) + mostRung)
		row.put(0, a.at)
		for i := range l.lines {
			row.put(at(i), "|")
		}
		a.draw(&row, at(a.from), at(a.to))
		row.write(b)
	}
	return b.Flush()
}

func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "~"
	}
	return s
}

// draw puts an arrow between two columns of a row.
func (a *arrow) draw(row *row, from, to int) {
	label, head := a.label, ">"
	left, right := min(from, to), max(from, to)
	if from > to {
		head = "<"
	}
	if a.lost {
		label, head = label+", lost", "x"
	}
	room := right - left - 1
	if room < 4 { // to itself
		row.put(left+2, label)
		return
	}
	line := "-- " + clip(label, room-5) + " "
	if pad := room - 1 - utf8.RuneCountInString(line); pad > 0 {
		line += strings.Repeat("-", pad)
	}
	if from > to {
		row.put(left+1, head+line)
	} else {
		row.put(left+1, line+head)
	}
}

// row is a line of the terminal.
type row []rune

func newRow(width int) row { return row(strings.Repeat(" ", width)) }

func (r row) put(at int, s string) {
	for _, c := range s {
		if at >= 0 && at < len(r) {
			r[at] = c
		}
		at++
	}
}

func (r row) write(b *bufio.Writer) {
	if s := strings.TrimRight(string(r), " "); s != "" {
		_, _ = b.WriteString(s)
		_ = b.WriteByte('\n')
	}
}
