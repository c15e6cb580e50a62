package watch

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// column of a board.
type column struct {
	name string
	// last to be left out when the screen is narrow; 0 never is.
	rank int
}

// columns in their order on the screen.
var columns = []column{
	{"DN", 0}, {"STATE", 0}, {"FOR", 3}, {"OWNER", 4}, {"SITE", 7}, {"REASON", 2}, {"AGENT", 1}, {"FOR", 8}, {"USE", 5}, {"ROUTABLE", 0}, {"CALL", 6}, {"WITH", 9}, {"FOR", 10},
}

// widestCell is how much of a cell is shown on a screen that has not room for all.
const widestCell = 28

// layOut writes the rows as lines of at most width columns of the terminal: the columns
// that matter least are left out, and how many is told.
func layOut(rows [][]console.Cell, width int) (lines [][]console.Cell, widths []int, hidden int) {
	kept := make([]int, len(columns))
	for i := range kept {
		kept[i] = i
	}
	wide := make([]int, len(columns))
	for i, c := range columns {
		wide[i] = ansi.StringWidth(c.name)
		for _, row := range rows {
			wide[i] = max(wide[i], min(ansi.StringWidth(row[i].Text), widestCell))
		}
	}
	for total(wide, kept)+left(kept) > width {
		least := slices.MaxFunc(kept, func(a, b int) int { return columns[a].rank - columns[b].rank })
		if columns[least].rank == 0 {
			break
		}
		kept = slices.DeleteFunc(kept, func(i int) bool { return i == least })
	}
	head := make([]console.Cell, len(columns))
	for i, c := range columns {
		head[i] = console.Tinted(c.name, console.Dim)
	}
	for _, row := range append([][]console.Cell{head}, rows...) {
		line := make([]console.Cell, len(kept))
		for k, i := range kept {
			line[k] = console.Cell{Text: ansi.Truncate(row[i].Text, wide[i], "…"), Tint: row[i].Tint}
		}
		lines = append(lines, line)
	}
	for _, i := range kept {
		widths = append(widths, wide[i])
	}
	return lines, widths, len(columns) - len(kept)
}

// left is the room of what tells how many columns are left out.
func left(kept []int) int {
	if len(kept) == len(columns) {
		return 0
	}
	return len(gap) + len("+99")
}

// gap is between two columns.
const gap = "  "

func total(wide, kept []int) int {
	sum := len(gap) * (len(kept) - 1)
	for _, i := range kept {
		sum += wide[i]
	}
	return sum
}

// joined is a line of the screen.
func joined(cells []console.Cell, widths []int, colour bool) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString(gap)
		}
		b.WriteString(console.Paint(c, colour))
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-ansi.StringWidth(c.Text)))
		}
	}
	return b.String()
}
