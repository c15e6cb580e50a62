package main

import (
	"bufio"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

// tint is a colour of the terminal; plain is none.
type tint string

const (
	plain  tint = ""
	green  tint = "32"
	red    tint = "31"
	yellow tint = "33"
	dim    tint = "2"
)

// cell is one field of a table.
type cell struct {
	text string
	tint tint
}

func text(s string) cell { return cell{text: s} }

func tinted(s string, t tint) cell { return cell{s, t} }

// table is aligned text for people.
type table struct {
	head []string
	// right marks the columns that are aligned at their end.
	right map[int]bool
	rows  [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

// write prints the table, with colours when asked.
func (t *table) write(w io.Writer, colour bool) error {
	width := make([]int, len(t.head))
	for i, h := range t.head {
		width[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c.text))
		}
	}
	b := bufio.NewWriter(w)
	head := make([]cell, len(t.head))
	for i, h := range t.head {
		head[i] = cell{h, dim}
	}
	t.line(b, head, width, colour)
	for _, row := range t.rows {
		t.line(b, row, width, colour)
	}
	return b.Flush()
}

func (t *table) line(b *bufio.Writer, row []cell, width []int, colour bool) {
	last := len(row) - 1
	for last > 0 && row[last].text == "" {
		last--
	}
	for i, c := range row[:last+1] {
		if i > 0 {
			_, _ = b.WriteString("  ")
		}
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c.text))
		if t.right[i] {
			_, _ = b.WriteString(pad)
		}
		_, _ = b.WriteString(paint(c, colour))
		if !t.right[i] && i < last {
			_, _ = b.WriteString(pad)
		}
	}
	_ = b.WriteByte('\n')
}

func paint(c cell, colour bool) string {
	if !colour || c.tint == plain || c.text == "" {
		return c.text
	}
	return "\x1b[" + string(c.tint) + "m" + c.text + "\x1b[0m"
}

// colour tells whether stdout shows colours (https://no-color.org).
func (c *console) colour() bool {
	return c.isTerminal(c.out) && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
}

// print writes the table to stdout.
func (c *console) print(t *table) error { return t.write(c.out, c.colour()) }

// encode writes v as one line of JSON.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// jsonArray writes an array with one element a line, as they come.
type jsonArray struct {
	w *bufio.Writer
	n int
}

func newJSONArray(w io.Writer) *jsonArray {
	return &jsonArray{w: bufio.NewWriter(w)}
}

func (a *jsonArray) add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sep := ",\n"
	if a.n++; a.n == 1 {
		sep = "[\n"
	}
	_, _ = a.w.WriteString(sep)
	_, err = a.w.Write(b)
	return err
}

func (a *jsonArray) end() error {
	if a.n == 0 {
		_, _ = a.w.WriteString("[]\n")
	} else {
		_, _ = a.w.WriteString("\n]\n")
	}
	return a.w.Flush()
}

// stateName is the state as people and scripts read it.
func stateName(s tcpb.DNState) string {
	if s == tcpb.DNState_DN_STATE_IN_SRV {
		return "InSrv"
	}
	return "OOS"
}

func stateCell(s tcpb.DNState) cell {
	if s == tcpb.DNState_DN_STATE_IN_SRV {
		return cell{"● InSrv", green}
	}
	return cell{"○ OOS", red}
}

// reasonName is "registered", "peer-lost" and so on; "" when there is none.
func reasonName(r tcpb.Reason) string {
	if r == tcpb.Reason_REASON_UNSPECIFIED {
		return ""
	}
	name := strings.TrimPrefix(r.String(), "REASON_")
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// rfc3339 is "" for no time.
func rfc3339(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format(time.RFC3339Nano)
}

// age is how long ago t was, for people: "4s", "3m12s", "5h02m", "12d".
func age(now time.Time, t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return span(max(now.Sub(t.AsTime()), 0))
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m" + two(int(d.Seconds())%60) + "s"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h" + two(int(d.Minutes())%60) + "m"
	default:
		return strconv.Itoa(int(d.Hours()/24)) + "d"
	}
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// dash stands for an empty field in a table.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// The states of a DN.
const (
	inSrv = tcpb.DNState_DN_STATE_IN_SRV
	oos   = tcpb.DNState_DN_STATE_OOS
)
