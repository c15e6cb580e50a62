package watch

import (
	"slices"

	tea "charm.land/bubbletea/v2"
)

// keyHelp is what ? shows.
var keyHelp = []struct{ keys, what string }{
	{"↑ ↓  j k", "one DN up or down"},
	{"PgUp PgDn  Home End  g G", "a page, the first, the last"},
	{"Enter", "why it gets calls or none; again: on the whole screen"},
	{"Esc", "back; leave a filter"},
	{"/", "filter: words that a row has, all of them"},
	{"", "FIELD:WORD in a field, -WORD for what has it not"},
	{"", "fields: dn, state, owner, site, reason, agent,"},
	{"", "use, routable, group"},
	{"s  S", "the next order; the other way round"},
	{"o", "only what is out of service"},
	{"Ctrl-Z", "suspend; fg comes back"},
	{"?", "this"},
	{"q  Ctrl-C", "end"},
}

// key obeys a key.
func (s *screen) key(k tea.KeyPressMsg) tea.Cmd {
	switch name := k.String(); {
	case name == "ctrl+c":
		return tea.Quit
	case name == "ctrl+z":
		return tea.Suspend
	case s.input.Focused():
		return s.typed(name, k)
	case s.help:
		s.help = false
		return nil
	case s.pane == full && s.scroll(name):
		return nil
	case s.move(name):
		if s.whyOf != s.chosen {
			s.why, s.whyTop = nil, 0
		}
		return s.askWhy()
	default:
		return s.does(name)
	}
}

// typed is a key while a filter is written: each is tried at once.
func (s *screen) typed(name string, k tea.KeyPressMsg) (cmd tea.Cmd) {
	switch name {
	case "enter":
		s.input.Blur()
		return nil
	case "esc":
		s.input.Blur()
		s.input.SetValue("")
	default:
		s.input, cmd = s.input.Update(k)
	}
	return tea.Batch(cmd, s.filterBy(s.input.Value()))
}

// filterBy shows what passes; a filter that can't be read changes nothing.
func (s *screen) filterBy(text string) tea.Cmd {
	f, err := readFilter(text)
	s.problem, s.unanswered = clean(err), ""
	if err != nil {
		return nil
	}
	s.filter = f
	s.refresh(true)
	return s.askMembers()
}

// does what a key stands for that moves nothing.
func (s *screen) does(name string) tea.Cmd {
	switch name {
	case "q":
		return tea.Quit
	case "?":
		s.help = true
	case "/":
		return s.input.Focus()
	case "s":
		s.order = order{by: (s.order.by + 1) % len(orders)}
		s.refresh(true)
	case "S":
		s.order.reversed = !s.order.reversed
		s.refresh(true)
	case "o":
		s.outOnly = !s.outOnly
		s.refresh(true)
	case "enter":
		s.pane, s.whyTop, s.byKey = min(s.pane+1, full), 0, true
		return s.askWhy()
	case "esc":
		if s.pane > closed {
			s.pane, s.whyTop = s.pane-1, 0
			return nil
		}
		s.input.SetValue("")
		return s.filterBy("")
	}
	return nil
}

// steps are how far keys move: in lines, and in pages.
var steps = map[string]struct{ lines, pages int }{
	"up": {-1, 0}, "k": {-1, 0}, "down": {1, 0}, "j": {1, 0},
	"pgup": {0, -1}, "pgdown": {0, 1}, "ctrl+b": {0, -1}, "ctrl+f": {0, 1}, "space": {0, 1},
}

const far = 1 << 30

// move moves the choice, and tells whether the key is one that does.
func (s *screen) move(name string) bool {
	to := s.at()
	switch step, ok := steps[name]; {
	case ok:
		to += step.lines + step.pages*s.room()
	case name == "home" || name == "g":
		to = 0
	case name == "end" || name == "G":
		to = far
	default:
		return false
	}
	s.byKey = true
	s.choose(to)
	return true
}

// scroll moves the text that fills the screen.
func (s *screen) scroll(name string) bool {
	step, ok := steps[name]
	if ok {
		page := s.height - 2
		s.whyTop = max(min(s.whyTop+step.lines+step.pages*page, len(s.why)-page), 0)
	}
	return ok
}

// at is where the chosen DN is among the shown ones; where it was when it is none.
func (s *screen) at() int {
	if i := slices.Index(s.shown, s.chosen); i >= 0 {
		return i
	}
	return s.top
}

// choose chooses the i-th of the shown DNs, or the nearest, and has it on the screen.
func (s *screen) choose(i int) {
	i = max(min(i, len(s.shown)-1), 0)
	s.chosen = ""
	if len(s.shown) > 0 {
		s.chosen = s.shown[i]
	}
	room := s.room()
	s.top = max(min(s.top, i, len(s.shown)-room), 0)
	s.top = max(s.top, i-room+1)
}
