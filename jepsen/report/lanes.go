package report

import (
	"slices"
	"time"

	"github.com/sipcluster/sipcluster/jepsen/check"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// segment is a stretch in which something looked the same.
type segment struct {
	check.Span
	class string
}

// laneKey is a DN as seen by a node.
type laneKey struct{ node, dn string }

// lanes turns the polls into segments, once for all pictures.
func lanes(h *history.History, number map[string]int) map[laneKey][]segment {
	out := map[laneKey][]segment{}
	var dns []string
	seen := map[string]bool{}
	for i := range h.Ops {
		if op := &h.Ops[i]; (op.Kind == history.Register || op.Kind == history.RegisterAddress) && !seen[op.Key] {
			seen[op.Key] = true
			dns = append(dns, op.Key)
		}
	}
	for i := range h.Polls {
		p := &h.Polls[i]
		if p.View != history.Table {
			continue
		}
		rows := map[string]history.Row{}
		for _, r := range p.Rows {
			rows[r.DN] = r
		}
		for _, dn := range dns {
			class := ""
			if p.Error == "" {
				class = look(rows[dn], number)
			}
			k := laneKey{p.Node, dn}
			out[k] = extend(out[k], p.Answered, class)
		}
	}
	return out
}

// look is how a row is painted: in the owner's colour, thick in service.
func look(r history.Row, number map[string]int) string {
	i, known := number[r.Owner]
	switch {
	case !known:
		return "none"
	case r.InSrv:
		return "in" + string(rune('0'+i%colors))
	default:
		return "out" + string(rune('0'+i%colors))
	}
}

// extend adds what was seen at a time: it holds until the next look.
func extend(s []segment, at time.Duration, class string) []segment {
	if n := len(s); n > 0 {
		s[n-1].To = at
		if s[n-1].class == class {
			return s
		}
	}
	return append(s, segment{check.Span{From: at, To: at}, class})
}

// life is when a process ran, was paused, starting or gone.
func life(h *history.History, node string) []segment {
	state, since := "up", time.Duration(0)
	var out []segment
	for _, l := range h.Lives {
		if l.Node != node {
			continue
		}
		next := state
		switch l.Kind {
		case history.Launched:
			next = "starting"
		case history.Ready, history.Resumed:
			next = "up"
		case history.Stopped:
			next = "paused"
		case history.Killed, history.Exited:
			next = "down"
		}
		if next != state {
			out = append(out, segment{check.Span{From: since, To: l.At}, state})
			state, since = next, l.At
		}
	}
	return append(out, segment{check.Span{From: since, To: h.End}, state})
}

// stacked is a fault with the row in which it is painted.
type stacked struct {
	*history.Fault
	row int
}

// stack puts faults that overlap into rows of their own.
func stack(h *history.History, s check.Span, gap time.Duration) ([]stacked, int) {
	var out []stacked
	var until []time.Duration
	for i := range h.Faults {
		f := &h.Faults[i]
		if f.Inject > s.To || f.Healed < s.From {
			continue
		}
		row := slices.IndexFunc(until, func(t time.Duration) bool { return t <= f.Inject })
		if row < 0 {
			row = len(until)
			until = append(until, 0)
		}
		until[row] = f.Healed
		if f.Healed != history.Never {
			until[row] += gap
		}
		out = append(out, stacked{f, row})
	}
	return out, max(1, len(until))
}

// severity colours a fault by what it does.
func severity(e *history.Effect) string {
	switch {
	case len(e.Down) > 0:
		return "f-down"
	case len(e.Paused) > 0:
		return "f-pause"
	case len(e.Cut) > 0:
		return "f-cut"
	case len(e.CutPorts) > 0:
		return "f-port"
	case len(e.Unsteady) > 0:
		return "f-loss"
	default:
		return "f-other"
	}
}

// group of an operation, for the lanes at the bottom.
func group(k history.Kind) string {
	switch k {
	case history.Register, history.Unregister, history.Options, history.Query, history.Invite,
		history.Enrol, history.Dial, history.Ring, history.Talk, history.Within:
		return "phones"
	default:
		return "configuration"
	}
}
