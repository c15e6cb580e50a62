package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Measures of a picture, in its own units.
const (
	left    = 118.0  // where time begins
	right   = 1180.0 // where it ends
	bandRow = 24.0
	lifeRow = 13.0
	dnRow   = 11.0
	opRow   = 30.0
	between = 9.0
)

// colors is how many nodes have a colour of their own.
const colors = 7

func color(i int) string { return fmt.Sprintf("var(--n%d)", i%colors) }

// painter draws pictures of one run.
type painter struct {
	h      *history.History
	v      check.Verdict
	number map[string]int
	lanes  map[laneKey][]segment
	isDN   map[string]bool
}

// picture is what one of them shows.
type picture struct {
	span check.Span
	dns  []string
	// full is how much time the whole width stands for; 0 means the span.
	full time.Duration
	// marks are the findings.
	marks bool
	// window of a finding is emphasised.
	window *check.Span
}

func newPainter(h *history.History, v check.Verdict) *painter {
	p := &painter{h: h, v: v, number: map[string]int{}, isDN: map[string]bool{}}
	for i, n := range h.Nodes {
		p.number[n.Name] = i
	}
	p.lanes = lanes(h, p.number)
	for k := range p.lanes {
		p.isDN[k.dn] = true
	}
	return p
}

// canvas is a picture while it is drawn.
type canvas struct {
	*painter
	picture
	strings.Builder
	y float64
}

func (p *painter) draw(pic picture) template.HTML {
	if pic.full == 0 {
		pic.full = max(pic.span.To-pic.span.From, time.Millisecond)
	}
	c := &canvas{painter: p, picture: pic, y: 4}
	if c.marks {
		c.findings()
	}
	top := c.y
	c.faults()
	for _, n := range p.h.Nodes {
		c.node(n)
	}
	c.operations("phones")
	c.operations("configuration")
	body := c.String()
	c.Reset()
	c.y += 2
	c.axis(top)
	axis := c.String()
	return template.HTML(fmt.Sprintf(`<svg class="timeline" viewBox="0 0 %g %.0f" role="img" aria-label="timeline">%s%s</svg>`, right+14, c.y+18, axis, body))
}

func (c *canvas) x(t time.Duration) float64 {
	t = min(max(t, c.span.From), c.span.To)
	return left + float64(t-c.span.From)/float64(c.full)*(right-left)
}

func (c *canvas) text(x, y float64, class, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" class="%s">%s</text>`, x, y, class, html.EscapeString(s))
}

// axis draws the grid behind everything, the time below and the faults' shadows.
func (c *canvas) axis(top float64) {
	for i := range c.h.Faults {
		f := &c.h.Faults[i]
		if f.Inject <= c.span.To && f.Healed >= c.span.From {
			fmt.Fprintf(c, `<rect class="shade %s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`,
				severity(&f.Effect), c.x(f.Inject), top, max(1, c.x(f.Healed)-c.x(f.Inject)), c.y-top)
		}
	}
	if c.window != nil {
		fmt.Fprintf(c, `<rect class="window" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`,
			c.x(c.window.From)-1, top-3, max(2, c.x(c.window.To)-c.x(c.window.From)+2), c.y-top+3)
	}
	step := niceStep(c.full)
	for t := c.span.From.Truncate(step); t <= c.span.To; t += step {
		if t < c.span.From {
			continue
		}
		fmt.Fprintf(c, `<path class="grid" d="M%.1f %.1fV%.1f"/>`, c.x(t), top, c.y)
		c.text(c.x(t), c.y+13, "tick", label(t, step))
	}
}

// niceStep gives 8 to 16 marks.
func niceStep(full time.Duration) time.Duration {
	for _, s := range []time.Duration{
		50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
		5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	} {
		if full/s <= 14 {
			return s
		}
	}
	return time.Hour
}

func label(t, step time.Duration) string {
	s := fmt.Sprintf("%d:%02d", int(t/time.Minute), int(t%time.Minute/time.Second))
	if step < time.Second {
		s += fmt.Sprintf(".%02d", int(t%time.Second/(10*time.Millisecond)))
	}
	return s
}

func (c *canvas) findings() {
	if len(c.v.Findings) == 0 {
		return
	}
	c.text(left-8, c.y+11, "name", "findings")
	last := 0.0
	for i, f := range c.v.Findings {
		x := max(c.x(f.Window.To), last+9)
		last = x
		fmt.Fprintf(c, `<a href="#finding-%d" id="mark-%d"><title>%s: %s</title><path class="mark" d="M%.1f %.1fl5 7l-5 7l-5-7z"/></a>`,
			i+1, i+1, f.Statement, html.EscapeString(f.Text), x, c.y)
	}
	c.y += 14 + between
}

// faults draws a band each, its name above it as far as there is room.
func (c *canvas) faults() {
	perUnit := c.full / time.Duration(right-left)
	faults, rows := stack(c.h, c.span, 2*perUnit)
	c.text(left-8, c.y+20, "name", "faults")
	for i, f := range faults {
		y, x, end := c.y+float64(f.row)*bandRow, c.x(f.Inject), c.x(f.Healed)
		name := strings.TrimSpace(f.Nemesis + " " + f.Params)
		fmt.Fprintf(c, `<g class="fault %s"><title>%s&#10;%s injected, %s confirmed&#10;%s heal begins, %s healed</title>`, severity(&f.Effect),
			html.EscapeString(name), check.Clock(f.Inject), check.Clock(f.Confirmed), check.Clock(f.Heal), check.Clock(f.Healed))
		fmt.Fprintf(c, `<rect class="open" x="%.1f" y="%.1f" width="%.1f" height="9" rx="2"/>`, x, y+12, max(2, end-x))
		if f.Confirmed != history.Never {
			fmt.Fprintf(c, `<rect class="sure" x="%.1f" y="%.1f" width="%.1f" height="9" rx="2"/>`,
				c.x(f.Confirmed), y+12, max(1, c.x(f.Heal)-c.x(f.Confirmed)))
		}
		c.WriteString("</g>")
		room := right - x
		for _, next := range faults[i+1:] {
			if next.row == f.row {
				room = c.x(next.Inject) - x - 5
				break
			}
		}
		if fits := int((room - 5) / 6.1); fits >= 3 {
			c.text(x, y+9, "band", clip(name, fits))
		}
	}
	c.y += float64(rows)*bandRow + between - 2
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// node draws the process and, below it, how it sees the DNs.
func (c *canvas) node(n history.Node) {
	fmt.Fprintf(c, `<text x="8" y="%.1f" class="node" style="fill:%s">%s</text>`, c.y+11, color(c.number[n.Name]), html.EscapeString(n.Name))
	c.text(left-8, c.y+10.5, "name", n.Site)
	c.lane(life(c.h, n.Name), c.y+lifeRow/2, "life ")
	c.y += lifeRow + 3
	for _, dn := range c.dns {
		c.text(left-8, c.y+dnRow-2.5, "dn", dn)
		c.lane(c.lanes[laneKey{n.Name, dn}], c.y+dnRow/2, "lane ")
		c.y += dnRow
	}
	c.y += between
}

// lane draws segments with one path for each look. What is narrower than a
// unit is widened, so that a short flap is seen.
func (c *canvas) lane(segments []segment, y float64, class string) {
	paths := map[string]*strings.Builder{}
	var order []string
	drawn := map[string]float64{}
	for _, s := range segments {
		if s.class == "" || s.To < c.span.From || s.From > c.span.To {
			continue
		}
		x, end := c.x(s.From), c.x(s.To)
		if at, known := drawn[s.class]; known && end < at+0.5 {
			continue
		}
		if paths[s.class] == nil {
			paths[s.class] = &strings.Builder{}
			order = append(order, s.class)
		}
		drawn[s.class] = max(end, x+1)
		fmt.Fprintf(paths[s.class], "M%.1f %.1fh%.1f", x, y, max(1, end-x))
	}
	for _, k := range order {
		fmt.Fprintf(c, `<path class="%s%s" d="%s"/>`, class, k, paths[k])
	}
}

// binWidth of the operations' bars.
const binWidth = 3.0

// bin is how many operations of a short time ended how.
type bin struct{ ok, fail, unknown int }

// bins counts the operations of a group, and the most in one bin.
func (c *canvas) bins(of string) (bins []bin, most int) {
	bins, most = make([]bin, int((right-left)/binWidth)+1), 1
	for i := range c.h.Ops {
		op := &c.h.Ops[i]
		if group(op.Kind) != of || op.Invoke < c.span.From || op.Invoke > c.span.To {
			continue
		}
		b := &bins[int((c.x(op.Invoke)-left)/binWidth)]
		switch op.Outcome {
		case history.OK:
			b.ok++
		case history.Fail:
			b.fail++
		default:
			b.unknown++
		}
		most = max(most, b.ok, b.fail+b.unknown)
	}
	return bins, most
}

// operations draws how many ended how, in bars; what is not ok hangs below.
func (c *canvas) operations(of string) {
	bins, most := c.bins(of)
	base := c.y + opRow*0.6
	c.text(left-8, base+3, "name", of)
	var ok, fail, unknown strings.Builder
	bar := func(to *strings.Builder, x, from float64, n int, sign float64) float64 {
		if n == 0 {
			return from
		}
		height := max(2, math.Sqrt(float64(n)/float64(most))*opRow*0.55) * sign
		fmt.Fprintf(to, "M%.0f %.1fv%.1f", x, from, height)
		return from + height
	}
	for i, b := range bins {
		x := left + float64(i)*binWidth
		bar(&ok, x, base, b.ok, -1)
		bar(&unknown, x, bar(&fail, x, base+1, b.fail, 1), b.unknown, 1)
	}
	for _, p := range []struct {
		class string
		path  *strings.Builder
	}{{"ok", &ok}, {"fail", &fail}, {"unknown", &unknown}} {
		if p.path.Len() > 0 {
			fmt.Fprintf(c, `<path class="op %s" d="%s"/>`, p.class, p.path)
		}
	}
	c.y += opRow + 6
}
