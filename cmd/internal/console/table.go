package console

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// Tint is a colour of the terminal; plain is none.
type Tint string

const (
	plain  Tint = ""
	Green  Tint = "32"
	Red    Tint = "31"
	Yellow Tint = "33"
	Dim    Tint = "2"
)

// Cell is one field of a table.
type Cell struct {
	Text string
	Tint Tint
}

// Text is a plain cell.
func Text(s string) Cell { return Cell{Text: s} }

// Tinted is a cell with a colour.
func Tinted(s string, t Tint) Cell { return Cell{s, t} }

// Table is aligned text for people.
type Table struct {
	Head []string
	// right marks the columns that are aligned at their end.
	Right map[int]bool
	rows  [][]Cell
}

// Add adds a row.
func (t *Table) Add(cells ...Cell) { t.rows = append(t.rows, cells) }

// Write prints the table, with colours when asked.
func (t *Table) Write(w io.Writer, colour bool) error {
	width := make([]int, len(t.Head))
	for i, h := range t.Head {
		width[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.Text))
		}
	}
	b := bufio.NewWriter(w)
	head := make([]Cell, len(t.Head))
	for i, h := range t.Head {
		head[i] = Cell{h, Dim}
	}
	t.line(b, head, width, colour)
	for _, row := range t.rows {
		t.line(b, row, width, colour)
	}
	return b.Flush()
}

func (t *Table) line(b *bufio.Writer, row []Cell, width []int, colour bool) {
	last := len(row) - 1
	for last > 0 && row[last].Text == "" {
		last--
	}
	for i, c := range row[:last+1] {
		if i > 0 {
			_, _ = b.WriteString("  ")
		}
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.Text))
		if t.Right[i] {
			_, _ = b.WriteString(pad)
		}
		_, _ = b.WriteString(Paint(c, colour))
		if !t.Right[i] && i < last {
			_, _ = b.WriteString(pad)
		}
	}
	_ = b.WriteByte('\n')
}

// Paint is the cell's text, with its colour when asked.
func Paint(c Cell, colour bool) string {
	if !colour || c.Tint == plain || c.Text == "" {
		return c.Text
	}
	return "\x1b[" + string(c.Tint) + "m" + c.Text + "\x1b[0m"
}

// Dash stands for an empty field in a table.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// YesNo is "yes" or "no".
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
