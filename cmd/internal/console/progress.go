package console

import (
	"fmt"
	"io"
)

// Progress is a line on the terminal that counts; without a terminal it is
// silent.
type Progress struct {
	w    io.Writer
	what string
}

// Progress begins a line for the work that is named.
func (c *Console) Progress(what string) *Progress {
	if !c.IsTerminal(c.Err) {
		return &Progress{}
	}
	return &Progress{w: c.Err, what: what}
}

// Show tells how much is done.
func (p *Progress) Show(n, total uint64) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s %d of %d (%d%%)", p.what, n, total, 100*n/max(total, 1))
	}
}

// Say replaces the line.
func (p *Progress) Say(s string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r\x1b[K%s", s)
	}
}

// End wipes the line.
func (p *Progress) End() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
