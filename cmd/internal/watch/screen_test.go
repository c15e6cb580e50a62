package watch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/clienttest"
	"github.com/sipcluster/sipcluster/cmd/internal/view"
)

// node answers the questions of a screen.
type node struct {
	status tcpb.StatusResponse
	dns    []*tcpb.DNStatus
	groups map[string][]*tcpb.DNStatus
	why    func(dn string) (*tcpb.ExplainDNResponse, error)
}

// on is a screen of a node, with 1001 to 1003, of which 1002 never registered.
func on(t *testing.T, req *tcpb.WatchRequest, width, height int) (*screen, *node) {
	t.Helper()
	n := &node{
		dns:    []*tcpb.DNStatus{{Dn: "1001", State: view.InSrv, Since: clienttest.Since}, {Dn: "1002", State: view.OOS}, {Dn: "1003", State: view.InSrv, Since: clienttest.Since}},
		groups: map[string][]*tcpb.DNStatus{},
	}
	n.status.Raft = &tcpb.RaftStatus{Quorum: true, AppliedIndex: 7}
	r := newRows(req)
	s := newScreen(r, asks{
		status: func() (*tcpb.StatusResponse, error) { return &n.status, nil },
		list: func(group string) ([]*tcpb.DNStatus, error) {
			if group == "" {
				return n.dns, nil
			}
			if n.groups[group] == nil {
				return nil, errors.New("group " + group + " is not configured")
			}
			return n.groups[group], nil
		},
		why: func(dn string) (*tcpb.ExplainDNResponse, error) { return n.why(dn) },
	}, func() time.Time { return clienttest.Noon }, false)
	s.Update(tea.WindowSizeMsg{Width: width, Height: height})
	r.Started(&tcpb.WatchStarted{Node: "sip1"})
	for _, e := range []*tcpb.DNEvent{onBoard("1003", "7003", tcpb.AgentState_AGENT_STATE_NOT_READY), onBoard("1001", "7001", ready)} {
		_ = r.Event(e)
	}
	_ = r.EndOfSnapshot(9)
	s.asks()
	return s, n
}

// asks asks all that a second makes it ask, and shows the answers.
func (s *screen) asks() {
	s.obeys(s.askStatus())
	s.obeys(s.askWhy())
	s.refresh(true)
}

// obeys does a command and what follows from it, but for what goes on for ever.
func (s *screen) obeys(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch m := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range m {
			s.obeys(c)
		}
	case statusMsg, listMsg, membersMsg, whyMsg:
		_, next := s.Update(m)
		s.obeys(next)
	}
}

var keyCodes = map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp, "end": tea.KeyEnd, "home": tea.KeyHome, "pgdown": tea.KeyPgDown, "backspace": tea.KeyBackspace}

// press presses keys one after the other: words of keyCodes, and single characters.
func (s *screen) press(keys ...string) {
	for _, k := range keys {
		if code, ok := keyCodes[k]; ok {
			_, cmd := s.Update(tea.KeyPressMsg{Code: code})
			s.obeys(cmd)
			continue
		}
		for _, r := range k {
			_, cmd := s.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
			s.obeys(cmd)
		}
	}
}

// text is the screen without the blanks at the ends of its lines.
func (s *screen) text() string {
	all := s.lines()
	for i := range all {
		all[i] = strings.TrimRight(all[i], " ")
	}
	return strings.Join(all, "\n")
}

// listed are the DNs on the screen, from above.
func (s *screen) dns() string {
	var all []string
	for _, line := range s.lines()[4:] {
		if f := strings.Fields(strings.TrimPrefix(line, "> ")); strings.HasPrefix(line, "  1") || strings.HasPrefix(line, "> 1") {
			all = append(all, f[0])
		}
	}
	return strings.Join(all, " ")
}

func TestScreen_ShowsEveryDNInOrder(t *testing.T) {
	s, _ := on(t, &tcpb.WatchRequest{}, 130, 10)
	clienttest.Same(t, s.text(), `seen from sip1   DNs 3   in service 2   agents ready 1   routable 2   calls 0
nodes

  DN    STATE    FOR    OWNER  SITE  REASON      AGENT                    FOR  USE  ROUTABLE  CALL  WITH  FOR
> 1001  ● InSrv  3m12s  sip1   dc1   registered  7001 ready, auto-in      4s   -    yes       -     -     -
  1002  ○ OOS    -      -      -     -           -                        -    -    no        -     -     -
  1003  ● InSrv  3m12s  sip1   dc1   registered  7003 not-ready, auto-in  4s   -    yes       -     -     -


1-3 of 3   / filter  s order  Enter why  ? help  q end`)
}

// What has no room is told: how many columns, and that a cell was longer.
func TestScreen_NoLineIsWiderThanTheTerminal(t *testing.T) {
	for width := 20; width < 160; width++ {
		s, n := on(t, &tcpb.WatchRequest{}, width, 12)
		n.status.Peers = []*tcpb.PeerStatus{{Node: "sip2", Reachable: true}, {Node: "sip3", Reason: "cut", Since: clienttest.Since}}
		long := onBoard("1001", strings.Repeat("ä", 60), ready)
		_ = s.rows.Event(long)
		s.asks()
		for _, keys := range [][]string{{}, {"enter"}, {"enter"}, {"esc", "esc", "?"}} {
			n.why = func(string) (*tcpb.ExplainDNResponse, error) {
				return &tcpb.ExplainDNResponse{Sentence: strings.Repeat("because ", 30)}, nil
			}
			s.press(keys...)
			all := s.lines()
			if len(all) > 12 {
				t.Errorf("%d lines", len(all))
			}
			for _, line := range all {
				if len([]rune(line)) > width {
					t.Errorf("width %d: %q", width, line)
				}
			}
		}
	}
	s, _ := on(t, &tcpb.WatchRequest{}, 80, 10)
	if text := s.text(); !strings.Contains(text, "ROUTABLE  +") || strings.Contains(text, "WITH") {
		t.Error(text)
	}
	_ = s.rows.Event(onBoard("1001", strings.Repeat("7", 60), ready))
	s.asks()
	if text := s.text(); !strings.Contains(text, "777…") {
		t.Error(text)
	}
}

func TestScreen_InACutWhatIsOutOfServiceIsFirst(t *testing.T) {
	s, n := on(t, &tcpb.WatchRequest{}, 100, 12)
	lost := onBoard("1003", "7003", ready)
	lost.State, lost.Reason, lost.Routable, lost.Time = view.OOS, tcpb.Reason_REASON_PEER_LOST, false, timestamppb.New(clienttest.Noon)
	_ = s.rows.Event(lost)
	s.asks()
	clienttest.Same(t, s.dns(), "1001 1002 1003")
	n.status.Peers = []*tcpb.PeerStatus{{Node: "sip2", Reachable: true}, {Node: "sip3", Reason: "cut", Since: clienttest.Since}}
	s.asks()
	clienttest.Same(t, s.dns(), "1003 1002 1001")
	if s.chosen != "1003" {
		t.Errorf("chosen is %s: nobody has chosen one, so the first is shown", s.chosen)
	}
	if text := s.text(); !strings.Contains(text, "● sip2  ✕ sip3 cut 3m12s") || !strings.Contains(text, "out of service first") {
		t.Error(text)
	}
	s.press("o")
	clienttest.Same(t, s.dns(), "1003 1002")
}

func TestScreen_FollowsTheConfiguration(t *testing.T) {
	s, n := on(t, &tcpb.WatchRequest{}, 100, 12)
	n.dns = append(n.dns[2:], &tcpb.DNStatus{Dn: "1004", State: view.OOS}) // 1001 and 1002 are gone, and nothing said so
	s.asks()
	clienttest.Same(t, s.dns(), "1001 1002 1003") // the configuration is the same
	n.status.Raft.AppliedIndex++
	s.asks()
	clienttest.Same(t, s.dns(), "1003 1004")
	n.status.Raft.AppliedIndex++
	s.ask.list = func(string) ([]*tcpb.DNStatus, error) {
		_ = s.rows.Event(onBoard("1005", "7005", ready)) // while it is listed
		return n.dns, nil
	}
	s.asks()
	clienttest.Same(t, s.dns(), "1003 1004 1005")
	s.rows.Started(&tcpb.WatchStarted{Node: "sip1"})
	_ = s.rows.EndOfSnapshot(10) // has none of them: what was deleted while nobody heard
	n.dns = nil
	s.asks()
	clienttest.Same(t, s.dns(), "1005")
	s.rows.Started(&tcpb.WatchStarted{Node: "sip1", Resumed: true})
	s.asks()
	clienttest.Same(t, s.dns(), "1005")
}

func TestScreen_Filters(t *testing.T) {
	s, n := on(t, &tcpb.WatchRequest{}, 120, 12)
	n.groups["Sales"] = n.dns[:2]
	for text, want := range map[string]string{
		"": "1001 1002 1003", "7003": "1003", "NOT-ready": "1003", "state:oos": "1002", "-state:oos": "1001 1003", "-7003 -state:oos": "1001",
		"owner:sip1 agent:ready": "1001 1003", "agent:7001": "1001", "group:Sales": "1001 1002", "-group:Sales": "1003", "routable:no": "1002", "site:dc9": "", "1002 1001": "", "state:": "1001 1002 1003",
	} {
		s.press("/", text, "enter")
		clienttest.Same(t, text+": "+s.dns(), text+": "+want)
		s.press("esc")
		clienttest.Same(t, s.dns(), "1001 1002 1003")
	}
	s.press("/", "7003", "backspace", "1")
	clienttest.Same(t, s.dns(), "1001")
	s.press("esc", "/", "colour:red")
	if foot := s.foot(); !strings.Contains(foot, `no field "colour": dn, state`) {
		t.Error(foot)
	}
	s.press("esc", "/", "group:nobody", "enter")
	if foot := s.foot(); !strings.Contains(foot, "group nobody is not configured") {
		t.Error(foot)
	}
	s.press("esc")
	if foot := s.foot(); !strings.HasPrefix(foot, "1-3 of 3") {
		t.Error(foot)
	}
}

func TestScreen_OrdersAndKeepsTheChoice(t *testing.T) {
	s, _ := on(t, &tcpb.WatchRequest{}, 120, 12)
	s.press("j", "down")
	if s.chosen != "1003" {
		t.Error(s.chosen)
	}
	s.press("s") // by state
	clienttest.Same(t, s.dns(), "1002 1001 1003")
	s.press("S")
	clienttest.Same(t, s.dns(), "1003 1001 1002")
	if s.chosen != "1003" || !strings.Contains(s.foot(), "order STATE reversed") {
		t.Error(s.chosen, s.foot())
	}
	for range orders {
		s.press("s")
	}
	if strings.Contains(s.foot(), "reversed") {
		t.Error(s.foot())
	}
	s.rows.remove("1003")
	s.asks()
	if s.chosen == "1003" || s.chosen == "" {
		t.Error(s.chosen)
	}
}

func TestScreen_TellsWhy(t *testing.T) {
	s, n := on(t, &tcpb.WatchRequest{}, 100, 16)
	n.why = func(dn string) (*tcpb.ExplainDNResponse, error) {
		if dn == "1003" {
			return nil, client.ErrNobody
		}
		r := &tcpb.ExplainDNResponse{Sentence: dn + " gets none."}
		for i := range 30 {
			r.Conditions = append(r.Conditions, &tcpb.Condition{Value: fmt.Sprint("value ", i)})
		}
		return r, nil
	}
	s.press("j", "enter")
	if text := s.text(); !strings.Contains(text, "── 1002 ──") || !strings.Contains(text, "1002 gets none.") || !strings.Contains(text, "more lines: Enter") || s.dns() == "" {
		t.Error(text)
	}
	s.press("j")
	if text := s.text(); !strings.Contains(text, "── 1003 ──") || !strings.Contains(text, "no sipcluster node answers") || strings.Contains(text, "1002 gets none") {
		t.Error(text)
	}
	s.press("k", "enter", "pgdown")
	if text := s.text(); !strings.Contains(text, "lines 15-28 of 33") || strings.Contains(text, "1002 gets none.") {
		t.Error(text)
	}
	s.press("pgdown", "pgdown", "pgdown")
	if text := s.text(); !strings.Contains(text, "value 29") || !strings.Contains(text, "lines 20-33 of 33") {
		t.Error(text)
	}
	s.press("esc", "esc")
	if text := s.text(); strings.Contains(text, "──") {
		t.Error(text)
	}
	s.press("?")
	if text := s.text(); !strings.Contains(text, "Ctrl-Z") {
		t.Error(text)
	}
	s.press("x")
	if text := s.text(); strings.Contains(text, "Ctrl-Z") {
		t.Error(text)
	}
}

func TestScreen_Moves(t *testing.T) {
	s, n := on(t, &tcpb.WatchRequest{}, 100, 10)
	n.dns = nil
	for i := range 1000 {
		n.dns = append(n.dns, &tcpb.DNStatus{Dn: fmt.Sprint(1000 + i), State: view.OOS})
	}
	n.status.Raft.AppliedIndex++
	s.asks()
	for _, step := range []struct{ key, chosen, shown string }{
		{"end", "1999", "1995 1996 1997 1998 1999"}, {"home", "1000", "1000 1001 1002 1003 1004"}, {"pgdown", "1005", "1001 1002 1003 1004 1005"},
		{"k", "1004", "1001 1002 1003 1004 1005"}, {"G", "1999", "1995 1996 1997 1998 1999"}, {"j", "1999", "1995 1996 1997 1998 1999"}, {"g", "1000", "1000 1001 1002 1003 1004"}, {"up", "1000", "1000 1001 1002 1003 1004"},
	} {
		s.press(step.key)
		if s.chosen != step.chosen || s.dns() != step.shown {
			t.Errorf("%s: %s, %s", step.key, s.chosen, s.dns())
		}
	}
	s.press("G")
	s.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
	s.refresh(true)
	if got := s.dns(); !strings.HasSuffix(got, " 1999") || strings.Count(got, " ") != 24 {
		t.Error(got)
	}
	s.Update(tea.WindowSizeMsg{Width: 100, Height: 7})
	s.refresh(true)
	if got := s.dns(); got != "1998 1999" {
		t.Error(got)
	}
}

func TestScreen_ASnapshotEndsWhatItDoesNotHave(t *testing.T) {
	s, _ := on(t, &tcpb.WatchRequest{}, 120, 12)
	s.rows.Lost(client.ErrNobody)
	if head := s.head(); !strings.HasPrefix(head, "no sipcluster node answers; reconnecting") {
		t.Error(head)
	}
	s.rows.Found()
	s.rows.Started(&tcpb.WatchStarted{Node: "sip1"})
	_ = s.rows.Event(onBoard("1001", "7001", ready))
	_ = s.rows.EndOfSnapshot(9)
	s.refresh(true)
	if got := s.text(); strings.Contains(got, "1003") || strings.Contains(got, "reconnecting") || !strings.Contains(got, "DNs 1 ") {
		t.Error(got)
	}
}

func TestScreen_ADNThatLeavesTheFilterIsGone(t *testing.T) {
	moved := onBoard("1001", "7001", ready)
	moved.Owner = "sip2"
	deleted := &tcpb.DNEvent{Dn: "1001", State: view.OOS, Owner: "sip1", Reason: tcpb.Reason_REASON_DELETED}
	for name, tc := range map[string]struct {
		req   *tcpb.WatchRequest
		event *tcpb.DNEvent
	}{
		"own":     {&tcpb.WatchRequest{OwnOnly: true}, moved},
		"owner":   {&tcpb.WatchRequest{Filter: &tcpb.Filter{Owner: "sip1"}}, moved},
		"deleted": {&tcpb.WatchRequest{}, deleted},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := on(t, tc.req, 120, 12)
			if !slices.Contains(s.shown, "1001") {
				t.Error("it never was there")
			}
			_ = s.rows.Event(tc.event)
			s.refresh(false)
			if strings.Contains(s.text(), "1001") {
				t.Error(s.text())
			}
		})
	}
}

// BenchmarkScreen_Refresh: 100,000 DNs of which one changes.
func BenchmarkScreen_Refresh(b *testing.B) {
	r := newRows(&tcpb.WatchRequest{})
	for i := range 100_000 {
		_ = r.Event(onBoard(fmt.Sprint(100_000+i), "7001", ready))
	}
	s := newScreen(r, asks{}, time.Now, true)
	for b.Loop() {
		_ = r.Event(onBoard("150000", "7001", ready))
		s.refresh(true)
		_ = s.lines()
	}
}
