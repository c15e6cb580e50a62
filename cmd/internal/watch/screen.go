package watch

import (
	"context"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
)

const (
	// drawEvery is how often a board that changes is drawn.
	drawEvery = 100 * time.Millisecond
	// manyRows are so many that a board of them is drawn once in manyEvery only.
	manyRows, manyEvery = 5_000, time.Second
	// askEvery is how often the node is asked for what no stream tells.
	askEvery = time.Second
)

// asks are the questions of a board to its node; each is bounded in time.
type asks struct {
	status func() (*tcpb.StatusResponse, error)
	// list has every DN of a group, and of the watch's filter for "".
	list func(group string) ([]*tcpb.DNStatus, error)
	why  func(dn string) (*tcpb.ExplainDNResponse, error)
}

// pane is what is shown of the chosen DN.
type pane int

const (
	closed pane = iota
	half
	full
)

// screen is a board on a terminal: a model of bubbletea.
type screen struct {
	rows   *rows
	ask    asks
	now    func() time.Time
	colour bool

	width, height int
	order         order
	filter        filter
	members       map[string]map[string]bool
	// outOnly leaves what is out of service.
	outOnly bool
	input   textinput.Model
	// problem is what is wrong with what was typed; unanswered is why the last list is
	// not known.
	problem, unanswered string
	help                bool

	// shown are the DNs in order as of a version of the rows, and when that was.
	shown   []string
	version int
	drawn   time.Time
	// chosen DN, by a key or because it is the first, and the first of shown on the screen.
	chosen string
	byKey  bool
	top    int

	pane pane
	why  []string
	// of whom why is, and its first line on the screen.
	whyOf  string
	whyTop int

	// applied is the configuration's index at the last list, and whole the snapshots.
	applied uint64
	whole   int
	listing bool
	asking  bool
}

type (
	tickMsg   time.Time
	askMsg    time.Time
	statusMsg struct {
		status *tcpb.StatusResponse
		err    error
	}
	listMsg struct {
		applied uint64
		whole   int
		err     error
	}
	membersMsg struct {
		group string
		dns   map[string]bool
		err   error
	}
	whyMsg struct {
		dn    string
		lines []string
	}
)

func newScreen(r *rows, ask asks, now func() time.Time, colour bool) *screen {
	input := textinput.New()
	input.Prompt, input.CharLimit = "/", 200
	styles := input.Styles()
	styles.Cursor.Blink = false
	input.SetStyles(styles)
	return &screen{rows: r, ask: ask, now: now, colour: colour, width: 80, height: 24, input: input, members: map[string]map[string]bool{}, version: -1}
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return tea.Batch(tick(), s.askStatus(), nextAsk()) }

func tick() tea.Cmd    { return tea.Tick(drawEvery, func(t time.Time) tea.Msg { return tickMsg(t) }) }
func nextAsk() tea.Cmd { return tea.Tick(askEvery, func(t time.Time) tea.Msg { return askMsg(t) }) }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = max(m.Width, 20), max(m.Height, 6)
	case tea.KeyPressMsg:
		return s, s.key(m)
	case tickMsg:
		s.refresh(false)
		return s, tick()
	case askMsg:
		return s, tea.Batch(nextAsk(), s.askStatus(), s.askWhy())
	case statusMsg:
		s.asking = false
		if m.err == nil {
			s.rows.setStatus(m.status)
		}
		return s, s.askList()
	case listMsg:
		s.listing = false
		if s.unanswered = clean(m.err); m.err == nil {
			s.applied, s.whole = m.applied, m.whole
			return s, s.askMembers()
		}
	case membersMsg:
		if s.unanswered = clean(m.err); m.err == nil {
			s.members[m.group] = m.dns
			s.refresh(true)
		}
	case whyMsg:
		if s.whyOf = m.dn; m.dn == s.chosen {
			s.why = m.lines
		}
	default:
		var cmd tea.Cmd
		s.input, cmd = s.input.Update(msg) // its cursor, what is pasted
		return s, cmd
	}
	return s, nil
}

// askStatus asks the node for itself and its peers, one question at a time.
func (s *screen) askStatus() tea.Cmd {
	if s.asking {
		return nil
	}
	s.asking = true
	return func() tea.Msg {
		status, err := s.ask.status()
		return statusMsg{status, err}
	}
}

// askList lists the DNs anew when a snapshot has ended, or the configuration is another.
func (s *screen) askList() tea.Cmd {
	s.rows.mu.Lock()
	applied, whole := s.rows.status.GetRaft().GetAppliedIndex(), s.rows.whole
	s.rows.mu.Unlock()
	if s.listing || whole == 0 || applied == s.applied && whole == s.whole {
		return nil
	}
	s.listing = true
	return func() tea.Msg {
		s.rows.listing()
		all, err := s.ask.list("")
		if err == nil {
			s.rows.listed(all)
		}
		return listMsg{applied, whole, err}
	}
}

// askMembers asks who is in the groups that the filter names.
func (s *screen) askMembers() tea.Cmd {
	var all []tea.Cmd
	for _, name := range s.filter.groups() {
		all = append(all, func() tea.Msg {
			dns, err := s.ask.list(name)
			in := make(map[string]bool, len(dns))
			for _, d := range dns {
				in[d.Dn] = true
			}
			return membersMsg{name, in, err}
		})
	}
	return tea.Batch(all...)
}

// askWhy asks about the chosen DN while a pane shows it.
func (s *screen) askWhy() tea.Cmd {
	dn, width := s.chosen, s.width
	if s.pane == closed || dn == "" {
		return nil
	}
	return func() tea.Msg {
		r, err := s.ask.why(dn)
		return whyMsg{dn, whyLines(s.now(), width, s.colour, r, err)}
	}
}

// refresh brings shown up to date: when the rows have changed and it is time to draw them,
// or at once.
func (s *screen) refresh(must bool) {
	now := s.now()
	s.rows.mu.Lock()
	defer s.rows.mu.Unlock()
	if !must && (s.rows.version == s.version || len(s.rows.of) > manyRows && now.Sub(s.drawn) < manyEvery) {
		return
	}
	s.shown = s.rows.ordered(s.order, func(e *tcpb.DNEvent) bool {
		return (!s.outOnly || e.GetState() != tcpb.DNState_DN_STATE_IN_SRV) && s.filter.passes(e, s.members)
	})
	s.version, s.drawn = s.rows.version, now
	at := 0
	if s.byKey {
		at = s.at()
	}
	s.choose(at)
}

// run shows the board until the context ends or who sits before it leaves.
func (s *screen) run(ctx context.Context, options ...tea.ProgramOption) error {
	_, err := tea.NewProgram(s, append(options, tea.WithContext(ctx), tea.WithoutSignalHandler())...).Run()
	if client.Interrupted(ctx) {
		return nil
	}
	return err
}
